"""The code of a source builds what the source builds, whatever its weights decide."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from modelview.errors import EditError
from modelview.meta import building, to_meta
from modelview.recipe import Recipe
from modelview.script import Code
from modelview.sources import _code
from modelview.sources._construct import on_meta
from modelview.sources._difference import compared
from modelview.sources._weights import weights_names
from modelview.sources.torchvision import Torchvision, torchvision

ALL = models.list_models()
FASTER = "fasterrcnn_resnet50_fpn"


def run(code: Code) -> nn.Module:
    names: dict[str, Any] = {"torch": torch, "nn": nn}
    exec("\n".join([*code.imports, *code.definitions]), names)
    with building():
        exec("\n".join(code.statements), names)
    model: nn.Module = names["model"]
    return to_meta(model).eval()


def facts(model: nn.Module) -> list[Any]:
    """What a person would see, and everything plain that a module remembers."""
    tensors = [(n, t.shape, t.dtype, t.requires_grad) for n, t in [*model.named_parameters(), *model.named_buffers()]]
    plain = [
        (path, type(module), {k: v for k, v in vars(module).items() if isinstance(v, bool | int | float | str | tuple)})
        for path, module in model.named_modules()
    ]
    return [str(model), list(model.state_dict()), tensors, plain]


@pytest.fixture
def structures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., nn.Module]:
    """`on_meta`, building the same thing only once in a test: by the code, and to compare with."""
    built: dict[str, nn.Module] = {}

    def once(name: str, weights: str | None, keywords: dict[str, Any]) -> nn.Module:
        key = f"{name} {weights} {keywords}"
        if key not in built:
            built[key] = on_meta(name, weights, keywords)
        return built[key]

    monkeypatch.setattr(_code, "on_meta", once)
    return once


@pytest.mark.zoo
@pytest.mark.parametrize("letter", sorted({name[0] for name in ALL}))
def test_code_builds_the_structure_with_default_weights(letter: str, structures: Callable[..., nn.Module]) -> None:
    state = torch.random.get_rng_state()
    for name in (name for name in ALL if name.startswith(letter)):
        source = Torchvision(name, "DEFAULT")
        code, model = source.code(), structures(name, source.weights, {})
        assert facts(run(code)) == facts(model), name
        assert all(t.is_meta for t in [*model.parameters(), *model.buffers()]), name
        assert not any(module.training for module in model.modules()), name
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_code_builds_the_structure_with_any_weights(name: str) -> None:
    for weights in (None, *weights_names(name)):
        source = Torchvision(name, weights)
        assert facts(run(source.code())) == facts(source.structure()), weights


@pytest.mark.parametrize(
    "source",
    [
        torchvision("resnet50", num_classes=10, replace_stride_with_dilation=(False, True, True)),
        torchvision("googlenet", aux_logits=False),
        torchvision("vit_b_16", image_size=64),
        torchvision("vit_b_16", weights="IMAGENET1K_SWAG_E2E_V1"),
        torchvision("keypointrcnn_resnet50_fpn", weights="COCO_LEGACY"),
        torchvision(FASTER, num_classes=5, weights_backbone="IMAGENET1K_V1", trainable_backbone_layers=1),
        torchvision("fasterrcnn_resnet50_fpn", weights="DEFAULT", trainable_backbone_layers=5, box_score_thresh=0.5),
        torchvision("deeplabv3_resnet50", num_classes=5, weights_backbone="IMAGENET1K_V1"),
        torchvision("mobilenet_v3_small", width_mult=0.5),
        torchvision("quantized_mobilenet_v2", num_classes=3),
    ],
    ids=lambda source: f"{source.name}-{source.weights}-{len(source.keywords)}",
)
@pytest.mark.filterwarnings("ignore:Changing trainable_backbone_layers")
def test_code_keeps_keywords(source: Torchvision) -> None:
    assert facts(run(source.code())) == facts(source.structure())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Torchvision("resnet50", "DEFAULT"), "model = models.resnet50(weights=None)"),
        (Torchvision("vgg16"), "model = models.vgg16(weights=None)"),
        (torchvision("resnet18", num_classes=10), "model = models.resnet18(weights=None, num_classes=10)"),
        (Torchvision("quantized_resnet18"), "model = models.quantization.resnet18(weights=None, quantize=False)"),
        (
            Torchvision("inception_v3", "DEFAULT"),
            "model = models.inception_v3(weights=None, init_weights=True, transform_input=True)",
        ),
        (
            Torchvision("googlenet", "DEFAULT"),
            "model = models.googlenet(weights=None, init_weights=True, transform_input=True)\n"
            "model.aux_logits = False\nmodel.aux1 = None\nmodel.aux2 = None",
        ),
        (
            Torchvision("deeplabv3_resnet50", "DEFAULT"),
            "model = models.segmentation.deeplabv3_resnet50(\n    weights=None,\n    weights_backbone=None,\n"
            "    aux_loss=True,\n)",
        ),
        (
            Torchvision(FASTER, "DEFAULT"),
            "model = models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)\n"
            "for path, module in list(model.backbone.body.named_modules()):\n"
            "    if isinstance(module, nn.BatchNorm2d):\n"
            "        model.backbone.body.set_submodule(path, FrozenBatchNorm2d(module.num_features, eps=0.0))\n"
            'model.backbone.body["conv1"].requires_grad_(False)\n'
            'model.backbone.body["layer1"].requires_grad_(False)',
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Torchvision) else "",
)
def test_code_reads_as_a_person_would_write_it(source: Torchvision, text: str) -> None:
    assert "\n".join(source.code().statements) == text


class Frozen(nn.Module):
    def __init__(self, *, a: bool, b: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(2), requires_grad=a)
        self.inner = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        self.inner.requires_grad_(b)


@pytest.mark.parametrize(
    ("target", "statements"),
    [
        (Frozen(a=True, b=True), ()),
        (Frozen(a=False, b=True), ("model.scale.requires_grad_(False)",)),
        (Frozen(a=True, b=False), ("model.inner.requires_grad_(False)",)),
        (Frozen(a=False, b=False), ("model.requires_grad_(False)",)),
    ],
)
def test_freezes_the_largest_part_that_is_frozen(target: nn.Module, statements: tuple[str, ...]) -> None:
    difference = compared(Frozen(a=True, b=True), target)
    assert difference.statements() == statements
    assert difference.cost == len(statements)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (nn.Sequential(nn.Linear(1, 2)), "0 has parameters of other shapes"),
        (nn.Sequential(nn.Conv1d(1, 1, 1)), "0 is a Conv1d"),
        (nn.Sequential(nn.Linear(1, 1), nn.ReLU()), "1 is not there"),
        (nn.Sequential(), "0 is there"),
    ],
)
def test_says_what_it_cannot_write(target: nn.Module, reason: str) -> None:
    assert reason in compared(nn.Sequential(nn.Linear(1, 1)), target).unwritable


def test_code_of_a_bad_keyword_is_refused() -> None:
    with pytest.raises(EditError, match="takes no keyword 'colour'"):
        Torchvision("resnet18", "DEFAULT", keywords=(("colour", 1),)).code()


def test_the_licence_of_weights_that_are_not_free_stands_beside_them() -> None:
    lines = Recipe(Torchvision("vit_b_16", "IMAGENET1K_SWAG_E2E_V1")).code().split("\n")
    at = lines.index("WEIGHTS = models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1")
    assert lines[at - 2 : at] == [
        "# Licence of these weights: CC-BY-NC 4.0, not for commercial use:",
        "# https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
    ]
    assert "Licence" not in Recipe(Torchvision("vit_b_16", "IMAGENET1K_V1")).code()
