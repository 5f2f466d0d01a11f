"""Some of the classes that a model has learnt to tell apart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.retinanet import RetinaNetClassificationHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.ssd import SSD, SSDScoringHead

from modelview.edits.adapting import Adaptation
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.refitting import KINDS, Refit, refit
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.heads import head_sites, output_layer
from modelview.names import short, unknown
from modelview.proof import Pair, Promise
from modelview.script import Code, listed, reference
from modelview.structure import Structure
from modelview.trace.shapes import is_shape

_WITH_BACKGROUND = (RoIHeads, SSD)
"""Where class 0 is the background, which the model leaves out of its answer."""

_CLASS_BY_CLASS = (FastRCNNPredictor,)
"""Where a layer's outputs stand by class: all of class 0, all of class 1, ..."""

_ANCHOR_BY_ANCHOR = (RetinaNetClassificationHead, SSDScoringHead)
"""Where they stand by anchor: every class for the first, every class for the second, ..."""


_TOGETHER = ("softmax", "norm", "linear", "conv", "matmul")
"""Parts of the names of ops after which an output is no longer of one class alone."""

_ROUNDING = 1e-5
"""A product with fewer columns may add up in another order."""


@dataclass(frozen=True)
class Head:
    """A layer that predicts classes: where it is, and how many outputs it has for each class."""

    path: str
    per_class: int


@dataclass(frozen=True)
class Heads:
    """The layers that predict the classes now, and the numbers beside them that follow: (module, attribute)."""

    layers: tuple[Head, ...]
    attributes: tuple[tuple[str, str], ...]
    n_classes: int


@EDITS.register("select_classes")
@dataclass(frozen=True)
class SelectClasses(Edit):
    """Predict only the classes `indices`, by number or by name, in this order, with their trained weights.

    Every score is what the model gave for that class before, up to the rounding of a sum; auxiliary heads go along,
    and so do boxes and anchors of detection models. Raises EditError for a model whose head has not been trained.
    """

    title: ClassVar[str] = "Select classes"
    keeps: ClassVar = "values"

    indices: Annotated[tuple[int | str, ...], Ask("Classes", "Numbers or names with commas between: 3, goldfish.")]

    def __post_init__(self) -> None:
        given: Any = self.indices
        several = isinstance(given, Iterable) and not isinstance(given, str)
        object.__setattr__(self, "indices", tuple(given) if several else (given,))

    def plan(self, before: Structure) -> Change:
        if not self.indices:
            raise EditError("Choose at least one class, by number or by name.")
        heads = _heads(before, len(self.indices))
        names = before.categories if len(before.categories) == heads.n_classes else ()
        kept = self._kept(names, heads.n_classes)
        _require_background(before, kept)
        rows = [_rows(before.model, head, kept, heads.n_classes) for head in heads.layers]
        refits = [
            refit(before.model, head.path, taken.values, outputs=len(taken.numbers))
            for head, taken in zip(heads.layers, rows, strict=True)
        ]

        def apply(model: nn.Module) -> nn.Module:
            for new in refits:
                new.apply(model)
            for path, name in heads.attributes:
                setattr(model.get_submodule(path), name, len(kept))
            return model

        lines = [listed("kept", kept), *_statements(before.model, rows, refits)]
        lines += [f"{reference(before.model, path)}.{name} = {len(kept)}" for path, name in heads.attributes]
        chosen = tuple(names[index] for index in kept) if names else ()
        shown = short(", ".join(chosen or map(str, kept)), 60)
        summary = f"{len(kept):,} of {heads.n_classes:,} classes: {shown}"
        together = _taken_together(before, heads)
        notes = (f"`{together}` comes after the head, so what it gives is among the chosen classes only.",)
        return Change(
            summary,
            apply,
            Code(tuple(lines)),
            notes if together else (),
            categories=chosen,
            promise=None if together else _columns(before, kept, heads.n_classes),
        )

    def _kept(self, names: tuple[str, ...], n_classes: int) -> list[int]:
        """The numbers of the classes, each once. Raises EditError, UnknownName."""
        kept = [_number(index, names, n_classes) for index in self.indices]
        for position, index in enumerate(kept):
            if index in kept[:position]:
                raise EditError(f"Class {_named(index, names)} is chosen twice; name it once.")
        return kept


def _number(index: int | str, names: tuple[str, ...], n_classes: int) -> int:
    """The number of a class that was given by number or by name."""
    if isinstance(index, str):
        if not names:
            raise EditError(
                f"The names of the classes are unknown here, so {short(index)!r} cannot be found: choose by number, "
                f"from 0 to {n_classes - 1}."
            )
        found = [number for number, name in enumerate(names) if name == index]
        if not found:
            raise unknown("class", index, names)
        if len(found) > 1:
            raise EditError(f"{len(found)} classes are called {index!r}: choose by number, such as {found[0]}.")
        return found[0]
    if type(index) is not int or not 0 <= index < n_classes:
        raise EditError(f"The classes are numbered from 0 to {n_classes - 1}; got {index!r}.")
    return index


def _named(index: int, names: tuple[str, ...]) -> str:
    return f"{index} ({short(names[index])})" if names else str(index)


