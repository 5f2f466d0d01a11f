"""Figures of tensors in files: every kind of tensor that torch.save and safetensors write, and what is refused."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

import modelview as mv
from modelview.errors import CheckpointError, ModelviewError
from modelview.inspect.statistics import statistics
from modelview.inspect.stored import StoredRow, stored
from tests.checkpoints.making import MAKERS, made, state

KINDS = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
]  # fmt: skip
VALUES = torch.tensor([0.0, 1.0, 2.0, 4.0, 0.0, 8.0])


def of(tensor: Tensor, folder: Path) -> StoredRow:
    torch.save({"w": tensor, "other": torch.ones(2)}, folder / "file")
    return stored(mv.read(folder / "file"), "w")


@pytest.mark.parametrize("library", ["torch", "safetensors"])
@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_every_dtype_with_numbers(dtype: torch.dtype, library: str, tmp_path: Path) -> None:
    saved = VALUES.to(dtype)
    if library == "torch":
        torch.save({"w": saved}, tmp_path / "file")
    else:
        safetensors.torch.save_file({"w": saved}, tmp_path / "file")
    found, wide = stored(mv.read(tmp_path / "file"), "w"), saved.double()
    assert found.statistics.mean == pytest.approx(wide.mean().item())
    assert found.statistics.std == pytest.approx(wide.std(correction=0).item())
    assert (found.statistics.min, found.statistics.max) == (0.0, wide.max().item())
    assert found.statistics.zeros == pytest.approx(2 / 6)
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 6
    assert found.note == ""


@pytest.mark.parametrize("maker", MAKERS)
def test_every_format(maker: str, tmp_path: Path) -> None:
    ck, saved = mv.read(made(maker, tmp_path)), state()
    names = ck.tensors.keys() & saved.keys()
    assert {"conv.weight", "bn.bias"} <= names
    assert all(stored(ck, name).statistics == statistics(saved[name]) for name in names)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2], ids=str)
def test_what_is_not_finite_is_counted(dtype: torch.dtype, tmp_path: Path) -> None:
    found = of(torch.tensor([1.0, math.nan, math.inf, -math.inf, 0.0]).to(dtype), tmp_path)
    assert (found.statistics.n_elements, found.statistics.n_nan, found.statistics.n_inf) == (5, 1, 2)
    assert found.statistics.mean == 0.5
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 2


@pytest.mark.parametrize(
    ("make", "n_elements", "mean", "note"),
    [
        (lambda: torch.quantize_per_tensor(VALUES, 0.5, 3, torch.quint8), 6, 2.5, "that the quantized ones stand for"),
        (
            lambda: torch.quantize_per_channel(VALUES.view(2, 3), torch.ones(2), torch.zeros(2), 0, torch.qint8),
            6, 2.5, "that the quantized ones stand for",
        ),
        (lambda: torch.tensor([1 + 3j]), 2, 2.0, "Real and imaginary parts count as a value each."),
        (lambda: VALUES.to_sparse(), 4, 3.75, "Only stored values count: 4 of 6 elements; the others are 0."),
        (lambda: VALUES.view(2, 3).to_sparse_csr(), 4, 3.75, "Only stored values count: 4 of 6 elements"),
        (lambda: torch.sparse_coo_tensor([[1, 1]], [2.0, 3.0], (10**12,)), 1, 5.0, "1 of 1,000,000,000,000 elements"),
        (lambda: nn.Parameter(VALUES), 6, 2.5, ""),
        (lambda: VALUES.view(2, 3).t(), 6, 2.5, ""),
        (lambda: VALUES[::2], 3, 4 / 6, ""),
        (lambda: torch.ones(1).expand(1000), 1000, 1.0, ""),
    ],
    ids=["quantized", "per channel", "complex", "coo", "csr", "huge coo", "parameter", "t", "view", "expanded"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Sparse")
def test_other_tensors_have_figures_and_a_note(
    make: Callable[[], Tensor], n_elements: int, mean: float, note: str, tmp_path: Path
) -> None:
    found = of(make(), tmp_path)
    assert found.statistics.n_elements == n_elements
    assert found.statistics.mean == pytest.approx(mean)
    assert note in found.note
    assert bool(note) == bool(found.note)


@pytest.mark.parametrize("tensor", [torch.empty(0, 3), torch.full((2,), math.nan)], ids=["empty", "NaN"])
def test_nothing_finite_has_no_histogram(tensor: Tensor, tmp_path: Path) -> None:
    found = of(tensor, tmp_path)
    assert found.statistics.mean is None
    assert found.histogram is None


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.empty(1 << 50, device="meta"), "'w' cannot be read: it was saved from the meta device"),
        (torch.ones(1).expand(1 << 40), "'w' repeats 4 bytes until they are 4,398,046,511,104;"),
        (torch.ones(1).expand(1 << 20, 1 << 20), "figures are made of no such tensor"),
        (torch.zeros(4, dtype=torch.uint8).view(torch.bits8), "are bits8, which no figures can be made of."),
        (torch.zeros(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "are float4_e2m1fn_x2, which no figures"),
    ],
    ids=["meta", "repeated", "repeated twice", "bits", "float4"],
)
def test_what_has_no_figures_says_why(tensor: Tensor, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        of(tensor, tmp_path)
    assert message in str(caught.value)


def test_a_damaged_tensor_is_refused_and_another_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    torch.save({"w": torch.full((3000,), 2.0), "other": torch.ones(3000)}, file)
    two, zero = (torch.full((3000,), value).numpy().tobytes() for value in (2.0, 0.0))
    file.write_bytes(file.read_bytes().replace(two, zero))
    ck = mv.read(file)
    with pytest.raises(CheckpointError, match="is damaged: the values of 'w' do not have the CRC-32 stored with them"):
        stored(ck, "w")
    assert stored(ck, "other").statistics.mean == 1.0


def test_a_file_that_changed_and_a_name_that_is_not_there_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    with pytest.raises(ModelviewError, match="Did you mean 'weight'"):
        stored(ck, "wieght")
    os.utime(tmp_path / "file", ns=(1, 1))
    with pytest.raises(CheckpointError, match="has changed since it was read"):
        stored(ck, "weight")


def test_values_that_repeat_a_little_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelview.inspect.stored.MOST_REPEATED", 39)
    assert of(torch.ones(10), tmp_path).statistics.n_elements == 10
    with pytest.raises(CheckpointError, match="repeats 4 bytes until they are 40"):
        of(torch.ones(1).expand(10), tmp_path)


def test_only_the_tensor_that_is_asked_for_is_read(tmp_path: Path) -> None:
    torch.save({f"w{n}": torch.rand(100) for n in range(5)}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    stored(ck, "w3")
    assert list(ck.values._storages) == [ck.tensors["w3"].storage]


def test_a_large_tensor_is_looked_at_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = torch.randn(30, 50).t()
    saved[3, 4], saved[40, 20] = math.nan, math.inf
    whole = of(saved, tmp_path)
    monkeypatch.setattr("modelview.inspect.statistics.PIECE", 64)
    pieces = of(saved, tmp_path)
    assert pieces.histogram == whole.histogram
    for field in ("n_elements", "min", "max", "zeros", "n_nan", "n_inf"):
        assert getattr(pieces.statistics, field) == getattr(whole.statistics, field)
    assert pieces.statistics.mean == pytest.approx(whole.statistics.mean, abs=1e-6)
    assert pieces.statistics.std == pytest.approx(whole.statistics.std, rel=1e-6)
