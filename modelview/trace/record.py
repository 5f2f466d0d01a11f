"""One forward pass, recorded: hooks see the modules, a torch-function mode sees the ops."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from modelview.trace.explain import sentence
from modelview.trace.macs import CHEAP, MACS
from modelview.trace.records import Call, Edge, Failure, Op, Totals, Trace
from modelview.trace.rules import RULES
from modelview.trace.shapes import arguments_tree, tensors, tree

_RECORDING = threading.RLock()
"""Structures are shared between browser sessions and hooks are attached to them: one pass at a time."""

_VIEWS = {"__get__", "size", "dim"}
_AXES = {"permute", "transpose"}


class _Open:
    """A call that has begun."""

    __slots__ = ("first", "index", "inputs", "last", "module", "outputs", "parent", "path", "result", "size")

    def __init__(self, index: int, path: str, parent: int, inputs: Any, module: nn.Module, first: int) -> None:
        self.index, self.path, self.parent, self.inputs = index, path, parent, inputs
        self.module, self.first, self.last = module, first, first
        self.outputs: Any = None
        self.result: tuple[int, ...] = ()
        self.size = 0


class _Recorder(TorchFunctionMode):
    """Numbers every op and remembers, on each tensor, the number of the op that made it."""

    def __init__(self, paths: dict[int, str]) -> None:
        super().__init__()
        self.paths = paths
        self.calls: list[_Open] = []
        self.stack: list[_Open] = []
        self.ops: list[Op] = []
        self.uncounted: dict[str, None] = {}
        self.used: set[int] = set()
        self.allocated = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = None
        rule = RULES.get(func)
        if rule is not None and args and args[0].is_meta:
            try:
                result = rule(*args, **kwargs)
            except TypeError:  # a signature that the rule does not know
                result = None
        if result is None:
            result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._note(func, args, kwargs, (result,), result)
        elif isinstance(result, tuple | list):
            if found := [item for item in result if isinstance(item, Tensor)]:
                self._note(func, args, kwargs, found, result)
        elif result is None and func is Tensor.__setitem__:
            self._note(func, args, kwargs, (args[0],), args[0])
        return result

    def _note(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Iterable[Tensor], result: Any
    ) -> None:
        name = func.__name__
        sources: dict[int, None] = {}
        weights = False
        for tensor in _flat((*args, *kwargs.values()) if kwargs else args):
            source = tensor.__dict__.get("_op")
            if source is not None:
                sources[source] = None
            elif isinstance(tensor, nn.Parameter):
                self.used.add(id(tensor))
                weights = weights or tensor.dim() > 1
        if name == "__get__":  # .data, .T and the like: another name for the same values
            for tensor in made:
                if sources and not isinstance(tensor, nn.Parameter):
                    tensor.__dict__["_op"] = next(iter(sources))
            return
        name = name.strip("_") if name.startswith("__") else name
        formula = MACS.get(func)
        if formula is None and weights and name.removesuffix("_") not in CHEAP:
            self.uncounted[name] = None
        macs = formula(args, kwargs, result) if formula else 0
        axes = tuple(_integers(args[1:])) if name in _AXES else ()
        self._append(name, tuple(sources), made, macs, axes)

    def _append(
        self,
        name: str,
        sources: tuple[int, ...],
        made: Iterable[Tensor],
        macs: int = 0,
        axes: tuple[int, ...] = (),
    ) -> int:
        index = len(self.ops)
        call, path = (self.stack[-1].index, self.stack[-1].path) if self.stack else (-1, "")
        shapes = []
        for tensor in made:
            shapes.append(tuple(tensor.shape))
            if not isinstance(tensor, nn.Parameter):
                if "_op" not in tensor.__dict__:
                    self.allocated += tensor.numel() * tensor.element_size()
                tensor.__dict__["_op"] = index
        self.ops.append(Op(index, name, call, path, sources, tuple(shapes), macs, axes))
        return index

    def begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.stack[-1].index if self.stack else -1
        with torch._C.DisableTorchFunction():
            inputs = arguments_tree(args, kwargs)
        call = _Open(len(self.calls), self.paths[id(module)], parent, inputs, module, len(self.ops))
        self.calls.append(call)
        self.stack.append(call)

    def end(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        with torch._C.DisableTorchFunction():
            call = self.stack[-1]
            found = list(tensors(output))
            call.outputs = tree(output)
            call.size = sum(tensor.numel() * tensor.element_size() for tensor in found)
            untold = [tensor for tensor in found if "_op" not in tensor.__dict__]
            if untold:  # made where the mode cannot see, such as in a custom C++ op
                given = (t.__dict__.get("_op") for t in tensors((*args, *kwargs.values())))
                self._append(type(module).__name__, tuple({s: None for s in given if s is not None}), untold)
            call.result = tuple({t.__dict__["_op"]: None for t in found if "_op" in t.__dict__})
            call.last = len(self.ops)
            self.stack.pop()


def _flat(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _flat(value)


def _integers(values: Iterable[Any]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
        elif isinstance(value, tuple | list):
            yield from _integers(value)


@contextmanager
def _hooked(modules: Iterable[nn.Module], recorder: _Recorder) -> Iterator[None]:
    handles = []
    try:
        for module in modules:
            handles.append(module.register_forward_pre_hook(recorder.begin, with_kwargs=True))
            handles.append(module.register_forward_hook(recorder.end, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def undisturbed(modules: Iterable[nn.Module], *, train: bool = False) -> Iterator[None]:
    """Run `modules` in eval (or train) mode without gradients; every mode, buffer and the RNG are put back."""
    modules = list(modules)
    modes = [(module, module.training) for module in modules]
    buffers = [buffer for module in modules for buffer in module._buffers.values() if buffer is not None]
    kept = [(buffer, buffer.clone()) for buffer in buffers if not buffer.is_meta] if train else []
    try:
        for module in modules:
            module.training = train
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, values in kept:
                buffer.copy_(values)


def record(
    model: nn.Module,
    args: tuple[Any, ...],
    *,
    train: bool = False,
    note: str = "",
    owner: nn.Module | None = None,
    fatal: Callable[[Exception], bool] = lambda error: False,
) -> Trace:
    """The trace of `model(*args)`; an exception that is not `fatal` ends it and becomes `failed`.

    owner: the module that the trace speaks of, where `model` is a copy made to be run.
    """
    named = list(model.named_modules())
    modules = [module for _, module in named]
    recorder = _Recorder({id(module): path for path, module in named})
    failed, output = None, None
    given = list(tensors(args))
    with _RECORDING, undisturbed(modules, train=train), _hooked(modules, recorder):
        try:
            for tensor in given:
                recorder._append("input", (), (tensor,))
            recorder.allocated = 0
            with recorder:
                output = model(*args)
        except Exception as error:
            if fatal(error):
                raise
            failed = _failure(recorder, error)
        else:
            results = list(tensors(output))
            sources = tuple({t.__dict__["_op"]: None for t in results if "_op" in t.__dict__})
            shapes = tuple(tuple(t.shape) for t in results)
            recorder.ops.append(Op(len(recorder.ops), "output", -1, "", sources, shapes))
        finally:
            for tensor in (*given, *_held(modules)):
                tensor.__dict__.pop("_op", None)
    return _trace(owner or model, model, recorder, args, output, note, failed)


def _held(modules: Iterable[nn.Module]) -> Iterator[Tensor]:
    """Every parameter and buffer, shared ones as often as they are held."""
    for module in modules:
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                yield tensor


def _failure(recorder: _Recorder, error: Exception) -> Failure:
    if not recorder.stack:
        return Failure("", "", None, str(error), f"The model could not be run: {error}")
    call = recorder.stack[-1]
    return Failure(
        call.path,
        type(call.module).__name__,
        call.inputs,
        str(error),
        sentence(call.path, call.module, call.inputs, error),
    )


def _trace(
    owner: nn.Module,
    model: nn.Module,
    recorder: _Recorder,
    args: tuple[Any, ...],
    output: Any,
    note: str,
    failed: Failure | None,
) -> Trace:
    ops = tuple(recorder.ops)
    end = len(ops)
    unfinished = {call.index for call in recorder.stack}
    calls = tuple(
        Call(
            call.index,
            call.path,
            call.parent,
            call.inputs,
            call.outputs,
            range(call.first, end if call.index in unfinished else call.last),
            call.result,
            call.size,
        )
        for call in recorder.calls
    )
    used = recorder.used
    if owner is not model:
        pairs = zip(model.parameters(), owner.parameters(), strict=True)
        used = {id(theirs) for ours, theirs in pairs if id(ours) in used}
    device = next((str(t.device.type) for t in tensors(args)), "cpu")
    return Trace(
        model=owner,
        inputs=arguments_tree(args, {}),
        output=tree(output),
        calls=calls,
        ops=ops,
        edges=_edges(ops),
        totals=totals(owner, sum(op.macs for op in ops), tuple(recorder.uncounted)),
        device=device,
        note=note,
        failed=failed,
        used=frozenset(used),
        activation_bytes=recorder.allocated,
    )


def _edges(ops: tuple[Op, ...]) -> tuple[Edge, ...]:
    return tuple(
        Edge(source, op.index, ops[source].shapes[0] if ops[source].shapes else ())
        for op in ops
        for source in op.inputs
        if source != op.index
    )


def totals(model: nn.Module, macs: int = 0, uncounted: tuple[str, ...] = ()) -> Totals:
    """The sums over `model`: unique parameters, and the bytes of unique parameters and buffers."""
    n_parameters = n_trainable = size = 0
    for tensor in {id(tensor): tensor for tensor in _held(model.modules())}.values():
        count = tensor.numel()
        size += count * tensor.element_size()
        if isinstance(tensor, nn.Parameter):
            n_parameters += count
            n_trainable += count if tensor.requires_grad else 0
    return Totals(n_parameters, n_trainable, size, macs, uncounted)
