"""A form made from an edit's fields: one widget for each type of field."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from inspect import getdoc
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import streamlit as st

from modelview.edits.base import EDITS, Edit
from modelview.fields import Ask
from modelview.structure import Structure
from modelview.ui import kinds, parts, widgets
from modelview.ui.asked import Asked, Value


def edit_form(kind: str, structure: Structure) -> Callable[[], Edit]:
    """Draw the form of the edit `kind`; what comes back makes the edit from what was filled in.

    That raises Unfilled where something is still missing, EditError for what cannot be read.
    """
    st.caption(about(kind))
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


def about(kind: str) -> str:
    """What an edit of this kind does, as Markdown: the beginning of its documentation."""
    return parts.sentence((getdoc(EDITS[kind]) or "").partition("\n\n")[0])


def fill(structure: Structure, edit: Edit) -> None:
    """Have the widgets of the edit's form show its fields when they are drawn next."""
    fill_in(EDITS.name_of(type(edit)), structure, {f.name: getattr(edit, f.name) for f in fields(edit)})  # type: ignore[arg-type]


def fill_in(kind: str, structure: Structure, values: dict[str, Any]) -> None:
    """Have the widgets of the form of `kind` show `values`, by field, when they are drawn next."""
    for asked in _fields(kind, structure):
        if asked.name in values:
            widgets.show(asked, values[asked.name])


def begin(kind: str, values: dict[str, Any], structure: Structure) -> None:
    """Have the Edit page show the edit `kind` with `values` filled in."""
    st.session_state[kinds.KIND] = kind
    fill_in(kind, structure, values)


def correct(kind: str, structure: Structure, wrong: str, right: str) -> None:
    """Put `right` for `wrong` wherever it stands in what was typed into a form."""
    for asked in _fields(kind, structure):
        held = st.session_state.get(asked.key)
        if isinstance(held, str):
            st.session_state[asked.key] = held.replace(wrong, right)
        elif isinstance(held, list):
            st.session_state[asked.key] = [right if item == wrong else item for item in held]


def typed(kind: str, structure: Structure, wrong: str) -> bool:
    """Whether `wrong` stands in something that was typed into a form."""
    held = (st.session_state.get(asked.key) for asked in _fields(kind, structure))
    return any(isinstance(value, str | list) and wrong in value for value in held)


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


def _drawn(asked: list[Asked]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    waiting = list(asked)
    while waiting:
        row = waiting[:2] if len(waiting) > 1 and waiting[0].is_small and waiting[1].is_small else waiting[:1]
        del waiting[: len(row)]
        for field, place in zip(row, st.columns(len(row)) if len(row) > 1 else [st.container()], strict=True):
            with place:
                values[field.name] = widgets.draw(field)
    return values
