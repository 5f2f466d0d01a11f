"""Figures of tensors of every kind."""

import math

import pytest
import torch
from torch import Tensor

from modelview.inspect.statistics import histogram, statistics


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(100), torch.randn(100, dtype=torch.float64), torch.randn(100).half(), torch.randn(100).bfloat16(),
        torch.arange(10), torch.tensor([True, False]), torch.tensor(3.0), torch.randn(4, 5).t(),
    ],
)  # fmt: skip
def test_equal_to_torch(tensor: Tensor) -> None:
    found, wide = statistics(tensor), tensor.double()
    assert found.mean == pytest.approx(wide.mean().item(), abs=1e-6)
    assert found.std == pytest.approx(wide.std(correction=0).item(), abs=1e-6)
    assert (found.min, found.max) == (wide.min().item(), wide.max().item())
    assert found.zeros == pytest.approx((wide == 0).double().mean().item())


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    found = statistics(torch.tensor([1.0, math.nan, math.inf, -math.inf, 0.0]))
    assert (found.n_nan, found.n_inf, found.mean, found.zeros) == (1, 2, 0.5, 0.2)


@pytest.mark.parametrize("tensor", [torch.zeros(0), torch.full((3,), math.nan)])
def test_nothing_finite(tensor: Tensor) -> None:
    found = statistics(tensor)
    assert (found.mean, found.std, found.min, found.max, found.zeros) == (None,) * 5
    assert histogram(tensor) is None


def test_histogram_counts_everything() -> None:
    values = torch.randn(1000)
    found = histogram(values)
    assert found is not None
    assert sum(found.counts) == 1000
    assert found.edges[0] == values.min().item()
    assert len(found.middles) == len(found.counts)


def test_histogram_of_one_value() -> None:
    found = histogram(torch.ones(7))
    assert found is not None
    assert sum(found.counts) == 7
    assert (found.edges[0], found.edges[-1]) == (0.5, 1.5)


@pytest.mark.parametrize(
    "values",
    [[3e38, -3e38, 1.0], [1e20, 1e20], [0.0, 1e-45], [-7.0, -7.0]],
    ids=["wider than float32", "one large value", "subnormal", "one negative value"],
)
def test_histogram_at_the_ends_of_float32(values: list[float]) -> None:
    found = histogram(torch.tensor(values))
    assert found is not None
    assert sum(found.counts) == len(values)
    assert list(found.edges) == sorted(set(found.edges))


def test_no_histogram_where_a_width_overflows() -> None:
    assert histogram(torch.tensor([1.7e308, -1.7e308], dtype=torch.float64)) is None


@pytest.mark.parametrize("tensor", [torch.randn(7, 11, 5).transpose(0, 2), torch.arange(3.0).expand(50, 3)])
def test_pieces_come_to_the_same(tensor: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, bins = statistics(tensor), histogram(tensor)
    monkeypatch.setattr("modelview.inspect.statistics.PIECE", 16)
    found = statistics(tensor)
    assert (found.mean, found.std) == (pytest.approx(whole.mean, abs=1e-6), pytest.approx(whole.std))
    assert (found.n_elements, found.min, found.max) == (whole.n_elements, whole.min, whole.max)
    assert found.zeros == whole.zeros
    assert histogram(tensor) == bins


def test_complex_numbers_count_as_two() -> None:
    assert statistics(torch.tensor([1 + 3j])).mean == 2.0
