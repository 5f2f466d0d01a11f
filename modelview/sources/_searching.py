"""The arguments with which a class or a builder makes a given module, found by calling it on meta."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import Parameter
from itertools import islice, product
from types import BuiltinFunctionType, FunctionType
from typing import Any, get_args

from torch import nn

from modelview.errors import EditError
from modelview.sources._calls import MOST_CALLS, Callee, Draft, spelled, takes, takes_class, takes_module
from modelview.sources._facts import Fact, Facts, differing, facts, structural

MOST_FIRST = 64
"""How many first guesses of the arguments are made."""
LEAST_MADE, MOST_MADE, MOST_IN_ALL = 200, 8_000, 24_000
"""How many modules are made to find the arguments of one, and of all: some seconds at most."""
MOST_NUMBERS = 24
"""How many numbers are tried for one argument: those by which most facts differ."""
MOST_IN_DEPTH = 40
"""Of more modules, no two arguments are changed at once."""


@dataclass
class Known:
    """The arguments that were found last for a callee, by its name, and how many modules may still be made."""

    arguments: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: int = MOST_IN_ALL


def nearest(callee: Callee, target: nn.Module, parts: Mapping[str, Draft], known: Known) -> Draft | None:
    """The call of `callee` that comes nearest to `target`; None where it cannot be called.

    parts: the modules in `target` that can be arguments, by the parameters. known: from searches before, added to.
    """
    search = _Search(callee, target, parts, max(LEAST_MADE, min(MOST_MADE, known.left)))
    best = search.nearest(known.arguments.get(callee.name))
    known.left -= search.made
    if best is None:
        return None
    known.arguments[callee.name] = {name: v for name, v in best.arguments.items() if not isinstance(v, Draft)}
    given = [v for v in best.arguments.values() if isinstance(v, type | Draft)]
    more = [line for v in given for line in (v.imports if isinstance(v, Draft) else spelled(v)[1])]
    return Draft(callee.text(best.arguments), best.built, len(best.left), (*callee.imports, *more))


@dataclass(frozen=True)
class _Try:
    """Arguments, what they made, its facts, and which of these are not those of the target."""

    arguments: dict[str, Any]
    built: nn.Module
    facts: Facts
    left: list[Fact]

    @property
    def size(self) -> int:
        """How many modules were made."""
        return sum(1 for _ in self.built.modules())


class _Search:
    """Arguments changed one by one as long as that brings the module nearer, two at once where it no longer does.

    What is tried is read off the target: attributes called as the parameter, and the numbers and classes by which
    what was made last still differs, in proportion where one number is a multiple of another.
    """

    def __init__(self, callee: Callee, target: nn.Module, parts: Mapping[str, Draft], most: int) -> None:
        self._callee, self._target, self._parts = callee, target, parts
        self._theirs = facts(target)
        self._size = sum(1 for _ in target.modules())
        self._depth = 1 if self._size > MOST_IN_DEPTH else 2
        self._most, self.made = most, 0
        self._tried: dict[str, _Try | None] = {}

    def nearest(self, known: dict[str, Any] | None) -> _Try | None:
        """The best that is found from what was found for another module of the kind, and from the best guess."""
        best: _Try | None = None
        for start in ((partial(self._try, {**known, **self._parts}),) if known is not None else ()) + (self._guess,):
            first = start()
            one = self._descended(first) if first is not None else None
            if one is not None and (best is None or len(one.left) < len(best.left)):
                best = one
            if best is not None and not best.left:
                break
        return self._shortest(best) if best is not None else None

    def _descended(self, best: _Try) -> _Try:
        while best.left:
            better = self._nearer(best, 1) or (self._nearer(best, 2) if self._depth > 1 else None)
            if better is None:
                break
            best = better
        return best

    def _guess(self) -> _Try | None:
        best: _Try | None = None
        for arguments in islice(self._guesses(), MOST_FIRST):
            one = self._try(arguments)
            if one is not None and (best is None or len(one.left) < len(best.left)):
                best = one
            if best is not None and (not best.left or (one is not None and one.size > 2 * self._size)):
                break  # a number of layers that is a width: further guesses are larger still
        return best

    def _shortest(self, best: _Try) -> _Try:
        """The same without arguments that change nothing."""
        for name in list(best.arguments):
            if self._callee.parameters[name].default is not Parameter.empty:
                one = self._try({key: value for key, value in best.arguments.items() if key != name})
                best = one if one is not None and len(one.left) <= len(best.left) else best
        return best

    def _nearer(self, start: _Try, depth: int, most: int | None = None) -> _Try | None:
        """What comes nearer to the target than `start`, or than `most`, with `depth` arguments changed; the first."""
        most = len(start.left) if most is None else most
        for name, value in self._moves(start):
            one = self._try({**start.arguments, name: value})
            if one is not None and depth > 1:
                one = self._nearer(one, depth - 1, most)
            if one is not None and len(one.left) < most:
                return one
        return None

    def _moves(self, start: _Try) -> Iterator[tuple[str, Any]]:
        """What may be given for each parameter: first all that modules keep under its name, then the rest."""
        for values in (self._named, partial(self._others, start)):
            for name, parameter in self._callee.parameters.items():
                now = start.arguments.get(name, parameter.default)
                options = list(values(parameter))
                for number, value in enumerate(options):
                    if not _same(value, now) and not any(_same(value, other) for other in options[:number]):
                        yield name, value

    def _try(self, arguments: dict[str, Any]) -> _Try | None:
        """What comes of these arguments; None where they are not taken, or enough was tried."""
        key = repr(sorted((name, id(v) if isinstance(v, Draft) else v) for name, v in arguments.items()))
        if key not in self._tried and self.made < self._most:
            one = self._tried[key] = self._called(arguments)
            self.made += 1 if one is None else one.size
        return self._tried.get(key)

    def _called(self, arguments: dict[str, Any]) -> _Try | None:
        try:
            built = self._callee.built(arguments)
        except EditError:
            self.made += MOST_CALLS // 4  # as long as that takes
            return None
        if built is None:
            return None
        ours = facts(built)
        return _Try(arguments, built, ours, [fact for fact in differing(ours, self._theirs) if structural(fact)])

    def _guesses(self) -> Iterator[dict[str, Any]]:
        """Arguments to begin with, for what has no default."""
        needed = [p for p in self._callee.parameters.values() if p.default is Parameter.empty]
        options = {p.name: list(self._named(p)) or list(self._likely(p)) for p in needed}
        options |= {p.name: [1.0] for p in needed if not options[p.name] and p.annotation is float}
        numbers = [name for name, values in options.items() if not values]
        rest = [name for name in options if name not in numbers]
        sizes = dict.fromkeys([max(1, len(self._target._modules)), *(size for _, size in self._sizes())])
        for size in sizes if numbers else [0]:
            for values in product(*(options[name] for name in rest)):
                yield {**dict.fromkeys(numbers, size), **dict(zip(rest, values, strict=True))}

    def _others(self, start: _Try, parameter: Parameter) -> Iterator[Any]:
        yield from self._likely(parameter)
        if takes(parameter, "bool"):
            yield from (True, False)
        if takes(parameter, "int", "float"):
            numbers = Counter(self._numbers(parameter, start.arguments.get(parameter.name, parameter.default), start))
            yield from (len(self._target._modules), *(number for number, _ in numbers.most_common(MOST_NUMBERS)))
        if takes(parameter, "None", "Optional") and parameter.default is not Parameter.empty:
            yield None

    def _named(self, parameter: Parameter) -> Iterator[Any]:
        """What modules of the target keep under the parameter's name."""
        if parameter.name in self._parts:
            yield self._parts[parameter.name]
        if takes_module(parameter):
            return
        for module in self._target.modules():
            value = vars(module).get(parameter.name)
            if isinstance(value, FunctionType | BuiltinFunctionType) and takes(parameter, "str"):
                yield value.__name__  # as activation="gelu", of which the function is kept
            if isinstance(value, bool | int | float | str | tuple | list) and not takes_class(parameter):
                if isinstance(value, tuple) and len(value) > 1 and len(set(map(repr, value))) == 1:
                    yield value[0]  # one number for all axes, as people write it, where that does
                yield value
            if parameter.name in module._parameters and takes(parameter, "bool"):
                yield module._parameters[parameter.name] is not None

    def _likely(self, parameter: Parameter) -> Iterator[Any]:
        """Classes, modules and lists that the target is made of."""
        kinds = list(dict.fromkeys(type(module) for module in self._target.modules() if module is not self._target))
        if takes_class(parameter):
            own = [c for kind in get_args(parameter.annotation) for c in get_args(kind) or (kind,)]
            yield from [kind for kind in kinds if kind in own] or kinds
        elif takes(parameter, "list", "tuple", "List", "Tuple", "Sequence"):
            yield from self._depths()

    def _depths(self) -> Iterator[list[int]]:
        """How many modules stand in the containers that a module has, and how wide its layers are, one by one."""
        for module in self._target.modules():
            counts = [len(child._modules) for child in module.children() if isinstance(child, nn.Sequential)]
            if counts:
                yield counts
        yield [size for (path, name), size in self._sizes() if name == "axis 0" and (path, "axis 1") in self._theirs]

    def _sizes(self) -> Iterator[tuple[Fact, int]]:
        """The sizes of the target's tensors."""
        for key, value in self._theirs.items():
            if key[1].startswith("axis "):
                yield key, value[1]

    def _numbers(self, parameter: Parameter, now: Any, start: _Try) -> Iterator[Any]:
        """The numbers by which the module still differs, and `now` changed in the same proportion."""
        counts = parameter.default is Parameter.empty or (type(parameter.default) is int and parameter.default > 0)
        is_share = takes(parameter, "float")
        for key in start.left:
            kind, number = _number(self._theirs.get(key))
            if kind is None or (counts and not number):
                continue
            yield number
            _, other = _number(start.facts.get(key))
            if other and type(now) in (int, float):
                if is_share:
                    yield now * number / other
                elif type(now) is int and (now * number) % other == 0:
                    yield now * number // other


def _number(fact: Any) -> tuple[Any, Any]:
    """The kind and value of a fact that is one number, of a tensor's axis or an attribute."""
    if isinstance(fact, tuple) and len(fact) == 2 and fact[0] in (int, float):
        return fact
    return None, None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one is other or (not isinstance(one, Draft) and bool(one == other)))
