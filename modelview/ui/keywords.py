"""A builder's keywords as a form."""

import ast
from typing import Any

import streamlit as st

from modelview.errors import EditError
from modelview.names import short
from modelview.sources.torchvision import Keyword, keywords_of

AS_IS = "as the builder has it"


def keyword_form(name: str) -> dict[str, Any]:
    """The keywords of the model `name` that were given another value than the builder's own.

    Raises EditError for a text that is no plain value.
    """
    rows = keywords_of(name)
    if not rows:
        st.caption("This builder takes none.")
    typed = [(row, _widget(row, f"open.{name}.{row.name}")) for row in rows]
    values = ((row, _value(row, value)) for row, value in typed)
    return {row.name: value for row, value in values if value is not None and value != row.default}


def _widget(row: Keyword, key: str) -> Any:
    default: Any = row.default
    if row.choices:
        choices = [choice for choice in row.choices if choice is not None]
        index = choices.index(row.default) if row.default in choices else None
        return st.selectbox(row.name, choices, index, key=key, placeholder=AS_IS)
    if row.kind == "int":
        return st.number_input(row.name, value=default, step=1, key=key, placeholder=AS_IS)
    if row.kind == "float":
        return st.number_input(row.name, value=default, step=0.05, key=key, placeholder=AS_IS)
    return st.text_input(row.name, key=key, placeholder=AS_IS if row.default is None else repr(row.default))


def _value(row: Keyword, value: Any) -> Any:
    if row.kind != "tuple" or value is None:
        return value or None if row.kind == "str" else value
    if not value.strip():
        return None
    try:
        return ast.literal_eval(value.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise EditError(f"{row.name} is a list of plain values, such as [1, 2]; got {short(value)!r}.") from error
