"""Python read as a value without running it: whatever else it says is refused."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelview.errors import EditError
from modelview.names import short, unknown
from modelview.sources._expressions import Called, Expression, Items, Literal, Named, Pairs
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
