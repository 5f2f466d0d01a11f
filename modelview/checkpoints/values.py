"""Values of tensors, read by memory map from where the file keeps them, and checked before they are used."""

import mmap
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modelview.checkpoints.records import Span, TensorInfo
from modelview.errors import CheckpointError
from modelview.names import short

CHUNK_BYTES = 1 << 22


State = tuple[int, int, int]
"""What tells that a file is the one that was read: bytes, time of change, inode."""


class Values:
    """The storages of a file, mapped privately: nobody who changes a tensor changes the file.

    states: of the files when they were read; values of another state are not given out.
    """

    def __init__(self, spans: Sequence[Span], states: Mapping[str, State]) -> None:
        self._spans, self._states = spans, states
        self._maps: dict[str, mmap.mmap] = {}
        self._storages: dict[int, Tensor] = {}

    def tensor(self, name: str, info: TensorInfo) -> Tensor:
        """The tensor with its values. Raises CheckpointError where they are damaged or cannot be read."""
        if info.layout == "strided":
            return self._strided(name, info)
        parts = {part: self.tensor(f"{name} ({part})", inner) for part, inner in info.parts}
        make = _LAYOUTS.get(info.layout)
        if make is None:
            raise CheckpointError(f"The values of {short(name)!r} cannot be read: its layout is {info.layout}.")
        details = dict(info.details)
        try:
            return make(self, name, info, parts, details)
        except (RuntimeError, TypeError, KeyError) as error:
            raise CheckpointError(f"The {info.layout} tensor {short(name)!r} does not fit together: {error}") from error

    def verify(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Check every storage that the file states a CRC for. progress: (bytes done, bytes in all)."""
        total, done = sum(span.nbytes for span in self._spans), 0
        for number, span in enumerate(self._spans):
            used = number in self._storages
            self._bytes(number, "")
            if span.coding and not used:
                self._storages.pop(number, None)  # it was decoded into memory, and nobody asked for it
            done += span.nbytes
            if progress is not None:
                progress(done, total)

    def _strided(self, name: str, info: TensorInfo) -> Tensor:
        if info.storage is None:
            raise CheckpointError(f"The values of {short(name)!r} cannot be read: {info.note or 'the file has none'}.")
        dtype = getattr(torch, info.dtype)
        made = _over(torch.empty(0, dtype=dtype), self._aligned(name, info.storage, dtype), info)
        for bit, view in _BITS.items():
            made = view(made) if (bit, True) in info.details else made
        return made

    def _aligned(self, name: str, number: int, dtype: torch.dtype) -> Tensor:
        """The bytes of a storage where torch's kernels want them; files align nothing before 2020."""
        storage = self._bytes(number, name)
        return storage.clone() if storage.data_ptr() % max(dtype.itemsize, 1) else storage

    def _bytes(self, number: int, name: str) -> Tensor:
        """All bytes of a storage as uint8, checked once."""
        if number not in self._storages:
            span = self._spans[number]
            self._require_unchanged(span.file)
            if not span.nbytes:
                return self._storages.setdefault(number, torch.empty(0, dtype=torch.uint8))
            mapped = self._mapped(span.file)
            if span.start + span.nbytes > len(mapped):
                raise CheckpointError(f"{short(Path(span.file).name)!r} is truncated: values lie behind its end.")
            if span.crc is not None and _crc(mapped, span) != span.crc:
                where = f"the values of {short(name)!r}" if name else "some values"
                raise CheckpointError(
                    f"{short(Path(span.file).name)!r} is damaged: {where} do not have the CRC-32 stored with them."
                )
            if span.coding:
                self._storages[number] = _decoded(mapped[span.start : span.start + span.nbytes], span.coding)
                return self._storages[number]
            self._storages[number] = torch.frombuffer(mapped, dtype=torch.uint8, count=span.nbytes, offset=span.start)
        return self._storages[number]

    def _mapped(self, file: str) -> mmap.mmap:
        if file not in self._maps:
            with Path(file).open("rb") as opened:
                self._maps[file] = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        return self._maps[file]

    def _require_unchanged(self, file: str) -> None:
        if state_of(file) != self._states[file]:
            raise CheckpointError(f"{short(Path(file).name)!r} has changed since it was read; read it again.")


def _over(made: Tensor, storage: Tensor, info: TensorInfo) -> Tensor:
    """An empty tensor set over the bytes of a storage, as the file describes it; tied tensors share them."""
    return made.set_(storage.untyped_storage(), info.offset, info.shape, info.stride)


def _decoded(content: bytes, coding: str) -> Tensor:
    """The bytes that a text stands for, a character each."""
    return torch.frombuffer(bytearray(content.decode("utf-8").encode(coding)), dtype=torch.uint8)


def _crc(mapped: mmap.mmap, span: Span) -> int:
    crc = 0
    with memoryview(mapped) as view:
        for start in range(span.start, span.start + span.nbytes, CHUNK_BYTES):
            crc = zlib.crc32(view[start : min(start + CHUNK_BYTES, span.start + span.nbytes)], crc)
    return crc


def state_of(file: str) -> State:
    """The state of a file now. Raises CheckpointError where it is gone."""
    try:
        about = Path(file).stat()
    except OSError as error:
        raise CheckpointError(f"The file {short(file)!r} is not there any more.") from error
    return about.st_size, about.st_mtime_ns, about.st_ino


Parts = dict[str, Tensor]
Details = dict[str, Any]


def _quantized(values: Values, name: str, info: TensorInfo, parts: Parts, details: Details) -> Tensor:
    dtype = getattr(torch, info.dtype)
    if parts:
        axis = details["axis"]
        none = [size if dim == axis else 0 for dim, size in enumerate(info.shape)]
        empty = torch._empty_per_channel_affine_quantized(
            none, scales=parts["scales"], zero_points=parts["zero_points"], axis=axis, dtype=dtype
        )
    else:
        scale, zero_point = float(details["scale"]), int(details["zero_point"])
        empty = torch._empty_affine_quantized([0], dtype=dtype, scale=scale, zero_point=zero_point)
    assert info.storage is not None
    return _over(empty, values._aligned(name, info.storage, dtype), info)


def _coo(_: Values, __: str, info: TensorInfo, parts: Parts, ___: Details) -> Tensor:
    return torch.sparse_coo_tensor(parts["indices"], parts["values"], info.shape, check_invariants=True)


def _compressed(_: Values, __: str, info: TensorInfo, parts: Parts, ___: Details) -> Tensor:
    return torch.sparse_compressed_tensor(
        parts["compressed"],
        parts["plain"],
        parts["values"],
        info.shape,
        layout=getattr(torch, info.layout),
        check_invariants=True,
    )


def _chunked(_: Values, __: str, info: TensorInfo, parts: Parts, details: Details) -> Tensor:
    """Put together from pieces; `details` has the offsets of each by the part's name."""
    whole = torch.empty(info.shape, dtype=getattr(torch, info.dtype))
    for name, piece in parts.items():
        where = tuple(slice(begin, begin + size) for begin, size in zip(details[name], piece.shape, strict=True))
        whole[where] = piece
    return whole


_BITS: dict[str, Callable[[Tensor], Tensor]] = {"conj": torch.conj, "neg": torch._neg_view}
"""What a view can be beside its elements, and how torch says so: without touching a value."""
_LAYOUTS: dict[str, Callable[[Values, str, TensorInfo, Parts, Details], Tensor]] = {
    "quantized": _quantized,
    "sparse_coo": _coo,
    "sparse_csr": _compressed,
    "sparse_csc": _compressed,
    "sparse_bsr": _compressed,
    "sparse_bsc": _compressed,
    "chunked": _chunked,
}
