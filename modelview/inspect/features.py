"""What chosen modules put out when the model runs on real values."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, fields
from threading import RLock, get_ident
from typing import Any

import torch
from torch import Tensor, nn

from modelview.errors import EditError, ForwardError
from modelview.inspect.noise import noise
from modelview.inspect.running import failure
from modelview.inspect.statistics import Statistics, statistics
from modelview.layers import require_memory
from modelview.names import select, unknown
from modelview.recipe import Recipe, structure_of
from modelview.sources.base import Shape
from modelview.trace.channels import channel_axis
from modelview.trace.record import undisturbed
from modelview.trace.records import Trace
from modelview.trace.shapes import is_shape

MOST_BYTES = 128_000_000
"""How much of the values is kept; layers after that have their statistics only."""

_RUNNING = RLock()
"""Built models are shared between browser sessions: hooks are on them for one pass at a time."""


@dataclass(frozen=True)
class FeatureRow:
    """One tensor that one call of a module returned, in the order in which they were returned.

    call: from 0. output: its key or number where a call returned several, else "". shape: with N.
    mean, std, min, max: over finite values, None where there is none. zeros: a share, 0 to 1.
    channels: the axis of the channels. kept: whether `Features.values` has the first item.
    """

    path: str
    call: int
    output: str
    shape: Shape
    dtype: str
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    zeros: float | None
    n_nan: int
    n_inf: int
    channels: int
    kept: bool


@dataclass(frozen=True)
class Features:
    """The rows of one pass, the first item's values, and what the model returned, both on the CPU."""

    rows: tuple[FeatureRow, ...]
    output: Any = field(repr=False)
    device: str
    kept: Mapping[FeatureRow, Tensor] = field(repr=False)

    def __iter__(self) -> Iterator[FeatureRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, row: FeatureRow) -> Tensor | None:
        """The values of the batch's first item as they were when the call returned; None where not kept."""
        return self.kept.get(row)


def features(
    subject: Recipe | nn.Module,
    *inputs: Tensor | Shape | Any,
    paths: str | Iterable[str] = (),
    device: str = "cpu",
    model: nn.Module | None = None,
    seed: int = 0,
    most_bytes: int = MOST_BYTES,
) -> Features:
    """What the modules at `paths` return in one pass in eval mode, without gradients.

    inputs: tensors or shapes (N, ...), one for each input; a shape stands for noise from `seed`, and so
    does the source's own example where a recipe gets none. paths: paths or patterns; () is every module
    that holds no other. model: the recipe's model where it is built already; it is left as it was.
    Raises UnknownName for a pattern that matches nothing, EditError for a device that is not there or inputs
    that do not fit in number, ForwardError with the path of the module that was running.
    """
    _require(device)
    model = model if model is not None else subject.build() if isinstance(subject, Recipe) else subject
    chosen = _chosen(model, (paths,) if isinstance(paths, str) else tuple(paths))
    args = _arguments(subject, inputs, seed)
    args = _copied(args, device)  # what runs in place on the input must not reach the caller's
    if device != "cpu":
        model = deepcopy(model).to(device)
    watch = _Watch(_axes(structure_of(subject).trace) if isinstance(subject, Recipe) else {}, most_bytes)
    with _RUNNING, undisturbed(model.modules()), _hooked(chosen, watch):
        try:
            output = model(*args)
        except Exception as error:
            raise ForwardError(failure(model, error)) from error
    return Features(tuple(watch.rows), _copied(output, "cpu"), device, watch.kept)


def require_room(run: Trace) -> None:
    """Raises EditError where this machine's memory is too small for what a layer returns in such a pass."""
    largest = max((call.output_bytes for call in run.calls), default=0)
    require_memory("What a layer makes of this input", 2 * largest, of="", remedy="Choose a smaller input.")


def devices() -> list[str]:
    """Where a model can run on this machine."""
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


def _require(device: str) -> None:
    present = devices()
    if device not in present and not (device == "cuda" and len(present) > 1):
        raise EditError(f"There is no device {device!r} on this machine; it has {', '.join(present)}.")


