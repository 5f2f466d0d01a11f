"""A recorded graph as the body of `forward`, the way a person writes it."""

import builtins
import inspect
import keyword
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx
from torch.nn import functional as F

from modelview.rewrite.values import IN_PLACE, Untraceable
from modelview.script import quoted

BINARY: dict[Any, tuple[str, int]] = {
    operator.or_: ("|", 8),
    operator.xor: ("^", 9),
    operator.and_: ("&", 10),
    operator.lshift: ("<<", 11),
    operator.rshift: (">>", 11),
    operator.add: ("+", 12),
    operator.sub: ("-", 12),
    operator.mul: ("*", 13),
    operator.truediv: ("/", 13),
    operator.floordiv: ("//", 13),
    operator.mod: ("%", 13),
    operator.matmul: ("@", 13),
    operator.pow: ("**", 15),
    operator.eq: ("==", 7),
    operator.ne: ("!=", 7),
    operator.lt: ("<", 7),
    operator.le: ("<=", 7),
    operator.gt: (">", 7),
    operator.ge: (">=", 7),
}
UNARY: dict[Any, str] = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}
SIGN, ATOM = 14, 16
_LITERALS = (bool, int, float, complex, type(None), type(...), torch.dtype, torch.memory_format, torch.layout)


def function_name(function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    """How a script calls the function, and the imports for that. Raises Untraceable if it cannot."""
    name = getattr(function, "__name__", "")
    if getattr(F, name, None) is function:
        return f"F.{name}", ("from torch.nn import functional as F",)
    if getattr(torch, name, None) is function:
        return f"torch.{name}", ()
    if getattr(math, name, None) is function:
        return f"math.{name}", ("import math",)
    if getattr(builtins, name, None) is function:
        return name, ()
    return name, (import_line(function),)


def import_line(found: Any) -> str:
    """The import of a function or class from the shortest package that has it. Raises Untraceable.

    What is modelview's own is never imported: a script that needs it defines it.
    """
    name, module = getattr(found, "__name__", ""), getattr(found, "__module__", None) or ""
    parts = module.split(".")
    for package in (".".join(parts[: n + 1]) for n in range(len(parts))):
        if parts[0] not in ("__main__", "modelview") and getattr(sys.modules.get(package), name, None) is found:
            return f"from {package} import {name}"
    raise Untraceable(f"{name or found} cannot be imported")


class Expressions:
    """Graph nodes as expressions. `names` holds the variables; a node without one is written in place."""

    def __init__(self, place: Callable[[str], str]) -> None:
        self.place = place
        self.names: dict[fx.Node, str] = {}
        self.imports: dict[str, None] = {}

    def text(self, value: Any, precedence: int = 0) -> str:
        """A value, in parentheses where its operator binds less than `precedence`."""
        if isinstance(value, fx.Node):
            text, own = (self.names[value], ATOM) if value in self.names else self.written(value)
            return text if own >= precedence else f"({text})"
        text = _literal(value, self.text)
        return f"({text})" if text.startswith("-") and precedence > SIGN else text

    def written(self, node: fx.Node) -> tuple[str, int]:
        """The expression that makes the node's value, and how tightly it binds."""
        args: Any = node.args
        if node.op == "get_attr":
            return self.place(str(node.target)), ATOM
        if node.op == "call_module":
            rows = f"[{self.key(slice(*node.meta['rows']))}]" if "rows" in node.meta else ""
            return f"{self.place(str(node.target))}{rows}({self.arguments(args, node.kwargs)})", ATOM
        if node.op == "call_method":
            return f"{self.text(args[0], ATOM)}.{node.target}({self.arguments(args[1:], node.kwargs)})", ATOM
        if node.target is getattr and len(args) == 2:
            return f"{self.text(args[0], ATOM)}.{args[1]}", ATOM
        if node.target is operator.getitem:
            return f"{self.text(args[0], ATOM)}[{self.key(args[1])}]", ATOM
        if node.target in BINARY:
            sign, own = BINARY[node.target]
            left, right = (own + 1, own) if sign == "**" else (own, own + 1)
            left += own == 7
            return f"{self.text(args[0], left)} {sign} {self.text(args[1], right)}", own
        if node.target in UNARY:
            return UNARY[node.target] + self.text(args[0], SIGN), SIGN
        assert callable(node.target)
        name, imports = function_name(node.target)
        self.imports.update(dict.fromkeys(imports))
        return f"{name}({self.arguments(args, _said(node.target, node.kwargs))})", ATOM

    def arguments(self, args: Any, kwargs: dict[str, Any]) -> str:
        """Arguments of a call, as they stand in the parentheses."""
        return ", ".join([*map(self.text, args), *(f"{key}={self.text(kwargs[key])}" for key in kwargs)])

    def key(self, value: Any) -> str:
        """What stands in the brackets of an index."""
        parts = value if isinstance(value, tuple) and value else (value,)
        text = ", ".join(self._slice(p) if isinstance(p, slice) else self.text(p) for p in parts)
        return f"{text}," if isinstance(value, tuple) and len(value) == 1 else text

    def _slice(self, value: slice) -> str:
        ends = [value.start, value.stop, *([value.step] if value.step is not None else [])]
        return ":".join("" if end is None else self.text(end) for end in ends)


def _said(function: Callable[..., Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that say more than the function's defaults; on recorded tensors torch hands on all of them."""
    try:
        takes = inspect.signature(function).parameters
    except (ValueError, TypeError):  # what is built in does not say what it takes
        return dict(keywords)
    kept = {"training"}  # nobody who reads a dropout should have to know its default
    return {k: v for k, v in keywords.items() if k in kept or k not in takes or not _is_default(v, takes[k].default)}


def _is_default(value: Any, default: Any) -> bool:
    return type(value) is type(default) and not isinstance(value, fx.Node) and bool(value == default)


def _literal(value: Any, text: Callable[[Any], str]) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, _LITERALS):
        return repr(value)
    if isinstance(value, torch.device):
        return f'torch.device("{value}")'
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return f"({', '.join(map(text, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{text(key)}: {text(item)}' for key, item in value.items())}}}"
    if isinstance(value, slice):
        return f"slice({text(value.start)}, {text(value.stop)}, {text(value.step)})"
    raise Untraceable(f"{type(value).__name__} cannot be written")


def is_identifier(name: str) -> bool:
    """Whether it can be a variable."""
    return bool(re.fullmatch(r"[A-Za-z_]\w*", name)) and not keyword.iskeyword(name) and name != "self"


def is_in_place(node: fx.Node) -> bool:
    """Whether it is an operator such as `+=`, written as a statement."""
    return node.op == "call_method" and node.target in IN_PLACE


def leaves(node: fx.Node) -> Iterator[fx.Node]:
    """The nodes among the arguments, in the order in which they are written, with repetitions."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), lambda arg: found.append(arg) or arg)  # type: ignore[func-returns-value]
    yield from found


def is_light(node: fx.Node) -> bool:
    """Whether a person would write it inside another expression."""
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel")
    if node.meta.get("hint") and not node.meta.get("hint", "").startswith("_") and node.target is not getattr:
        return False
    return node.target in BINARY or node.target in UNARY or node.target in (getattr, operator.getitem)
