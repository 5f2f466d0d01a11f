"""Every module, parameter and buffer of a model as a row."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from modelview.recipe import Recipe, structure_of
from modelview.trace.records import Call, Shape, Trace


@dataclass(frozen=True)
class ModuleRow:
    """One module, under one of its paths.

    input_shapes, output_shapes: a tree of shapes (N, ...) for each call. n_parameters, n_trainable: unique
    ones in the whole subtree. macs: of the subtree. activation_bytes: of the outputs of its calls.
    alias_of: the first path of the same module. note: what is unusual, in words.
    """

    path: str
    kind: str
    arguments: str
    n_calls: int
    input_shapes: tuple[Any, ...]
    output_shapes: tuple[Any, ...]
    n_parameters: int
    n_trainable: int
    macs: int
    activation_bytes: int
    dtype: str
    alias_of: str | None
    note: str


@dataclass(frozen=True)
class TensorRow:
    """One parameter or buffer.

    persistent: whether the state_dict has it. tied_to: the first path of the same tensor.
    """

    path: str
    module: str
    kind: str
    shape: Shape
    dtype: str
    n_elements: int
    size_bytes: int
    trainable: bool
    persistent: bool
    tied_to: str | None


@dataclass
class _Sums:
    n_parameters: int = 0
    n_trainable: int = 0
    dtypes: frozenset[str] = frozenset()
    used: bool = False


def modules(trace: Trace) -> list[ModuleRow]:
    """One row a module, root first, in `named_modules(remove_duplicate=False)` order."""
    named = list(trace.model.named_modules(remove_duplicate=False))
    first: dict[int, str] = {}
    for path, module in named:
        first.setdefault(id(module), path)
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in trace.calls:
        calls[call.path].append(call)
    sums, macs = _sums(named, trace.used), _macs(trace)
    return [
        _row(path, module, first[id(module)], calls[first[id(module)]], sums[path], macs.get(path, 0), trace)
        for path, module in named
    ]


def _row(path: str, module: nn.Module, own: str, calls: list[Call], sums: _Sums, macs: int, trace: Trace) -> ModuleRow:
    return ModuleRow(
        path=path,
        kind=type(module).__name__,
        arguments=module.extra_repr(),
        n_calls=len(calls),
        input_shapes=tuple(call.inputs for call in calls),
        output_shapes=tuple(call.outputs for call in calls),
        n_parameters=sums.n_parameters,
        n_trainable=sums.n_trainable,
        macs=macs,
        activation_bytes=sum(call.output_bytes for call in calls),
        dtype=next(iter(sums.dtypes), "") if len(sums.dtypes) < 2 else "mixed",
        alias_of=own if own != path else None,
        note=_note(module, len(calls), sums.used, trace),
    )


def _note(module: nn.Module, n_calls: int, used: bool, trace: Trace) -> str:
    if n_calls > 1:
        return f"called {n_calls} times"
    if n_calls:
        return ""
    if isinstance(module, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict):
        return "container"
    if trace.failed is not None:
        return "not reached"
    return "parameters used, module not called" if used else "never called"


def _ancestors(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


def _sums(named: Iterable[tuple[str, nn.Module]], used: Container[int]) -> dict[str, _Sums]:
    """Subtree sums by path. A parameter held at several places counts once in each subtree that holds it."""
    found: dict[str, _Sums] = {}
    holders: dict[int, tuple[nn.Parameter, list[str]]] = {}
    for path, module in named:
        found[path] = _Sums()
        for parameter in module._parameters.values():
            if parameter is not None:
                holders.setdefault(id(parameter), (parameter, []))[1].append(path)
    for key, (parameter, paths) in holders.items():
        count, dtype = parameter.numel(), frozenset({str(parameter.dtype).removeprefix("torch.")})
        trainable, is_used = parameter.requires_grad, key in used
        for place in dict.fromkeys(above for path in paths for above in _ancestors(path)):
            sums = found[place]
            sums.n_parameters += count
            sums.n_trainable += count if trainable else 0
            sums.dtypes |= dtype
            sums.used |= is_used
    return found


def _macs(trace: Trace) -> dict[str, int]:
    own: dict[str, int] = defaultdict(int)
    for op in trace.ops:
        if op.macs:
            own[op.path] += op.macs
    found: dict[str, int] = defaultdict(int)
    for path, macs in own.items():
        for above in _ancestors(path):
            found[above] += macs
    return found


def parameters(subject: Recipe | nn.Module) -> list[TensorRow]:
    """One row a parameter, in `named_parameters(remove_duplicate=False)` order."""
    return _tensors(_model(subject).named_parameters(remove_duplicate=False), "parameter", frozenset())


def buffers(subject: Recipe | nn.Module) -> list[TensorRow]:
    """One row a buffer, in `named_buffers(remove_duplicate=False)` order."""
    model = _model(subject)
    hidden = {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules(remove_duplicate=False)
        for name in module._non_persistent_buffers_set
    }
    return _tensors(model.named_buffers(remove_duplicate=False), "buffer", frozenset(hidden))


def _model(subject: Recipe | nn.Module) -> nn.Module:
    return structure_of(subject).model if isinstance(subject, Recipe) else subject


def _tensors(named: Iterable[tuple[str, Tensor]], kind: str, hidden: frozenset[str]) -> list[TensorRow]:
    first: dict[int, str] = {}
    rows = []
    for path, tensor in named:
        own = first.setdefault(id(tensor), path)
        rows.append(
            TensorRow(
                path=path,
                module=path.rpartition(".")[0],
                kind=kind,
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                n_elements=tensor.numel(),
                size_bytes=tensor.numel() * tensor.element_size(),
                trainable=tensor.requires_grad,
                persistent=path not in hidden,
                tied_to=own if own != path else None,
            )
        )
    return rows
