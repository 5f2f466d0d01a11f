"""The U-Net: its names, its three forms, odd sizes, and what it refuses."""

from typing import Any

import pytest
import torch

import modelview as mv
from modelview.errors import EditError
from modelview.export.base import EXPORTS
from modelview.recipe import Recipe
from modelview.sources.unet import UNet, unet
from tests.laws import check_recipe, run

FORMS = [
    ({"n_channels": 3, "n_classes": 2}, 31_037_698),
    ({"n_channels": 3, "n_classes": 1, "bilinear": True}, 17_262_977),
    ({"n_channels": 3, "n_classes": 1, "bilinear": True, "halved": False}, 13_391_361),
]


@pytest.mark.long
@pytest.mark.parametrize(("given", "n_parameters"), FORMS)
def test_laws(given: dict[str, Any], n_parameters: int) -> None:
    recipe = mv.open("modelview:unet", **given)
    built = check_recipe(recipe, inputs=(torch.rand(1, 3, 256, 256),))
    assert sum(p.numel() for p in built.parameters()) == n_parameters


@pytest.mark.parametrize("given", [given for given, _ in FORMS])
def test_the_names_are_those_of_shared_checkpoints(given: dict[str, Any]) -> None:
    keys = list(unet(**given).structure().state_dict())
    assert keys[0] == "inc.double_conv.0.weight"
    assert keys[-2:] == ["outc.conv.weight", "outc.conv.bias"]
    assert {"down1.maxpool_conv.1.double_conv.0.weight", "up1.conv.double_conv.0.weight"} <= set(keys)
    assert ("up1.up.weight" in keys) is not given.get("bilinear", False)
    assert "inc.double_conv.0.bias" not in keys


@pytest.mark.parametrize("size", [(16, 16), (31, 33), (50, 97)])
@pytest.mark.parametrize("bilinear", [False, True])
def test_the_maps_have_the_size_of_the_image(size: tuple[int, int], bilinear: bool) -> None:
    check = mv.open("modelview:unet", n_channels=1, n_classes=4, bilinear=bilinear).check((1, 1, *size))
    assert check.output == (1, 4, *size)


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(EditError, match=r"`down4.maxpool_conv.0` \(MaxPool2d\) could not take 1 × 512 × 1 × 1"):
        mv.open("modelview:unet").check((1, 3, 15, 15))


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (unet(seed=seed).load().state_dict()["outc.conv.weight"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_head_is_the_last_convolution() -> None:
    recipe = mv.open("modelview:unet").then(mv.SwapHead(5))
    assert recipe.changes()[0].summary == "outc.conv → Conv2d(64, 5, kernel_size=1)"
    assert recipe.check().output == (1, 5, 256, 256)


@pytest.mark.long
def test_it_is_cut_and_the_code_says_so() -> None:
    recipe = mv.open("modelview:unet").then(mv.Truncate("up3.conv.double_conv.1"))  # type: ignore[arg-type]
    check_recipe(recipe, inputs=(torch.rand(1, 3, 256, 256),))


def test_a_whole_module_is_refused_and_code_is_offered() -> None:
    reason = EXPORTS["module"]().refusal(mv.open("modelview:unet"))
    assert reason is not None
    assert reason.endswith("Export python and state_dict instead.")


def test_in_training_it_learns() -> None:
    model = unet(n_channels=1).load().train()
    loss = model(torch.rand(2, 1, 16, 16)).square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_channels": 0}, "n_channels is a whole number from 1 up; got 0."),
        ({"n_channels": "3"}, "n_channels is a whole number from 1 up; got '3'."),
        ({"n_classes": True}, "n_classes is a whole number from 1 up; got True."),
        ({"n_classes": 1.5}, "n_classes is a whole number from 1 up; got 1.5."),
        ({"n_classes": 10**30}, "n_classes is at most 2,147,483,647; got 1000000"),
        ({"n_channels": 2 * 10**9}, "UNet(n_channels=2000000000, n_classes=2) would take 4,608 GB of weights; this"),
        ({"bilinear": 1}, "bilinear is True or False; got 1."),
        ({"bilinear": True, "halved": None}, "halved is True or False; got None."),
        ({"halved": False}, "halved=False is a form of bilinear up-sampling: give bilinear=True with it."),
        ({"seed": -1}, "A seed is a whole number from 0 up; got -1."),
        ({"channels": 3}, "modelview:unet takes no keyword 'channels'. It takes n_channels, n_classes, bilinear, "),
    ],
)
def test_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open("modelview:unet", **given)
    assert message in str(caught.value)


def test_a_recipe_of_another_hand_is_refused_when_it_is_built() -> None:
    text = Recipe(UNet(n_channels=2 * 10**9)).to_json()
    recipe = Recipe.from_json(text)
    with pytest.raises(EditError, match="would take 4,608 GB"):
        recipe.build()


def test_eval_mode_and_one_output() -> None:
    model = unet().load()
    assert not model.training
    assert run(model, (torch.rand(1, 3, 32, 32),)).shape == (1, 2, 32, 32)
