"""ONNX: names, shapes and places of initializers and constants, by a walk over the protocol buffer past the values."""

import mmap
from collections import Counter, deque
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from modelview.checkpoints.formats._protobuf import LENGTH, VARINT, extent, fields, varints
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, TensorInfo
from modelview.checkpoints.tensors import SIZES
from modelview.names import short

_DTYPES = {
    **{1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"},
    **{11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16"},
    **{17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz"},
}
"""onnx.TensorProto.DataType by number."""
_MODEL = {"ir_version": 1, "producer": 2, "producer_version": 3, "graph": 7, "opset": 8}
_GRAPH = {"node": 1, "initializer": 5, "input": 11, "output": 12}
_NODE = {"output": 2, "name": 3, "type": 4, "attribute": 5}
_ATTRIBUTE = {"name": 1, "tensor": 5, "graph": 6, "graphs": 11}
_TENSOR = {"dims": 1, "dtype": 2, "name": 8, "raw": 9, "external": 13}
_NAME = 1


@FORMATS.register("onnx")
class Onnx(Format):
    """Values are used where they are stored as raw bytes."""

    rank: ClassVar[int] = 1

    @classmethod
    def fits(cls, start: Start) -> bool:
        if len(start.paths) != 1 or start.head[:1] != b"\x08" or not b"\0" < start.head[1:2] < b"\x20":
            return False
        try:
            with start.paths[0].open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return any(number == _MODEL["graph"] for number, _, _ in fields(content, 0, len(content)))
        except (Refused, ValueError):
            return False

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        path = start.paths[0]
        with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Reading(path, content, limits).content()


@dataclass(frozen=True)
class _Graph:
    """A graph that is still to be walked. path: the nodes and attributes it is in, "" for the model's own."""

    place: Any
    path: str = ""
    depth: int = 1


@dataclass
class _Reading:
    path: Path
    bytes_: Any
    limits: Limits
    tensors: dict[str, Any] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    extras: dict[str, str] = field(default_factory=dict)
    nodes: Counter[str] = field(default_factory=Counter)
    waiting: deque[_Graph] = field(default_factory=deque)
    paths: Counter[str] = field(default_factory=Counter)
    small: int = 0

    def content(self) -> Content:
        for number, _, value in fields(self.bytes_, 0, len(self.bytes_)):
            if number in (_MODEL["producer"], _MODEL["producer_version"]):
                name = "producer" if number == _MODEL["producer"] else "producer version"
                self.extras[name] = short(self._text(value), 100)
            elif number == _MODEL["ir_version"]:
                self.extras["ir version"] = str(value)
            elif number == _MODEL["graph"]:
                self.waiting.append(_Graph(value))
        while self.waiting:
            self._walk(self.waiting.popleft())
        counted = (f"{count:,} {kind}" for kind, count in self.nodes.most_common(8))
        self.extras["nodes"] = ", ".join(counted) or "none"
        if self.small:
            self.extras["constants not listed"] = f"{self.small:,}: single numbers, texts and lists of whole numbers"
        note = "An ONNX model: its initializers and constants are read, its graph is only counted."
        return Content("onnx", self.tensors, self.spans, extras=self.extras, notes=(note,))

    def _walk(self, graph: _Graph) -> None:
        """Note what is in one graph; graphs inside it are put at the end of those that wait."""
        if graph.depth > self.limits.depth:
            raise Refused(
                f"The graphs of the model are nested deeper than the limit of {self.limits.depth:,} levels "
                "(MODELVIEW_READ_DEPTH)."
            )
        for number, _, part in fields(self.bytes_, *extent(graph.place)):
            if number == _GRAPH["initializer"]:
                self._initializer(part, graph)
            elif number == _GRAPH["node"]:
                self._node(part, graph)
            elif number in (_GRAPH["input"], _GRAPH["output"]) and graph.depth == 1:
                self._end("inputs" if number == _GRAPH["input"] else "outputs", part)

    def _end(self, kind: str, part: Any) -> None:
        """One more input or output of the model."""
        name = short(self._only(part, _NAME), 60)
        self.extras[kind] = f"{self.extras[kind]}, {name}"[:300] if kind in self.extras else name

    def _node(self, part: Any, graph: _Graph) -> None:
        texts: dict[int, Any] = {}
        attributes = []
        for number, kind, value in fields(self.bytes_, *extent(part)):
            if number == _NODE["attribute"]:
                attributes.append(value)
            elif kind == LENGTH:
                texts.setdefault(number, value)
        name, output, op = (self._text(texts.get(_NODE[what], (0, 0))) for what in ("name", "output", "type"))
        self.nodes[short(op, 60) or "?"] += 1
        for attribute in attributes:
            for number, _, value in fields(self.bytes_, *extent(attribute)):
                if number == _ATTRIBUTE["tensor"] and op == "Constant":
                    self._constant(value, output, graph)
                elif number in (_ATTRIBUTE["graph"], _ATTRIBUTE["graphs"]):
                    own = short(self._only(attribute, _NAME), 60)
                    inner = self._inner(graph, f"{short(name or output or op, 60)}.{own}")
                    self.waiting.append(_Graph(value, inner, graph.depth + 1))

    def _inner(self, graph: _Graph, name: str) -> str:
        """The path of a graph inside `graph`; one that has been there before gets a number."""
        path = short(f"{graph.path}.{name}".lstrip("."), 200)
        self.paths[path] += 1
        return path if self.paths[path] == 1 else f"{path}-{self.paths[path]}"

    def _initializer(self, part: Any, graph: _Graph) -> None:
        found = self._parsed(part)
        if found.dtype not in _DTYPES and graph.depth > 1:
            self.small += 1
            return
        self._add(found, found.name, graph)

    def _constant(self, part: Any, output: str, graph: _Graph) -> None:
        """The tensor that a node has for its value, under the name of what it puts out, unless it is no weight."""
        found = self._parsed(part)
        counts = not found.dims or (_DTYPES.get(found.dtype) in ("int64", "bool") and len(found.dims) == 1)
        if counts or found.dtype not in _DTYPES:
            self.small += 1
            return
        self._add(found, output or found.name, graph)

    def _parsed(self, part: Any) -> "_Tensor":
        found = _Tensor()
        for number, kind, value in fields(self.bytes_, *extent(part)):
            if number == _TENSOR["dims"]:
                found.dims += [value] if kind == VARINT else list(varints(self.bytes_, *extent(value)))
            elif number == _TENSOR["dtype"]:
                found.dtype = value
            elif number == _TENSOR["name"]:
                found.name = self._text(value)
            elif number == _TENSOR["raw"]:
                found.raw = value
            elif number == _TENSOR["external"]:
                found.note = "its values are in a file of their own beside the model"
        return found

    def _add(self, found: "_Tensor", name: str, graph: _Graph) -> None:
        """List a tensor as `name`, behind the path of its graph where that name is taken."""
        if found.dtype not in _DTYPES or any(size >= 2**62 for size in found.dims) or len(found.dims) > 64:
            raise Refused(f"{short(name)!r} in the model has a dtype or a shape that torch does not have.")
        if name in self.tensors and graph.path:
            name = f"{graph.path}.{name}"
        if name in self.tensors:
            raise Refused(f"The model has two tensors called {short(name)!r}.")
        self.tensors[name] = self._info(name, tuple(found.dims), _DTYPES[found.dtype], found.raw, found.note)
        if len(self.tensors) > self.limits.tensors:
            raise Refused(
                f"The file holds more than the limit of {self.limits.tensors:,} tensors (MODELVIEW_READ_TENSORS)."
            )

    def _info(self, name: str, shape: tuple[int, ...], dtype: str, raw: Any, note: str) -> TensorInfo:
        nbytes = prod(shape) * SIZES[dtype]
        stride = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
        if raw is None:
            note = note or "its values are stored one by one, not as bytes"
            return TensorInfo(shape, dtype, nbytes, stride=stride, note=note)
        begin, length = raw
        if length != nbytes:
            raise Refused(f"{short(name)!r} of shape {short(str(shape))} has {length:,} bytes, not {nbytes:,}.")
        self.spans.append(Span(str(self.path), begin, length))
        return TensorInfo(shape, dtype, nbytes, None, len(self.spans) - 1, 0, stride, nbytes)

    def _text(self, value: Any) -> str:
        begin, end = extent(value)
        if end - begin > 100_000:
            raise Refused("A name in the model is longer than 100,000 bytes.")
        return bytes(self.bytes_[begin:end]).decode("utf-8", "replace")

    def _only(self, part: Any, wanted: int) -> str:
        texts = (v for number, kind, v in fields(self.bytes_, *extent(part)) if number == wanted and kind == LENGTH)
        found = next(texts, None)
        return self._text(found) if found is not None else "?"


@dataclass
class _Tensor:
    """A tensor as it is stored. raw: where its bytes are. note: why it has none."""

    dims: list[int] = field(default_factory=list)
    dtype: int = 0
    name: str = ""
    raw: Any = None
    note: str = ""
