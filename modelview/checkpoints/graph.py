"""What was read, as one JSON table: every object once, whatever shares it, and within the limits."""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Global, Refused, Stub, TensorInfo
from modelview.checkpoints.stubs import Ordered, name_of
from modelview.names import short

_PLAIN = [f.name for f in fields(TensorInfo) if f.name not in ("shape", "stride", "parts", "details")]
_PLAIN_OF = attrgetter(*_PLAIN)
_LIST, _TUPLE, _SET, _DICT, _TENSOR, _STUB, _GLOBAL, _BYTES, _COMPLEX = range(9)
"""What a node of the table is; numbers, since each text of a JSON document is an object of its own."""
MOST_DIGITS = 4000
MOST_TEXT = 65_536
"""Characters of a text that is no name; of a longer one the beginning is kept."""
MOST_BYTES = 64
"""Of a bytes object: its beginning is kept, with its length."""


class Blob(bytes):
    """The beginning of a bytes object. size: of all of it."""

    size: int = 0


def require(root: Any, limits: Limits) -> None:
    """Refuse what is nested too deeply, holds itself, holds too much, or unfolds to too much.

    Objects of a class may refer back to what holds them, as honest ones do; plain lists and dicts may not.
    """
    level, seen, tensors, depth = [root], {id(root)}, 0, 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise Refused(_hit("is nested deeper than", limits.depth, "levels", "depth"))
        below = []
        for value in level:
            tensors += isinstance(value, TensorInfo)
            for child in children(value):
                if _is_inner(child) and id(child) not in seen:
                    seen.add(id(child))
                    below.append(child)
        if len(seen) > limits.objects:
            raise Refused(_hit("holds more than", limits.objects, "objects", "objects"))
        if tensors > limits.tensors:
            raise Refused(_hit("holds more than", limits.tensors, "tensors", "tensors"))
        level = below
    _require_finite(root, limits)


def _require_finite(root: Any, limits: Limits) -> None:
    """Count what the containers unfold to; one that is met again inside itself would have no end."""
    sizes: dict[int, int] = {}
    starts = [root]
    while starts:
        stack: list[tuple[Any, bool]] = [(starts.pop(), False)]
        open_: set[int] = set()
        while stack:
            value, done = stack.pop()
            if done:
                open_.discard(id(value))
                inner = [sizes.get(id(child), 1) for child in children(value)]
                sizes[id(value)] = 1 + sum(inner)
                if sizes[id(value)] > limits.objects:
                    raise Refused(
                        _hit("holds lists in lists that unfold to more than", limits.objects, "objects", "objects")
                    )
                continue
            if id(value) in sizes:
                continue
            if id(value) in open_:
                raise Refused("A list or dict in the file holds itself.")
            open_.add(id(value))
            stack.append((value, True))
            for child in children(value):
                if isinstance(child, Stub) and id(child) not in sizes:
                    sizes[id(child)] = 1  # what is in it is counted by itself
                    starts.extend(children(child))
                elif _is_inner(child) and not isinstance(child, (Stub, TensorInfo)):
                    stack.append((child, False))


