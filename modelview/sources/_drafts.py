"""Modules as expressions: containers of what is in them, layers as people write them, calls of classes and builders."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from inspect import Parameter

from torch import nn

from modelview.errors import EditError
from modelview.layers import KNOWN, Layer, written as as_text
from modelview.meta import building
from modelview.script import quoted, reference
from modelview.sources import _builders
from modelview.sources._calls import MOST_CALLS, Callee, Draft, Known, class_of, nearest, rows, takes_module, written
from modelview.sources._code import IMPORT, plainly
from modelview.sources._facts import Facts, differing, facts, structural
from modelview.sources._making import Bounded

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
NEAREST = 2
"""How many builders of one class are looked at more closely."""
NEAR = 4
"""Of so many facts one may be another one for a builder to be taken at once."""
_ORDERED = "from collections import OrderedDict"


class Drafting:
    """Writes modules as expressions, and keeps what it found for those that are much alike."""

    def __init__(self) -> None:
        self._known: Known = {}

    def draft(self, target: nn.Module) -> Draft:
        """The expression that makes a module nearest to `target`. Raises EditError where there is none.

        What no call with plain values makes is taken out of the builder's model that has the same part, the largest
        part first.
        """
        try:
            return self._made(target, self._without_parts)
        except EditError:
            part = _part(target)
            return part if part is not None else self._made(target, self.draft)

    def _without_parts(self, target: nn.Module) -> Draft:
        return self._made(target, self._without_parts)

    def _made(self, target: nn.Module, inner: Callable[[nn.Module], Draft]) -> Draft:
        """As `draft`, with its children as `inner` has them."""
        if type(target) in CONTAINERS:
            return _container(target, inner)
        layer = _layer(target)
        if layer is not None:
            return layer
        best: Draft | None = None
        enough = len(facts(target)) // NEAR
        for callee in _callees(target):
            one = nearest(callee, target, _arguments(target, callee, inner), self._known)
            if one is not None and (best is None or one.cost < best.cost):
                best = one
            if best is not None and best.cost <= enough:
                break
        if best is None:
            raise EditError(f"{type(target).__name__} cannot be written as a call with plain values.")
        return best


def _container(target: nn.Module, inner: Callable[[nn.Module], Draft]) -> Draft:
    drafts: dict[str, Draft] = {}
    for name, child in target._modules.items():
        if child is None:
            raise EditError(f"The place {name!r} of a {type(target).__name__} is empty.")
        if hasattr(type(target)(), name):
            raise EditError(f"{name!r} is something that every {type(target).__name__} has already.")
        drafts[name] = inner(child)
    imports = [line for each in drafts.values() for line in each.imports]
    built, kind = {name: each.built for name, each in drafts.items()}, f"nn.{type(target).__name__}"
    made: nn.Module
    with building():
        if isinstance(target, nn.ModuleDict):
            made = nn.ModuleDict(built)
            return Draft(rows(f"{kind}({{", _named(drafts, "{}: {}"), "})"), made, 0, tuple(imports))
        if list(drafts) == [str(number) for number in range(len(drafts))]:
            listed = [each.text for each in drafts.values()]
            brackets = ("([", "])") if isinstance(target, nn.ModuleList) else ("(", ")")
            made = (
                nn.ModuleList(built.values()) if isinstance(target, nn.ModuleList) else nn.Sequential(*built.values())
            )
            return Draft(rows(kind + brackets[0], listed, brackets[1]), made, 0, tuple(imports))
        if isinstance(target, nn.ModuleList):
            raise EditError("A ModuleList whose names are no numbers in order cannot be written.")
        made = nn.Sequential(OrderedDict(built))
    return Draft(rows(f"{kind}(OrderedDict([", _named(drafts, "({}, {})"), "]))"), made, 0, (*imports, _ORDERED))


def _named(drafts: dict[str, Draft], row: str) -> list[str]:
    return [row.format(quoted(name), each.text) for name, each in drafts.items()]


def _layer(target: nn.Module) -> Draft | None:
    """A layer as the text that people write, where that says all about it."""
    if KNOWN.get(type(target).__name__) is not type(target):
        return None
    try:
        layer = Layer(as_text(target))
        with Bounded(layer.text, MOST_CALLS):
            made, said = layer.planned().eval(), layer.code()
    except EditError:
        return None
    ours, theirs = facts(made), facts(target)
    different = any(map(structural, differing(ours, theirs)))
    return None if different else Draft(said.statements[0], made, 0, said.imports)


def _callees(target: nn.Module) -> Iterator[Callee]:
    """What may make a module: the builders of its class that come nearest, and the class itself."""
    cls = type(target)
    names = [name for name in _builders.names() if _builders.model_class(name) is cls]
    if names:
        theirs = facts(target)
        yield from map(_builder, sorted(names, key=lambda name: _distance(name, theirs))[:NEAREST])
    yield class_of(cls)


def _distance(name: str, theirs: Facts) -> int:
    return len(differing(_facts_of(name), theirs))


@lru_cache(maxsize=32)
def _facts_of(name: str) -> Facts:
    """What the builder makes without any keywords."""
    built = _builder(name).built({})
    return facts(built) if built is not None else {}


def _part(target: nn.Module) -> Draft | None:
    """The very same module inside a model of the builders that stand beside its classes, if there is one."""
    files = {type(module).__module__ for module in target.modules()}
    theirs, size = facts(target), sum(1 for _ in target.modules())
    for name in _builders.names():
        if _builders.builder(name).__module__ not in files:
            continue
        callee = _builder(name)
        model = callee.built({}) or nn.Identity()
        for path, module in model.named_modules():
            if type(module) is type(target) and sum(1 for _ in module.modules()) == size:
                left = differing(facts(module), theirs)
                if not any(map(structural, left)):
                    text = callee.text({}) + reference(model, path).removeprefix("model")
                    return Draft(text, module, 0, callee.imports)
    return None


def _builder(name: str) -> Callee:
    given = plainly(name)
    takes = {k: p for k, p in _builders.declared(name).items() if k not in given}
    optional = {k: p.replace(kind=Parameter.KEYWORD_ONLY) for k, p in takes.items() if p.default is not Parameter.empty}
    make = partial(_builders.builder(name), **given)
    shown = {k: written(v) for k, v in given.items()}
    return Callee(_builders.dotted(name), optional, make, given=shown, imports=(IMPORT,))


def _arguments(target: nn.Module, callee: Callee, inner: Callable[[nn.Module], Draft]) -> dict[str, Draft]:
    """The modules in the target that the call takes, by its parameters: of that name, or of the class it names."""
    taken = {}
    for name, parameter in callee.parameters.items():
        if takes_module(parameter):
            kind = parameter.annotation if isinstance(parameter.annotation, str) else ""
            child = target._modules.get(name)
            if child is None:
                child = next((module for module in target.modules() if type(module).__name__ == kind), None)
            if child is not None:
                taken[name] = inner(child)
    return taken
