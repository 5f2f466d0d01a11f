"""Widgets for fields that hold several values: paths, patterns, names, numbers, classes, pairs, named layers."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from modelview.edits.naming import NamedLayers
from modelview.errors import EditError
from modelview.fields import ModulePath, Pattern
from modelview.layers import Layer
from modelview.names import short
from modelview.render.terminal import plain
from modelview.ui import matching
from modelview.ui.asked import Asked, Value, Widget, required, text_field


def _words(value: str) -> tuple[str, ...]:
    return tuple(item for item in value.replace(",", " ").split() if item)


def _joined(_: Asked, value: Any) -> str:
    """A field of several as one line of text."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _whole(asked: Asked, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(item) for item in _words(value))
    except ValueError as error:
        raise EditError(
            f"{asked.named} whole numbers with commas between, such as {asked.example or '512, 128'}; "
            f"got {short(value)!r}."
        ) from error


def _numbers(asked: Asked) -> Value:
    value = text_field(asked, "none")
    return lambda: _whole(asked, value)


def _size(asked: Asked) -> Value:
    """One whole number, or several."""
    value = text_field(asked, asked.example)

    def read() -> int | tuple[int, ...]:
        found: tuple[int, ...] = required(asked, _whole(asked, value) or None)
        return found[0] if isinstance(found, tuple) and len(found) == 1 else found

    return read


def _names(asked: Asked) -> Value:
    value = text_field(asked, asked.example)
    return lambda: _words(value)


def _patterns(asked: Asked) -> Value:
    value = text_field(asked, "layer1, *.bn1" if asked.default is None else "none")
    patterns = _words(value)
    if patterns:
        st.caption(matching.told(asked.structure, patterns))
    return lambda: patterns


def _pairs(asked: Asked) -> Value:
    value = text_field(asked, asked.example)

    def read() -> tuple[tuple[str, str], ...]:
        pairs = [tuple(side.strip() for side in pair.split("=")) for pair in value.split(",") if pair.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise EditError(
                f"{asked.named} pairs with = between, such as {asked.example or 'encoder = backbone'}; "
                f"got {short(value)!r}."
            )
        found: tuple[tuple[str, str], ...] = required(asked, tuple((old, new) for old, new in pairs) or None)
        return found

    return read


def _held_pairs(_: Asked, value: Any) -> str:
    return ", ".join(f"{old} = {new}" for old, new in value or ())


def _modules(asked: Asked) -> Value:
    """Modules that are called, each with what it returns, in the order in which they were chosen."""
    outputs = matching.returned(asked.structure)
    held = [path for path in st.session_state[asked.key] if path in outputs]
    if held != st.session_state[asked.key]:  # only then: what is set anew may close the list being searched
        st.session_state[asked.key] = held
    chosen = st.multiselect(
        asked.label,
        list(outputs),
        key=asked.key,
        format_func=lambda path: f"{path} · {outputs[path]}" if path in outputs else path,
        placeholder="Choose modules",
        help=asked.help,
        filter_mode="contains",
        select_all=False,
    )
    return lambda: required(asked, tuple(map(ModulePath, chosen)) or None)


def _held_list(_: Asked, value: Any) -> list[Any]:
    return list(value or ())


def _layers(asked: Asked) -> Value:
    """Rows of a name and a layer, one a line."""
    value = st.text_area(
        asked.label, key=asked.key, height="content", help=asked.help, placeholder=asked.example or _ROW
    )

    def read() -> NamedLayers:
        rows = [_row(asked, number, line) for number, line in enumerate(value.splitlines(), start=1) if line.strip()]
        found: NamedLayers = required(asked, tuple(rows) or None)
        return found

    return read


_ROW = "fc = Linear(1000, 10)"


def _row(asked: Asked, number: int, line: str) -> tuple[str, Layer]:
    name, _, layer = (side.strip() for side in line.partition("="))
    if not name.isidentifier() or not layer:
        raise EditError(
            f"Line {number} of {asked.label} is a name and a layer, such as {asked.example or _ROW}; "
            f"got {short(line.strip())!r}."
        )
    return name, Layer(layer)


def _held_layers(_: Asked, value: Any) -> str:
    return "\n".join(f"{name} = {layer.text}" for name, layer in value or ())


def _classes(asked: Asked) -> Value:
    """Classes by number or name: found by typing a part of the name where the names are known."""
    names = asked.structure.categories
    if not names:
        value = text_field(asked, asked.example)
        return lambda: required(asked, _indices(value) or None)
    chosen = st.multiselect(
        asked.label,
        range(len(names)),
        key=asked.key,
        format_func=lambda index: _class(index, names),
        placeholder="Type a part of a name, or numbers with commas between",
        help=asked.help,
        filter_mode="contains",
        select_all=False,
        accept_new_options=True,
    )
    found = [index for item in chosen for index in (_indices(item) if isinstance(item, str) else (item,))]
    return lambda: required(asked, tuple(found) or None)


def _class(index: int | str, names: tuple[str, ...]) -> str:
    return f"{index} · {plain(names[index])}" if isinstance(index, int) and index < len(names) else str(index)


def _indices(value: str) -> tuple[int | str, ...]:
    items = [item.strip() for item in value.split(",") if item.strip()]
    return tuple(int(item) if item.isdecimal() else item for item in items)


def _held_classes(asked: Asked, value: Any) -> Any:
    if not asked.structure.categories:
        return _joined(asked, value)
    return list(value or ())


def _text(draw: Callable[[Asked], Value]) -> Widget:
    return Widget(draw, _joined)


WIDGETS: dict[Any, Widget] = {
    int | tuple[int, ...]: _text(_size),
    tuple[int, ...]: _text(_numbers),
    tuple[str, ...]: _text(_names),
    tuple[Pattern, ...]: _text(_patterns),
    tuple[int | str, ...]: Widget(_classes, _held_classes),
    tuple[ModulePath, ...]: Widget(_modules, _held_list),
    tuple[tuple[str, str], ...]: Widget(_pairs, _held_pairs),
    NamedLayers: Widget(_layers, _held_layers),
}
"""By the type of the field."""
