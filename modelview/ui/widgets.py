"""One widget for each type of field that an edit may have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import streamlit as st

from modelview.errors import EditError, ModelviewError
from modelview.fields import Ask, ModulePath, Pattern
from modelview.layers import Layer, written
from modelview.names import short
from modelview.structure import Structure
from modelview.ui import matching, parts, state

Value = Callable[[], Any]
"""Gives what was filled in, as the field's type. Raises EditError where it is nothing of the kind."""


class Unfilled(ModelviewError):
    """A field that has no default is still empty."""


@dataclass(frozen=True)
class Asked:
    """One field of an edit, and all that its widget needs to know."""

    kind: str
    name: str
    type: Any
    ask: Ask
    default: Any
    structure: Structure

    @property
    def key(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def label(self) -> str:
        return self.ask.label or self.name.strip("_").replace("_", " ").capitalize()

    @property
    def is_small(self) -> bool:
        """Whether two of its like stand side by side."""
        return self.type in (int, float) or bool(self.ask.choices)


def _begin(asked: Asked, value: Any) -> None:
    """Let the widget show `value` when it is new; what was filled in since stays."""
    if asked.key not in st.session_state:
        st.session_state[asked.key] = value


def raw(value: Any) -> Any:
    """A field's value as its widget holds it."""
    if isinstance(value, Layer):
        return value.text
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def widget(asked: Asked) -> Callable[[Asked], Value]:
    """The function that draws the widget for a field."""
    if asked.ask.choices:
        return _choice
    if get_origin(asked.type) is tuple:
        return _TUPLES[get_args(asked.type)[0]]
    return _WIDGETS[asked.type]


def _choice(asked: Asked) -> Value:
    choices = asked.ask.choices
    _begin(asked, asked.default if asked.default in choices else choices[0])
    value = st.selectbox(asked.label, choices, key=asked.key, help=asked.ask.help or None)
    return lambda: value


def _module(asked: Asked) -> Value:
    outputs = matching.called(asked.structure)
    paths = [path for path in outputs if path]
    chosen = state.selected() if asked.default is None else asked.default
    if st.session_state.get(asked.key) not in paths:
        st.session_state.pop(asked.key, None)  # what the model does not have any more
    _begin(asked, chosen if chosen in paths else None)
    value = st.selectbox(
        asked.label,
        paths,
        None,
        key=asked.key,
        format_func=lambda path: f"{path}  ·  {outputs[path]}",
        placeholder="Choose a module" if asked.default is None else "none",
        help=asked.ask.help or None,
        filter_mode="contains",
        on_change=_select,
        args=(asked.key,),
    )
    return lambda: _required(asked, value)


def _select(key: str) -> None:
    """The module chosen in a form is the one selected everywhere."""
    state.select(st.session_state.get(key) or "")


def _layer(asked: Asked) -> Value:
    path = path_in(asked)
    if st.session_state.get(f"{asked.key}.for") != path:
        st.session_state[f"{asked.key}.for"] = path
        st.session_state[asked.key] = _written(asked.structure, path)
    value = st.text_input(
        asked.label,
        key=asked.key,
        live="100ms",
        placeholder="Conv2d(3, 64, 7, stride=2)",
        help=asked.ask.help or "A torch.nn class called with plain values.",
    )
    if path:
        st.caption(f"{parts.code(path)} {matching.widths(asked.structure, path)}")
    return lambda: _changed(asked, value, path)


def _changed(asked: Asked, value: str, path: str) -> Layer:
    layer = Layer(_required(asked, value or None))
    if path and value == _written(asked.structure, path):
        raise Unfilled(f"This is the layer that stands at `{path}`. Change it, and see here what comes of it.")
    return layer


def path_in(asked: Asked) -> str:
    """The module that the form is about: the one chosen in it, or the one selected everywhere."""
    found = st.session_state.get(f"{asked.kind}.path")
    return str(found) if found else state.selected()


def _written(structure: Structure, path: str) -> str:
    try:
        return written(structure.module(path)) if path else ""
    except EditError:
        return ""


def _int(asked: Asked) -> Value:
    _begin(asked, asked.default)
    value = st.number_input(asked.label, value=None, step=1, key=asked.key, help=asked.ask.help or None)
    return lambda: _required(asked, value)


def _float(asked: Asked) -> Value:
    _begin(asked, asked.default)
    value = st.number_input(
        asked.label, value=None, step=0.05, format="%.2f", key=asked.key, help=asked.ask.help or None
    )
    return lambda: _required(asked, value)


def _bool(asked: Asked) -> Value:
    _begin(asked, bool(asked.default))
    value = st.toggle(asked.label, key=asked.key, help=asked.ask.help or None)
    return lambda: value


def _text(asked: Asked, placeholder: str = "") -> str:
    _begin(asked, raw(asked.default) or "")
    return st.text_input(asked.label, key=asked.key, live="100ms", help=asked.ask.help or None, placeholder=placeholder)


def _string(asked: Asked) -> Value:
    value = _text(asked)
    return lambda: value


def _list(value: str) -> tuple[str, ...]:
    return tuple(item for item in value.replace(",", " ").split() if item)


def _numbers(asked: Asked) -> Value:
    value = _text(asked, "none")

    def read() -> tuple[int, ...]:
        try:
            return tuple(int(item) for item in _list(value))
        except ValueError as error:
            raise EditError(
                f"{asked.label} are whole numbers with commas between, such as 512, 128; got {short(value)!r}."
            ) from error

    return read


def _names(asked: Asked) -> Value:
    value = _text(asked)
    return lambda: _list(value)


def _patterns(asked: Asked) -> Value:
    value = _text(asked, "layer1, *.bn1" if asked.default is None else "none")
    patterns = _list(value)
    if patterns:
        st.caption(matching.counted(asked.structure, patterns))
    return lambda: patterns


def _required(asked: Asked, value: Any) -> Any:
    if value is not None:
        return value
    if asked.default is None or asked.type in (int, float):
        raise Unfilled(f"{asked.label} is still empty. Fill it in to see what changes.")
    return asked.default


_WIDGETS: dict[Any, Callable[[Asked], Value]] = {
    ModulePath: _module,
    Layer: _layer,
    int: _int,
    float: _float,
    bool: _bool,
    str: _string,
}
_TUPLES: dict[Any, Callable[[Asked], Value]] = {int: _numbers, str: _names, Pattern: _patterns}
