"""Ask for the shape of each input."""

import streamlit as st

from modelview.sources.base import Shape

_NAMES = {
    2: ("Batch", "Features"),
    3: ("Batch", "Length", "Features"),
    4: ("Batch", "Channels", "Height", "Width"),
    5: ("Batch", "Channels", "Frames", "Height", "Width"),
}


def shape_form(example: tuple[Shape, ...], now: tuple[Shape, ...], key: str) -> tuple[Shape, ...]:
    """The shapes that were filled in, one for each input of `example`, beginning with `now`."""
    return tuple(
        _one(shape, f"{key}.{number}", f"Input {number + 1}" if len(example) > 1 else "")
        for number, shape in enumerate(now if len(now) == len(example) else example)
    )


def _one(shape: Shape, key: str, title: str) -> Shape:
    if title:
        st.caption(title)
    names = _NAMES.get(len(shape), tuple(f"Size {n + 1}" for n in range(len(shape))))
    columns = st.columns(len(shape), gap="small")
    return tuple(
        int(column.number_input(name, value=size, step=1, key=f"{key}.{name.lower()}"))
        for column, name, size in zip(columns, names, shape, strict=True)
    )