def children(value: Any) -> Iterable[Any]:
    """What a value holds directly."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
        if isinstance(value, Ordered) and value.state is not None:
            yield value.state
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, Stub):
        yield from (value.arguments, value.state, value.items)


def _is_inner(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple, set, frozenset, Stub, TensorInfo)) and bool(
        not isinstance(value, tuple) or value
    )


def table(root: Any) -> dict[str, Any]:
    """`root` as JSON can hold it; `restored` makes the same again."""
    return _Writer().table(root)


class _Writer:
    """Numbers the objects as they are met, and writes each down once."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._waiting: list[Any] = []
        self._nodes: list[list[Any]] = []

    def table(self, root: Any) -> dict[str, Any]:
        begin = self._value(root)
        done = 0
        while done < len(self._waiting):
            self._nodes.append(self._node(self._waiting[done]))
            done += 1
        return {"root": begin, "nodes": self._nodes}

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, int):
            return value if value.bit_length() < 3 * MOST_DIGITS else f"a number of {value.bit_length():,} bits"
        if isinstance(value, str):
            return value if len(value) <= MOST_TEXT else f"{value[:MOST_TEXT]}…"
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._waiting)
            self._waiting.append(value)
        return [self._numbers[id(value)]]

    def _node(self, value: Any) -> list[Any]:
        many = self._values
        if isinstance(value, TensorInfo):
            nested = [self._value(value.parts), self._value(value.details)] if value.parts or value.details else []
            return [_TENSOR, value.shape, value.stride, _PLAIN_OF(value), *nested]
        if isinstance(value, dict):
            state = value.state if isinstance(value, Ordered) else None
            names = [name if isinstance(name, str) else self._value(name) for name in value]
            return [_DICT, names, many(value.values()), self._value(state)]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_LIST if isinstance(value, list) else _TUPLE if isinstance(value, tuple) else _SET, many(value)]
        if isinstance(value, (bytes, bytearray)):
            return [_BYTES, bytes(value[:MOST_BYTES]).hex(), len(value)]
        if isinstance(value, complex):
            return [_COMPLEX, value.real, value.imag]
        if isinstance(value, Stub):
            return [_STUB, value.name, self._value(value.arguments), self._value(value.state), many(value.items)]
        return [_GLOBAL, name_of(value) or type(value).__name__]

    def _values(self, values: Iterable[Any]) -> list[Any]:
        return [self._value(value) for value in values]


def restored(content: dict[str, Any]) -> Any:
    """The object that `table` wrote down: plain values, dicts (`Ordered`), `Stub`, `Global`, `TensorInfo`."""
    nodes = content["nodes"]
    made: list[Any] = [_empty(node) for node in nodes]

    def value(written: Any) -> Any:
        return made[written[0]] if type(written) is list else written

    for number in _innermost_first(nodes):
        kind, rest = nodes[number][0], nodes[number][1:]
        if kind == _TUPLE:
            made[number] = tuple(value(each) for each in rest[0])
        else:
            nested = {"parts": value(rest[3]), "details": value(rest[4])} if len(rest) > 3 else {}
            plain = dict(zip(_PLAIN, rest[2], strict=True))
            made[number] = TensorInfo(tuple(rest[0]), stride=tuple(rest[1]), **plain, **nested)
    for node, target in zip(nodes, made, strict=True):
        kind, rest = node[0], node[1:]
        if kind == _DICT:
            target.update(zip(map(_hashable, map(value, rest[0])), map(value, rest[1]), strict=True))
            target.state = value(rest[2])
        elif kind in (_LIST, _SET):
            target.extend(map(value, rest[0]))
        elif kind == _STUB:
            target.arguments, target.state = value(rest[1]), value(rest[2])
            target.items.extend(map(value, rest[3]))
    return value(content["root"])


def _innermost_first(nodes: list[list[Any]]) -> list[int]:
    """The numbers of tuples and tensors, each after those it holds: they are made whole or not at all."""
    order: dict[int, None] = {}
    for first, node in enumerate(nodes):
        stack = [first] if node[0] in (_TUPLE, _TENSOR) else []
        while stack:
            number = stack[-1]
            kind, rest = nodes[number][0], nodes[number][1:]
            inner = (rest[0] if kind == _TUPLE else rest[3:]) if number not in order else ()
            below = [each[0] for each in inner if type(each) is list]
            waiting = [n for n in below if nodes[n][0] in (_TUPLE, _TENSOR) and n not in order]
            if not waiting:
                order[stack.pop()] = None
            stack += waiting
    return list(order)


def _empty(node: list[Any]) -> Any:
    kind = node[0]
    if kind == _DICT:
        return Ordered()
    if kind == _STUB:
        return Stub(node[1])
    if kind == _GLOBAL:
        return Global(node[1])
    if kind == _COMPLEX:
        return complex(node[1], node[2])
    if kind == _BYTES:
        blob = Blob.fromhex(node[1])
        blob.size = node[2]
        return blob
    return []


def _hashable(key: Any) -> Any:
    return short(repr(key)) if isinstance(key, (list, dict, tuple)) else key


def _hit(what: str, limit: int, unit: str, name: str) -> str:
    return f"The file {what} the limit of {limit:,} {unit} (MODELVIEW_READ_{name.upper()})."
