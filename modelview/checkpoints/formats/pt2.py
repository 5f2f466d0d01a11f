"""An exported program (.pt2): weights and constants by its JSON, everything else listed."""

import json
from dataclasses import replace
from math import prod
from typing import Any, ClassVar

from modelview.checkpoints.formats._archive import Archive
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.formats.zip import saved
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, TensorInfo
from modelview.checkpoints.tensors import SIZES
from modelview.names import short

_DTYPES = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64"},
    **{9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16"},
    **{29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz"},
}
"""The numbers of torch._export.serde.schema.ScalarType."""
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")

_OLD = ("serialized_state_dict", "serialized_constants")
"""What weights and constants are called in a file of torch up to 2.7, with the suffix .pt, or .json before 2.2."""
_NOTE = "An exported program: its weights are read, its graph is not run."


@FORMATS.register("pt2")
class Exported(Format):
    """`torch.export.save(...)`. The graph is text; nothing of it is run."""

    rank: ClassVar[int] = 35

    @classmethod
    def fits(cls, start: Start) -> bool:
        return any(name.startswith(_OLD[0]) or name.endswith("/archive_format") for name in start.names)

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        archive = Archive(start.paths[0], limits, directory=start.directory)
        if any(name.startswith(_OLD[0]) for name in archive):
            return _old(archive)
        root = archive.root("archive_format")
        spans: list[Span] = []
        tensors: dict[str, TensorInfo] = {}
        for config in _CONFIGS:
            if f"{root}{config}" in archive:
                folder = f"{root}{config.rpartition('/')[0]}/"
                for name, about in _table(archive, f"{root}{config}", "config").items():
                    tensors[name] = _tensor(archive, folder, name, about, spans)
        if not any(f"{root}{config}" in archive for config in _CONFIGS):
            raise Refused("The archive is an exported program without weights of its own, or of an older torch.")
        extras = {
            name.replace("_", " "): short(archive.read(f"{root}{name}").decode("utf-8", "replace").strip(), 100)
            for name in ("archive_format", "archive_version")
            if f"{root}{name}" in archive
        }
        graphs = [name for name in archive if name.startswith(f"{root}models/")]
        return Content("pt2", tensors, spans, extras=extras | {"graphs": f"{len(graphs):,}"}, notes=(_NOTE,))


def _old(archive: Archive) -> Content:
    """A file of torch.save each for weights and constants, beside the graph."""
    spans: list[Span] = []
    asked: dict[str, None] = {}
    tensors: dict[str, Any] = {}
    for name in archive:
        if name.startswith(_OLD) and archive.entries[name].nbytes:
            place = archive.span(name)
            inner = saved(Archive(archive.file, archive.limits, place.start, place.nbytes), len(spans))
            spans += inner.storages
            asked |= dict.fromkeys(inner.globals)
            tensors |= inner.root if isinstance(inner.root, dict) else {}
    return Content("pt2", tensors, spans, tuple(asked), notes=(_NOTE,))


def _table(archive: Archive, name: str, key: str) -> dict[str, Any]:
    try:
        content = json.loads(archive.read(name))[key]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{short(name)!r} in the archive does not say what the tensors are.") from error
    if not isinstance(content, dict):
        raise Refused(f"{short(name)!r} in the archive does not say what the tensors are.")
    return content


def _tensor(archive: Archive, folder: str, name: str, about: Any, spans: list[Span]) -> TensorInfo:
    try:
        file, meta = about["path_name"], about["tensor_meta"]
        dtype = _DTYPES[meta["dtype"]]
        shape, stride = (tuple(step["as_int"] for step in meta[key]) for key in ("sizes", "strides"))
        offset, device = meta["storage_offset"]["as_int"], str(meta["device"]["type"])
    except (KeyError, TypeError) as error:
        raise Refused(f"The archive does not say what {short(name)!r} is in a way that this version reads.") from error
    if not all(type(n) is int and 0 <= n < 2**62 for n in (*shape, *stride, offset)) or len(shape) != len(stride):
        raise Refused(f"{short(name)!r} has a shape or strides that are no whole numbers.")
    nbytes, parameter = prod(shape) * SIZES[dtype], about.get("is_param") is True
    span = archive.span(f"{folder}{file}", device)
    if about.get("use_pickle"):
        return _pickled(archive, span, spans, TensorInfo(shape, dtype, nbytes, device=device, parameter=parameter))
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1 if prod(shape) else 0
    if last * SIZES[dtype] > span.nbytes:
        raise Refused(f"{short(name)!r} claims {last * SIZES[dtype]:,} bytes of {span.nbytes:,}.")
    spans.append(span)
    return TensorInfo(
        shape, dtype, nbytes, None, len(spans) - 1, offset, stride, span.nbytes, device, parameter=parameter
    )


def _pickled(archive: Archive, span: Span, spans: list[Span], stated: TensorInfo) -> TensorInfo:
    """A tensor that is a file of torch.save inside the archive."""
    inner = saved(Archive(archive.file, archive.limits, span.start, span.nbytes), len(spans))
    found = inner.root
    if not isinstance(found, TensorInfo) or found.storage is None or found.shape != stated.shape:
        return replace(stated, note="it was pickled as something else than a plain tensor")
    spans += inner.storages
    return replace(found, parameter=stated.parameter)
