"""A rewired forward as a class that a person would write."""

from collections.abc import Iterable, Iterator, Mapping, Set
from inspect import Parameter
from typing import Any

from torch import fx, nn

from modelview.layers import Layer
from modelview.layout import laid_out
from modelview.rewrite.classes import ANY, by_name, class_code, declared, forward_lines, indented, titled
from modelview.rewrite.drafting import Draft
from modelview.rewrite.hands import Drawing
from modelview.rewrite.holding import spelled
from modelview.rewrite.signatures import extended, needed, optional, parameters
from modelview.rewrite.statements import Body
from modelview.rewrite.values import Untraceable
from modelview.rewrite.wiring import Turn, Wiring
from modelview.rewrite.writing import Expressions, import_line, is_identifier
from modelview.script import Code, quoted, reference

Codes = dict[str, Code]
"""What makes each new layer, by its name."""


def composed_code(draft: Draft, model: nn.Module, wiring: Wiring, codes: Codes) -> Code:
    """A class that takes what it needs from `model`, and nothing else."""
    added = _dropouts(draft) | codes
    return class_code(draft, model, wiring.class_name, wiring.title, None, added, [], wiring.returns)


def inherited_code(draft: Draft, model: nn.Module, wiring: Wiring, codes: Codes) -> Code:
    """A subclass of the model's class with a forward of its own; or one that holds the model, if it is wrapped."""
    lines, imports = forward_lines(draft.written(), draft.kept, "", wiring.returns, wiring.takes)
    return _class(model, wiring, _dropouts(draft) | codes, lines, tuple(imports))


def hooked_code(model: nn.Module, wiring: Wiring, names: Mapping[str, str], codes: Codes) -> Code:
    """A class whose forward calls the model's own, with hooks where values are caught or changed on their way."""
    drawn = _Drawn(names)
    inner = [line for turn in wiring.turns for line in drawn.hook(turn)]
    hooks = [(turn.path, *_hook(turn)) for turn in wiring.turns]
    if wiring.taps:
        clone = any(tap.clone for tap in wiring.taps)
        several = clone and any(tap.collection is not None for tap in wiring.taps)
        inner += _COPYING if several else []
        inner += _catching("copied(output)" if several else "output.clone()" if clone else "output")
        hooks += [
            (path, "register_forward_hook", f"keep({quoted(path)})")
            for path in dict.fromkeys(tap.path for tap in wiring.taps)
        ]
    call, parameters = _call(model, wiring)
    run = [f"x = {call}"] if not wiring.stops or not hooks else [call]
    if hooks:
        handles = [f"    {by_name(spelled(model, path, 'self'))}.{register}({hook})," for path, register, hook in hooks]
        inner += ["handles = [", *handles, "]", "try:", *(f"    {line}" for line in run), "finally:"]
        inner += ["    for handle in handles:", "        handle.remove()"]
    else:
        inner += run
    if wiring.first_of_several:
        inner += ["if isinstance(x, tuple):  # in train mode, with what the auxiliary heads return", "    x = x[0]"]
    inner += [f"{tap.name} = values[{quoted(tap.path)}][{_index(tap.call, tap.n_calls)}]" for tap in wiring.taps]
    inner += drawn.end(wiring)
    if inner == [f"x = {call}", "return x"]:
        inner = [f"return {call}"]
    lines = [*laid_out([f"def forward(self, {parameters}) -> {wiring.returns}:"], 4), *indented(inner)]
    imports = ["from torch import Tensor"] if any("Tensor" in line for line in lines) else []
    imports += [ANY] if any("Any" in line for line in lines) else []
    imports += ["from collections import defaultdict", "from collections.abc import Callable"] if wiring.taps else []
    return _class(model, wiring, codes, lines, (*imports, *drawn.imports))


def _class(model: nn.Module, wiring: Wiring, codes: Codes, forward: list[str], imports: tuple[str, ...]) -> Code:
    more = tuple(line for code in codes.values() for line in code.imports)
    if wiring.wrapped:
        made = [f"self.{name} = {code.statements[0]}" for name, code in codes.items()]
        head = [
            f"class {wiring.class_name}(nn.Module):",
            *titled(wiring.title),
            "",
            f"    def __init__(self, {wiring.wrapped}: Any) -> None:",
            *indented(["super().__init__()", f"self.{wiring.wrapped} = {wiring.wrapped}", *made]),
            "",
        ]
        return Code((f"model = {wiring.class_name}(model)",), ("\n".join([*head, *forward]),), (*imports, *more, ANY))
    base, own = base_name(type(model))
    if not own and (
        wiring.inputs or wiring.stops or wiring.returns != "Tensor"
    ):  # the class above it takes or returns another kind
        forward = [
            line + "  # type: ignore[override]" if line.startswith("    def forward(") else line for line in forward
        ]
    types = [] if own else declared(base, forward, [*codes, *(new for _, new in wiring.renamed)])
    head = [f"class {wiring.class_name}({base}):", *titled(wiring.title), "", *types]
    statements = [f"model.__class__ = {wiring.class_name}"]
    statements += [_placed(model, name, code.statements[0]) for name, code in codes.items()]
    statements += moved_lines(model, wiring.renamed)
    used = (ANY,) * bool(types)
    return Code(tuple(statements), ("\n".join([*head, *forward]),), (*imports, *own, *more, *used))


