"""What torch.load(..., weights_only=True) lets a pickle name, as data: the reader process has no torch to ask."""

_STORAGES = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_COMPLEX = ("ComplexDouble", "ComplexFloat")
_QUANTIZED = ("QInt32", "QInt8", "QUInt2x4", "QUInt4x2", "QUInt8")
_DTYPES = (
    *("bcomplex32", "bfloat16", "bool", "complex128", "complex32", "complex64", "float16", "float32", "float64"),
    *("float4_e2m1fn_x2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("bits16", "bits1x8", "bits2x4", "bits4x2", "bits8", "qint32", "qint8", "quint2x4", "quint4x2", "quint8"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64)),
)
_REBUILDERS = (
    *("device_tensor_from_cpu_tensor", "device_tensor_from_numpy", "meta_tensor_no_storage", "nested_tensor"),
    *("parameter", "parameter_with_state", "qtensor", "sparse_tensor", "tensor", "tensor_v2", "tensor_v3"),
    "wrapper_subclass",
)

ALLOWED = frozenset(
    {
        *("_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set"),
        *("collections.Counter", "collections.OrderedDict"),
        *("torch.Size", "torch.Tensor", "torch.device", "torch.nn.parameter.Parameter"),
        *("torch._tensor._rebuild_from_type_v2", "torch.serialization._get_layout"),
        *("torch.storage.TypedStorage", "torch.storage.UntypedStorage"),
        *("torch.per_channel_affine", "torch.per_channel_affine_float_qparams", "torch.per_channel_symmetric"),
        *("torch.per_tensor_affine", "torch.per_tensor_symmetric"),
        *(f"torch._utils._rebuild_{name}" for name in _REBUILDERS),
        *(f"torch.{name}" for name in _DTYPES),
        *(f"torch.{name}Storage" for name in (*_STORAGES, *_COMPLEX, *_QUANTIZED)),
        *(f"torch.cuda.{name}Storage" for name in (*_STORAGES, *_COMPLEX)),
        *(f"torch.{device}{name}Tensor" for device in ("", "cuda.") for name in _STORAGES),
        *(f"torch.{device}sparse.{name}Tensor" for device in ("", "cuda.") for name in _STORAGES if name != "Bool"),
    }
)
