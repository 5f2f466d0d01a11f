"""Values as they are written: literals, lists, dicts, and calls of what a vocabulary has."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from modelview.errors import ModelviewError
from modelview.layers import not_taken
from modelview.names import unknown
from modelview.script import quoted
from modelview.sources._vocabulary import Word


class Expression(ABC):
    """A value as it is written."""

    @property
    @abstractmethod
    def text(self) -> str:
        """It as code, in one spelling, on one line."""

    @abstractmethod
    def value(self) -> Any:
        """What it comes to, made anew each time. Raises EditError where a class does not take its arguments."""

    def inside(self) -> Iterator["Expression"]:
        """It, and every expression in it."""
        yield self

    @property
    def imports(self) -> tuple[str, ...]:
        """The imports that the code needs."""
        words = [each.word for each in self.inside() if isinstance(each, Named | Called)]
        return tuple(dict.fromkeys(line for word in words for line in word.imports))


@dataclass(frozen=True)
class Literal(Expression):
    """A number, a text, True, False or None."""

    given: Any

    @property
    def text(self) -> str:
        return quoted(self.given) if isinstance(self.given, str) else repr(self.given)

    def value(self) -> Any:
        return self.given


@dataclass(frozen=True)
class Items(Expression):
    """A list or tuple, `times` times over."""

    items: tuple[Expression, ...]
    is_tuple: bool = False
    times: int = 1

    @property
    def text(self) -> str:
        joined = ", ".join(item.text for item in self.items)
        whole = f"({joined}{',' if len(self.items) == 1 else ''})" if self.is_tuple else f"[{joined}]"
        return f"{whole} * {self.times}" if self.times != 1 else whole

    def value(self) -> Any:
        found = [item.value() for item in self.items] * self.times
        return tuple(found) if self.is_tuple else found

    def inside(self) -> Iterator[Expression]:
        yield self
        for item in self.items:
            yield from item.inside()


@dataclass(frozen=True)
class Pairs(Expression):
    """A dict with texts as keys."""

    items: tuple[tuple[str, Expression], ...]

    @property
    def text(self) -> str:
        return f"{{{', '.join(f'{quoted(key)}: {item.text}' for key, item in self.items)}}}"

    def value(self) -> Any:
        return {key: item.value() for key, item in self.items}

    def inside(self) -> Iterator[Expression]:
        yield self
        for _, item in self.items:
            yield from item.inside()


@dataclass(frozen=True)
class Named(Expression):
    """A class or function that is handed over, not called."""

    word: Word

    @property
    def text(self) -> str:
        return self.word.text

    def value(self) -> Any:
        return self.word.value


@dataclass(frozen=True)
class Called(Expression):
    """A call, and the children of what it returns, one in the other: `models.resnet18().layer1`."""

    word: Word
    args: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    children: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        given = [arg.text for arg in self.args] + [f"{name}={value.text}" for name, value in self.keywords]
        return ".".join([f"{self.word.text}({', '.join(given)})", *self.children])

    def value(self) -> Any:
        args = [arg.value() for arg in self.args]
        keywords = {name: value.value() for name, value in self.keywords}
        try:
            made = self.word.value(*args, **keywords)
        except ModelviewError:
            raise
        except Exception as error:
            raise not_taken(self.word.text, self.word.value, error) from error
        for name in self.children:
            known = made._modules if isinstance(made, nn.Module) else {}
            if name not in known:
                raise unknown(f"child of {self.word.text}(...)", name, known)
            made = known[name]
        return made

    def inside(self) -> Iterator[Expression]:
        yield self
        for each in (*self.args, *(value for _, value in self.keywords)):
            yield from each.inside()

    def arguments(self) -> dict[str, Expression]:
        """What is given, by the names of the parameters. Raises EditError for what is not taken."""
        try:
            signature = inspect.signature(self.word.value)
        except ValueError:  # what is built in, as `partial` is, does not say what it takes
            return dict(self.keywords)
        try:
            found = signature.bind(*self.args, **dict(self.keywords)).arguments
        except TypeError as error:
            raise not_taken(self.word.text, self.word.value, error) from error
        rest = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")
        further = found.pop(rest, {})
        return {**found, **further}

    def with_argument(self, name: str, value: Any) -> "Called":
        """The same call with another value for a parameter."""
        place = list(self.arguments()).index(name) if name in self.arguments() else len(self.args)
        if place < len(self.args):
            return replace(self, args=(*self.args[:place], Literal(value), *self.args[place + 1 :]))
        return replace(self, keywords=tuple({**dict(self.keywords), name: Literal(value)}.items()))
