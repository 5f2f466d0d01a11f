"""A forward recorded as an fx graph, opened only along one path and stopped at its end."""

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from modelview.rewrite.signatures import optional, runs_hooks
from modelview.rewrite.values import Untraceable, Value, assigned_name, written_again

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


class Number(int):
    """A whole number that an opened module keeps, while recording: read from there by what is recorded too.

    Text says its name, since messages of the model's own checks outlive the number.
    """

    path: str

    def __new__(cls, value: int, path: str) -> "Number":
        number = super().__new__(cls, value)
        number.path = path
        return number

    def __str__(self) -> str:
        return self.path.rpartition(".")[2]

    def __format__(self, spec: str) -> str:
        return str(self)


def opened(model: nn.Module, paths: Iterable[str]) -> dict[str, nn.Module]:
    """The modules to open so that every call of those at `paths` is seen: all that contain one, by path."""
    modules = dict(model.named_modules(remove_duplicate=False))
    targets = {id(modules[path]) for path in paths}
    places = [name.split(".") for name, module in modules.items() if id(module) in targets]
    found = {"": model} | {".".join(names[:n]): None for names in places for n in range(len(names))}
    return {path: modules[path] for path in found}


def shadow(
    model: nn.Module, paths: Iterable[str], replaced: Mapping[str, nn.Module], *, train: bool | None
) -> nn.Module:
    """A stand-in for `model` with the same children, but its own opened modules, and `replaced` at their paths.

    Recording runs on it, so that neither attributes that fx sets nor `Mode` and `Number` ever reach the model.
    """
    found = opened(model, paths)
    originals = {id(module): path for path, module in reversed(found.items())}
    done: dict[int, nn.Module] = {id(model.get_submodule(path)): module for path, module in replaced.items()}

    def copied(module: nn.Module) -> nn.Module:
        if id(module) in originals and id(module) not in done:
            copy = done[id(module)] = object.__new__(type(module))
            mode = module.training if train is None else train
            path = originals[id(module)]
            numbers = {name: Number(n, f"{path}.{name}".lstrip(".")) for name, n in numbers_of(module).items()}
            copy.__dict__.update({**module.__dict__, **numbers}, training=Mode(mode))
            children = {name: child and copied(child) for name, child in module._modules.items()}
            copy.__dict__["_modules"] = children
        return done.get(id(module), module)

    return copied(model)


def numbers_of(module: nn.Module) -> dict[str, int]:
    """The whole numbers that the module keeps as attributes, by their names."""
    own = vars(module).items()
    return {name: int(v) for name, v in own if type(v) in (int, Number) and not name.startswith("_")}


@dataclass(frozen=True)
class Seen:
    """What one call of a module gave: nodes, nested as its value was, and the last node there was by then."""

    value: Any
    last: fx.Node


@dataclass(frozen=True)
class Recording:
    """`graph` is what `model` does; `model` is a stand-in that shares all but its opened modules."""

    graph: fx.Graph
    model: nn.Module
    opened: frozenset[int]
    """The ids of the opened modules."""
    seen: Mapping[str, Sequence[Seen]] = field(default_factory=dict)
    """The calls of each module that was looked for, by its path."""


def record(model: nn.Module, path: str, call: int, replaced: nn.Module | None = None) -> Recording:
    """What `model`'s forward does up to the call number `call` of the module at `path`.

    replaced: a module to be called in place of the one at `path`.
    Raises Untraceable, or NeverCalled. Leaves the model and the random state as they were.
    """
    return _recorded(model, {path: call + 1}, {path: replaced} if replaced else {}, stop=True, drops_optional=True)


def record_points(model: nn.Module, n_calls: Mapping[str, int], *, stop: bool, passes_on: bool = False) -> Recording:
    """What `model`'s forward does, with the calls of the modules at the paths of `n_calls` seen.

    n_calls: how often each module is called. stop: end after the last of these calls, and return None.
    passes_on: it only hands its arguments to a module, so that those with a default can stay arguments.
    Raises Untraceable also where the forward is another one in train mode; NeverCalled.
    """
    recording = _recorded(model, n_calls, {}, stop=stop, train=False, passes_on=passes_on)
    if not stop:
        other = _recorded(model, n_calls, {}, stop=stop, train=True, passes_on=passes_on)
        if [_gist(node) for node in recording.graph.nodes] != [_gist(node) for node in other.graph.nodes]:
            raise Untraceable("it does something else in train mode")
    return recording


def _gist(node: fx.Node) -> tuple[Any, ...]:
    return node.op, node.target, len(node.args), tuple(user.name for user in node.users)


def _recorded(
    model: nn.Module,
    n_calls: Mapping[str, int],
    replaced: Mapping[str, nn.Module],
    *,
    stop: bool,
    train: bool | None = None,
    passes_on: bool = False,
    drops_optional: bool = False,
) -> Recording:
    if any(_unusual(module) for module in opened(model, n_calls).values()):
        raise Untraceable("hooks or a forward of its own")
    stand_in = shadow(model, n_calls, replaced, train=train)
    recorder = _Recorder(stand_in, n_calls, stop=stop, passes_on=passes_on, drops_optional=drops_optional)
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
            if missing := [len(calls) for path, calls in recorder.seen.items() if len(calls) < n_calls[path]]:
                raise NeverCalled(missing[0])
    seen = recorder.seen
    return Recording(_cleaned(recorder.graph, stand_in, seen), stand_in, recorder.opened, seen)


