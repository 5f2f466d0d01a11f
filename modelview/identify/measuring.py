"""What a class of torchvision was called with, measured on the shapes of a file: widths, depths, patches.

What is measured is believed only where the class, called so, has the very names and shapes of the file.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from inspect import Parameter
from math import isqrt
from typing import Any

from modelview.errors import EditError
from modelview.identify.index import Shape
from modelview.identify.shapes import shapes as shapes_of
from modelview.sources.torchvision_class import TorchvisionClass, parameters

Shapes = Mapping[str, Shape]
Keywords = tuple[tuple[str, Any], ...]

MOST_TENSORS = 5_000
"""Of more, no model is built to be compared."""
_HEADS = {768: 12, 1024: 16, 1280: 16}
"""Attention heads of torchvision's vision transformers by width: no shape tells them, so other widths are not named."""


def measured(shapes: Shapes) -> Iterator[tuple[str, Keywords]]:
    """The classes, and what they are called with, that have exactly these names and shapes."""
    for name, measure in _MEASURES.items() if len(shapes) <= MOST_TENSORS else ():
        try:
            keywords = _told(name, measure(shapes))
            if _made(name, keywords) == shapes:
                yield name, keywords
        except (LookupError, ValueError, ArithmeticError, EditError):
            continue  # the file has not what this class has, or not as it has it


def _told(name: str, found: Mapping[str, Any]) -> Keywords:
    """Without what is the class's default anyway."""
    takes: Mapping[str, Parameter] = parameters(name)
    return tuple((key, value) for key, value in found.items() if takes[key].default != value)


@lru_cache(maxsize=32)
def _made(name: str, keywords: Keywords) -> Shapes:
    return shapes_of(TorchvisionClass(name, keywords).structure())


def _depth(shapes: Shapes, stem: str) -> int:
    """How many different children follow `stem` in the names."""
    return len({name[len(stem) :].partition(".")[0] for name in shapes if name.startswith(stem)})


def _resnet(shapes: Shapes) -> dict[str, Any]:
    width, of_group, *_ = shapes["layer1.0.conv2.weight"]
    return {
        "block": "Bottleneck" if "layer1.0.conv3.weight" in shapes else "BasicBlock",
        "layers": tuple(_depth(shapes, f"layer{number}.") for number in (1, 2, 3, 4)),
        "num_classes": shapes["fc.weight"][0],
        "groups": width // of_group,
        "width_per_group": of_group,
    }


def _vision_transformer(shapes: Shapes) -> dict[str, Any]:
    width, _, patch, _ = shapes["conv_proj.weight"]
    side = isqrt(shapes["encoder.pos_embedding"][1] - 1)
    return {
        "image_size": side * patch,
        "patch_size": patch,
        "num_layers": _depth(shapes, "encoder.layers."),
        "num_heads": _HEADS[width],
        "hidden_dim": width,
        "mlp_dim": shapes["encoder.layers.encoder_layer_0.mlp.0.weight"][0],
        "num_classes": shapes["heads.head.weight"][0],
    }


def _mobilenet_v2(shapes: Shapes) -> dict[str, Any]:
    return {
        "num_classes": shapes["classifier.1.weight"][0],
        "width_mult": shapes["features.17.conv.2.weight"][0] / 320,
    }


def _mnasnet(shapes: Shapes) -> dict[str, Any]:
    return {"alpha": shapes["layers.14.weight"][1] / 320, "num_classes": shapes["classifier.1.weight"][0]}


def _densenet(shapes: Shapes) -> dict[str, Any]:
    growth = shapes["features.denseblock1.denselayer1.conv2.weight"][0]
    blocks = range(1, 1 + sum(name.endswith(".denselayer1.norm1.weight") for name in shapes))
    return {
        "growth_rate": growth,
        "block_config": tuple(_depth(shapes, f"features.denseblock{number}.") for number in blocks),
        "num_init_features": shapes["features.conv0.weight"][0],
        "bn_size": shapes["features.denseblock1.denselayer1.conv1.weight"][0] // growth,
        "num_classes": shapes["classifier.weight"][0],
    }


_MEASURES: dict[str, Callable[[Shapes], dict[str, Any]]] = {
    "ResNet": _resnet,
    "VisionTransformer": _vision_transformer,
    "MobileNetV2": _mobilenet_v2,
    "MNASNet": _mnasnet,
    "DenseNet": _densenet,
}
