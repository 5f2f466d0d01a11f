"""The models that edits are tested on, and how a test looks at them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview.edits.base import Edit
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision


def opened(name: str) -> Recipe:
    return Recipe(Torchvision(name))


RESNET = opened("resnet18")
SQUEEZENET = opened("squeezenet1_1")
MOBILENET = opened("mobilenet_v3_small")
SHUFFLENET = opened("shufflenet_v2_x0_5")
REGNET = opened("regnet_y_400mf")
LRASPP = opened("lraspp_mobilenet_v3_large")
SSD = opened("ssdlite320_mobilenet_v3_large")

VIT = opened("vit_b_16")
SWIN = opened("swin_t")
GOOGLENET = opened("googlenet")
MASKRCNN = opened("maskrcnn_resnet50_fpn")
RAFT = opened("raft_small")
"""These five are only looked at on meta, or on the CPU with cheap weights."""


def values(model: nn.Module, path: str, args: tuple[Any, ...], call: int = -1) -> Tensor:
    """What the module at `path` returns, as it is at that moment."""
    found: list[Tensor] = []
    handle = model.get_submodule(path).register_forward_hook(lambda *a: found.append(a[-1].clone()))
    with torch.no_grad():
        model(*args)
    handle.remove()
    return found[call]


def pictures(n: int = 2, side: int = 64) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def small(recipe: Recipe) -> tuple[Any, ...]:
    """Arguments of the recipe's model: two small pictures, and what else it takes."""
    others = [torch.rand(2, *shape[1:]) for shape in recipe.example[1:]]
    return recipe.source.taken(pictures(), *others)


def with_gradient(model: nn.Module, *args: Any) -> set[str]:
    """Names of the parameters that get a gradient from the sum of what the model returns."""
    output = model(*args)
    (output if isinstance(output, Tensor) else output["out"]).sum().backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


def check_refused(recipe: Recipe, kind: type[Edit], fields: dict[str, Any], message: str) -> None:
    """The edit is refused with a sentence that begins with `message`, and the recipe is what it was."""
    before, keys = recipe.check(), list(structure_of(recipe).model.state_dict())
    with pytest.raises(EditError) as caught:
        recipe.then(kind(**fields)).check()
    said = str(caught.value)
    assert said.startswith(message), said
    assert said.endswith((".", "?", "…).")), said
    assert recipe.check() == before
    assert list(structure_of(recipe).model.state_dict()) == keys
