"""Why a module could not take its input, in a sentence."""

from typing import Any

import pytest
from torch import Tensor, nn
from torchvision.models.video.resnet import Conv3DSimple

from modelview.trace.explain import sentence


class One(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Most(nn.Module):
    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        return x if skip is None else skip


class Two(nn.Module):
    def forward(self, x: Tensor, skip: Tensor, more: Tensor) -> Tensor:
        return x + skip + more


CPP = "too small! Exception raised from pool at Pool.h:1 (most recent call first):"


@pytest.mark.parametrize(
    ("module", "inputs", "words"),
    [
        (nn.Conv2d(3, 8, 1), (1, 4, 9, 9), "`a` gets 4 channels but takes 3: insert a 1 × 1 Conv2d(4, 3) before it"),
        (nn.Conv2d(3, 8, 1), (1, 4, 9, 9), "or replace it with Conv2d(4, 8, kernel_size=1)."),
        (nn.Conv2d(8, 8, 3, groups=8), (1, 5, 9, 9), "or replace it with Conv2d(5, 8, kernel_size=3)."),
        (nn.Conv2d(3, 8, 3, padding="same"), (1, 5, 9, 9), "or replace it with Conv2d(5, 8, kernel_size=(3, 3))."),
        (
            Conv3DSimple(64, 64),
            *((1, 32, 4, 9, 9), "insert a 1 × 1 × 1 Conv3d(32, 64) before it, or replace it with Conv3d(32, 64, "),
        ),
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
        (Two(), (1, 3), None, "`a` (Two) could not take 1 × 3: its forward also takes 'skip' and 'more'."),
        (One(), ((1, 3), (1, 3)), None, "(One) could not take (1 × 3, 1 × 3): its forward takes 1 input, not 2."),
        (Most(), ((1, 3),) * 3, None, "(1 × 3, 1 × 3, 1 × 3): its forward takes 2 inputs, not 3."),
        (nn.ReLU(), ((1, 8, 9, 9),), "'list' object has no attribute 'is_contiguous'", "takes one tensor, but gets (1"),
        (
            nn.ModuleDict({"a": nn.ReLU()}),
            *((1, 3), "'Identity' object has no attribute 'values'"),
            "its forward asks for 'values', which what stands there (Identity) does not have.",
        ),
    ],
)
def test_pythons_own_words_are_put_otherwise(module: nn.Module, inputs: Any, error: str | None, words: str) -> None:
    said = AttributeError(error) if error else called(module, len(inputs) if isinstance(inputs[0], tuple) else 1)
    assert words in sentence("a", module, inputs, said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Attempting to broadcast a dimension of length 3 at -3! Mismatching argument at index 1 had torch.Size("
            "[1, 3, 7, 7]); but expected shape should be broadcastable to [1, 9, 7, 7]",
            "could not take 1 × 3: it joins 1 × 3 × 7 × 7 to 1 × 9 × 7 × 7, which do not fit together.",
        ),
        (
            "The size of tensor a (3) must match the size of tensor b (9) at non-singleton dimension 1",
            "it joins two values that have 3 and 9 in dimension 1, where they must agree.",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(said: str, words: str) -> None:
    assert words in sentence("a", One(), (1, 3), RuntimeError(said))


def test_a_value_that_holds_itself_is_told() -> None:
    with pytest.raises(RecursionError) as caught:
        repeat()
    assert "(One) could not take 1 × 3: it goes round in a circle, as when" in sentence(
        "a", One(), (1, 3), caught.value
    )


def repeat() -> None:
    repeat()


def called(module: nn.Module, number: int) -> TypeError:
    """What Python says of so many arguments."""
    with pytest.raises(TypeError) as caught:
        module(*range(number))
    return caught.value