def _chosen(model: nn.Module, patterns: tuple[str, ...]) -> list[tuple[str, nn.Module]]:
    """Each module once, under its first path."""
    named = list(model.named_modules(remove_duplicate=False))
    first: dict[int, str] = {}
    for path, module in named:
        first.setdefault(id(module), path)
    if patterns:
        paths = [path for path, _ in named if path]
        if "" in patterns:
            raise unknown("module", "", paths)
        found = set(_exactly(paths, patterns))
        chosen = [(path, module) for path, module in named if path in found]
    else:
        chosen = [(path, module) for path, module in named if next(module.children(), None) is None]
    return list({id(module): (first[id(module)], module) for _, module in chosen}.values())


def _exactly(paths: list[str], patterns: tuple[str, ...]) -> Iterator[str]:
    """A path names that module alone, not what is below it; everything else is a pattern."""
    for pattern in patterns:
        yield from [pattern] if pattern in paths else select("module", paths, [pattern])


def _arguments(subject: Recipe | nn.Module, inputs: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    if isinstance(subject, Recipe):
        given = inputs or subject.example
        structure_of(subject).require_inputs(given)
        return subject.source.taken(*_tensors(given, seed))
    if not inputs:
        raise EditError("A module by itself has no known input: give a tensor or a shape, such as (1, 3, 224, 224).")
    return tuple(_tensors(inputs, seed))


def _tensors(inputs: Iterable[Any], seed: int) -> Iterator[Any]:
    for number, value in enumerate(inputs):
        yield noise(value, seed + number) if is_shape(value) and value else value


def _axes(trace: Trace) -> dict[tuple[str, int], int]:
    """The channel axis of what each call returns, by path and number of the call."""
    seen: Counter[str] = Counter()
    found = {}
    for call in trace.calls:
        if call.result and trace.ops[call.result[0]].shapes:
            found[call.path, seen[call.path]] = channel_axis(trace, call.result[0])
        seen[call.path] += 1
    return found


class _Watch:
    """Takes down what hooked modules return, in the thread that began."""

    def __init__(self, axes: dict[tuple[str, int], int], most_bytes: int) -> None:
        self.axes, self.left, self.thread = axes, most_bytes, get_ident()
        self.rows: list[FeatureRow] = []
        self.kept: dict[FeatureRow, Tensor] = {}
        self.calls: Counter[str] = Counter()

    def see(self, path: str, output: Any) -> None:
        if get_ident() != self.thread:
            return
        call = self.calls[path]
        self.calls[path] += 1
        for name, tensor in _named(output):
            first = tensor.detach()[:1] if tensor.dim() else tensor.detach()
            fits = first.numel() * first.element_size() <= self.left
            axis = min(self.axes.get((path, call), 1), max(tensor.dim() - 1, 0))
            row = _row(path, call, name, tensor, statistics(tensor), axis, kept=fits)
            self.rows.append(row)
            if fits:  # a copy: what runs next may change the tensor in place
                self.kept[row] = first.clone().cpu()
                self.left -= first.numel() * first.element_size()


def _row(path: str, call: int, name: str, tensor: Tensor, found: Statistics, axis: int, *, kept: bool) -> FeatureRow:
    figures = {f.name: getattr(found, f.name) for f in fields(found) if f.name != "n_elements"}
    return FeatureRow(
        path=path, call=call, output=name, shape=tuple(tensor.shape), channels=axis, kept=kept,
        dtype=str(tensor.dtype).removeprefix("torch."), **figures,
    )  # fmt: skip


def _named(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors anywhere in an output, each with its key."""
    if isinstance(value, Tensor):
        yield name, value
        return
    if hasattr(value, "tensors"):
        value = value.tensors
        yield from _named(value, name)
        return
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, tuple | list):
        items = enumerate(value)
    else:
        return
    for key, item in items:
        yield from _named(item, f"{name}.{key}" if name else str(key))


@contextmanager
def _hooked(chosen: Iterable[tuple[str, nn.Module]], watch: _Watch) -> Iterator[None]:
    handles = []
    try:
        for path, module in chosen:

            def hook(_: nn.Module, __: Any, output: Any, path: str = path) -> None:
                watch.see(path, output)

            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _copied(value: Any, device: str) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to(device, copy=True)
    if isinstance(value, list | tuple):
        items = [_copied(item, device) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, Mapping):
        return {key: _copied(item, device) for key, item in value.items()}
    return value
