"""What an edit promises to keep, compared on real numbers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from modelview.errors import EditError
from modelview.sources.base import Shape, Source
from modelview.trace.shapes import tensors, text

Pair = tuple[str, Any, Any]
"""What is compared, the value before, and the value after."""


def same_output(output: Any, caught: tuple[Any, ...], after: Any) -> Iterable[Pair]:  # noqa: ARG001
    """The whole output is as it was."""
    return [("the output", output, after)]


@dataclass(frozen=True)
class Promise:
    """Which values a change keeps, said so that it can turn out false.

    points: (path, call) of modules of the model before whose values are caught, as clones.
    pairs: of the output before, the values caught, and the output after: what must be equal.
    inputs: of the inputs of the model after, those of the model before; as many as it takes where None.
    tolerance: the largest difference allowed, as a share of the largest value. Two runs of one convolution can differ
        in the last bits, by where their memory lies.
    runs: whether it takes a forward pass to see it; False where neither a layer nor a value is touched, so that it is
        seen by the tensors themselves.
    """

    points: tuple[tuple[str, int], ...] = ()
    pairs: Callable[[Any, tuple[Any, ...], Any], Iterable[Pair]] = same_output
    inputs: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] | None = None
    tolerance: float = 1e-6
    runs: bool = True


SAME_OUTPUT = Promise()
UNTOUCHED = Promise(runs=False)
SMALL = 1e-3
"""Values below it are compared as if they were so large: random weights can let features die out."""


@dataclass(frozen=True)
class Proof:
    """One comparison that held: what was compared, on which input, and the largest difference found."""

    what: str
    input: str
    largest_difference: float


class Witness:
    """Sees a model before a change and after it, on the same input; the model is run, and left as it was."""

    def __init__(
        self, promise: Promise, source: Source, before: tuple[Shape, ...], after: tuple[Shape, ...], seed: int = 0
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._tensors = tuple(torch.rand(shape, generator=generator) for shape in after)
        self._promise, self._source, self._n_before = promise, source, len(before)
        self._said = f"{', '.join(text(shape) for shape in after)} random values, seed {seed}"
        self._output: Any = None
        self._caught: tuple[Any, ...] = ()
        self._held: dict[str, tuple[Tensor, int]] = {}

    def before(self, model: nn.Module) -> None:
        """Runs the model as it was, and keeps what the promise is about."""
        if not self._promise.runs:
            self._held = _held(model)
            return
        caught: list[list[Any]] = [[] for _ in self._promise.points]
        handles = [
            model.get_submodule(path).register_forward_hook(partial(_keep, values))
            for (path, _), values in zip(self._promise.points, caught, strict=True)
        ]
        given = self._promise.inputs
        own = given(self._tensors) if given is not None else self._tensors[: self._n_before]
        try:
            self._output = _run(model, self._source, own)
        finally:
            for handle in handles:
                handle.remove()
        self._caught = tuple(values[call] for (_, call), values in zip(self._promise.points, caught, strict=True))

    def after(self, model: nn.Module) -> tuple[Proof, ...]:
        """Runs the changed model and compares. Raises EditError where a value is not what was promised."""
        if not self._promise.runs:
            return self._untouched(model)
        output = _run(model, self._source, self._tensors)
        return tuple(self._compared(*pair) for pair in self._promise.pairs(self._output, self._caught, output))

    def _untouched(self, model: nn.Module) -> tuple[Proof, ...]:
        now = _held(model)
        other = [name for name in {**self._held, **now} if not _is_same(self._held.get(name), now.get(name))]
        if other:
            raise EditError(
                f"The values were to stay, but `{other[0]}` was changed. This is a defect of modelview, which you may "
                "report with the recipe."
            )
        return (Proof("the parameters and buffers", f"all {len(now):,} of them", 0.0),)

    def _compared(self, what: str, one: Any, other: Any) -> Proof:
        ours, theirs = list(tensors(one)), list(tensors(other))
        if [value.shape for value in ours] != [value.shape for value in theirs]:
            raise EditError(f"The values were to stay, but {what} has another shape. This is a defect of modelview.")
        differences = [_difference(a, b) for a, b in zip(ours, theirs, strict=True)]
        largest = max((difference for difference, _ in differences), default=0.0)
        if any(difference > self._promise.tolerance * max(scale, SMALL) for difference, scale in differences):
            raise EditError(
                f"The values were to stay, but {what} differs by {largest:.3g} on {self._said}. Nothing was changed; "
                "this is a defect of modelview, which you may report with the recipe."
            )
        return Proof(what, self._said, largest)


def _run(model: nn.Module, source: Source, values: tuple[Tensor, ...]) -> Any:
    was = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            return _cloned(model.eval()(*source.taken(*values)))
    finally:
        for module, training in was.items():
            module.training = training


def _held(model: nn.Module) -> dict[str, tuple[Tensor, int]]:
    """Every parameter and buffer, with how often it was written to."""
    every = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: (tensor, tensor._version) for name, tensor in every}


def _is_same(one: tuple[Tensor, int] | None, other: tuple[Tensor, int] | None) -> bool:
    return one is not None and other is not None and one[0] is other[0] and one[1] == other[1]


def _keep(values: list[Any], module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
    values.append(_cloned(output))


def _cloned(value: Any) -> Any:
    """The value with its tensors copied: what runs later may change them in place."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in value.items()}
    return tuple(map(_cloned, value)) if isinstance(value, tuple | list) else value


def _difference(one: Tensor, other: Tensor) -> tuple[float, float]:
    """The largest difference, and the largest finite value of the first; a NaN is equal to a NaN."""
    if not one.numel() or torch.equal(one, other):
        return 0.0, 1.0
    a, b = one.double(), other.double()
    unlike = ~((a == b) | (a.isnan() & b.isnan()))
    if not unlike.any():
        return 0.0, 1.0
    difference = (a - b)[unlike].abs().max().item()
    finite = a[a.isfinite()]
    return (difference if difference == difference else float("inf")), finite.abs().max().item() if len(finite) else 1.0


def rows(proofs: Iterable[Proof]) -> Iterator[dict[str, Any]]:
    """The proofs as JSON can hold them."""
    for proof in proofs:
        yield {"what": proof.what, "input": proof.input, "largest_difference": proof.largest_difference}
