"""Modules as expressions: containers of what is in them, layers as people write them, calls of classes and builders."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache, partial
from inspect import Parameter

from torch import nn

from modelview.errors import EditError
from modelview.layers import KNOWN, Layer, written as as_text
from modelview.layout import rows
from modelview.script import quoted, reference
from modelview.sources import _builders
from modelview.sources._calls import MOST_CALLS, Callee, Draft, class_of, takes_module, written
from modelview.sources._code import IMPORT, plainly
from modelview.sources._facts import Facts, differing, facts, structural
from modelview.sources._making import Bounded
from modelview.sources._searching import Known, nearest

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
NEAREST = 2
"""How many builders of one class are looked at more closely."""
NEAR = 20
"""Of so many facts one may be another one for a builder to be taken at once."""
_ORDERED = "from collections import OrderedDict"


class Drafting:
    """Writes modules as expressions, and keeps what it found for those that are much alike."""

    def __init__(self) -> None:
        self._known = Known()
        self._called: dict[int, Draft | None] = {}

    def draft(self, target: nn.Module) -> Draft:
        """The expression that makes a module nearest to `target`. Raises EditError where there is none.

        What no call with plain values makes is taken out of the builder's model that has the same part, the largest
        part first.
        """
        called = self._by_calls(target)
        if called is not None and (not called.cost or _names(type(target))):
            return called
        part = _part(target)
        if part is not None:
            return part
        if called is not None and type(target) not in CONTAINERS:
            return called
        return self._made(target, self.draft)

    def _by_calls(self, target: nn.Module) -> Draft | None:
        """What calls alone make, once for each module; None where one in it has none."""
        if id(target) not in self._called:
            try:
                self._called[id(target)] = self._made(target, self._all_by_calls)
            except EditError:
                self._called[id(target)] = None
        called = self._called[id(target)]  # a copy, since the text makes another one wherever it stands
        return called and replace(called, built=deepcopy(called.built))

    def _all_by_calls(self, target: nn.Module) -> Draft:
        called = self._by_calls(target)
        if called is None:
            raise EditError(f"{type(target).__name__} cannot be written as a call with plain values.")
        return called

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
    built = {name: each.built for name, each in drafts.items()}
    text, made = _contained(target, built, {name: each.text for name, each in drafts.items()})
    imports = [line for each in drafts.values() for line in each.imports]
    imports += [_ORDERED] * ("(OrderedDict(" in text.partition("\n")[0])
    return Draft(text, made, sum(each.cost for each in drafts.values()), tuple(imports))


def _contained(target: nn.Module, built: dict[str, nn.Module], texts: dict[str, str]) -> tuple[str, nn.Module]:
    """The call of a container with what is in it, and what that makes."""
    kind, numbered = f"nn.{type(target).__name__}", list(texts) == [str(number) for number in range(len(texts))]
    if isinstance(target, nn.ModuleDict):
        return rows(f"{kind}({{", [f"{quoted(k)}: {v}" for k, v in texts.items()], "})"), nn.ModuleDict(built)
    if isinstance(target, nn.ModuleList):
        if not numbered:
            raise EditError("A ModuleList whose names are no numbers in order cannot be written.")
        return rows(f"{kind}([", list(texts.values()), "])"), nn.ModuleList(built.values())
    if numbered:
        return rows(f"{kind}(", list(texts.values()), ")"), nn.Sequential(*built.values())
    listed = [f"({quoted(k)}, {v})" for k, v in texts.items()]
    return rows(f"{kind}(OrderedDict([", listed, "]))"), nn.Sequential(OrderedDict(built))


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
    if names := _names(type(target)):
        theirs = facts(target)
        yield from map(_builder, sorted(names, key=lambda name: _distance(name, theirs))[:NEAREST])
    yield class_of(type(target))


def _names(cls: type[nn.Module]) -> list[str]:
    """The builders that make a model of that class."""
    return [name for name in _builders.names() if _builders.model_class(name) is cls]


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
