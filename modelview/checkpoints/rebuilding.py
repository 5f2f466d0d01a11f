"""The functions of torch that put tensors together when a file is unpickled, as records of what they would make."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from modelview.checkpoints.records import Stub, TensorInfo
from modelview.checkpoints.tensors import bytes_of, dtype_named, sizes, tensor
from modelview.names import short

_BITS = ("conj", "neg")
"""What a view can be beside its elements: conjugated, negated."""
_COMPRESSED = ("sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")


def _v2(
    storage: Any, offset: Any, shape: Any, stride: Any, requires_grad: Any = False, _: Any = None, bits: Any = None
) -> TensorInfo:
    return _with_bits(tensor(storage, offset, shape, stride, requires_grad=requires_grad is True), bits)


def _v3(
    storage: Any, offset: Any, shape: Any, stride: Any, requires_grad: Any, _: Any, dtype: Any, bits: Any = None
) -> TensorInfo:
    named = dtype_named(dtype)
    return _with_bits(tensor(storage, offset, shape, stride, named, requires_grad=requires_grad is True), bits)


def _with_bits(plain: TensorInfo, bits: Any) -> TensorInfo:
    """`bits`: {"conj": True}, for values that are the conjugates of those in the storage; likewise "neg"."""
    if not bits:
        return plain
    if not isinstance(bits, dict) or not all(name in _BITS for name in bits):
        return _unread(plain, f"it is marked as {short(repr(bits), 60)}, which modelview does not know")
    return replace(plain, details=tuple((name, True) for name in _BITS if bits.get(name)))


def _parameter(data: Any, requires_grad: Any = True, *_: Any) -> Any:
    if not isinstance(data, TensorInfo):
        return NotImplemented
    return replace(data, parameter=True, requires_grad=requires_grad is True)


def _quantized(storage: Any, offset: Any, shape: Any, stride: Any, how: Any, *_: Any) -> Any:
    """How: (per_tensor_affine, scale, zero_point) or (per_channel_affine, scales, zero_points, axis)."""
    scheme = getattr(how[0], "name", "").removeprefix("torch.") if isinstance(how, tuple) and how else ""
    plain = tensor(storage, offset, shape, stride)
    if scheme == "per_tensor_affine" and len(how) == 3 and all(type(each) in (int, float) for each in how[1:]):
        details = (("scheme", scheme), ("scale", how[1]), ("zero_point", how[2]))
        return replace(plain, layout="quantized", details=details)
    if scheme.startswith("per_channel_affine") and len(how) == 4 and _is_axis(plain, *how[1:]):
        parts = (("scales", how[1]), ("zero_points", how[2]))
        return replace(plain, layout="quantized", details=(("scheme", scheme), ("axis", how[3])), parts=parts)
    return _unread(plain, f"it is quantized in a way that torch does not write ({short(scheme or repr(how), 60)})")


def _is_axis(plain: TensorInfo, scales: Any, zero_points: Any, axis: Any) -> bool:
    """Whether there is a scale and a zero point for each index of the axis; torch's own constructor trusts the axis."""
    if type(axis) is not int or not 0 <= axis < len(plain.shape):
        return False
    return all(isinstance(each, TensorInfo) and each.shape == (plain.shape[axis],) for each in (scales, zero_points))


def _sparse(layout: Any, data: Any) -> Any:
    """Layout, and (indices, values, shape[, coalesced]) or (compressed, plain, values, shape)."""
    arguments = getattr(layout, "arguments", ())
    name = str(arguments[0]).removeprefix("torch.") if arguments else getattr(layout, "name", "").rpartition(".")[2]
    if not isinstance(data, tuple):
        return NotImplemented
    if name == "sparse_coo" and len(data) in (3, 4):
        names, shape = ["indices", "values"], sizes(data[2])
    elif name in _COMPRESSED and len(data) == 4:
        names, shape = ["compressed", "plain", "values"], sizes(data[3])
    else:
        return NotImplemented
    parts = dict(zip(names, data, strict=False))
    if not all(isinstance(part, TensorInfo) for part in parts.values()):
        return NotImplemented
    nbytes = sum(part.nbytes for part in parts.values())
    values = parts["values"]
    return TensorInfo(
        shape,
        values.dtype,
        nbytes,
        device=values.device,
        layout=name,
        parts=tuple(parts.items()),
        storage_nbytes=nbytes,
    )


def _nested(buffer: Any, shapes: Any, *_: Any) -> Any:
    """Several tensors in one, their shapes in another; where each begins would have to be believed."""
    if not isinstance(buffer, TensorInfo) or not isinstance(shapes, TensorInfo):
        return NotImplemented
    many = f"{shapes.shape[0]:,} tensors" if shapes.shape else "several tensors"
    return _unread(buffer, f"it is a nested tensor: {many} of different shapes, listed here as one row of values")


def _meta(dtype: Any, shape: Any, stride: Any, requires_grad: Any = False) -> TensorInfo:
    note = "it was saved from the meta device, which keeps no values"
    return _empty(dtype, shape, stride, "meta", requires_grad, note)


def _wrapper(
    kind: Any, dtype: Any, shape: Any, stride: Any, _: Any, __: Any, device: Any, requires_grad: Any = False
) -> TensorInfo:
    name = short(str(getattr(kind, "name", kind)), 80)
    note = f"it is a {name}, which was saved without values of its own"
    return _empty(dtype, shape, stride, _device(device), requires_grad, note)


def _empty(dtype: Any, shape: Any, stride: Any, device: str, requires_grad: Any, note: str) -> TensorInfo:
    """A tensor that the file has no values of."""
    name, shape = dtype_named(dtype), sizes(shape)
    nbytes = bytes_of(prod(shape), name)
    return TensorInfo(
        shape, name, nbytes, stride=sizes(stride), device=device, requires_grad=requires_grad is True, note=note
    )


def _from_cpu(data: Any, dtype: Any, device: Any, requires_grad: Any = False) -> Any:
    """A tensor of a device that saves through the CPU; the values are the CPU tensor's."""
    if not isinstance(data, TensorInfo):
        return NotImplemented
    moved = replace(data, device=_device(device), requires_grad=requires_grad is True)
    wanted = dtype_named(dtype)
    return moved if wanted == data.dtype else _unread(moved, f"it is {wanted}, and its values were saved as another")


def _from_numpy(data: Any, dtype: Any, device: Any, requires_grad: Any = False) -> Any:
    """The same by way of NumPy, as older versions saved tensors of a TPU: `data` is a pickled array."""
    state = data.state if isinstance(data, Stub) else None
    if not isinstance(state, tuple) or len(state) != 5:
        return NotImplemented
    note = f"it was saved from {short(_device(device), 40)} as a NumPy array inside the pickle"
    return _empty(dtype, state[1], (), _device(device), requires_grad, note)


def _device(value: Any) -> str:
    """The name of a device, given as text or as torch.device(...)."""
    return ":".join(map(str, value.arguments)) if isinstance(value, Stub) else str(value)


def _unread(info: TensorInfo, note: str) -> TensorInfo:
    """The same without its values, and why."""
    return replace(info, storage=None, layout="strided", parts=(), details=(), note=note)


REBUILT: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": _v2,
    "torch._utils._rebuild_tensor_v3": _v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_wrapper_subclass": _wrapper,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _from_cpu,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._utils._rebuild_xla_tensor": _from_numpy,
}
"""By the name that the pickle gives the function; NotImplemented where the arguments are not torch's own."""
