"""Why a module could not take its input, in a sentence."""

from typing import Any

import pytest
from torch import nn

from modelview.trace.explain import sentence

CPP = "too small! Exception raised from pool at Pool.h:1 (most recent call first):"


@pytest.mark.parametrize(
    ("module", "inputs", "words"),
    [
        (nn.Conv2d(3, 8, 1), (1, 4, 9, 9), "`a` gets 4 channels but takes 3: insert a 1 × 1 Conv2d(4, 3) before it"),
        (nn.Conv2d(3, 8, 1), (1, 3), "`a` gets 1 × 3, but Conv2d takes 4 dimensions (N, C, H, W)."),
        (nn.Conv2d(3, 8, 5), (1, 3, 4, 4), "smaller than its kernel of 5 × 5: use a larger input."),
        (nn.Conv2d(3, 8, 1), ((1, 3, 9, 9), None), "`a` (Conv2d) takes one tensor, but gets (1 × 3 × 9 × 9, –)."),
        (nn.Identity(), ((1, 3), (1, 4)), "`a` (Identity) takes one tensor, but gets (1 × 3, 1 × 4)."),
        (nn.Linear(3, 8), {"out": (1, 3)}, "`a` (Linear) takes one tensor, but gets out: 1 × 3."),
        (nn.Linear(3, 8), (1, 4), "replace it with Linear(4, 8), or put a Linear(4, 3) before it."),
        (nn.BatchNorm2d(3), (1, 4, 9, 9), "replace it with BatchNorm2d(4)."),
        (nn.MaxPool2d(9), (1, 4, 3, 3), "`a` (MaxPool2d) could not take 1 × 4 × 3 × 3: too small."),
    ],
)
def test_the_layer_the_shapes_and_the_remedy_are_named(module: nn.Module, inputs: Any, words: str) -> None:
    assert words in sentence("a", module, inputs, RuntimeError(CPP))


@pytest.mark.parametrize(
    ("module", "inputs", "error", "words"),
    [
        (nn.ReLU(), ((1, 8, 9, 9),), "'list' object has no attribute 'is_contiguous'", "takes one tensor, but gets (1"),
        (
            nn.ModuleDict({"a": nn.ReLU()}),
            *((1, 3), "'Identity' object has no attribute 'values'"),
            "its forward asks for 'values', which what stands there (Identity) does not have.",
        ),
    ],
)
def test_pythons_own_words_are_put_otherwise(module: nn.Module, inputs: Any, error: str, words: str) -> None:
    assert words in sentence("a", module, inputs, AttributeError(error))
