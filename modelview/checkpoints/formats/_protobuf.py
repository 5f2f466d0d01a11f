"""Protocol buffers without their schema: the fields of a message, their values skipped or left where they are."""

from collections.abc import Iterator
from typing import Any

from modelview.checkpoints.records import Refused

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""

Field = tuple[int, int, Any]
"""Number and wire type; a number, or (first byte, length) of what follows."""


def fields(content: Any, at: int, end: int) -> Iterator[Field]:
    """The fields of one message. Raises Refused where it is broken."""
    while at < end:
        key, at = _varint(content, at, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(content, at, end)
            yield number, kind, value
        elif kind == LENGTH:
            length, at = _varint(content, at, end)
            if at + length > end:
                raise Refused("The model is truncated: a field goes on behind the end of what holds it.")
            yield number, kind, (at, length)
            at += length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise Refused("The file begins as an ONNX model but its fields are broken.")


def varints(content: Any, at: int, end: int) -> Iterator[int]:
    while at < end:
        value, at = _varint(content, at, end)
        yield value


def _varint(content: Any, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise Refused("The model is truncated: a number ends early.")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Refused("The file begins as an ONNX model but holds a number without end.")


def extent(value: Any) -> tuple[int, int]:
    """First byte and end of a field that has a length. Raises Refused for one that has none."""
    if not isinstance(value, tuple):
        raise Refused("The file begins as an ONNX model but a field is of the wrong kind.")
    return value[0], value[0] + value[1]
