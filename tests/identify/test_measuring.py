"""Models that no builder makes, told by the shapes of their weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torchvision import models

import modelview as mv
from modelview.identify.matching import identify
from modelview.identify.measuring import MOST_TENSORS, measured
from modelview.identify.shapes import shapes
from modelview.meta import building
from tests.identify.test_matching import checkpoint

MADE: dict[str, tuple[Callable[..., nn.Module], str, dict[str, Any]]] = {
    "deeper": (models.ResNet, "ResNet", {"block": "Bottleneck", "layers": (3, 24, 36, 3)}),
    "shallow": (models.ResNet, "ResNet", {"block": "BasicBlock", "layers": (1, 1, 1, 1), "num_classes": 10}),
    "narrow": (
        models.ResNet,
        "ResNet",
        {"block": "Bottleneck", "layers": (3, 4, 6, 3), "groups": 16, "width_per_group": 8},
    ),
    "patches": (
        models.VisionTransformer,
        "VisionTransformer",
        {"image_size": 64, "patch_size": 8, "num_layers": 2, "num_heads": 12, "hidden_dim": 768, "mlp_dim": 99},
    ),
    "mobile": (models.MobileNetV2, "MobileNetV2", {"num_classes": 5, "width_mult": 0.35}),
    "mnas": (models.MNASNet, "MNASNet", {"alpha": 0.25}),
    "dense": (models.DenseNet, "DenseNet", {"growth_rate": 16, "block_config": (4, 5, 6), "num_init_features": 32}),
}


def made(kind: str) -> dict[str, tuple[int, ...]]:
    cls, _, keywords = MADE[kind]
    if "block" in keywords:
        keywords = keywords | {"block": vars(models.resnet)[keywords["block"]]}
    with building():
        return shapes(cls(**keywords))


@pytest.mark.parametrize("kind", MADE)
def test_what_its_class_was_called_with_is_told(kind: str) -> None:
    _, name, keywords = MADE[kind]
    match = identify(checkpoint(made(kind)))[0]
    assert (match.spec, dict(match.keywords), match.coverage) == (f"torchvision:{name}", keywords, 1.0)
    assert match.num_classes == keywords.get("num_classes", 1000)


def test_a_file_of_it_opens_with_its_weights(tmp_path: Path) -> None:
    model = models.mobilenet_v2(width_mult=0.25, num_classes=3)
    torch.save(nn.DataParallel(model).state_dict(), tmp_path / "narrow.pth")
    recipe = mv.open(tmp_path / "narrow.pth")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(recipe.build()(x), model.eval()(x))
    assert "models.MobileNetV2(num_classes=3, width_mult=0.25)" in recipe.code()
    said = identify(mv.read(tmp_path / "narrow.pth"))[0].sentence
    assert said == "torchvision MobileNetV2 (width_mult 0.25) with 3 classes; 262 of 262 tensors match."


@pytest.mark.parametrize("kind", MADE)
def test_one_tensor_of_another_shape_is_not_believed(kind: str) -> None:
    own = made(kind)
    last = [*own][-3]
    assert [*measured(own)] != []
    assert [*measured(own | {last: (*own[last], 2)})] == []
    assert [*measured({name: shape for name, shape in own.items() if name != last})] == []


def test_heads_that_no_shape_tells_are_not_guessed() -> None:
    with building():
        model = models.VisionTransformer(64, 8, 2, num_heads=3, hidden_dim=96, mlp_dim=192)
    assert [*measured(shapes(model))] == []


def test_nothing_is_built_for_a_file_of_very_many_tensors() -> None:
    own = made("shallow")
    assert [*measured(own | {f"layer1.{n}.conv1.weight": (1,) for n in range(MOST_TENSORS)})] == []


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["shallow", "patches", "mobile", "mnas", "dense"]),
    st.integers(0, 400),
    st.lists(st.sampled_from([0, 1, 3, 7, 2**40, 2**61]), max_size=4),
)
def test_whatever_shapes_a_file_states_are_told_or_not(kind: str, which: int, shape: list[int]) -> None:
    own = made(kind)
    telling = [name for name in own if name.endswith(("conv2.weight", "conv0.weight", "weight", "pos_embedding"))]
    assert len([*measured(own | {telling[which % len(telling)]: tuple(shape)})]) <= 1
