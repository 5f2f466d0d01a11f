"""The keywords of a builder or class as a form."""

import ast
from collections.abc import Iterable
from typing import Any

import streamlit as st

from modelview.errors import EditError
from modelview.names import short
from modelview.sources.torchvision import Keyword

AS_IS = "the default"
EXAMPLES = {"tuple": "such as [3, 4, 6, 3]", "class": "such as BatchNorm2d"}
"""What may stand in a field, by the kind of its values."""


def keyword_form(rows: Iterable[Keyword], key: str) -> dict[str, Any]:
    """What was given to these keywords, where it is another value than their own. key: what each widget's begins with.

    Raises EditError for a text that is no plain value.
    """
    typed = [(row, _widget(row, f"{key}.{row.name}")) for row in rows]
    values = ((row, _value(row, value)) for row, value in typed)
    return {row.name: value for row, value in values if value is not None and value != row.default}


def _widget(row: Keyword, key: str) -> Any:
    default: Any = row.default
    empty = EXAMPLES.get(row.kind) if row.required else AS_IS
    if row.choices:
        choices = [choice for choice in row.choices if choice is not None]
        index = 0 if row.required else choices.index(default) if default in choices else None
        return st.selectbox(row.name, choices, index, key=key, persist_state="session", placeholder=empty)
    if row.kind == "int":
        return st.number_input(row.name, value=default, step=1, key=key, persist_state="session", placeholder=empty)
    if row.kind == "float":
        return st.number_input(row.name, value=default, step=0.05, key=key, persist_state="session", placeholder=empty)
    return st.text_input(
        row.name, key=key, persist_state="session", placeholder=empty if default is None else repr(default)
    )


def _value(row: Keyword, value: Any) -> Any:
    if row.kind != "tuple" or value is None:
        return value or None if row.kind in ("str", "class") else value
    if not value.strip():
        return None
    numbers = value.replace(",", " ").split()
    if len(numbers) > 1 and all(each.isdecimal() for each in numbers):
        return tuple(map(int, numbers))
    try:
        return ast.literal_eval(value.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise EditError(f"{row.name} is a list of plain values, such as [1, 2]; got {short(value)!r}.") from error
