"""The keywords of a builder or class as a form."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

import streamlit as st

from modelview.errors import EditError
from modelview.names import short
from modelview.sources.torchvision import Keyword

AS_IS = "the default"
EXAMPLES = {"tuple": "such as [3, 4, 6, 3]", "class": "such as BatchNorm2d", "code": "such as nn.ReLU()"}
"""What may stand in a field, by the kind of its values."""
STEPS: dict[str, int | float] = {"int": 1, "float": 0.05}
CODE = "Python that is read, not run: numbers, lists, and calls of torch's layers and torchvision's classes."


def keyword_form(rows: Iterable[Keyword], key: str, *, n_columns: int = 1) -> dict[str, Any]:
    """What was given to these keywords, where it is another value than their own. key: what each widget's begins with.

    n_columns: how many stand side by side. Raises EditError for a text that is no plain value.
    """
    typed = []
    for line in _lines(list(rows), n_columns):
        for row, column in zip(line, st.columns(n_columns), strict=False):
            with column:
                typed.append((row, _widget(row, f"{key}.{row.name}")))
    values = ((row, _value(row, value)) for row, value in typed)
    return {row.name: value for row, value in values if value is not None and value != row.default}


def _lines(rows: list[Keyword], n_columns: int) -> Iterator[list[Keyword]]:
    """The rows, as many to a line as fit: each line is filled in before the next one, by keyboard too."""
    yield from (rows[start : start + n_columns] for start in range(0, len(rows), n_columns))


def _widget(row: Keyword, key: str) -> Any:
    first: Any = row.default if row.example is None else row.example
    empty = EXAMPLES.get(row.kind) if row.required else AS_IS
    if row.choices:
        choices = [choice for choice in row.choices if choice is not None]
        index = choices.index(first) if first in choices else 0 if row.required else None
        return st.selectbox(row.name, choices, index, key=key, persist_state="session", placeholder=empty)
    if row.kind in STEPS:
        step = STEPS[row.kind]
        number = None if first is None else type(step)(first)  # a float's default may be written as 0
        return st.number_input(row.name, value=number, step=step, key=key, persist_state="session", placeholder=empty)
    if row.kind == "code" and row.example is not None:
        return st.text_area(row.name, first, height="content", key=key, persist_state="session", help=CODE)
    return st.text_input(
        row.name,
        "" if row.example is None else repr(first) if row.kind == "tuple" else first,
        key=key,
        persist_state="session",
        placeholder=empty if row.default is None else repr(row.default),
    )


def _value(row: Keyword, value: Any) -> Any:
    if row.kind != "tuple" or value is None:
        return value or None if row.kind in ("str", "class", "code") else value
    if not value.strip():
        return None
    numbers = value.replace(",", " ").split()
    if len(numbers) > 1 and all(each.isdecimal() for each in numbers):
        return tuple(map(int, numbers))
    try:
        return ast.literal_eval(value.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise EditError(f"{row.name} is a list of plain values, such as [1, 2]; got {short(value)!r}.") from error
