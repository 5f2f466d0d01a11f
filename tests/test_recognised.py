"""From a file to the recipe that opens it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

import modelview as mv
from modelview import files
from modelview.errors import CheckpointError, EditError, ModelviewError
from modelview.recognised import recognise
from tests.laws import check_recipe

pytestmark = pytest.mark.long


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Any], Path]:
    def save(content: Any) -> Path:
        torch.save(content, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return save


def small(num_classes: int = 4) -> nn.Module:
    return models.shufflenet_v2_x0_5(num_classes=num_classes)


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_fine_tuned_file_opens_as_its_architecture(file: Callable[[Any], Path]) -> None:
    model = small()
    recipe = mv.open(file({"model": nn.DataParallel(model).state_dict(), "epoch": 3}))
    assert recipe.source == mv.open("shufflenet_v2_x0_5", num_classes=4).source
    assert equal(dict(check_recipe(recipe).state_dict()), model.state_dict())


def test_a_part_of_a_larger_model_opens(file: Callable[[Any], Path]) -> None:
    model = small()
    larger = {f"trunk.body.{name}": value for name, value in model.state_dict().items()} | {
        "extra.weight": torch.rand(3)
    }
    recipe = mv.open(file(larger))
    assert equal(dict(recipe.build().state_dict()), model.state_dict())


def test_a_sequential_cut_opens_with_its_names_put_back(file: Callable[[Any], Path]) -> None:
    model = small()
    cut = nn.Sequential(*list(model.children())[:-1])
    built = mv.open(file(cut.state_dict())).build()
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith("fc")}
    assert equal(dict(built.state_dict()), kept)


def test_a_file_that_was_touched_and_given_again_is_read_again(file: Callable[[Any], Path]) -> None:
    model = small()
    path = file(model.state_dict())
    ref = files.give(path)
    before = recognise(ref).checkpoint
    assert recognise(files.give(path)).checkpoint is before
    os.utime(path, ns=(1, 1))
    with pytest.raises(EditError, match="has changed since it was given; give it again"):
        recognise(ref)
    assert files.give(path) == ref
    with pytest.raises(CheckpointError, match="has changed since it was read; read it again"):
        before.tensor("fc.bias")
    assert torch.equal(recognise(ref).checkpoint.tensor("fc.bias"), model.state_dict()["fc.bias"])


def test_several_state_dicts_are_a_choice(file: Callable[[Any], Path]) -> None:
    plain, averaged = small(), small()
    path = file({"model": plain.state_dict(), "model_ema": averaged.state_dict()})
    assert [each.path for each in mv.read(path).candidates] == ["model", "model_ema"]
    assert equal(dict(mv.open(path).build().state_dict()), plain.state_dict())
    assert equal(dict(mv.open(path, at="model_ema").build().state_dict()), averaged.state_dict())


def test_other_shapes_are_left_as_they_are_and_said(file: Callable[[Any], Path]) -> None:
    model = small()
    model.conv1[0] = nn.Conv2d(3, 24, 5, stride=2, padding=2, bias=False)  # type: ignore[index]
    found = recognise(files.give(file(model.state_dict())))
    assert "conv1.0.weight is 24 × 3 × 5 × 5 where its own is 24 × 3 × 3 × 3" in found.sentence
    assert [row.name for row in found.plan.of("shape differs")] == ["conv1.0.weight"]
    assert torch.equal(found.recipe.build().state_dict()["fc.bias"], model.state_dict()["fc.bias"])


def test_the_sentence_says_what_it_is(file: Callable[[Any], Path]) -> None:
    path = file({"model": nn.DataParallel(small()).state_dict(), "epoch": 3})
    assert recognise(files.give(path)).sentence == (
        "A training checkpoint, epoch 3. Its weights are at 'model'. It fits torchvision shufflenet_v2_x0_5 with "
        "4 classes; 282 of 282 tensors match. Equal in names and shapes: quantized_shufflenet_v2_x0_5. "
        "'module.' was taken off every name."
    )


def test_a_recipe_json_is_given_its_files(file: Callable[[Any], Path], tmp_path: Path) -> None:
    path = file(small().state_dict())
    saved = mv.export(mv.open(path), "recipe", tmp_path / "r.json")
    assert mv.open(saved, files=[path]) == mv.open(path)


@pytest.mark.parametrize(
    ("content", "keywords", "error", "message"),
    [
        ({"a": torch.rand(2)}, {}, CheckpointError, "'weights.pth': No known architecture fits these 1 tensors."),
        ({"epoch": 3}, {}, CheckpointError, "'weights.pth' holds no tensors: it is epoch = 3"),
        (small().state_dict(), {"weights": "DEFAULT"}, EditError, "'weights' cannot be given with it"),
        (
            small().state_dict(),
            {"at": "ema"},
            ModelviewError,
            "No state_dict in this file is called 'ema'. Its weights",
        ),
    ],
)
def test_refusals(
    content: Any, keywords: dict[str, Any], error: type[Exception], message: str, file: Callable[[Any], Path]
) -> None:
    path = file(content)
    with pytest.raises(error) as caught:
        mv.open(path, **keywords)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "holder", "attribute"),
    [("resnet18", "", "conv1"), ("mobilenet_v2", "features.0", "0"), ("densenet121", "features", "conv0")],
)
def test_a_file_of_four_channels_opens_with_its_own_stem(
    name: str, holder: str, attribute: str, tmp_path: Path
) -> None:
    model = models.get_model(name, weights=None, num_classes=6)
    parent = model.get_submodule(holder)
    old = parent.get_submodule(attribute)
    setattr(parent, attribute, nn.Conv2d(4, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False))
    torch.save(model.state_dict(), tmp_path / "four.pth")
    recipe = mv.open(tmp_path / "four.pth")
    picture = torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        assert torch.equal(recipe.build()(picture), model.eval()(picture))
