"""What it takes to change a model's forward where values pass, and at its end."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn

from modelview.errors import EditError
from modelview.layers import Layer
from modelview.rewrite.drafting import (
    Draft,
    Tail,
    class_name,
    free_names,
    remember,
    said_out_channels,
)
from modelview.rewrite.drawing import wire
from modelview.rewrite.hooking import hooked_class
from modelview.rewrite.rewired_code import composed_code, hooked_code, inherited_code
from modelview.rewrite.slicing import is_sequential
from modelview.rewrite.tracing import numbers_of, record_points
from modelview.rewrite.values import Untraceable
from modelview.rewrite.wiring import Tap, Wiring
from modelview.script import Code


@dataclass(frozen=True)
class Rewired:
    """A wiring planned on one model, applied to any of the same structure.

    traced: whether the forward is written anew; False where the model's own runs, with hooks. Such a model
        cannot be pickled whole.
    code: the class, and statements that turn `model` into the same.
    names: what the new layers are called, by the names that were asked for.
    """

    wiring: Wiring
    traced: bool
    code: Code
    names: Mapping[str, str]

    def apply(self, model: nn.Module) -> nn.Module:
        """The model, rewired. Its layers are the given model's own, which is used up."""
        return _Work(model, self.wiring, Layer.build).module(traced=self.traced)


def plan_rewiring(model: nn.Module, wiring: Wiring) -> Rewired:
    """How to change the model's forward as the wiring says. The model stays as it is."""
    name = class_name(wiring.class_name, type(model).__name__)
    wiring = replace(wiring, class_name=name, taps=tuple(_apart(wiring.taps)))
    work = _Work(model, wiring, Layer.planned)
    try:
        if wiring.first_of_several:
            raise Untraceable("it returns more in train mode")
        work.draft.module(wiring.class_name)
        return Rewired(wiring, True, work.code(traced=True), work.names)
    except Untraceable as error:
        if isinstance(work.host, nn.Sequential) and wiring.layers:
            raise EditError(
                "The forward of this model cannot be written anew, and a Sequential runs every layer that it holds: "
                'let a new module hold it, with the style "wrap".'
            ) from error
        return Rewired(wiring, False, work.code(traced=False), work.names)


def _apart(taps: tuple[Tap, ...]) -> Iterator[Tap]:
    """The taps, each with a variable of its own."""
    taken: set[str] = set()
    for tap in taps:
        name = next(n for n in (tap.name, *(f"{tap.name}_{m}" for m in range(2, len(taps) + 2))) if n not in taken)
        taken.add(name)
        yield replace(tap, name=name)


class _Work:
    """One model and what becomes of it; `make` makes layers of text."""

    def __init__(self, model: nn.Module, wiring: Wiring, make: Callable[[Layer], nn.Module]) -> None:
        self.model, self.make = model, make
        self.host = _wrapper(model, wiring.wrapped) if wiring.wrapped else model
        self.wiring = wiring.inside()
        free = free_names(wiring.layers, self.host)
        self.names = {asked: name for (asked, _), (name, _) in zip(wiring.layers, free, strict=True)}
        self.names |= {name: name for name, _ in wiring.replaced}
        self.added: Tail = (*wiring.replaced, *free)

    @cached_property
    def draft(self) -> Draft:
        """The forward as a graph, wired. Raises Untraceable."""
        touched = self.wiring.n_calls
        passes_on = bool(self.wiring.wrapped) and not touched
        recording = record_points(self.host, touched, stop=self.wiring.stops, passes_on=passes_on)
        wire(recording, self.wiring, self.names)
        _rename(recording.graph, dict(self.wiring.renamed))
        kept = None if self.wiring.drops else self._whole()
        draft = Draft(recording, kept)
        for name, layer in self._layers().items():
            draft.kept._modules[name] = layer
        return draft

    def module(self, *, traced: bool) -> nn.Module:
        if traced:
            made: nn.Module = self.draft.module(self.wiring.class_name)
            _keep_numbers(self.host, made, whole=not self.wiring.drops)
            if _has_rows(self.host) and not self.wiring.drops:
                remember(made, _ROWS, 1)
            return made
        for name, layer in self._layers().items():
            setattr(self.host, name, layer)
        self.host.__class__ = hooked_class(type(self.host), self.wiring, self.names)
        return self.host

    def code(self, *, traced: bool) -> Code:
        codes = {name: Layer(text).code() for name, text in self.added}
        if not traced or self._calls_its_own_forward:
            return hooked_code(self.host, self.wiring, self.names, codes)
        if self.wiring.drops:
            return composed_code(self.draft, self.host, self.wiring, codes)
        return inherited_code(self.draft, self.host, self.wiring, codes)

    @property
    def _calls_its_own_forward(self) -> bool:
        """Whether nothing changes before the end; a Sequential's own forward would run new layers too."""
        runs_all = bool(self.added) and is_sequential(self.host)
        return not (self.wiring.n_calls or self.wiring.renamed or runs_all)

    def _layers(self) -> dict[str, nn.Module]:
        first = next(self.model.parameters(), None)
        with torch.device(first.device if first is not None else "cpu"):
            return {name: self.make(Layer(text)) for name, text in self.added}

    def _whole(self) -> nn.Module:
        """A module that holds all that the host does, to which layers can be added."""
        whole = nn.Sequential() if _has_rows(self.host) else nn.Module()
        for held in ("_parameters", "_buffers", "_modules"):
            getattr(whole, held).update(getattr(self.host, held))
        whole.__dict__.update(numbers_of(self.host))
        for old, new in self.wiring.renamed:
            whole._modules[new] = whole._modules.pop(old)
        whole._non_persistent_buffers_set = set(self.host._non_persistent_buffers_set)
        whole.training = self.host.training
        return whole


_ROWS = "_has_rows"
"""Says of a graph module that its class, as it is written, is a Sequential."""


def _has_rows(host: nn.Module) -> bool:
    return isinstance(host, nn.Sequential) or hasattr(host, _ROWS)


def _rename(graph: fx.Graph, names: Mapping[str, str]) -> None:
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            first, dot, rest = str(node.target).partition(".")
            node.target = names.get(first, first) + dot + rest


def _wrapper(model: nn.Module, name: str) -> nn.Module:
    """A module that only calls `model`, its child `name`, and takes what that takes."""

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return self.get_submodule(name)(*args, **kwargs)

    forward.__wrapped__ = inspect.unwrap(type(model).forward)  # type: ignore[attr-defined]
    wrapper: nn.Module = type("Wrapper", (nn.Module,), {"forward": forward})()
    wrapper.add_module(name, model)
    wrapper.training = model.training
    return wrapper


def _keep_numbers(host: nn.Module, made: nn.Module, *, whole: bool) -> None:
    """What the model says of itself: of which version its state_dict is, and where it is kept whole, its numbers."""
    if host._version != made._version:
        remember(made, "_version", host._version)
    said = said_out_channels(host)
    for name, value in numbers_of(host).items() if whole else ():
        if name != "out_channels" or said is not None:
            remember(made, name, value)
