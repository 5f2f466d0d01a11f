"""A form made from an edit's fields: one widget for each type of field."""

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import streamlit as st

from modelview.edits.base import EDITS, Edit
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


def edit_form(kind: str, structure: Structure) -> Callable[[], Edit]:
    """Draw the form of the edit `kind`; what comes back makes the edit from what was filled in.

    That raises Unfilled where something is still missing, EditError for what cannot be read.
    """
    starts = EDITS[kind].starts(structure)
    if len(starts) > 1:
        with st.container(horizontal=True, gap="small", key=f"{kind}.starts"):
            for number, (words, edit) in enumerate(starts.items()):
                key = f"{kind}.start_{number}"
                st.button(parts.plain(words), key=key, on_click=fill, args=(structure, edit))
    asked = [field for field in _fields(kind, structure) if len(field.ask.choices) != 1]
    values = _drawn([field for field in asked if not field.ask.rare])
    rare = [field for field in asked if field.ask.rare]
    if rare:
        with st.expander("More", key=f"{kind}.more"):
            values |= _drawn(rare)
    return lambda: _made(kind, {name: value() for name, value in values.items()})


def fill(structure: Structure, edit: Edit) -> None:
    """Have the widgets of the edit's form show its fields when they are drawn next."""
    fill_in(EDITS.name_of(type(edit)), structure, {f.name: getattr(edit, f.name) for f in fields(edit)})  # type: ignore[arg-type]


def fill_in(kind: str, structure: Structure, values: dict[str, Any]) -> None:
    """Have the widgets of the form of `kind` show `values`, by field, when they are drawn next."""
    for asked in _fields(kind, structure):
        if asked.name in values:
            value = values[asked.name]
            st.session_state[asked.key] = _raw(value) if asked.type is not ModulePath else value or None
            if asked.type is Layer:
                st.session_state[f"{asked.key}.for"] = values.get("path", _path_in(asked))


def begin(kind: str, values: dict[str, Any], structure: Structure) -> None:
    """Have the Edit page show the edit `kind` with `values` filled in."""
    st.session_state["kind"] = kind
    fill_in(kind, structure, values)


def correct(kind: str, structure: Structure, wrong: str, right: str) -> None:
    """Put `right` for `wrong` wherever it stands in what was typed into a form."""
    for asked in _fields(kind, structure):
        typed = st.session_state.get(asked.key)
        if isinstance(typed, str) and wrong in typed:
            st.session_state[asked.key] = typed.replace(wrong, right)


def typed(kind: str, structure: Structure, wrong: str) -> bool:
    """Whether `wrong` stands in something that was typed into a form."""
    values = (st.session_state.get(asked.key) for asked in _fields(kind, structure))
    return any(isinstance(value, str) and wrong in value for value in values)


def _fields(kind: str, structure: Structure) -> list[Asked]:
    cls = EDITS[kind]
    hints = get_type_hints(cls, include_extras=True)
    start = next(iter(cls.starts(structure).values()), None)
    return [_asked(kind, field, hints[field.name], structure, start) for field in fields(cls)]  # type: ignore[arg-type]


def _asked(kind: str, field: Field[Any], hint: Any, structure: Structure, start: Edit | None) -> Asked:
    ask = Ask()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        ask = next((extra for extra in extras if isinstance(extra, Ask)), ask)
    default = getattr(start, field.name, None if field.default is MISSING else field.default)
    return Asked(kind, field.name, hint, ask, default, structure)


def _made(kind: str, values: dict[str, Any]) -> Edit:
    cls: Any = EDITS[kind]
    patterns = values.pop("patterns", ())
    edit: Edit = cls(*patterns, **values)
    return edit


def _raw(value: Any) -> Any:
    """A field's value as its widget holds it."""
    if isinstance(value, Layer):
        return value.text
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _drawn(asked: list[Asked]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    waiting = list(asked)
    while waiting:
        row = waiting[:2] if len(waiting) > 1 and waiting[0].is_small and waiting[1].is_small else waiting[:1]
        del waiting[: len(row)]
        for field, place in zip(row, st.columns(len(row)) if len(row) > 1 else [st.container()], strict=True):
            with place:
                values[field.name] = _widget(field)(field)
    return values


def _widget(asked: Asked) -> Callable[[Asked], Value]:
    if asked.ask.choices:
        return _choice
    if get_origin(asked.type) is tuple:
        return _TUPLES[get_args(asked.type)[0]]
    return _WIDGETS[asked.type]


def _choice(asked: Asked) -> Value:
    choices = asked.ask.choices
    index = choices.index(asked.default) if asked.default in choices else 0
    value = st.selectbox(asked.label, choices, index, key=asked.key, help=asked.ask.help or None)
    return lambda: value


def _module(asked: Asked) -> Value:
    outputs = matching.called(asked.structure)
    paths = [path for path in outputs if path]
    chosen = state.selected() if asked.default is None else asked.default
    _keep_known(asked.key, paths)
    value = st.selectbox(
        asked.label,
        paths,
        paths.index(chosen) if chosen in paths else None,
        key=asked.key,
        format_func=lambda path: f"{path}  ·  {outputs[path]}",
        placeholder="Choose a module" if asked.default is None else "none",
        help=asked.ask.help or None,
        filter_mode="contains",
    )
    return lambda: _required(asked, value)


def _keep_known(key: str, paths: list[str]) -> None:
    """Forget a choice that the model does not have any more."""
    if key in st.session_state and st.session_state[key] not in paths:
        del st.session_state[key]


def _layer(asked: Asked) -> Value:
    path = _path_in(asked)
    if st.session_state.get(f"{asked.key}.for") != path:
        st.session_state[f"{asked.key}.for"] = path
        st.session_state[asked.key] = _written(asked.structure, path)
    value = st.text_input(
        asked.label,
        key=asked.key,
        live=True,
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


def _path_in(asked: Asked) -> str:
    """The module that the form is about: the one chosen in it, or the one selected everywhere."""
    found = st.session_state.get(f"{asked.kind}.path")
    return str(found) if found else state.selected()


def _written(structure: Structure, path: str) -> str:
    try:
        return written(structure.module(path)) if path else ""
    except EditError:
        return ""


def _int(asked: Asked) -> Value:
    value = st.number_input(asked.label, value=asked.default, step=1, key=asked.key, help=asked.ask.help or None)
    return lambda: _required(asked, value)


def _float(asked: Asked) -> Value:
    value = st.number_input(
        asked.label, value=asked.default, step=0.05, format="%.2f", key=asked.key, help=asked.ask.help or None
    )
    return lambda: _required(asked, value)


def _bool(asked: Asked) -> Value:
    value = st.toggle(asked.label, value=bool(asked.default), key=asked.key, help=asked.ask.help or None)
    return lambda: value


def _text(asked: Asked, placeholder: str = "") -> str:
    return st.text_input(
        asked.label,
        value=_raw(asked.default) or "",
        key=asked.key,
        live=True,
        help=asked.ask.help or None,
        placeholder=placeholder,
    )


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
    if asked.default is None:
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
