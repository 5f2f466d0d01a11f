"""The model just before an edit: on meta, with everything that an edit may ask of it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from modelview.errors import EditError
from modelview.names import unknown
from modelview.sources.base import Shape, Source
from modelview.trace.records import Call, Trace
from modelview.trace.run import trace_module
from modelview.wording import counted

Moves = tuple[tuple[str, str], ...]
"""Paths and new paths of modules, the deepest first; "" for one that is gone."""


def path_after(path: str, moves: Moves) -> str | None:
    """What is at `path` or below it, as it is called after the moves; None if it is gone.

    >>> path_after("a.conv", (("a", "net.a"),)), path_after("b", (("a", ""),)), path_after("a.conv", (("a", ""),))
    ('net.a.conv', 'b', None)
    """
    for old, new in moves:
        if path == old or path.startswith(f"{old}."):
            return new + path[len(old) :] if new else None
    return path


class Structure:
    """A model on meta in eval mode, shared between everybody who looks: read it, never change it.

    source: where it came from; edits may already have changed it since.
    heads: paths of the layers that predict the classes, as an edit left them; None where the source knows.
    example: the shape of each input of `forward`, with N = 1, as an edit left them; None where the source knows.
    categories: names of the classes that it predicts, in order; () where they are unknown.
    definitions: classes and functions that edits have put into the script.
    moved: what each edit has given other names, the first edit first.
    untrained: whether an edit put new layers where the classes are predicted, which no file has given weights since.
    """

    def __init__(
        self,
        model: nn.Module,
        source: Source,
        heads: tuple[str, ...] | None = None,
        example: tuple[Shape, ...] | None = None,
        categories: tuple[str, ...] = (),
        definitions: tuple[str, ...] = (),
        moved: tuple[Moves, ...] = (),
        *,
        untrained: bool = False,
    ) -> None:
        self.model, self.source, self.heads = model, source, heads
        self.categories, self.untrained = categories, untrained
        self.definitions, self.moved = definitions, moved
        self.example = source.example if example is None else example

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(path for path, _ in self.model.named_modules(remove_duplicate=False))

    @cached_property
    def trace(self) -> Trace:
        """One pass on its own example input."""
        return self.run(self.example)

    def run(self, inputs: Sequence[Tensor | Shape], *, train: bool = False) -> Trace:
        """One pass on `inputs`, tensors or shapes (N, ...), one for each input of `forward`."""
        tensors = [tensor_of(value) for value in inputs]
        self.require_inputs(tensors)
        return trace_module(self.model, *self.source.taken(*tensors), train=train)

    def require_inputs(self, inputs: Sequence[Any]) -> None:
        """Raises EditError for another number of inputs than `forward` takes."""
        if len(inputs) != len(self.example):
            wanted = counted(len(self.example), "input")
            raise EditError(f"{self.source.title} takes {wanted}, not {len(inputs)}.")

    def module(self, path: str) -> nn.Module:
        """The module inside the model that has this path. Raises UnknownName, and EditError for ""."""
        if not path:
            raise EditError("This edit needs a module inside the model, not the whole of it.")
        modules: dict[str, nn.Module] = dict(self.model.named_modules(remove_duplicate=False))
        if path not in modules:
            raise unknown("module", path, filter(None, modules))
        return modules[path]

    def now(self, path: str) -> str | None:
        """The path of a module that the source has at `path`, by the names that edits gave it; None if it is gone."""
        found: str | None = path
        for moves in self.moved:
            found = found and path_after(found, moves)
        return found if found in self._paths else None

    def calls(self, path: str) -> list[Call]:
        """The calls of the module at `path` in the example pass, under whatever name it was recorded."""
        module = self.model.get_submodule(path)
        names = {name for name, other in self.model.named_modules(remove_duplicate=False) if other is module}
        return [call for call in self.trace.calls if call.path in names]


def tensor_of(value: Any) -> Tensor:
    """A tensor of the shape on meta; nothing is allocated for what is only looked at."""
    if isinstance(value, Tensor):
        return value
    shape = tuple(value)
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape):
        raise EditError(f"An input shape is whole numbers from 1 up, N first, such as 1,3,224,224; got {shape}.")
    try:
        return torch.empty(shape, device="meta")
    except RuntimeError as error:
        raise EditError(f"No tensor can have the shape {shape}: it is too large.") from error
