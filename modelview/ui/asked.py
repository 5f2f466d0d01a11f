"""One field of an edit as a form asks for it, and what every widget for one needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from modelview.errors import ModelviewError
from modelview.fields import Ask
from modelview.structure import Structure

Value = Callable[[], Any]
"""Gives what was filled in, as the field's type. Raises EditError where it is nothing of the kind."""


class Unfilled(ModelviewError):
    """A field that has no default is still empty."""


@dataclass(frozen=True)
class Asked:
    """One field of an edit, and all that its widget needs to know. default: None where there is none."""

    kind: str
    name: str
    type: Any
    ask: Ask
    default: Any
    structure: Structure

    @property
    def key(self) -> str:
        """Where the session holds what was filled in."""
        return f"{self.kind}.{self.name}"

    @property
    def label(self) -> str:
        """What the field is called on the screen."""
        return self.ask.label or self.name.strip("_").replace("_", " ").capitalize()

    @property
    def named(self) -> str:
        """The label as the beginning of a sentence: "Stages are", "Size is"."""
        return f"{self.label} {'are' if self._is_plural else 'is'}"

    @property
    def _is_plural(self) -> bool:
        return self.label.endswith("s")

    @property
    def empty(self) -> str:
        """The sentence where nothing was filled in."""
        return f"{self.named} still empty. Fill {'them' if self._is_plural else 'it'} in to see what changes."

    @property
    def help(self) -> str | None:
        """The sentence behind the question mark, if there is one."""
        return self.ask.help or None

    @property
    def example(self) -> str:
        """What the help gives as an example, after its colon; "" where it gives none."""
        return self.ask.help.partition(": ")[2].partition(";")[0].removesuffix(".")

    @property
    def is_small(self) -> bool:
        """Whether two of its like stand side by side."""
        return self.type in (int, float, int | None) or bool(self.ask.choices)


@dataclass(frozen=True)
class Widget:
    """How one type of field is asked for.

    draw: draws it, and gives what reads it. hold: a field's value as the widget holds it in the session; for None,
    what it begins with where the field has no default.
    """

    draw: Callable[[Asked], Value]
    hold: Callable[[Asked, Any], Any]


def text_field(asked: Asked, placeholder: str = "") -> str:
    """Draw a line of text that is read while it is typed; what stands in it."""
    held: str = st.session_state[asked.key]
    return st.text_input(asked.label, held, key=asked.key, live="100ms", help=asked.help, placeholder=placeholder)


def required(asked: Asked, value: Any) -> Any:
    """`value`, or the default where it is None. Raises Unfilled where a person has to say."""
    if value is not None:
        return value
    if asked.default is None or asked.type in (int, float):
        raise Unfilled(asked.empty)
    return asked.default
