"""What can be called to make a module, how that is written, and the arguments with which it makes a given one."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from itertools import islice, product
from typing import Any, get_args

from torch import nn
from torchvision import models, ops

from modelview.errors import EditError
from modelview.meta import building, to_meta
from modelview.script import quoted
from modelview.sources._facts import Fact, Facts, differing, facts, structural
from modelview.sources._making import Bounded
from modelview.sources._signatures import keywords_through

MOST_FIRST = 64
"""How many first guesses of the arguments are made."""
MOST_MADE = 8_000
"""How many modules are made to find the arguments of one, so that a large one is called a few times only."""
MOST_CALLS = 20_000
"""How often a constructor may call torch."""
MOST_IN_DEPTH = 40
"""Of more modules, no two arguments are changed at once."""


@dataclass(frozen=True)
class Draft:
    """An expression, the module on meta that it makes, and how many facts of that are not those that were wanted."""

    text: str
    built: nn.Module
    cost: int = 0
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Callee:
    """What is called: its name in code, its parameters, and the call itself.

    positional: the arguments that are written without their names. given: what is always said, as code.
    """

    name: str
    parameters: Mapping[str, Parameter]
    make: Callable[..., nn.Module]
    positional: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = ()

    def text(self, arguments: Mapping[str, Any]) -> str:
        """The call as code, in the order of the parameters."""
        shown = [written(arguments[name]) for name in self.positional if name in arguments]
        named = {name: arguments[name] for name in self.parameters if name in arguments and name not in self.positional}
        shown += [f"{k}={v}" for k, v in {**self.given, **{k: written(v) for k, v in named.items()}}.items()]
        return rows(f"{self.name}(", shown, ")") if "\n" in "".join(shown) else f"{self.name}({', '.join(shown)})"

    def built(self, arguments: Mapping[str, Any]) -> nn.Module | None:
        """What the call makes, on meta; None where it does not take the arguments. Raises EditError if endless."""
        plain = {k: v.built if isinstance(v, Draft) else v for k, v in arguments.items()}
        try:
            with Bounded(self.name, MOST_CALLS), building():
                made = self.make(**plain)
            return to_meta(made).eval()
        except EditError:
            raise
        except Exception:  # noqa: BLE001 - whatever a constructor raises, these were not its arguments
            return None


def class_of(cls: type[nn.Module]) -> Callee:
    """The constructor of a class of torch or torchvision."""
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    parameters = {k: p for k, p in keywords_through(cls).items() if p.kind in named and k not in ("device", "dtype")}
    own = [name for name in inspect.signature(cls).parameters if name in parameters]
    positional = tuple(name for name in own if parameters[name].default is Parameter.empty)
    name, imports = spelled(cls)
    return Callee(name, parameters, cls, positional, imports=imports)


def spelled(cls: type) -> tuple[str, tuple[str, ...]]:
    """A class as code names it, and the imports for that."""
    name = cls.__name__
    if getattr(nn, name, None) is cls:
        return f"nn.{name}", ()
    if getattr(models, name, None) is cls:
        return f"models.{name}", ("from torchvision import models",)
    if getattr(ops, name, None) is cls:
        return f"ops.{name}", ("from torchvision import ops",)
    inner = cls.__module__.removeprefix("torchvision.models.")
    holder: Any = models
    for part in inner.split("."):
        holder = getattr(holder, part, None)
    if getattr(holder, name, None) is cls:
        return f"models.{inner}.{name}", ("from torchvision import models",)
    return name, (f"from {cls.__module__} import {name}",)


def rows(opening: str, items: list[str], closing: str) -> str:
    """A call or a list with each item on lines of its own."""
    if not items:
        return opening.rstrip("[{") + closing.lstrip("]}")
    return "\n".join([opening, *("    " + item.replace("\n", "\n    ") + "," for item in items), closing])


def written(value: Any) -> str:
    """An argument as code."""
    if isinstance(value, Draft):
        return value.text
    if isinstance(value, type):
        return spelled(value)[0]
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1 and type(value[0]) is int:
        return repr(value[0])
    return repr(value)


Known = dict[str, dict[str, Any]]
"""The arguments that were found last for a callee, by its name: blocks of one kind are much alike."""


def nearest(callee: Callee, target: nn.Module, parts: Mapping[str, Draft], known: Known) -> Draft | None:
    """The call of `callee` that comes nearest to `target`; None where it cannot be called.

    parts: the modules in `target` that can be arguments, by the parameters. known: what was found before, added to.
    """
    best = _Search(callee, target, parts).nearest(known.get(callee.name))
    if best is None:
        return None
    known[callee.name] = {name: v for name, v in best.arguments.items() if not isinstance(v, Draft)}
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


class _Search:
    """Arguments changed one by one as long as that brings the module nearer, two at once where it no longer does.

    What is tried is read off the target: attributes called as the parameter, and the numbers and classes by which
    what was made last still differs, in proportion where one number is a multiple of another.
    """

    def __init__(self, callee: Callee, target: nn.Module, parts: Mapping[str, Draft]) -> None:
        self._callee, self._target, self._parts = callee, target, parts
        self._theirs = facts(target)
        n_modules = sum(1 for _ in target.modules())
        self._left, self._depth = MOST_MADE // n_modules, 1 if n_modules > MOST_IN_DEPTH else 2
        self._tried: dict[str, _Try | None] = {}

    def nearest(self, known: dict[str, Any] | None) -> _Try | None:
        best = self._first(known)
        while best is not None and best.left:
            better = self._nearer(best, 1) or (self._nearer(best, 2) if self._depth > 1 else None)
            if better is None:
                break
            best = better
        return best and self._shortest(best)

    def _first(self, known: dict[str, Any] | None) -> _Try | None:
        """The best of the guesses, and of what was found for another module of the kind."""
        best: _Try | None = None
        for arguments in [*([known] if known is not None else []), *islice(self._guesses(), MOST_FIRST)]:
            one = self._try(arguments)
            if one is not None and (best is None or len(one.left) < len(best.left)):
                best = one
            if best is not None and not best.left:
                break
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
        for name in self._callee.parameters:
            for value in self._values(name, start):
                one = self._try({**start.arguments, name: value})
                if one is not None and depth > 1:
                    one = self._nearer(one, depth - 1, most)
                if one is not None and len(one.left) < most:
                    return one
        return None

    def _try(self, arguments: dict[str, Any]) -> _Try | None:
        """What comes of these arguments; None where they are not taken, or enough was tried."""
        key = repr(sorted((name, id(v) if isinstance(v, Draft) else v) for name, v in arguments.items()))
        if key not in self._tried and self._left > 0:
            self._left -= 1
            self._tried[key] = self._made(arguments)
        return self._tried.get(key)

    def _made(self, arguments: dict[str, Any]) -> _Try | None:
        try:
            built = self._callee.built(arguments)
        except EditError:
            self._left //= 8  # each costs as much as thousands of others
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
        sizes = list(dict.fromkeys(size for _, size in self._sizes())) or [1]
        for size in sizes if numbers else [0]:
            for values in product(*(options[name] for name in rest)):
                yield {**dict.fromkeys(numbers, size), **dict(zip(rest, values, strict=True))}

    def _values(self, name: str, start: _Try) -> Iterator[Any]:
        """What may be given for a parameter, likeliest first."""
        parameter = self._callee.parameters[name]
        now = start.arguments.get(name, parameter.default)
        options = [*self._named(parameter), *self._likely(parameter)]
        if _takes(parameter, "bool"):
            options += [True, False]
        if _takes(parameter, "int", "float"):
            options += self._numbers(parameter, now, start)
        if _takes(parameter, "None", "Optional") and parameter.default is not Parameter.empty:
            options.append(None)
        for number, value in enumerate(options):
            if not _same(value, now) and not any(_same(value, other) for other in options[:number]):
                yield value

    def _named(self, parameter: Parameter) -> Iterator[Any]:
        """What modules of the target keep under the parameter's name."""
        if parameter.name in self._parts:
            yield self._parts[parameter.name]
        if takes_module(parameter):
            return
        for module in self._target.modules():
            value = vars(module).get(parameter.name)
            if isinstance(value, bool | int | float | str | tuple | list) and not _takes_class(parameter):
                yield value
            if parameter.name in module._parameters and _takes(parameter, "bool"):
                yield module._parameters[parameter.name] is not None

    def _likely(self, parameter: Parameter) -> Iterator[Any]:
        """Classes, modules and lists that the target is made of."""
        kinds = list(dict.fromkeys(type(module) for module in self._target.modules() if module is not self._target))
        if _takes_class(parameter):
            own = [c for kind in get_args(parameter.annotation) for c in get_args(kind) or (kind,)]
            yield from [kind for kind in kinds if kind in own] or kinds
        elif _takes(parameter, "list", "tuple", "List", "Tuple", "Sequence"):
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
        for key in start.left:
            kind, number = _number(self._theirs.get(key))
            if kind is None or (counts and not number):
                continue
            yield number
            _, other = _number(start.facts.get(key))
            if other and type(now) in (int, float) and (now * number) % other == 0:
                yield type(now)(now * number / other)