def _argument(name: str, all_of_them: Iterable[inspect.Parameter]) -> str:
    """What an argument is called in a forward written anew: a Sequential calls its own as the builtin."""
    return "x" if name == "input" and all(p.name != "x" for p in all_of_them) else name


def _unusual(module: nn.Module) -> bool:
    hooks = module._forward_hooks or module._forward_pre_hooks or runs_hooks(type(module))
    return bool("forward" in vars(module) or hooks)


def _cleaned(graph: fx.Graph, root: nn.Module, seen: Mapping[str, Sequence[Seen]]) -> fx.Graph:
    """The graph without reads that nobody uses. Raises Untraceable for what a graph would freeze."""
    buffers = {name for name, _ in root.named_buffers()}
    marks = {call.last for calls in seen.values() for call in calls}
    for node in reversed(graph.nodes):
        if not node.users and _is_read(node) and node not in marks:
            graph.erase_node(node)
        elif node.op == "get_attr" and not node.meta.get("number") and not _is_registered(root, str(node.target)):
            raise Untraceable(f"{node.target} is a constant")
        if isinstance(node.target, str) and any(map(iskeyword, node.target.split("."))):
            raise Untraceable(f"{node.target} is no name that fx can write")
        if any(isinstance(value, Mode) for value in _leaves(node)) and node.target not in DROPOUTS:
            raise Untraceable(f"{node.target} depends on the mode")
        inputs = {str(used.target) for used in node.all_input_nodes}
        if node.op in ("call_function", "call_method") and inputs and inputs <= buffers:
            # fx traces again when it unpickles, and then computes such a value once and for all
            raise Untraceable(f"{node.target} is called on buffers alone")
        node.meta = _kept(node)
    graph._tracer_cls = fx.Tracer  # what is pickled with the module: must not be a class of ours
    return graph


def _kept(node: fx.Node) -> dict[str, Any]:
    """What is known of a node that matters once it is recorded: how it is written, and that fx must not open it."""
    return {key: node.meta[key] for key in ("is_wrapped", "unpacked", "hint", "number", "inline") if key in node.meta}


def _likeness(node: fx.Node) -> tuple[Any, ...]:
    """What two nodes share that do the same; which attribute is read among it."""
    return node.op, node.target, node.args[1] if node.target is getattr else None


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
    """Records calls of the modules beside the paths as they are, and may stop when those at their ends have run."""

    proxy_buffer_attributes = True

    def __init__(
        self, model: nn.Module, n_calls: Mapping[str, int], *, stop: bool, passes_on: bool, drops_optional: bool
    ) -> None:
        super().__init__()
        self._passes_on, self._drops_optional = passes_on, drops_optional
        self.opened = frozenset(map(id, opened(model, n_calls).values()))
        self.seen: dict[str, list[Seen]] = {path: [] for path in n_calls}
        self._paths = {id(model.get_submodule(path)): path for path in n_calls}
        self._missing, self._stop = sum(n_calls.values()), stop
        self._n_calls = n_calls
        self._graphs: dict[fx.GraphModule, dict[str, fx.Node]] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return id(m) not in self.opened

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        path = self._paths.get(id(m))
        if path is not None and len(self.seen[path]) < self._n_calls[path]:
            self.seen[path].append(Seen(self.create_arg(result), next(reversed(self.graph.nodes))))
            self._missing -= 1
            if self._stop and not self._missing:
                raise _Reached(result)
        return result

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:  # noqa: ARG002
        """What must be given becomes an input, and what may be left out stays one, unless the forward is cut."""
        _, *parameters = inspect.signature(inspect.unwrap(root_fn)).parameters.values()
        needed = [p for p in parameters if p.default is p.empty]
        if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in needed):
            raise Untraceable("arguments that are not plain")
        args = [self.create_proxy("placeholder", _argument(p.name, needed), (), {}) for p in needed]
        args += [self.create_proxy("placeholder", p.name, (p.default,), {}) for p in self._optional(parameters)]
        return root_fn, [self.root, *args]

    def _optional(self, parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
        if self._drops_optional:
            return []
        rest = optional(type(self.root))
        if any(p.kind is p.KEYWORD_ONLY for p in rest):
            raise Untraceable("an argument that is only given by its name")
        if self._passes_on:
            return rest
        if any(p.default is None for p in rest) or rest != [p for p in parameters if p.default is not p.empty]:
            raise Untraceable("an argument that may be left out")  # whether it was is asked where no value is known
        return rest

    def create_arg(self, a: Any) -> Any:
        if not isinstance(a, Number):
            return super().create_arg(a)
        node = self.create_node("get_attr", a.path, (), {})
        node.meta["number"] = True
        return node

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(kind, *args, **kwargs)
        if hint := assigned_name():
            node.meta["hint"] = hint
        elif before := self._before(node):
            node.meta.update(_kept(before))
        return node

    def _before(self, node: fx.Node) -> fx.Node | None:
        """The node of an opened graph module that is recorded again, if one is."""
        found = written_again()
        if found is None:
            return None
        owner, name = found
        if owner not in self._graphs:
            self._graphs[owner] = {each.name: each for each in owner.graph.nodes}
        line = self._graphs[owner].get(name)
        if line is None:
            return None
        # what reads an attribute is made only when the attribute is used, which may be in the line of its user
        return next((each for each in (line, *line.all_input_nodes) if _likeness(each) == _likeness(node)), None)

    def proxy(self, node: fx.Node) -> Value:
        return Value(node, self)
