"""One forward pass, recorded, with the model as it was afterwards."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from modelview.meta import uncollected
from modelview.trace.explain import sentence
from modelview.trace.recorder import MARK, Recorder
from modelview.trace.records import Call, Edge, Failure, Op, Totals, Trace
from modelview.trace.shapes import arguments_tree, tensors, tree

_RECORDING = threading.RLock()
"""Structures are shared between browser sessions and hooks are attached to them: one pass at a time."""


@contextmanager
def _hooked(modules: Iterable[nn.Module], recorder: Recorder) -> Iterator[None]:
    """Have the recorder called before and after each module.

    As `register_forward_hook(_, with_kwargs=True)` does, but without its handle: to make one takes longer than a small
    layer on meta.
    """
    modules = list(modules)
    try:
        for module in modules:
            module._forward_pre_hooks[recorder] = recorder.begin  # type: ignore[index]
            module._forward_pre_hooks_with_kwargs[recorder] = True  # type: ignore[index]
            module._forward_hooks[recorder] = recorder.end  # type: ignore[index]
            module._forward_hooks_with_kwargs[recorder] = True  # type: ignore[index]
        yield
    finally:
        for module in modules:
            for hooks in (
                module._forward_pre_hooks,
                module._forward_pre_hooks_with_kwargs,
                module._forward_hooks,
                module._forward_hooks_with_kwargs,
            ):
                hooks.pop(recorder, None)  # type: ignore[call-overload]


@contextmanager
def undisturbed(modules: Iterable[nn.Module], *, train: bool = False) -> Iterator[None]:
    """Run `modules` in eval (or train) mode without gradients; every mode, buffer and the RNG are put back."""
    modules = list(modules)
    turned = [module for module in modules if module.training != train]  # setting an attribute of a module is slow
    buffers = [buffer for module in modules for buffer in module._buffers.values()] if train else []
    kept = [(buffer, buffer.clone()) for buffer in buffers if buffer is not None and not buffer.is_meta]
    try:
        for module in turned:
            module.training = train
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module in turned:
            module.training = not train
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
    parameters = [parameter for module in modules for parameter in module._parameters.values()]
    recorder = Recorder({id(module): path for path, module in named}, frozenset(map(id, parameters)))
    failed, output = None, None
    given = list(tensors(args))
    with _RECORDING, uncollected(), undisturbed(modules, train=train), _hooked(modules, recorder):
        try:
            for tensor in given:
                recorder.append("input", (), (tensor,))
            recorder.allocated = 0
            with recorder:
                output = model(*args)
        except Exception as error:
            if fatal(error):
                raise
            failed = _failure(recorder, error)
        else:
            results = list(tensors(output))
            sources = tuple({made: None for t in results if (made := recorder.made(t)) is not None})
            shapes = tuple(tuple(t.shape) for t in results)
            recorder.ops.append(Op(len(recorder.ops), "output", -1, "", sources, shapes))
        finally:
            held = {id(tensor): tensor for tensor in _held(modules)}
            for tensor in (*given, *held.values()):
                tensor.__dict__.pop(MARK, None)
    totals = _totals(held, recorder)
    return _trace(owner or model, model, recorder, args, output, totals, note, failed)


def _held(modules: Iterable[nn.Module]) -> Iterator[Tensor]:
    """Every parameter and buffer, shared ones as often as they are held."""
    for module in modules:
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                yield tensor


def _failure(recorder: Recorder, error: Exception) -> Failure:
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
    recorder: Recorder,
    args: tuple[Any, ...],
    output: Any,
    totals: Totals,
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
            call.collection,
        )
        for call in recorder.calls
    )
    used = recorder.used
    if owner is not model:
        pairs = zip(model.parameters(), owner.parameters(), strict=True)
        used = {id(theirs): used[id(ours)] for ours, theirs in pairs if id(ours) in used}
    device = next((str(t.device.type) for t in tensors(args)), "cpu")
    return Trace(
        model=owner,
        inputs=arguments_tree(args, {}),
        output=tree(output),
        is_tuple=type(output) is tuple,
        calls=calls,
        ops=ops,
        edges=_edges(ops),
        totals=totals,
        device=device,
        note=note,
        failed=failed,
        used=used,
        activation_bytes=recorder.allocated,
    )


def _edges(ops: tuple[Op, ...]) -> tuple[Edge, ...]:
    return tuple(
        Edge(source, op.index, ops[source].shapes[0] if ops[source].shapes else ())
        for op in ops
        for source in op.inputs
        if source != op.index
    )


def _totals(held: dict[int, Tensor], recorder: Recorder) -> Totals:
    """The sums over what a model holds, by id: unique parameters, and the bytes of unique parameters and buffers."""
    n_parameters = n_trainable = size = 0
    for key, tensor in held.items():
        count = tensor.numel()
        size += count * tensor.element_size()
        if key in recorder.parameters:
            n_parameters += count
            n_trainable += count if tensor.requires_grad else 0
    macs = sum(op.macs for op in recorder.ops)
    return Totals(n_parameters, n_trainable, size, macs, tuple(recorder.uncounted))