def _placed(model: nn.Module, name: str, value: str) -> str:
    """The statement that puts `value` under the name, which may be that of a child."""
    target = reference(model, name) if name in model._modules else f"model.{name}"
    return f"model.set_submodule({quoted(name)}, {value})" if target.endswith(")") else f"{target} = {value}"


def moved_lines(model: nn.Module, renamed: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Statements that give children of `model` other names."""
    for old, new in renamed:
        yield f"model.{new} = {reference(model, old)}"
        yield f"del model.{old}" if is_identifier(old) else f"delattr(model, {quoted(old)})"


def base_name(kind: type[nn.Module]) -> tuple[str, tuple[str, ...]]:
    """The class as the script names it, and its import. What cannot be imported stands in the script already."""
    if getattr(nn, kind.__name__, None) is kind:
        return f"nn.{kind.__name__}", ()
    try:
        return kind.__name__, (import_line(kind),)
    except Untraceable:
        return kind.__name__, ()


def _dropouts(draft: Draft) -> Codes:
    return {name: Layer(text).code() for name, text in draft.dropouts.items()}


def _call(model: nn.Module, wiring: Wiring) -> tuple[str, str]:
    """The call of the model's own forward, and the parameters of the new one."""
    target = f"self.{wiring.wrapped}" if wiring.wrapped else "super().forward"
    own = [*needed(type(model)), *optional(type(model))]
    if len(own) < len(parameters(type(model))) and not wiring.inputs:
        return f"{target}(*args, **kwargs)", "*args: Any, **kwargs: Any"
    given = (f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in own)
    said = map(_said, extended(type(model), wiring.inputs))
    return f"{target}({', '.join(given)})", ", ".join(said)


def _said(parameter: Parameter) -> str:
    kind = "Any" if parameter.annotation is Any else "Tensor"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {kind}{default}"


def _hook(turn: Turn) -> tuple[str, str]:
    """What registers it, and what that is given: as in `hooking.py`."""
    name = _hook_name(turn)
    return ("register_forward_pre_hook", f"{name}, prepend=True") if turn.before else ("register_forward_hook", name)


def _hook_name(turn: Turn) -> str:
    words = "".join(char if char.isalnum() else "_" for char in turn.path)
    return f"before_{words}" if turn.before else f"after_{words}"


_COPYING = [
    "def copied(value: Any) -> Any:",
    "    if isinstance(value, dict):",
    "        return type(value)((key, copied(each)) for key, each in value.items())",
    "    if isinstance(value, (list, tuple)):",
    "        return type(value)(copied(each) for each in value)",
    "    return value.clone() if isinstance(value, Tensor) else value",
    "",
]


def _catching(kept: str) -> list[str]:
    """kept: what is kept of an `output`, as code."""
    return [
        "values: dict[str, list[Any]] = defaultdict(list)",
        "",
        "def keep(path: str) -> Callable[..., None]:",
        "    def hook(module: nn.Module, args: Any, output: Any) -> None:",
        f"        values[path].append({kept})",
        "",
        "    return hook",
        "",
    ]


def _index(call: int, n_calls: int) -> int:
    return -1 if call == n_calls - 1 else call


class _Drawn:
    """Small graphs as lines; `imports` that they need."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.imports: dict[str, None] = {}

    def hook(self, turn: Turn) -> list[str]:
        """A hook that gives what the turn makes of the module's output, or of its first argument."""
        graph = fx.Graph()
        output = graph.placeholder("x" if turn.before else "output")
        hand = Drawing(graph, self._names)
        graph.output(hand.whole(turn.function(hand, output)))
        outer = {str(node.target) for node in graph.nodes if node.op == "placeholder" and node is not output}
        if not turn.before:
            kind = "Any" if turn.several else "Tensor"
            head = f"def {_hook_name(turn)}(module: nn.Module, args: Any, output: {kind}) -> {kind}:"
            return [head, *(f"    {line}" for line in self._lines(graph, outer)), ""]
        head = f"def {_hook_name(turn)}(module: nn.Module, args: Any) -> Any:"
        *lines, last = self._lines(graph, outer)
        last = f"return ({last.removeprefix('return ')}, *args[1:])"
        return [head, *(f"    {line}" for line in ("x = args[0]", *lines, last)), ""]

    def end(self, wiring: Wiring) -> list[str]:
        """What follows when the forward has run."""
        graph = fx.Graph()
        final = graph.placeholder("x")
        values = tuple(graph.placeholder(tap.name) for tap in wiring.taps)
        hand = Drawing(graph, self._names)
        graph.output(final if wiring.end is None else wiring.end(hand, None if wiring.stops else final, values))
        return self._lines(graph)

    def _lines(self, graph: fx.Graph, outer: Set[str] = frozenset()) -> list[str]:
        """outer: variables of the function around it, which a function inside can only read."""
        expressions = Expressions(lambda path: f"self.{path}")
        taken = {"self", "output", "module", "args", "kwargs", "values", "handles", "handle"}
        body = Body(graph, expressions, taken | outer)
        self.imports |= expressions.imports
        return body.lines
