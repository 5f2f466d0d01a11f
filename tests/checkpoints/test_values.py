"""Values are those that torch.load gives, or it is said by name that they cannot be read; checking keeps none."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import modelview as mv
from modelview.errors import CheckpointError
from tests.checkpoints.making import legacy, pickled, zipped

COMPLEX = torch.tensor([1 + 2j, 3 - 1j])
WHOLE = torch.arange(24.0).reshape(4, 6)


class Subclass(torch.Tensor):
    """Values as its parent's."""


def quantized(dtype: torch.dtype, *, zero_points: Tensor, axis: int = 0) -> Tensor:
    scales = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=zero_points.dtype if zero_points.is_floating_point() else None)
    return torch.quantize_per_channel(WHOLE[:, :4].clone(), scales, zero_points, axis, dtype)


def parameter() -> nn.Parameter:
    made = nn.Parameter(torch.rand(3))
    made.tag = "kept with it"  # type: ignore[attr-defined]
    return made


TENSORS: dict[str, Callable[[], Tensor]] = {
    "conjugated": COMPLEX.conj,
    "a view of a conjugated": lambda: COMPLEX.conj()[1:],
    "negated": lambda: torch._neg_view(torch.arange(3.0)),
    "the imaginary part of a conjugated": lambda: COMPLEX.conj().imag,
    "conjugated and negated": lambda: torch._neg_view(COMPLEX.conj()),
    "complex32": lambda: COMPLEX.to(torch.complex32),
    "complex128": lambda: COMPLEX.to(torch.complex128),
    "bfloat16": lambda: WHOLE.bfloat16(),
    "float8_e4m3fn": lambda: WHOLE.to(torch.float8_e4m3fn),
    "float8_e5m2fnuz": lambda: WHOLE.to(torch.float8_e5m2fnuz),
    "float8_e8m0fnu": lambda: WHOLE.to(torch.float8_e8m0fnu),
    "float4_e2m1fn_x2": lambda: torch.arange(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    "uint16": lambda: torch.arange(3).to(torch.uint16),
    "quantized per tensor": lambda: torch.quantize_per_tensor(WHOLE, 0.5, 3, torch.qint8),
    "a view of a quantized": lambda: torch.quantize_per_tensor(WHOLE, 0.5, 3, torch.qint32)[1:, ::2],
    "quantized per channel": lambda: quantized(torch.qint8, zero_points=torch.arange(4)),
    "quantized per other channel": lambda: quantized(torch.quint8, zero_points=torch.arange(4), axis=1),
    "quantized with float zero points": lambda: quantized(torch.quint8, zero_points=torch.rand(4)),
    "two quantized in a byte": lambda: quantized(torch.quint4x2, zero_points=torch.rand(4)),
    "sparse": WHOLE.to_sparse,
    "sparse, not coalesced": lambda: torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 3)),
    "sparse in one dimension": lambda: torch.sparse_coo_tensor([[0, 1]], torch.rand(2, 3), (2, 3)),
    "sparse by rows": WHOLE.to_sparse_csr,
    "sparse by columns": WHOLE.to_sparse_csc,
    "sparse by rows of blocks": lambda: WHOLE.to_sparse_bsr((2, 3)),
    "sparse by columns of blocks": lambda: WHOLE.to_sparse_bsc((2, 3)),
    "a parameter with attributes": parameter,
    "of a subclass": lambda: WHOLE.as_subclass(Subclass),
    "expanded": lambda: torch.rand(1).expand(5),
    "transposed": WHOLE.t,
    "a scalar": lambda: torch.tensor(3.0),
    "without elements": lambda: torch.empty(0, 3),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own: prototypes, and what it validates
