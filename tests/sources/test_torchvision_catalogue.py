"""The catalogue and the keywords: from what torchvision says, without building anything."""

import time
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from modelview.errors import UnknownName
from modelview.sources._catalogue import catalogue
from modelview.sources._signatures import keywords_through
from modelview.sources.torchvision import Keyword, Torchvision, keywords_of

ROWS = {row.name: row for row in catalogue()}


def test_every_model_is_there_at_once() -> None:
    catalogue.cache_clear()
    start = time.perf_counter()
    rows = catalogue()
    assert time.perf_counter() - start < 0.5  # 0.03 s on an idle machine
    assert [row.name for row in rows] == models.list_models()
    assert len(rows) == 121
    assert all(row.n_parameters > 900_000 and row.size_mb > 1 and row.accuracy > 0 for row in rows)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("resnet50", {"task": "classification", "n_parameters": 25557032, "accuracy": 80.858, "metric": "acc@1"}),
        ("resnet50", {"weights": ("IMAGENET1K_V1", "IMAGENET1K_V2"), "input": ((1, 3, 224, 224),), "licence": ""}),
        ("fasterrcnn_resnet50_fpn", {"task": "detection", "accuracy": 37.0, "metric": "box_map"}),
        ("deeplabv3_resnet50", {"task": "segmentation", "accuracy": 66.4, "metric": "miou"}),
        ("raft_large", {"task": "optical flow", "accuracy": 1.819, "metric": "epe"}),
        ("s3d", {"task": "video", "input": ((1, 3, 128, 224, 224),)}),
        ("quantized_resnet50", {"task": "quantizable", "weights": ("IMAGENET1K_V1", "IMAGENET1K_V2")}),
    ],
)
def test_row(name: str, facts: dict[str, Any]) -> None:
    assert {fact: getattr(ROWS[name], fact) for fact in facts} == facts


def test_swag_weights_are_not_for_commercial_use() -> None:
    assert ROWS["vit_h_14"].licence.startswith("CC-BY-NC 4.0, not for commercial use")


def test_the_input_is_that_of_the_default_weights() -> None:
    for name, row in ROWS.items():
        assert Torchvision(name, "DEFAULT").example == row.input


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("resnet50", Keyword("num_classes", 1000, "int")),
        ("resnet50", Keyword("zero_init_residual", False, "bool", (False, True))),
        ("vit_b_16", Keyword("image_size", 224, "int")),
        ("efficientnet_b3", Keyword("dropout", 0.3, "float")),
        ("fasterrcnn_resnet50_fpn", Keyword("min_size", 800, "int")),
        ("fasterrcnn_resnet50_fpn", Keyword("size_divisible", 32, "int")),
        ("mobilenet_v3_small", Keyword("width_mult", 1.0, "float")),
        ("maxvit_t", Keyword("input_size", (224, 224), "tuple")),
        (
            "deeplabv3_resnet50",
            Keyword("weights_backbone", None, "str", (None, "IMAGENET1K_V1", "IMAGENET1K_V2")),
        ),
    ],
)
def test_keywords(name: str, row: Keyword) -> None:
    assert row in keywords_of(name)


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("resnet50", ("block", "layers", "norm_layer", "weights", "progress")),
        ("vit_b_16", ("patch_size", "num_layers", "norm_layer", "conv_stem_configs")),
        ("deeplabv3_resnet50", ("backbone", "classifier", "aux_classifier")),
        ("ssdlite320_mobilenet_v3_large", ("reduced_tail", "head", "norm_layer")),
        ("quantized_resnet18", ("quantize",)),
    ],
)
def test_what_cannot_be_set_is_not_offered(name: str, absent: tuple[str, ...]) -> None:
    assert not {row.name for row in keywords_of(name)} & set(absent)


def test_optical_flow_has_nothing_to_set() -> None:
    assert keywords_of("raft_large") == ()


def test_keywords_of_nothing() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'resnet50'"):
        keywords_of("resnet5O")


def inner(a: int, b: int = 2, *, c: int = 3, **more: Any) -> Any:
    return a, b, c, more


def outer(x: int = 0, **kwargs: Any) -> Any:
    y = kwargs.pop("y", 5)
    return inner(x + y, c=1, **kwargs)


class Base(nn.Module):
    def __init__(self, width: int, depth: int = 1) -> None:  # noqa: ARG002
        super().__init__()


class Passing(Base):
    def __init__(self, *args: Any, extra: bool = False, **kwargs: Any) -> None:  # noqa: ARG002
        super().__init__(*args, **kwargs)


@pytest.mark.parametrize(
    ("function", "keywords"),
    [
        (inner, {"a", "b", "c"}),
        (outer, {"x", "b", "y"}),
        (Passing, {"width", "depth", "extra"}),
        (lambda **kwargs: Passing(1, **kwargs), {"depth", "extra"}),
        (lambda **kwargs: torch.zeros(1, **kwargs), set()),
        (lambda **kwargs: None, set()),
    ],
)
def test_keywords_through_a_function(function: Any, keywords: set[str]) -> None:
    assert set(keywords_through(function)) == keywords
