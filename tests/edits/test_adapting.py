"""Stored values made to fit another shape, against what they have to mean."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from modelview.edits.adapting import Adaptation, adaptation


def stem(theirs: int, ours: int) -> Adaptation:
    made = adaptation("conv1.weight", (4, theirs, 3, 3), (4, ours, 3, 3), stem=True, classes=())
    assert made is not None
    return made


def grey(picture: Tensor) -> Tensor:
    return picture.mean(1, keepdim=True)


@pytest.mark.parametrize(
    ("theirs", "ours"), [(3, 1), (1, 3), (3, 4), (3, 6)], ids=["to grey", "from grey", "one more", "three more"]
)
def test_a_stem_gives_the_same_on_the_same_picture(theirs: int, ours: int) -> None:
    weight = torch.randn(4, theirs, 3, 3)
    one = grey(torch.rand(2, 3, 8, 8))
    stored_sees = torch.rand(2, 3, 8, 8) if ours > 3 else one.expand(-1, theirs, -1, -1)
    ours_sees = torch.cat([stored_sees, torch.rand(2, ours - 3, 8, 8)], 1) if ours > 3 else one.expand(-1, ours, -1, -1)
    before = functional.conv2d(stored_sees, weight)
    after = functional.conv2d(ours_sees, stem(theirs, ours).apply(weight))
    assert torch.allclose(after, before, atol=1e-5)


def test_position_embeddings_are_interpolated_as_torchvision_does() -> None:
    state = VisionTransformer(64, 16, 1, 2, 32, 64).state_dict()
    name = "encoder.pos_embedding"
    made = adaptation(name, (1, 17, 32), (1, 37, 32), stem=False, classes=())
    assert made is not None
    theirs = interpolate_embeddings(96, 16, OrderedDict(state))[name]
    assert torch.allclose(made.apply(state[name]), theirs, atol=1e-6)
    assert made.note == "position embeddings interpolated from 4 × 4 to 6 × 6"


@pytest.mark.parametrize(
    ("name", "theirs", "ours", "is_stem", "classes"),
    [
        ("conv1.weight", (4, 2, 3, 3), (4, 5, 3, 3), True, ()),
        ("conv1.weight", (4, 3, 3, 3), (8, 4, 3, 3), True, ()),
        ("layer1.weight", (4, 3, 3, 3), (4, 1, 3, 3), False, ()),
        ("fc.weight", (10, 4), (3, 4), False, ()),
        ("fc.weight", (10, 4), (3, 4), False, (1, 2)),
        ("fc.weight", (10, 4), (3, 4), False, (1, 2, 10)),
        ("pos_embedding", (1, 18, 32), (1, 37, 32), False, ()),
        ("pos_embedding", (1, 17, 32), (1, 37, 64), False, ()),
    ],
)
def test_what_could_mean_several_things_is_not_adapted(
    name: str, theirs: tuple[int, ...], ours: tuple[int, ...], is_stem: bool, classes: tuple[int, ...]
) -> None:
    assert adaptation(name, theirs, ours, stem=is_stem, classes=classes) is None
