"""Values written as Python and read without running it: literals, lists, and calls of what a vocabulary has."""

import ast
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from modelview.errors import EditError, ModelviewError
from modelview.layers import not_taken
from modelview.names import short, unknown
from modelview.script import quoted
from modelview.sources._signatures import keywords_through
from modelview.sources._vocabulary import Word

MOST_CHARACTERS = 20_000
MOST_ITEMS = 10_000
"""So long a list may become by being repeated."""
MOST = 1_000_000
"""Numbers are widths, depths and sizes; a larger one is a slip that would take minutes to fail."""

_WEIGHTS = ("weights", "weights_backbone")
"""What torchvision's functions download by; here it is always None."""
_PLACED = ("device", "dtype")
"""Where and how parameters are made is not the text's affair."""


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


def parsed(what: str, text: str, words: Mapping[str, Word]) -> Expression:
    """The expression that `text` is. Nothing is called yet.

    what: whose value it is, for complaints. Raises EditError for what is no such expression, UnknownName for names.
    """
    if len(text) > MOST_CHARACTERS:
        raise EditError(f"{what} is at most {MOST_CHARACTERS:,} characters long; this has {len(text):,}.")
    try:
        text = text.strip()
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise EditError(f"{what} is written as Python; got {short(text)!r}.") from error
    return _Reading(what, text, words).expression(tree)


@dataclass(frozen=True)
class _Reading:
    what: str
    source: str
    words: Mapping[str, Word]

    def expression(self, node: ast.expr) -> Expression:
        match node:
            case ast.Constant(value) if value is None or type(value) in (int, float, bool, str):
                return self._literal(value)
            case ast.UnaryOp(ast.USub(), ast.Constant(int(value) | float(value))):
                return self._literal(-value)
            case ast.List(items) | ast.Tuple(items):
                return Items(tuple(map(self.expression, items)), isinstance(node, ast.Tuple))
            case ast.BinOp(ast.List() | ast.Tuple(), ast.Mult(), ast.Constant(times)) if type(times) is int:
                return self._repeated(node.left, times)
            case ast.Dict(keys, values):
                return Pairs(tuple((self._key(k), self.expression(v)) for k, v in zip(keys, values, strict=True)))
            case ast.Name() | ast.Attribute() | ast.Call():
                return self._named(node)
        raise self._refused(node)

    def _literal(self, value: Any) -> Literal:
        if type(value) in (int, float) and not abs(value) <= MOST:  # also what is no number
            raise EditError(f"Numbers in {self.what} are at most {MOST:,}; {value} is in it.")
        return Literal(value)

    def _repeated(self, node: ast.expr, times: int) -> Items:
        found = self.expression(node)
        assert isinstance(found, Items)
        if not 1 <= times <= MOST_ITEMS:
            raise EditError(f"A list in {self.what} is repeated 1 to {MOST_ITEMS:,} times; got {times:,}.")
        repeated = replace(found, times=times)
        if _n_values(repeated) > MOST_ITEMS:
            raise EditError(f"A list in {self.what} holds at most {MOST_ITEMS:,} values.")
        return repeated

    def _key(self, node: ast.expr | None) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise EditError(f"The keys of a dict in {self.what} are texts, such as {{'layer4': 'out'}}.")

    def _named(self, node: ast.expr) -> Expression:
        children: list[str] = []
        while isinstance(node, ast.Attribute):
            name = _dotted(node)
            if name is not None:
                return self._handed(name)
            children.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            return self._handed(node.id)
        if not isinstance(node, ast.Call):
            raise self._refused(node)
        return self._call(node, tuple(children))

    def _handed(self, name: str) -> Named:
        word = self._word(name)
        if not isinstance(word.value, type):  # nobody looks at what a function is called with later
            raise EditError(f"Write {name} in {self.what} as a call: {name}(...).")
        return Named(word)

    def _call(self, node: ast.Call, children: tuple[str, ...]) -> Called:
        name = _dotted(node.func)
        if name is None or any(word.arg is None for word in node.keywords):
            raise self._refused(node)
        args = tuple(map(self.expression, node.args))
        keywords = tuple((str(word.arg), self.expression(word.value)) for word in node.keywords)
        return self._downloading_nothing(Called(self._word(name), args, keywords, children))

    def _downloading_nothing(self, call: Called) -> Called:
        """The call with what would be downloaded left out, and said so; it takes all that it is given."""
        takes = keywords_through(call.word.value) if inspect.isfunction(call.word.value) else {}
        for name in (name for name in _WEIGHTS if name in takes and takes[name].default is not None):
            if name not in dict(call.keywords):
                call = replace(call, keywords=(*call.keywords, (name, Literal(None))))
        given = call.arguments()
        for name in _WEIGHTS:
            if name in given and given[name] != Literal(None):
                raise EditError(
                    f"{name} in {self.what} has to be None: nothing is downloaded here. Load weights afterwards."
                )
        for name in given:
            if name in _PLACED:
                raise EditError(f"{call.word.text} is called without {name}: modelview sets it.")
            if takes and name not in takes:
                raise unknown(f"argument of {call.word.text}", name, takes)
        return call

    def _word(self, name: str) -> Word:
        if name not in self.words:
            plain = sorted(each for each in self.words if "." not in each or each.startswith(("nn.", "models.")))
            raise unknown(f"class or function for {self.what}", name, plain)
        return self.words[name]

    def _refused(self, node: ast.expr) -> EditError:
        part = ast.get_source_segment(self.source, node) or self.source
        return EditError(
            f"{self.what} may hold numbers, texts, lists, and calls of torch's layers and torchvision's classes; "
            f"{short(part, 60)!r} is none of these."
        )


def _n_values(node: Expression) -> int:
    if not isinstance(node, Items):
        return 1
    return node.times * sum(map(_n_values, node.items))


def _dotted(node: ast.expr) -> str | None:
    """A name with its dots; None where something else stands before them."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *names]) if isinstance(node, ast.Name) else None