@pytest.mark.parametrize("save", [zipped, legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", TENSORS)
def test_values_are_those_of_torch_load(kind: str, save: Callable[[Any, Path], Path], tmp_path: Path) -> None:
    written = TENSORS[kind]()
    ck = mv.read(save({"w": written}, tmp_path / "file"))
    # torch writes some dtypes into its old format and cannot read them there again
    theirs = written if save is legacy else torch.load(tmp_path / "file", weights_only=False)["w"]
    ours = ck.tensor("w")
    assert (ours.shape, ours.dtype, ours.layout) == (theirs.shape, theirs.dtype, theirs.layout)
    assert (ours.is_conj(), ours.is_neg()) == (theirs.is_conj(), theirs.is_neg())
    assert shown(ours) == shown(theirs)
    assert ck.tensors["w"].shape == tuple(theirs.shape)
    assert f"torch.{ck.tensors['w'].dtype}" == str(theirs.dtype)


def shown(tensor: Tensor) -> Any:
    """All values as plain numbers, or as bytes where torch makes no numbers of them."""
    if tensor.is_quantized:
        return tensor.dequantize().tolist(), tensor.qscheme()
    if tensor.layout != torch.strided:
        return tensor.to_dense().tolist()
    if tensor.dtype in (torch.complex32, torch.float4_e2m1fn_x2):
        return bytes(tensor.untyped_storage())
    return tensor.tolist()


def test_what_is_conjugated_is_not_tied_to_what_is_not(tmp_path: Path) -> None:
    torch.save({"a": COMPLEX, "b": COMPLEX.conj(), "c": COMPLEX}, tmp_path / "file")
    assert [info.tied_to for info in mv.read(tmp_path / "file").tensors.values()] == [None, None, "a"]


class Made:
    """Saved as a call of `function` with `arguments`, as torch of another version or device writes it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def per_channel(axis: int, scales: Tensor) -> Made:
    storage = torch.storage.TypedStorage(
        wrap_storage=torch.zeros(12, dtype=torch.uint8).untyped_storage(), dtype=torch.qint8, _internal=True
    )
    how = (torch.per_channel_affine, scales, torch.zeros(4, dtype=torch.int64), axis)
    return Made(torch._utils._rebuild_qtensor, storage, 0, (4, 3), (3, 1), how, False, {})


def from_numpy() -> Made:
    array = np.zeros((2, 3), np.float32)
    return Made(torch._utils._rebuild_device_tensor_from_numpy, array, torch.bfloat16, "xla:0", False)


def wrapper() -> Made:
    whole = (torch.Tensor, torch.float32, (2, 3), (3, 1), 0, torch.strided, "cpu", False)
    return Made(torch._utils._rebuild_wrapper_subclass, *whole)


def marked(storage: Tensor) -> Made:
    whole = (storage.storage(), 0, (2,), (1,), False, {}, {"sideways": True})
    return Made(torch._utils._rebuild_tensor_v2, *whole)


def nested() -> Tensor:
    return torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("made", "shape", "why"),
    [
        (lambda: torch.empty(3, device="meta"), (3,), "it was saved from the meta device, which keeps no values"),
        (nested, (18,), "it is a nested tensor: 2 tensors of different shapes, listed here as one row of values"),
        (from_numpy, (2, 3), "it was saved from xla:0 as a NumPy array inside the pickle"),
        (wrapper, (2, 3), "it is a torch.Tensor, which was saved without values of its own"),
        (lambda: marked(torch.rand(2)), (2,), "it is marked as {'sideways': True}, which modelview does not know"),
        (lambda: per_channel(2, torch.ones(4)), (4, 3), "it is quantized in a way that torch does not write"),
        (lambda: per_channel(0, torch.ones(3)), (4, 3), "it is quantized in a way that torch does not write"),
        (
            lambda: Made(
                torch._utils._rebuild_device_tensor_from_cpu_tensor, torch.ones(2), torch.bfloat16, "xla:0", False
            ),
            (2,),
            "it is bfloat16, and its values were saved as another",
        ),
    ],
    ids=["meta", "nested", "from NumPy", "wrapper", "marked", "no such axis", "too few scales", "cast"],
)
def test_what_cannot_be_read_is_listed_and_said(made: Callable[[], Any], shape: Any, why: str, tmp_path: Path) -> None:
    torch.save({"w": made(), "x": torch.ones(2)}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert ck.tensors["w"].shape == shape
    with pytest.raises(CheckpointError, match=r"The values of 'w' cannot be read: ") as caught:
        ck.tensor("w")
    assert why in str(caught.value)
    assert torch.equal(ck.tensor("x"), torch.ones(2))


def test_a_tensor_of_a_class_that_puts_itself_together_is_said(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jagged = torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)], layout=torch.jagged)
        torch.save({"w": jagged, "x": torch.ones(2)}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert list(ck.tensors) == ["x"]
    assert ck.notes == ("Not listed, since only code of their own class can put them together: the tensors 'w'.",)


def test_a_check_leaves_no_decoded_values_in_memory(tmp_path: Path) -> None:
    ck = mv.read(pickled(2)({"a": torch.rand(9), "b": torch.rand(9)}, tmp_path / "file"))
    assert all(span.coding for span in ck.spans)
    used = ck.tensor("a")
    ck.verify()
    assert list(ck.values._storages) == [ck.tensors["a"].storage]
    assert ck.tensor("a").data_ptr() == used.data_ptr()
