"""How tensors are pickled: storages by key, and the parts of them that tensors are, as records."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from modelview.checkpoints.records import Refused, Span, TensorInfo
from modelview.names import short

SIZES = {
    **dict.fromkeys(("bool", "uint8", "int8", "quint8", "qint8", "quint4x2", "quint2x4", "bits8"), 1),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), 1),
    **dict.fromkeys(("float4_e2m1fn_x2", "bits1x8", "bits2x4", "bits4x2"), 1),
    **dict.fromkeys([f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)], 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16", "bits16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32", "qint32", "complex32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
    "complex128": 16,
}
"""Bytes of one element, by the names of torch's dtypes."""

_PACKED = {"quint4x2": 2, "quint2x4": 4}
"""Elements in one byte, of the dtypes that share it."""

_STORED = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "QInt8": "qint8",
    "QUInt8": "quint8",
    "QInt32": "qint32",
    "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
    "Untyped": "uint8",
}
MOST_DIMENSIONS = 64
_MOST = 2**62


@dataclass(frozen=True)
class Storage:
    """A storage that a pickle refers to. start: of its view in the `Span` numbered `index`, in bytes."""

    index: int
    dtype: str
    nbytes: int
    device: str
    start: int = 0

    def __setstate__(self, _: Any) -> None:
        raise Refused("The pickle sets attributes of a storage.")


class Storages:
    """The storages of one file, numbered from `first` as they are met.

    locate: (key, bytes, device) to where they lie; it refuses what is not there. `spans` are what it gave.
    """

    def __init__(self, locate: Callable[[str, int, str], Span], first: int = 0) -> None:
        self._locate, self._numbers, self._first = locate, dict[str, int](), first
        self.spans: list[Span] = []
        self.sizes: list[int] = []
        """Bytes of one element, as each storage was first described."""
        self.made: dict[str, Storage] = {}
        """Storages by another name than their key, where a format has one."""

    def __call__(self, pid: Any) -> Storage:
        """The storage of a persistent id ("storage", type, key, location, elements[, view])."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise Refused("The pickle refers to something outside of it that is no storage.")
        kind, key, device, count = pid[1:5]
        dtype = dtype_of(kind)
        if not isinstance(key, str) or not isinstance(device, str) or not _is_count(count):
            raise Refused(f"A storage of the file is described in a way that torch does not ({short(repr(key))}).")
        nbytes = count * SIZES[dtype]
        index = self._first + self._number(key, nbytes, device, SIZES[dtype])
        whole = Storage(index, dtype, nbytes, device)
        return whole if len(pid) == 5 or pid[5] is None else viewed(whole, pid[5])

    def _number(self, key: str, nbytes: int, device: str, size: int) -> int:
        """The number of the storage with this key; new ones are looked up."""
        if key not in self._numbers:
            span = self._locate(key, nbytes, device)
            if span.nbytes != nbytes:
                raise Refused(
                    f"Storage {short(key)!r} says it has {nbytes:,} bytes; the file has {span.nbytes:,} of it."
                )
            self._numbers[key] = len(self.spans)
            self.spans.append(span)
            self.sizes.append(size)
        number = self._numbers[key]
        if self.spans[number].nbytes != nbytes:
            raise Refused(f"Storage {short(key)!r} is described with two sizes.")
        return number


def dtype_of(kind: Any) -> str:
    """The dtype of a storage class that the file names, such as torch.FloatStorage. Raises Refused."""
    name = getattr(kind, "name", "")
    dtype = _STORED.get(name.rpartition(".")[2].removesuffix("Storage"))
    if dtype is None:
        raise Refused(f"A storage of the file is of the kind {short(name or repr(kind))!r}, which torch has not.")
    return dtype


def viewed(whole: Storage, view: Any) -> Storage:
    """A part of another storage, as files of before 2017 have them: (key, first element, elements)."""
    if not isinstance(view, tuple) or len(view) != 3 or not _is_count(view[1]) or not _is_count(view[2]):
        raise Refused("A view of a storage is described in a way that torch does not.")
    start, length = view[1] * SIZES[whole.dtype], view[2] * SIZES[whole.dtype]
    if start + length > whole.nbytes:
        raise Refused("A view of a storage goes on behind its end.")
    return replace(whole, start=whole.start + start, nbytes=length)


def tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, dtype: str = "", *, requires_grad: bool = False
) -> TensorInfo:
    """A strided tensor; offset and stride in elements. Refused where it claims more than its storage has."""
    if not isinstance(storage, Storage):
        raise Refused("A tensor of the file has no storage.")
    dtype = dtype or storage.dtype
    shape, stride = sizes(shape), sizes(stride)
    if len(shape) != len(stride) or not _is_count(offset):
        raise Refused(f"A tensor of the file has the shape {_text(shape)} and the strides {_text(stride)}.")
    count = prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1 if count else offset
    if (claimed := bytes_of(last, dtype)) > storage.nbytes:
        raise Refused(
            f"A tensor of shape {_text(shape)} claims {claimed:,} bytes of a storage that has {storage.nbytes:,}."
        )
    if storage.start % SIZES[dtype]:
        raise Refused("A view of a storage begins between two of its elements.")
    return TensorInfo(
        shape,
        dtype,
        bytes_of(count, dtype),
        storage=storage.index,
        offset=storage.start // SIZES[dtype] + offset,
        stride=stride,
        storage_nbytes=storage.nbytes,
        device=storage.device,
        requires_grad=requires_grad,
    )


def bytes_of(count: int, dtype: str) -> int:
    """What so many elements in a row take.

    >>> bytes_of(3, "float32"), bytes_of(3, "quint4x2")
    (12, 2)
    """
    return -(-count * SIZES[dtype] // _PACKED.get(dtype, 1))


def dtype_named(value: Any) -> str:
    """The dtype that the file names, such as torch.bfloat16. Raises Refused."""
    name = str(getattr(value, "name", "")).removeprefix("torch.")
    if name not in SIZES:
        raise Refused(f"A tensor of the file has the dtype {short(name or repr(value))!r}, which torch has not.")
    return name


def sizes(value: Any) -> tuple[int, ...]:
    """A shape, or strides, as the file has them. Raises Refused for what is none."""
    if not isinstance(value, (tuple, list)) or len(value) > MOST_DIMENSIONS or not _are_counts(value):
        raise Refused(f"A tensor of the file has the shape or strides {short(repr(value))}.")
    return tuple(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _are_counts(values: Any) -> bool:
    return not values or (set(map(type, values)) == {int} and min(values) >= 0 and max(values) < _MOST)


def _text(shape: tuple[int, ...]) -> str:
    return short(str(shape))
