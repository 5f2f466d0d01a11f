"""safetensors: a JSON header with the place of every tensor, then the values."""

import json
import struct
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, TensorInfo
from modelview.checkpoints.tensors import SIZES
from modelview.names import short

DTYPES = {
    **{"BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
    **{"F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz"},
    **{"I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32"},
    **{"F32": "float32", "F64": "float64", "I64": "int64", "U64": "uint64", "C64": "complex64"},
}
_LENGTH = 8
_MOST_DIMENSIONS = 64


@FORMATS.register("safetensors")
class Safetensors(Format):
    """Values have no CRC in this format; offsets have to tile the file exactly."""

    rank: ClassVar[int] = 40

    @classmethod
    def fits(cls, start: Start) -> bool:
        if len(start.paths) != 1 or len(start.head) <= _LENGTH or start.head[_LENGTH : _LENGTH + 1] != b"{":
            return False
        return header_bytes(start.head) < 2**40

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        path = start.paths[0]
        header = _header(path, limits)
        about = header.pop("__metadata__", {})
        if not isinstance(about, dict):
            raise Refused("The metadata in the header of the file is no table of texts.")
        begin = _LENGTH + header_bytes(start.head)
        spans: list[Span] = []
        root: dict[str, TensorInfo] = {}
        for name, described in header.items():
            first, last, info = _described(name, described, len(spans))
            spans.append(Span(str(path), begin + first, last - first))
            root[name] = info
        _require_tiled(spans, begin, path)
        extras = {short(str(name)): short(str(value), 300) for name, value in about.items()}
        return Content("safetensors", root, spans, extras=extras)


def header_bytes(head: bytes) -> int:
    """The length that the file states for its header."""
    length: int = struct.unpack("<Q", head[:_LENGTH])[0]
    return length


def _header(path: Path, limits: Limits) -> dict[str, Any]:
    with path.open("rb") as opened:
        length = header_bytes(opened.read(_LENGTH))
        if length > limits.header_mb * 1_000_000:
            raise Refused(
                f"The header of the file has {length:,} bytes, more than the limit of {limits.header_mb} MB "
                "(MODELVIEW_READ_HEADER_MB)."
            )
        text = opened.read(length)
    if len(text) != length:
        raise Refused(
            f"The file is truncated: its header is said to have {length:,} bytes, and {len(text):,} are there."
        )
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refused(f"The header of the file is broken: {short(str(error))}.") from error
    if not isinstance(content, dict):
        raise Refused("The header of the file is no table.")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((double, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise Refused(f"The header names {short(double)!r} twice.")
    return found


def _described(name: str, described: Any, number: int) -> tuple[int, int, TensorInfo]:
    """Where the tensor begins and ends behind the header, and what it is."""
    try:
        dtype, shape, (first, last) = described["dtype"], described["shape"], described["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"The header does not say what {short(name)!r} is: it needs dtype, shape and data_offsets."
        ) from error
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise Refused(f"{short(name)!r} is of the dtype {short(repr(dtype))}, which torch does not have.")
    counts = [first, last, *shape] if isinstance(shape, list) and len(shape) <= _MOST_DIMENSIONS else [None]
    if not all(type(count) is int and 0 <= count < 2**62 for count in counts):
        raise Refused(f"{short(name)!r} has the shape {short(str(shape))} and offsets that are no whole numbers.")
    torch_dtype = DTYPES[dtype]
    nbytes = prod(shape) * SIZES[torch_dtype]
    if last - first != nbytes:
        raise Refused(
            f"{short(name)!r} of shape {short(str(tuple(shape)))} and dtype {dtype} takes {nbytes:,} bytes; "
            f"the header gives it {last - first:,}."
        )
    stride = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return first, last, TensorInfo(tuple(shape), torch_dtype, nbytes, None, number, 0, stride, nbytes)


def _require_tiled(spans: list[Span], begin: int, path: Path) -> None:
    """The tensors lie one after the other, from the header to the end of the file, as the format demands."""
    at = begin
    for span in sorted(spans, key=lambda span: (span.start, span.nbytes)):
        if span.start != at:
            raise Refused("Tensors of the file overlap, or leave bytes between them that belong to none.")
        at += span.nbytes
    size = path.stat().st_size
    if at > size:
        raise Refused(f"The file is truncated: its tensors end at byte {at:,}, and it has {size:,}.")
    if at < size:
        raise Refused(f"The file has {size - at:,} bytes behind its last tensor that belong to none.")
