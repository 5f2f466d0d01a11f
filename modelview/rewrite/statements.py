"""Which node of a graph becomes a line of its own, and what its variable is called."""

import operator
import re
from collections.abc import Iterable, Iterator, Set
from typing import Any

from torch import fx

from modelview.rewrite.values import IN_PLACE, is_shape, is_size
from modelview.rewrite.writing import Expressions, is_identifier, is_in_place, is_light, leaves

_SIZES = {0: "n", 1: "c", 2: "h", 3: "w", -1: "w", -2: "h"}
_UNPACKED = {3: ("n", "length", "c"), 4: ("n", "c", "h", "w"), 5: ("n", "c", "t", "h", "w")}
_ORDINARY = re.compile(r"(conv|bn|norm|ln|relu|act|layer|linear|fc|block|module|features|stem)s?_?\d*(_\d+)?")


class Body:
    """The lines of `forward` for a graph, without indentation, in `lines`; `imports` that they need."""

    def __init__(self, graph: fx.Graph, expressions: Expressions, reserved: Set[str] = frozenset()) -> None:
        self.nodes = [node for node in graph.nodes if node.op not in ("placeholder", "get_attr")]
        self.inputs = [node for node in graph.nodes if node.op == "placeholder"]
        self.expressions = expressions
        self.reserved = {"torch", "nn", "F", "math", "Tensor"} | reserved | _function_names(self.nodes)
        self.inline = _inlined(self.nodes)
        self.last_use = self._last_uses()
        self.free_after: dict[str, int] = {}
        self.lines = list(self._lines())

    def _last_uses(self) -> dict[fx.Node, int]:
        """The number of the last line that reads each variable."""
        uses: dict[fx.Node, int] = {}
        for number, node in enumerate(self.nodes):
            if node not in self.inline and not _is_unpacked(node):
                uses.update(dict.fromkeys(self._variables(node), number))
        for node in reversed(self.nodes):  # `a += b` is another name of a
            if is_in_place(node) and isinstance(whole := node.args[0], fx.Node):
                uses[whole] = max(uses.get(whole, -1), uses.get(node, -1))
        return uses

    def _variables(self, node: fx.Node) -> Iterator[fx.Node]:
        for arg in leaves(node):
            if arg in self.inline:
                yield from self._variables(arg)
            elif arg.op != "get_attr":
                yield arg

    def _lines(self) -> Iterator[str]:
        for node in self.inputs:
            self._name(node, str(node.target))
        for number, node in enumerate(self.nodes):
            if node not in self.inline and not _is_unpacked(node):
                yield self._line(number, node)

    def _line(self, number: int, node: fx.Node) -> str:
        text = self.expressions.text
        args: Any = node.args
        if node.op == "output":
            return f"return {text(args[0])}"
        if node.target == "__setitem__":
            return f"{text(args[0])}[{self.expressions.key(args[1])}] = {text(args[2])}"
        if is_in_place(node):
            line = f"{text(args[0])} {IN_PLACE[str(node.target)]} {text(args[1])}"
            self.expressions.names[node] = text(args[0])
            return line
        expression = self.expressions.written(node)[0]
        if parts := _unpacked(node):
            return f"{', '.join(self._name_parts(number, node, parts))} = {expression}"
        if not node.users:
            return expression
        several = _holds_several(node)
        names = self._candidates(number, node)
        name = next(n for n in names if self._is_free(n, number) and not (several and n in self.free_after))
        self._name(node, name)
        if several:  # no other kind of value takes its name: type checkers go by the first
            self.free_after[name] = len(self.nodes)
        return f"{name} = {expression}"

    def _name_parts(self, number: int, node: fx.Node, parts: list[fx.Node | None]) -> Iterator[str]:
        hints = node.meta["unpacked"]
        taken: set[str] = set()
        source = next(self._variables(node), None)
        stem = self.expressions.names.get(source, "part") if source else "part"
        for index, part in enumerate(parts):
            if part is None:
                yield "_"
                continue
            sizes = _UNPACKED.get(len(parts), ()) if is_size(part) else ()
            names = [hints[index], *sizes[index : index + 1], *(f"{stem}{n}" for n in range(1, 999))]
            name = next(n for n in names if n and n not in taken and n != "_" and self._is_free(n, number))
            taken.add(name)
            self._name(part, name)
            yield name

    def _candidates(self, number: int, node: fx.Node) -> Iterator[str]:
        """Names for the node's variable, best first."""
        operands = list(dict.fromkeys(self._variables(node)))
        size = is_size(node)
        hint = node.meta.get("hint", "")
        if hint not in ("", "_", "input"):
            yield hint
        if is_shape(node):
            yield "shape"
        elif size:
            index = node.args[1] if node.target is operator.getitem else None
            yield _SIZES.get(index, "size") if isinstance(index, int) else "size"
        elif len(operands) > 1:
            yield "x"
        for operand in operands:
            if is_size(operand) == size and not is_shape(operand) and self.last_use.get(operand, -1) == number:
                yield self.expressions.names[operand]
        if not size:
            yield from _own_names(node)
            yield from ("x", "out", "y", "z")
        stem = hint or ("size" if size else "y")
        yield from (f"{stem}{n}" for n in range(1, 10_000))

    def _is_free(self, name: str, number: int) -> bool:
        return is_identifier(name) and name not in self.reserved and self.free_after.get(name, -1) <= number

    def _name(self, node: fx.Node, name: str) -> None:
        self.expressions.names[node] = name
        self.free_after[name] = self.last_use.get(node, -1)


