"""Ask for the shape of each input, and for the seed of random weights."""

from typing import Any

import streamlit as st

from modelview.sources.base import Shape
from modelview.ui import begun

_NAMES = {
    2: ("Batch", "Features"),
    3: ("Batch", "Length", "Features"),
    4: ("Batch", "Channels", "Height", "Width"),
    5: ("Batch", "Channels", "Frames", "Height", "Width"),
}

WIDTH = 70
"""Of a field for a size, in pixels: four stand side by side on a wide page, on a narrow one they wrap."""


def shape_form(example: tuple[Shape, ...], now: tuple[Shape, ...], key: str) -> tuple[Shape, ...]:
    """The shapes that were filled in, one for each input of `example`, beginning with `now`."""
    shapes = now if len(now) == len(example) else example
    fresh = st.session_state.get(f"{key}.for") != (example, shapes)
    st.session_state[f"{key}.for"] = (example, shapes)
    return tuple(
        _one(shape, f"{key}.{number}", f"Input {number + 1}" if len(example) > 1 else "", fresh=fresh)
        for number, shape in enumerate(shapes)
    )


def seed_field(place: Any, key: str, width: int | str = "stretch") -> int:
    """The seed that was filled in. place: a container, or st itself."""
    said = "Of the random weights."
    return int(
        place.number_input("Seed", value=0, step=1, key=key, help=said, width=width, persist_state="session") or 0
    )


def _one(shape: Shape, key: str, title: str, *, fresh: bool) -> Shape:
    if title:
        st.caption(title)
    names = _NAMES.get(len(shape), tuple(f"Size {n + 1}" for n in range(len(shape))))
    found = []
    line = st.container(horizontal=True, gap="xsmall", key=key)
    for name, size in zip(names, shape, strict=True):
        field = f"{key}.{name.lower()}"
        if fresh or st.session_state.get(field) is None:
            begun.show(field, size)
        held: int = st.session_state[field]  # as the default too: whatever becomes of this run, it appears with that
        found.append(int(line.number_input(name, value=held, step=1, key=field, width=WIDTH, persist_state="session")))
    return tuple(found)
