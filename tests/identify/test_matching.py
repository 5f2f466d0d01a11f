"""Files that the index was not built from, and what is found in them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models, ops

from modelview.checkpoints.records import TensorInfo
from modelview.errors import EditError
from modelview.identify import index
from modelview.identify.making import make
from modelview.identify.matching import Match, identify, nearest
from modelview.meta import building
from modelview.sources.torchvision import Torchvision
from tests.zoo import ALL

Shapes = dict[str, tuple[int, ...]]


def checkpoint(shapes: Shapes) -> Any:
    return SimpleNamespace(tensors={name: TensorInfo(tuple(shape), "float32", 0) for name, shape in shapes.items()})


def shapes(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def found(model: Callable[[], nn.Module]) -> Match:
    with building():
        made = model()
    return identify(checkpoint(shapes(made)))[0]


def entry(name: str) -> index.Entry:
    return next(each for each in index.load().entries if each.spec == f"torchvision:{name}")


def with_seven(name: str) -> nn.Module:
    try:
        return Torchvision(name).with_classes(7).structure()
    except EditError:
        return Torchvision(name).structure()


def headless(name: str) -> Shapes:
    return {key: shape for key, shape in shapes(with_seven(name)).items() if key not in entry(name).heads}


def four_channels(name: str) -> Shapes:
    stems = entry(name).stems
    own = shapes(Torchvision(name).structure())
    return {key: (shape[0], 4, *shape[2:]) if key in stems else shape for key, shape in own.items()}


def inside(name: str) -> Shapes:
    """As the encoder of a larger model."""
    return {f"encoder.body.{key}": shape for key, shape in shapes(with_seven(name)).items()} | {
        f"decoder.{number}.weight": (3, 3) for number in range(40)
    }


def cut(name: str) -> Shapes:
    return shapes(nn.Sequential(*list(with_seven(name).children())[:-1]))


def is_right(match: Match, name: str) -> bool:
    return f"torchvision:{name}" in (match.spec, *match.also)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ALL)
def test_every_model_is_found(name: str) -> None:
    seven = identify(checkpoint(shapes(with_seven(name))))[0]
    assert is_right(seven, name)
    assert seven.coverage == 1.0
    assert seven.num_classes == (7 if entry(name).heads else None)
    four = identify(checkpoint(four_channels(name)))[0]
    assert is_right(four, name)
    assert four.in_channels == 4
    assert is_right(identify(checkpoint(headless(name)))[0], name)
    encoder = identify(checkpoint(inside(name)))[0]
    assert is_right(encoder, name)
    assert encoder.prefix == "encoder.body."


@pytest.mark.zoo
def test_at_least_112_are_found_after_a_sequential_cut() -> None:
    right = [name for name in ALL if is_right(identify(checkpoint(cut(name)))[0], name)]
    assert len(right) >= 112


@pytest.mark.zoo
def test_the_index_is_the_one_that_is_made_now() -> None:
    assert make() == index.FILE.read_bytes()
    assert index.load().note == ""


def test_an_index_of_another_torchvision_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    own = index.load().parts[0]
    assert own.note == ""
    monkeypatch.setitem(own.made_with, "torchvision", "0.0.1")
    assert own.note.startswith("The index of architectures was made with torchvision 0.0.1 (")
    assert own.note.endswith(" is installed): run make index.")


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "fasterrcnn_mobilenet_v3_large_fpn"])
def test_a_few_of_each_kind(name: str) -> None:
    assert is_right(identify(checkpoint(inside(name)))[0], name)
    assert is_right(identify(checkpoint(headless(name)))[0], name)


def test_what_opens_it_is_told() -> None:
    match = found(lambda: models.vit_b_16(image_size=384, num_classes=3))
    assert match.spec == "torchvision:vit_b_16"
    assert match.keywords == (("image_size", 384), ("num_classes", 3))
    assert found(lambda: models.googlenet(aux_logits=False, init_weights=False)).keywords == (("aux_logits", False),)
    aux = found(lambda: models.segmentation.fcn_resnet50(aux_loss=True, weights_backbone=None, num_classes=4))
    assert aux.keywords == (("aux_loss", True), ("num_classes", 4))


def test_a_cut_says_which_name_is_which() -> None:
    match = identify(checkpoint(cut("resnet50")))[0]
    assert ("4.0.conv1.weight", "layer1.0.conv1.weight") in match.renamed
    assert set(match.missing) == {"fc.weight", "fc.bias"}
    assert "265 of 267 tensors match, under other names. fc.weight, fc.bias are missing." in match.sentence


def cifar() -> nn.Module:
    model = models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    return model


def test_what_differs_is_said() -> None:
    match = found(cifar)
    assert match.mismatched == (("conv1.weight", (64, 3, 3, 3), (64, 3, 7, 7)),)
    assert match.sentence == (
        "torchvision resnet18 with 10 classes; 101 of 102 tensors match. conv1.weight is 64 × 3 × 3 × 3 where its own "
        "is 64 × 3 × 7 × 7. Equal in names and shapes: quantized_resnet18."
    )


def test_equal_architectures_are_named_together() -> None:
    match = found(models.resnet18)
    assert (match.spec, match.also) == ("torchvision:resnet18", ("torchvision:quantized_resnet18",))


def test_other_widths_and_depths_are_not_taken_for_the_model() -> None:
    deep = identify(checkpoint(shapes(models.ResNet(models.resnet.Bottleneck, [3, 24, 36, 3]))))
    assert [match.spec for match in deep if match.coverage > 0.8] == ["torchvision:ResNet"]
    assert any(name.startswith("layer2.8.") for name in deep[1].unexpected)
    narrow = identify(checkpoint(shapes(models.resnet50(width_per_group=32))))
    assert [match.spec for match in narrow if match.coverage > 0.8] == ["torchvision:ResNet"]


def test_keywords_without_tensors_change_nothing() -> None:
    match = found(lambda: models.resnet50(replace_stride_with_dilation=(False, True, True)))
    assert (match.spec, match.coverage) == ("torchvision:resnet50", 1.0)


def test_another_normalisation_lacks_its_statistics() -> None:
    match = found(lambda: models.resnet18(norm_layer=lambda width: nn.GroupNorm(8, width)))
    assert match.spec == "torchvision:resnet18"
    assert all("running" in name for name in match.missing)
    frozen = found(lambda: models.resnet18(norm_layer=ops.FrozenBatchNorm2d))
    assert frozen.coverage == 1.0


STRANGERS: dict[str, Shapes] = {
    "nothing": {},
    "one number": {"scale": ()},
    "five tensors of a VGG": dict(list(shapes(models.vgg16()).items())[:5]),
    "a BERT": {f"encoder.layer.{n}.attention.self.query.weight": (768, 768) for n in range(12)}
    | {f"encoder.layer.{n}.output.dense.weight": (768, 3072) for n in range(12)},
    "an MLP": {f"{n}.weight": (64, 64) for n in range(0, 20, 2)},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_not_known_is_called_unknown(name: str) -> None:
    ck = checkpoint(STRANGERS[name])
    assert identify(ck) == []
    assert nearest(ck).startswith(f"No known architecture fits these {len(ck.tensors):,} tensors.")


def test_the_nearest_are_named_with_their_share() -> None:
    sentence = nearest(checkpoint(STRANGERS["five tensors of a VGG"]))
    assert "The nearest are vgg13 (19%)" in sentence
    assert sentence.count("%") == 3


def test_shapes_alone_are_not_enough() -> None:
    own = shapes(models.resnet18())
    assert identify(checkpoint({f"tensor{n}": shape for n, shape in enumerate(own.values())})) == []


def test_names_from_a_file_stay_short_and_text() -> None:
    own = shapes(models.resnet18()) | {"<script>" + "x" * 10_000: (3,)}
    assert len(identify(checkpoint(own))[0].sentence) < 600


def test_a_hundred_thousand_tensors_are_no_trouble() -> None:
    many = {f"t.{i}.{j}.weight": (3, 3) for i in range(1000) for j in range(100)}
    assert identify(checkpoint(many)) == []


def test_a_hidden_layer_in_the_head_is_told() -> None:
    model = models.resnet18()
    model.fc = nn.Sequential(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 3))  # type: ignore[assignment]
    match = identify(checkpoint(shapes(model)))[0]
    assert match.spec == "torchvision:resnet18"
    assert match.num_classes is None
    assert set(match.missing) == {"fc.weight", "fc.bias"}
    assert match.unexpected[0] == "fc.0.weight"


def test_looking_leaves_the_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    identify(checkpoint(STRANGERS["an MLP"]))
    assert torch.equal(torch.random.get_rng_state(), before)