def _holds_several(node: fx.Node) -> bool:
    """Whether the value is a dict, list or tuple of which parts are read, as far as it can be told."""
    keys = [user.args[1] for user in node.users if user.target is operator.getitem and user.args[0] is node]
    return any(type(key) in (int, str) for key in keys) and not is_shape(node)


def _own_names(node: fx.Node) -> Iterator[str]:
    """Names that the node itself suggests: of its module, or of the key that it reads."""
    if node.op == "call_module":
        words = [word for word in str(node.target).split(".") if is_identifier(word)]
        if words and not _ORDINARY.fullmatch(words[-1]):
            yield re.sub(r"_\d+$", "", words[-1])
    elif node.target is operator.getitem and isinstance(node.args[1], str):
        yield node.args[1]


def _function_names(nodes: Iterable[fx.Node]) -> set[str]:
    return {getattr(node.target, "__name__", "") for node in nodes if node.op == "call_function"}


def _unpacked(node: fx.Node) -> list[fx.Node | None]:
    """The parts that `a, b = node` gives names to, None for an unused one; [] where it is not unpacked."""
    names = node.meta.get("unpacked", ())
    reads = [user for user in node.users if user.target is operator.getitem and user.args[0] is node]
    if len(reads) < len(node.users) or not all(isinstance(user.args[1], int) for user in reads):
        return []
    parts: dict[Any, fx.Node] = {user.args[1]: user for user in reads}
    if len(parts) < len(node.users) or not set(parts) <= set(range(len(names))):
        return []
    return [parts.get(index) for index in range(len(names))]


def _is_unpacked(node: fx.Node) -> bool:
    source = node.args[0] if node.args else None
    return node.target is operator.getitem and isinstance(source, fx.Node) and node in _unpacked(source)


def _inlined(nodes: list[fx.Node]) -> set[fx.Node]:
    """Nodes that can be written inside the one expression that uses them, with nothing evaluated in between."""
    found: set[fx.Node] = set()
    start: dict[fx.Node, int] = {}
    for number, node in enumerate(nodes):
        previous = number - 1
        for arg in reversed(list(leaves(node))):
            if previous >= 0 and nodes[previous] is arg and _is_writable_inside(arg, node):
                found.add(arg)
                previous = start[arg] - 1
        start[node] = previous + 1
    return found


def _is_writable_inside(arg: fx.Node, node: fx.Node) -> bool:
    if is_in_place(arg) or _unpacked(arg) or _is_unpacked(arg):
        return False
    if list(leaves(node)).count(arg) + len(arg.users) > 2 or (is_in_place(node) and node.args[0] is arg):
        return False
    is_call = arg.op.startswith("call_")
    return is_light(arg) or (is_call and (node.op == "output" or node.target == "detach" or "inline" in arg.meta))
