"""A forward recorded as an fx graph, opened only along one path and stopped at its end."""

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from modelview.rewrite.values import Untraceable, Value, assigned_name

DROPOUTS = {
    F.dropout: "Dropout",
    F.dropout1d: "Dropout1d",
    F.dropout2d: "Dropout2d",
    F.dropout3d: "Dropout3d",
    F.alpha_dropout: "AlphaDropout",
    F.feature_alpha_dropout: "FeatureAlphaDropout",
}
"""Functions that take `training=self.training`, and the modules that do the same."""


class NeverCalled(Exception):
    """The forward ended before the module was called that often. `n_calls`: how often it was."""

    def __init__(self, n_calls: int) -> None:
        super().__init__(n_calls)
        self.n_calls = n_calls


class _Reached(Exception):
    """Ends the recording at the module that was looked for."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Mode(int):
    """`module.training` while recording: as good as a bool, and found again in the graph."""


def opened(model: nn.Module, path: str) -> dict[str, nn.Module]:
    """The modules to open so that every call of the one at `path` is seen: all that contain it, by path."""
    modules = dict(model.named_modules(remove_duplicate=False))
    target = modules[path]
    places = [name.split(".") for name, module in modules.items() if module is target]
    paths = [".".join(names[:n]) for names in places for n in range(len(names))]
    return {found: modules[found] for found in paths}


def shadow(model: nn.Module, path: str, replaced: nn.Module | None = None) -> nn.Module:
    """A stand-in for `model` with the same children, but its own opened modules, and `replaced` at `path`.

    Recording runs on it, so that neither attributes that fx sets nor `Mode` ever reach the model.
    """
    originals = set(map(id, opened(model, path).values()))
    target = model.get_submodule(path)
    done: dict[int, nn.Module] = {id(target): replaced or target}

    def copied(module: nn.Module) -> nn.Module:
        if id(module) in originals and id(module) not in done:
            copy = done[id(module)] = object.__new__(type(module))
            copy.__dict__.update(module.__dict__, training=Mode(module.training))
            children = {name: child and copied(child) for name, child in module._modules.items()}
            copy.__dict__["_modules"] = children
        return done.get(id(module), module)

    return copied(model)


@dataclass(frozen=True)
class Recording:
    """`graph` is what `model` does; `model` is a stand-in that shares all but its opened modules."""

    graph: fx.Graph
    model: nn.Module
    opened: frozenset[int]
    """The ids of the opened modules."""


def record(model: nn.Module, path: str, call: int, replaced: nn.Module | None = None) -> Recording:
    """What `model`'s forward does up to the call number `call` of the module at `path`.

    replaced: a module to be called in place of the one at `path`.
    Raises Untraceable, or NeverCalled. Leaves the model and the random state as they were.
    """
    if any(_unusual(module) for module in opened(model, path).values()):
        raise Untraceable("hooks or a forward of its own")
    stand_in = shadow(model, path, replaced)
    recorder = _Recorder(stand_in, path, call)
    with torch.random.fork_rng(devices=[]):
        try:
            recorder.trace(stand_in)
        except _Reached as reached:
            recorder.graph.output(recorder.create_arg(reached.value))
        except NeverCalled:
            raise
        except Exception as error:  # any code may run here; whatever it cannot do is the answer
            raise Untraceable(str(error)) from error
        else:
            raise NeverCalled(recorder.n_calls)
    return Recording(_cleaned(recorder.graph, stand_in), stand_in, recorder.opened)


def _unusual(module: nn.Module) -> bool:
    return bool("forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks)


def _cleaned(graph: fx.Graph, root: nn.Module) -> fx.Graph:
    """The graph without reads that nobody uses. Raises Untraceable for what a graph would freeze."""
    buffers = {name for name, _ in root.named_buffers()}
    for node in reversed(graph.nodes):
        if not node.users and _is_read(node):
            graph.erase_node(node)
        elif node.op == "get_attr" and not _is_registered(root, str(node.target)):
            raise Untraceable(f"{node.target} is a constant")
        if isinstance(node.target, str) and any(map(iskeyword, node.target.split("."))):
            raise Untraceable(f"{node.target} is no name that fx can write")
        if any(isinstance(value, Mode) for value in _leaves(node)) and node.target not in DROPOUTS:
            raise Untraceable(f"{node.target} depends on the mode")
        inputs = {str(used.target) for used in node.all_input_nodes}
        if node.op in ("call_function", "call_method") and inputs and inputs <= buffers:
            # fx traces again when it unpickles, and then computes such a value once and for all
            raise Untraceable(f"{node.target} is called on buffers alone")
        node.meta = {key: node.meta[key] for key in ("is_wrapped", "unpacked", "hint") if key in node.meta}
    graph._tracer_cls = fx.Tracer  # what is pickled with the module: must not be a class of ours
    return graph


def _leaves(node: fx.Node) -> list[Any]:
    found: list[Any] = []
    fx.node.map_aggregate((node.args, node.kwargs), lambda value: found.append(value) or value)  # type: ignore[func-returns-value]
    return found


def _is_read(node: fx.Node) -> bool:
    return node.op == "get_attr" or node.target in (getattr, operator.getitem)


def _is_registered(root: nn.Module, path: str) -> bool:
    holder_path, _, name = path.rpartition(".")
    holder = root.get_submodule(holder_path)
    return any(name in found for found in (holder._parameters, holder._buffers, holder._modules))


class _Recorder(fx.Tracer):
    """Records calls of the modules beside the path as they are, and stops at the module at its end."""

    proxy_buffer_attributes = True

    def __init__(self, model: nn.Module, path: str, call: int) -> None:
        super().__init__()
        self.opened = frozenset(map(id, opened(model, path).values()))
        self._target = model.get_submodule(path)
        self._call = call
        self.n_calls = 0

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return id(m) not in self.opened

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        if m is self._target:
            self.n_calls += 1
            if self.n_calls > self._call:
                raise _Reached(result)
        return result

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:  # noqa: ARG002
        """Only what must be given becomes an input; what has a default keeps it."""
        _, *parameters = inspect.signature(inspect.unwrap(root_fn)).parameters.values()
        needed = [p for p in parameters if p.default is p.empty]
        if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in needed):
            raise Untraceable("arguments that are not plain")
        return root_fn, [self.root, *(self.create_proxy("placeholder", p.name, (), {}) for p in needed)]

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(kind, *args, **kwargs)
        if hint := assigned_name():
            node.meta["hint"] = hint
        return node

    def proxy(self, node: fx.Node) -> Value:
        return Value(node, self)
