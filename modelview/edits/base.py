"""What an edit is, and the registry that finds every edit in this folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, get_type_hints

from torch import nn

from modelview.errors import EditError
from modelview.fields import misfit
from modelview.names import short
from modelview.proof import Promise
from modelview.registry import Registry
from modelview.script import Code
from modelview.sources.base import Shape
from modelview.structure import Structure

EDITS: Registry[type["Edit"]] = Registry("edit", "modelview.edits")


Groups = Mapping[str, list[str]]
"""Names of parameters, by what the group is called."""


@dataclass(frozen=True)
class Closing:
    """Code that is written for the finished model.

    groups: as they are when the edit is made. code: what is written, of a model and the groups as they are there.
    """

    groups: Groups
    code: Callable[[nn.Module, Groups], Code]


@dataclass(frozen=True)
class Change:
    """What an edit comes to on one structure: widths, heads and paths are all resolved.

    summary: one line that says it, such as "fc → Linear(2048, 10)".
    apply: changes a model of that structure, on meta or real, in place or by wrapping it; the caller
        owns the model and uses the result. New weights are random.
    code: statements that do the same to a variable `model`.
    notes: what the user should know about the result, a sentence each.
    heads: paths of the layers that predict the classes afterwards; () where there is none any more,
        None where they are as they were.
    moved: (path, new path) of modules that have other names afterwards, the deepest first; "" for one that is gone.
    reclassed: whether the class names of the weights have lost their meaning.
    categories: names of the classes afterwards, in order, () where unknown; None where they are as they were.
    trained: whether what predicts the classes has its weights from a file afterwards.
    example: the shape of each input of `forward` afterwards, with N = 1; None where they are as they were.
    promise: the values that stay, which are compared at the first build; None where none do.
    closing: code that is written for the finished model, where further edits follow; None where `code` is all.
    """

    summary: str
    apply: Callable[[nn.Module], nn.Module]
    code: Code
    notes: tuple[str, ...] = ()
    heads: tuple[str, ...] | None = None
    moved: tuple[tuple[str, str], ...] = ()
    reclassed: bool = False
    categories: tuple[str, ...] | None = None
    trained: bool = False
    example: tuple[Shape, ...] | None = None
    promise: Promise | None = None
    closing: Closing | None = None


@cache
def _kinds(edit: type["Edit"]) -> dict[str, Any]:
    """The type of each field of an edit."""
    hints = get_type_hints(edit)
    return {field.name: hints[field.name] for field in fields(edit)}  # type: ignore[arg-type]


class Edit(ABC):
    """One change of a model, as a value. Subclasses are frozen dataclasses that store what was meant.

    `tests/laws.py` holds for each: applying and running the code give the same model, equal edits give
    equal weights, and an edit that cannot be planned raises EditError and changes nothing.
    """

    title: ClassVar[str]
    """What the edit is called on the screen, such as "Swap head"."""
    keeps: ClassVar[Literal["values", "keys"] | None] = None
    """What stays as it was: what the kept modules compute, or the names in the state_dict."""

    @classmethod
    def starts(cls, before: Structure) -> "dict[str, Edit]":
        """What a form may begin with, by what it says; the first is filled in. {} where the defaults do."""
        return {}

    def remedies(self, before: Structure) -> "tuple[Edit, ...]":  # noqa: ARG002 - as above
        """Where this edit cannot be made: others that may have been meant. They may fail as well."""
        return ()

    def require_plain(self) -> None:
        """Raises EditError for a field whose value is of another kind than the field."""
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            if wanted := misfit(value, kind):
                raise EditError(f"{self.title}: `{name}` is {wanted}; got {short(repr(value))}.")

    @abstractmethod
    def plan(self, before: Structure) -> Change:
        """What the edit comes to on the model before it. Raises EditError with the reason and the remedy."""
