"""What it takes to end a model's forward after one of its modules."""

from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from modelview.errors import EditError
from modelview.layers import Layer
from modelview.names import unknown
from modelview.rewrite.classes import class_code
from modelview.rewrite.drafting import Draft, Tail, camel, class_name, free_names, set_out_channels
from modelview.rewrite.holding import spelled
from modelview.rewrite.slicing import Slice, sequential_above, sliced
from modelview.rewrite.stopping import stopped_class, stopped_code
from modelview.rewrite.tracing import NeverCalled, Recording, record
from modelview.rewrite.values import Untraceable
from modelview.script import Code, quoted


@dataclass(frozen=True)
class Cut:
    """A model up to the module at `path`, planned on one model and applied to any of the same structure.

    call: which of the module's calls ends the forward, from 0.
    tail: (name, layer text) of what was appended, under the names that were free.
    traced: whether only what is needed is kept; False where the original forward runs, stopped by a hook,
        with all layers in place. Such a model cannot be pickled whole.
    code: the class, and statements that turn `model` into the same.
    """

    path: str
    call: int
    tail: Tail
    traced: bool
    code: Code
    out_channels: int | None
    class_name: str

    def apply(self, model: nn.Module) -> nn.Module:
        """The model, cut. Its layers are the given model's own, which is used up."""
        first = next(model.parameters(), None)
        with torch.device(first.device if first is not None else "cpu"):
            tail = {name: Layer(text).build() for name, text in self.tail}
        part = _part(model, self.path, self.call)
        if not self.traced:
            kind = stopped_class(type(model), self.class_name, self.path, self.call, tuple(tail))
            model.__class__ = kind
            _add(model, tail)
        elif part and not part.path:
            model = part.module
            _add(model, tail)
        else:
            draft = Draft(_recording(model, self.path, self.call, part))
            draft.append(tail)
            model = draft.module(self.class_name)
        if self.out_channels is not None:
            set_out_channels(model, self.out_channels)
        return model


def plan_cut(
    model: nn.Module,
    path: str,
    *,
    call: int = -1,
    n_calls: int = 1,
    tail: Tail = (),
    out_channels: int | None = None,
) -> Cut:
    """How to end the model's forward after a call of the module at `path`. The model stays as it is.

    call: which of the module's `n_calls` calls, as an index; the last one by default.
    tail: (name, layer text) such as ("pool", "AdaptiveAvgPool2d(1)"), appended in this order.
    out_channels: set as an attribute of that name, which detection models ask of a backbone.
    Raises UnknownName if no module has that path, EditError if it is never called.

    >>> cut = plan_cut(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4)), "1")
    >>> cut.code.statements
    ('model = model[:2]',)
    """
    paths = [name for name, _ in model.named_modules(remove_duplicate=False)]
    if not path:
        raise EditError("The whole model cannot be cut after itself; choose a module inside it.")
    if path not in paths:
        raise unknown("module", path, filter(None, paths))
    call = call + n_calls if call < 0 else call
    cut = Cut(path, call, tail, True, Code(), out_channels, _class_name(model, path, call))
    try:
        return _planned(cut, model)
    except NeverCalled as error:
        calls = {0: "never called", 1: "called only once"}.get(error.n_calls, f"called only {error.n_calls} times")
        raise EditError(f"`{path}` is {calls} in a forward pass: there is no output to end at.") from error


def _planned(cut: Cut, model: nn.Module) -> Cut:
    """The cut with its code, and with the names that its tail gets."""
    part = _part(model, cut.path, cut.call)
    if part and not part.path:
        tail = free_names(cut.tail, part.module)
        return replace(cut, tail=tail, code=_sequential_code(part, tail, cut.out_channels))
    try:
        draft = Draft(_recording(model, cut.path, cut.call, part))
        tail = free_names(cut.tail, draft.kept)
        draft.append({name: Layer(text).planned() for name, text in tail})
        added = {name: Layer(text).code() for name, text in (*draft.dropouts.items(), *tail)}
        title = f"{type(model).__name__} up to `{cut.path}`."
        extra = [f"self.out_channels = {cut.out_channels}"] if cut.out_channels is not None else []
        code = class_code(draft, model, cut.class_name, title, part, added, extra)
    except Untraceable as error:
        if isinstance(model, fx.GraphModule):
            raise EditError(f"A model that was cut already cannot be cut inside `{cut.path}`: {error}.") from error
        return _stopped(cut, model)
    return replace(cut, tail=tail, code=code)


def _stopped(cut: Cut, model: nn.Module) -> Cut:
    tail = free_names(cut.tail, model)
    codes = {name: Layer(text).code() for name, text in tail}
    code = stopped_code(model, cut.class_name, cut.path, cut.call, codes)
    if cut.out_channels is not None:
        code = replace(code, statements=(*code.statements, f"model.out_channels = {cut.out_channels}"))
    return replace(cut, tail=tail, traced=False, code=code)


def _sequential_code(part: Slice, tail: Tail, out_channels: int | None) -> Code:
    """Statements for a model that is a Sequential itself: a slice of it, no class."""
    codes = {name: Layer(text).code() for name, text in tail}
    statements = [] if part.text == "model" else [f"model = {part.text}"]
    statements += [f"model.add_module({quoted(name)}, {code.statements[0]})" for name, code in codes.items()]
    statements += [] if out_channels is None else [f"model.out_channels = {out_channels}"]
    imports = [line for code in codes.values() for line in code.imports]
    imports += ["from collections import OrderedDict"] if "OrderedDict(" in part.text else []
    return Code(tuple(statements), (), tuple(imports))


def _add(model: nn.Module, tail: dict[str, nn.Module]) -> None:
    for name, layer in tail.items():
        model.add_module(name, layer)


def _part(model: nn.Module, path: str, call: int) -> Slice | None:
    """The shortened Sequential that ends with the module, where the path ends in Sequentials."""
    above = sequential_above(model, path) if call == 0 else None
    if above is None or not _is_called(model, above):
        return None
    names = path.removeprefix(f"{above}.").split(".") if above else path.split(".")
    return sliced(model.get_submodule(above), spelled(model, above), above, names)


def _is_called(model: nn.Module, path: str) -> bool:
    """Whether the Sequential at `path` is called as a whole: a forward written anew may call its rows instead."""
    if not isinstance(model, fx.GraphModule):
        return True
    called = [str(node.target) for node in model.graph.nodes if node.op == "call_module"]
    return any(path == target or path.startswith(f"{target}.") for target in called)


def _recording(model: nn.Module, path: str, call: int, part: Slice | None) -> Recording:
    return record(model, part.path, 0, part.module) if part else record(model, path, call)


def _class_name(model: nn.Module, path: str, call: int) -> str:
    """Such as ResNetToLayer3_0; longer than the model's own, so that no earlier class has it."""
    kind = type(model).__name__
    return class_name(f"{kind}To{camel(path)}" + (f"Call{call}" if call else ""), kind)
