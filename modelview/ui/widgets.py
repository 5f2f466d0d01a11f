"""One widget for each type of field that an edit may have."""

from dataclasses import replace
from functools import reduce
from operator import or_
from types import NoneType
from typing import Any, get_args

import streamlit as st

from modelview.errors import EditError
from modelview.fields import FileRef, ModulePath
from modelview.layers import Layer, written
from modelview.names import short
from modelview.render.terminal import plain
from modelview.structure import Structure
from modelview.ui import begun, matching, parts, places, several, state
from modelview.ui.asked import Asked, Unfilled, Value, Widget, required, text_field


def draw(asked: Asked) -> Value:
    """Draw the widget for a field, which begins with the default; what comes back reads it."""
    found = widget(asked)
    begun.begin(asked.key, found.hold(asked, asked.default))
    value = found.draw(asked)
    if not (asked.type is ModulePath and asked.default is None):  # that one follows what is selected everywhere
        begun.remember(asked.key)
    return value


def show(asked: Asked, value: Any) -> None:
    """Have the widget for a field show `value` when it is drawn next."""
    begun.show(asked.key, widget(asked).hold(asked, value))
    if asked.type is Layer:
        st.session_state[_standing(asked)] = path_in(asked)


def widget(asked: Asked) -> Widget:
    """The widget for a field."""
    if asked.ask.choices:
        return Widget(_choice, _held_choice)
    if NoneType in get_args(asked.type):
        return Widget(_optional, lambda asked, value: widget(_given(asked)).hold(asked, value))
    return _WIDGETS[asked.type]


def _same(_: Asked, value: Any) -> Any:
    return value


def _choice(asked: Asked) -> Value:
    value = st.selectbox(
        asked.label, asked.ask.choices, key=asked.key, format_func=lambda choice: choice or "none", help=asked.help
    )
    return lambda: value


def _held_choice(asked: Asked, value: Any) -> Any:
    return value if value in asked.ask.choices else asked.ask.choices[0]


def _given(asked: Asked) -> Asked:
    """The same field as if it could not be None."""
    return replace(asked, type=reduce(or_, (kind for kind in get_args(asked.type) if kind is not NoneType)))


def _optional(asked: Asked) -> Value:
    """The widget of its other type, which may be left empty for None."""
    value = widget(_given(asked)).draw(replace(_given(asked), default=None))

    def read() -> Any:
        try:
            found = value()
        except Unfilled:
            return None
        return None if found in ((), "") else found

    return read


def _module(asked: Asked) -> Value:
    outputs = matching.called(asked.structure)
    paths = [path for path in outputs if path]
    if st.session_state[asked.key] not in paths:  # what the model does not have any more
        held = _held_module(asked, asked.default)
        st.session_state[asked.key] = held if held in paths else None
    value = st.selectbox(
        asked.label,
        paths,
        None,
        key=asked.key,
        format_func=lambda path: f"{path}  ·  {outputs[path]}",
        placeholder="Choose a module" if asked.default is None else "none",
        help=asked.help,
        filter_mode="contains",
        on_change=_select,
        args=(asked.key,),
    )
    return lambda: required(asked, value)


def _held_module(_: Asked, value: Any) -> Any:
    return (state.selected() if value is None else value) or None


def _select(key: str) -> None:
    """The module chosen in a form is the one selected everywhere.

    Where it has gone from the model, the browser still sends what stood in its field: that is no path.
    """
    chosen = st.session_state.get(key)
    state.select(chosen if chosen in matching.called(state.structure()) else "")


def path_in(asked: Asked) -> str:
    """The module that the form is about: the one chosen in it, or the one selected everywhere."""
    found = st.session_state.get(f"{asked.kind}.path")
    return str(found) if found else state.selected()


def _layer(asked: Asked) -> Value:
    path = path_in(asked)
    if not asked.example and st.session_state.get(_standing(asked)) != path:
        st.session_state[_standing(asked)] = path
        st.session_state[asked.key] = _held_layer(asked, None)
    value = st.text_input(
        asked.label,
        key=asked.key,
        live="100ms",
        placeholder=asked.example or "Conv2d(3, 64, 7, stride=2)",
        help=asked.ask.help or "A torch.nn class called with plain values.",
    )
    if path:
        st.caption(f"{parts.code(path)} {matching.widths(asked.structure, path)}")
    return lambda: _changed(asked, value, path)


def _standing(asked: Asked) -> str:
    """Where the session holds the path of the layer that the text was written from."""
    return f"{asked.key}.for"


def _held_layer(asked: Asked, value: Layer | None) -> str:
    """A layer as text; at the beginning the one that is replaced, unless the help gives an example instead."""
    if value is not None:
        return value.text
    return "" if asked.example else _written(asked.structure, path_in(asked))


def _changed(asked: Asked, value: str, path: str) -> Layer:
    layer = Layer(required(asked, value or None))
    if not asked.example and path and value == _written(asked.structure, path):
        raise Unfilled(f"This is the layer that stands at `{path}`. Change it, and see here what comes of it.")
    return layer


def _written(structure: Structure, path: str) -> str:
    try:
        return written(structure.module(path)) if path else ""
    except EditError:
        return ""


def _begun(asked: Asked) -> Any:
    """What stands in a number's field, as its default too; None for one that may be left empty."""
    return None if asked.default is None else st.session_state[asked.key]


def _int(asked: Asked) -> Value:
    value = st.number_input(
        asked.label, value=_begun(asked), step=1, key=asked.key, help=asked.help, placeholder=asked.example or None
    )
    return lambda: required(asked, value)


def _float(asked: Asked) -> Value:
    value = st.number_input(asked.label, value=_begun(asked), step=0.05, format="%g", key=asked.key, help=asked.help)
    return lambda: required(asked, value)


def _bool(asked: Asked) -> Value:
    value = st.toggle(asked.label, key=asked.key, help=asked.help)
    return lambda: value


def _string(asked: Asked) -> Value:
    value = text_field(asked, asked.example)
    return lambda: value


def _file(asked: Asked) -> Value:
    """One of the files that were given in this session; another is dropped on the Open page."""
    given = state.session().files
    value = st.selectbox(
        asked.label,
        given,
        key=asked.key,
        format_func=lambda ref: f"{plain(short(ref.name, 60))} · {ref.sha256[:8]}",
        placeholder="none yet",
        help=asked.help,
    )
    if not given:
        st.page_link(places.place("Open"), label="Drop a file on the Open page", icon=":material/upload_file:")
    return lambda: required(asked, value)


_WIDGETS: dict[Any, Widget] = {
    ModulePath: Widget(_module, _held_module),
    Layer: Widget(_layer, _held_layer),
    int: Widget(_int, _same),
    float: Widget(_float, lambda _, value: None if value is None else float(value)),
    bool: Widget(_bool, lambda _, value: bool(value)),
    str: Widget(_string, lambda _, value: value or ""),
    FileRef: Widget(_file, _same),
    **several.WIDGETS,
}
"""By the type of the field."""