def _number(fact: Any) -> tuple[Any, Any]:
    """The kind and value of a fact that is one number, of a tensor's axis or an attribute."""
    if isinstance(fact, tuple) and len(fact) == 2 and fact[0] in (int, float):
        return fact
    return None, None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one is other or (not isinstance(one, Draft) and bool(one == other)))


def _takes(parameter: Parameter, *kinds: str) -> bool:
    """Whether a parameter is of one of these kinds, as its annotation or else its default says; else it is a number."""
    if parameter.annotation is Parameter.empty:
        default = parameter.default
        said = "int float" if default in (None, Parameter.empty) else type(default).__name__
    else:
        said = getattr(parameter.annotation, "__name__", "") + " " + str(parameter.annotation)
    return any(re.search(rf"\b{kind}\b", said) for kind in kinds)


def takes_module(parameter: Parameter) -> bool:
    """Whether a parameter is a module that was made before."""
    kind = parameter.annotation
    if isinstance(kind, str):
        return issubclass(getattr(nn, kind, type), nn.Module)
    named = isinstance(kind, type) and issubclass(kind, nn.Module)
    return named or (_takes(parameter, "Module") and not _takes_class(parameter))


def _takes_class(parameter: Parameter) -> bool:
    return _takes(parameter, "Callable", "type")
