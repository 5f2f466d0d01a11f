"""The values of modules that an edit asks for: which call, which shape, and whether they stay as they are."""

import copy
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Size, Tensor, nn

from modelview.edits.naming import USED
from modelview.errors import EditError
from modelview.names import is_name
from modelview.rewrite import Tap
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.records import Call
from modelview.trace.shapes import has_tensors, is_shape, items, tensors, text

MOST_CHARACTERS = 30
"""Of the name of a variable."""


ENDS_IN_SOFTMAX = ("It ends in Softmax: train with NLLLoss on its log, since CrossEntropyLoss applies its own.",)


def called(before: Structure, path: str, *, several: bool = False) -> list[Call]:
    """The calls of the module at `path`, each with one tensor as its result.

    several: it may be a dict, list or tuple that has tensors. Raises EditError otherwise.
    """
    before.module(path)
    if before.trace.failed is not None:
        raise EditError(f"The model does not run, so its values are unknown: {before.trace.failed.sentence}")
    calls = before.calls(path)
    if not calls:
        inner = [c.path for c in before.trace.calls if c.path.startswith(f"{path}.")]
        hint = f" Choose one inside it, such as `{inner[-1]}`." if inner else ""
        raise EditError(f"`{path}` is never called, so it has no value.{hint}")
    for call in calls:
        if several and call.collection is not None:
            _require_tensors(before, call)
        elif not is_shape(call.outputs) or len(call.outputs) < 2 or not call.result:
            raise EditError(f"`{path}` returns {text(call.outputs)}; this needs one tensor (N, ...).")
    return calls


def _require_tensors(before: Structure, call: Call) -> None:
    """Raises EditError for a collection without tensors, and for a list as long as there are inputs at once."""
    if not has_tensors(call.collection):
        raise EditError(
            f"`{call.path}` returns {text(call.outputs)}; this needs tensors, or a dict, list or tuple of some."
        )
    n_items = before.example[0][0]
    for inner in _lists(call.collection):
        if len(inner) == n_items and not all(isinstance(each, Size) and each[:1] == (n_items,) for each in inner):
            raise EditError(
                f"`{call.path}` returns {text(call.outputs)}, an entry for each picture. Choose a module before it."
            )


def _lists(collection: Any) -> Iterator[list[Any]]:
    """The lists in a collection."""
    if isinstance(collection, Size) or not isinstance(collection, dict | list | tuple):
        return
    if isinstance(collection, list):
        yield collection
    for each in items(collection):
        yield from _lists(each)


def tap(before: Structure, path: str, name: str = "", *, several: bool = False) -> Tap:
    """The value of the last call of the module at `path`, under the variable `name`.

    several: it may be a dict, list or tuple that has tensors.
    """
    calls = called(before, path, several=several)
    written = name if is_name(name) else "".join(char if char.isalnum() else "_" for char in _tail(path))
    variable = written if is_name(written) and written not in USED else f"value_{written}"
    clone = path in overwritten(before)
    return Tap(path, len(calls) - 1, len(calls), clone, variable, calls[-1].collection)


@lru_cache(maxsize=8)
def n_values_in_training(before: Structure) -> int:
    """How many tensors the model returns in train mode: auxiliary heads answer only then. 1 where it cannot run so."""
    trace = before.run(_two(before), train=True)  # batch-norm wants more than one value a channel
    alone = trace.failed is not None or is_shape(trace.output) or not isinstance(trace.output, tuple)
    return 1 if alone else len(trace.output)


def only_first(n_values: int) -> tuple[str, ...]:
    """What is said where the first of several values goes on."""
    if n_values == 1:
        return ()
    return (
        f"In train mode the model returned {n_values} tensors, those of its auxiliary heads too; now only the first "
        "goes on, and those heads are not trained.",
    )


def _tail(path: str) -> str:
    """As much of the end of a long path as a variable's name should have."""
    names = path.split(".")
    while len(names) > 1 and (len(".".join(names)) > MOST_CHARACTERS or names[0].isdigit()):
        del names[0]
    return ".".join(names)


def width(before: Structure, path: str) -> tuple[tuple[int, ...], int]:
    """The shape of that value, and which of its axes holds the channels. Raises EditError where it is not (N, ...)."""
    call = called(before, path)[-1]
    shape = call.outputs
    two: Any = _for_two(before).get(call.path, shape)
    if shape[0] != before.example[0][0] or (two is not shape and two[:1] != (2,)):
        both = " and for two" if shape[0] == before.example[0][0] else ""
        raise EditError(
            f"`{path}` returns {text(shape)} for one input{both}, so its items are not the input's. "
            "Choose another module."
        )
    return shape, channel_axis(before.trace, call.result[0])


@lru_cache(maxsize=8)
def _for_two(before: Structure) -> dict[str, Any]:
    """What each module returns last for two inputs at once, as what is computed of weights alone does not double.

    {} where the model does not run so on meta.
    """
    if before.trace.device != "meta":
        return {}
    run = before.run(_two(before))
    return {} if run.failed is not None else {call.path: call.outputs for call in run.calls}


def _two(before: Structure) -> list[Shape]:
    return [(2, *shape[1:]) for shape in before.example]


@lru_cache(maxsize=8)
def overwritten(before: Structure) -> frozenset[str]:
    """Paths of the modules whose values are changed in place after they have returned them.

    Told by the counters that autograd keeps of each tensor's writes, in one pass on meta in either mode; every
    module, where the model does not run there.
    """
    paths = [path for path, _ in before.model.named_modules(remove_duplicate=False)]
    try:
        return frozenset(_written_to(before, train=False) | _written_to(before, train=True))
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError):
        return frozenset(paths)


def _written_to(before: Structure, *, train: bool) -> set[str]:
    model = copy.deepcopy(before.model).train(train)
    values: list[tuple[str, Tensor, int]] = []

    def note(path: str, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
        values.extend((path, tensor, tensor._version) for tensor in tensors(output))

    for path, module in model.named_modules(remove_duplicate=False):
        module.register_forward_hook(partial(note, path))
    given = [torch.empty((2, *shape[1:]), device="meta") for shape in before.example]
    with torch.no_grad():
        model(*before.source.taken(*given))
    return {path for path, value, version in values if value._version != version}
