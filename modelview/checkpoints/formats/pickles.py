"""A plain pickle: of NumPy arrays, as Detectron2's model zoo has them, or of tensors, by pickle itself."""

import io
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from modelview.checkpoints import stubs
from modelview.checkpoints.formats import legacy
from modelview.checkpoints.formats._placing import Placing
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, Stub, TensorInfo
from modelview.checkpoints.tensors import SIZES, Storage

_DTYPES = {
    **{"f2": "float16", "f4": "float32", "f8": "float64", "b1": "bool", "c8": "complex64", "c16": "complex128"},
    **{f"i{bits // 8}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits // 8}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
_BIG = ">"


@FORMATS.register("pickle")
class Pickle(Format):
    """Protocols 2 to 5. Values are used where the file has their bytes in a row."""

    rank: ClassVar[int] = 5

    @classmethod
    def fits(cls, start: Start) -> bool:
        return len(start.paths) == 1 and start.head[:1] == b"\x80" and b"\2" <= start.head[1:2] <= b"\5"

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        path = start.paths[0]
        if path.stat().st_size > limits.memory_mb * 1_000_000 // 2:
            raise Refused(
                f"A plain pickle is read into memory; half of the limit of {limits.memory_mb} MB "
                "(MODELVIEW_READ_MEMORY_MB) is less than this file."
            )
        reading = _Reading(path)
        with path.open("rb") as opened:
            root, asked = stubs.read(opened, more=reading.known)
            if opened.read(1):
                raise Refused(
                    "The file begins as a pickle but goes on behind its end: it is damaged, or something else."
                )
        root = reading.with_arrays(root)
        return Content("pickle", root, reading.spans, asked)


class _Reading:
    """Puts tensors in the place of arrays, and finds where the values of both lie."""

    def __init__(self, path: Path) -> None:
        self._placing, self._path = Placing(path), path
        self.spans: list[Span] = []
        self.known = {"torch.storage._load_from_bytes": self._storage}

    def _storage(self, content: Any) -> Any:
        """A tensor that pickle itself saved carries its storage as a file of torch's, in bytes."""
        if not isinstance(content, bytes):
            return NotImplemented
        inner = legacy.saved(io.BytesIO(content), self._path, 0, len(content))
        if not isinstance(inner.root, Storage) or len(inner.storages) != 1:
            raise Refused("A tensor of the pickle keeps its values in a way that torch does not.")
        (span,) = inner.storages
        found = self._placing.span(content[span.start : span.start + span.nbytes])
        if found is None:
            raise Refused("The values of a tensor are spelt in the pickle in a way that cannot be read in place.")
        self.spans.append(replace(found, device=span.device))
        return replace(inner.root, index=len(self.spans) - 1)

    def with_arrays(self, root: Any) -> Any:
        """`root` with every array and number of NumPy's as a tensor or a number."""
        made: dict[int, Any] = {}
        if isinstance(root, Stub):
            return self._array(root) or root
        waiting, seen = [root], {id(root)}
        while waiting:
            value = waiting.pop()
            items: Any = ()
            if isinstance(value, dict):
                items = list(value.items())
            elif isinstance(value, list):
                items = list(enumerate(value))
            elif isinstance(value, Stub):
                items = [("", value.state), *enumerate(value.items)]
            for name, child in items:
                if isinstance(child, Stub) and isinstance(value, (dict, list)):
                    found = made.setdefault(id(child), self._array(child))
                    if found is not None:
                        value[name] = found
                        continue
                if id(child) not in seen and isinstance(child, (dict, list, Stub)):
                    seen.add(id(child))
                    waiting.append(child)
        return root

    def _array(self, stub: Stub) -> Any:
        """The array or number that a stub was; None for everything else."""
        name = stub.name.replace("numpy._core.", "numpy.core.")
        if name == "numpy.core.multiarray._reconstruct" and isinstance(stub.state, tuple) and len(stub.state) == 5:
            _, shape, kind, fortran, content = stub.state
            return self._tensor(kind, shape, content, fortran is True)
        if name == "numpy.core.numeric._frombuffer" and len(stub.arguments) == 4:
            content, kind, shape, order = stub.arguments
            return self._tensor(kind, shape, content, order == "F")
        if name == "numpy.core.multiarray.scalar" and len(stub.arguments) == 2:
            return self._tensor(stub.arguments[0], (), stub.arguments[1], False)
        return None

    def _tensor(self, kind: Any, shape: Any, content: Any, fortran: bool) -> TensorInfo | None:
        dtype = _dtype(kind)
        counts = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 2**40 for n in shape)
        if dtype is None or not counts or not isinstance(content, (bytes, bytearray, str)):
            return None
        nbytes = prod(shape) * SIZES[dtype]
        span = self._placing.span(content)
        stated = len(content) if not isinstance(content, str) else len(content.encode("utf-8", "surrogateescape"))
        if stated != nbytes:
            raise Refused(f"An array of shape {shape} and dtype {dtype} has {stated:,} bytes, not {nbytes:,}.")
        sizes = shape[:0:-1] if not fortran else shape[:-1]
        steps = [1]
        for size in sizes:
            steps.append(steps[-1] * size)
        stride = tuple(steps[: len(shape)] if fortran else steps[: len(shape)][::-1])
        if span is None:
            note = "the pickle spells its bytes in a way that cannot be read in place"
            return TensorInfo(shape, dtype, nbytes, stride=stride, note=note)
        self.spans.append(span)
        return TensorInfo(shape, dtype, nbytes, None, len(self.spans) - 1, 0, stride, nbytes)


def _dtype(kind: Any) -> str | None:
    """The name torch has for a pickled numpy.dtype; None for what torch has not. Refused for big-endian numbers."""
    if not isinstance(kind, Stub) or kind.name != "numpy.dtype" or not kind.arguments:
        return None
    code = str(kind.arguments[0])
    if isinstance(kind.state, tuple) and len(kind.state) > 1 and kind.state[1] == _BIG:
        raise Refused("An array of the file has big-endian numbers; save it again on another machine.")
    return _DTYPES.get(code)