def _heads(before: Structure, wanted: int) -> Heads:
    """The layers that predict the classes now. Raises EditError where there are none, or they are untrained."""
    if before.heads == ():
        raise EditError("The model has no head any more: select classes before it is truncated.")
    if before.untrained:
        raise EditError(
            "The head is new, so its classes mean nothing yet: choose their number in the new head, or select classes "
            "before it is swapped."
        )
    layers, attributes = _found(before, wanted)
    if not layers:
        raise EditError(f"{before.source.title} has no layer that is known to predict classes.")
    counts = {_width(before, head.path) / head.per_class for head in layers}
    n_classes = int(min(counts))
    if counts != {n_classes}:
        raise EditError(
            "The heads do not predict the same number of classes any more: "
            f"{', '.join(f'`{head.path}` has {_width(before, head.path):,} outputs' for head in layers)}."
        )
    return Heads(tuple(layers), attributes, n_classes)


def _found(before: Structure, wanted: int) -> tuple[list[Head], tuple[tuple[str, str], ...]]:
    modules = dict(before.model.named_modules(remove_duplicate=False))
    if before.heads is not None:
        return [Head(_last_layer(path, modules[path]), 1) for path in before.heads if path in modules], ()
    if before.source.heads_by_output:
        path = output_layer(before)
        return [Head(path, 1)] if path else [], ()
    found = head_sites(before.source, wanted)
    layers = [
        Head(_last_layer(path, modules[path]), _outputs(new) // wanted)
        for path, new in ((before.now(path), new) for path, _, new in found.layers)
        if path is not None
    ]
    attributes = ((before.now(path), name) for path, name, _ in found.attributes)
    return layers, tuple((path, name) for path, name in attributes if path is not None)


def _last_layer(path: str, module: nn.Module) -> str:
    """The path of the layer that gives the classes: the module's own, or that of the last in a head of several."""
    if not isinstance(module, nn.Sequential):
        return path
    inner = [name for name, layer in module.named_modules() if isinstance(layer, KINDS)]
    return f"{path}.{inner[-1]}" if inner else path


def _width(before: Structure, path: str) -> int:
    """How many outputs the layer has. Raises EditError for what is neither Linear nor a convolution."""
    module = before.module(path)
    if not isinstance(module, KINDS):
        raise EditError(f"The head at `{path}` is {type(module).__name__} now, which has no rows to select.")
    return _outputs(module)


def _outputs(module: Any) -> int:
    return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)


def _taken_together(before: Structure, heads: Heads) -> str:
    """The name of an op behind the heads that looks at all classes of a place at once, such as softmax; or ""."""
    ends = [call.ops.stop for head in heads.layers for call in before.calls(head.path)]
    later = (op.name for op in before.trace.ops[max(ends, default=0) :])
    return next((name for name in later if any(word in name for word in _TOGETHER)), "")


def _columns(before: Structure, kept: list[int], n_classes: int) -> Promise | None:
    """The outputs of the kept classes are as they were; None for a model that does not return one for each class."""
    output = before.trace.output
    shapes = [*output.values()] if isinstance(output, dict) else [output]
    if not all(is_shape(shape) and len(shape) > 1 and shape[1] == n_classes for shape in shapes):
        return None

    def pairs(output: Any, caught: tuple[Any, ...], after: Any) -> Iterable[Pair]:  # noqa: ARG001
        before = {k: v[:, kept] for k, v in output.items()} if isinstance(output, dict) else output[:, kept]
        return [("the outputs of the chosen classes", before, after)]

    return Promise(pairs=pairs, tolerance=_ROUNDING)


def _require_background(before: Structure, kept: list[int]) -> None:
    """Raises EditError where class 0 is the background and another would come to stand for it."""
    if kept[0] != 0 and any(isinstance(module, _WITH_BACKGROUND) for module in before.model.modules()):
        chosen = ", ".join(map(str, [0, *(index for index in kept if index)]))
        raise EditError(
            f"Class 0 of {before.source.title} is the background, which it leaves out of its answer: choose it first, "
            f"as in {short(chosen, 60)}."
        )


@dataclass(frozen=True)
class Rows:
    """Rows of a layer's weight and bias: their numbers, the variable that has them, and the statement that sets it."""

    numbers: list[int]
    variable: str
    statement: str

    @property
    def values(self) -> Adaptation:
        """The old values in these rows."""
        code = (f"{{new}}.copy_({{old}}[{self.variable}])",)
        return Adaptation("rows taken", lambda values: values[self.numbers], code)


def _rows(model: nn.Module, head: Head, kept: list[int], n_classes: int) -> Rows:
    """The rows of the kept classes. Raises EditError where a class has several and their order is not certain."""
    count = head.per_class
    holders = tuple(_holders(model, head.path))
    if count == 1:
        return Rows(kept, "kept", "")
    if any(issubclass(holder, _CLASS_BY_CLASS) for holder in holders):
        numbers = [count * c + i for c in kept for i in range(count)]
        return Rows(numbers, "rows", f"rows = [{count} * c + i for c in kept for i in range({count})]")
    if any(issubclass(holder, _ANCHOR_BY_ANCHOR) for holder in holders):
        numbers = [n_classes * a + c for a in range(count) for c in kept]
        return Rows(numbers, "rows", f"rows = [{n_classes} * a + c for a in range({count}) for c in kept]")
    raise EditError(
        f"`{head.path}` has {count} outputs for each of {n_classes} classes, and in which order is not known. "
        "Swap the head instead."
    )


def _statements(model: nn.Module, rows: list[Rows], refits: list[Refit]) -> Iterator[str]:
    """What makes the layers, each with its rows, which are written once where the next layer has the same."""
    last = ""
    for taken, new in zip(rows, refits, strict=True):
        if taken.statement not in ("", last):
            last = taken.statement
            yield last
        yield from new.statements(model)


def _holders(model: nn.Module, path: str) -> Iterator[type]:
    """The classes of the modules that hold the one at `path`."""
    while path:
        path = path.rpartition(".")[0]
        yield type(model.get_submodule(path))
