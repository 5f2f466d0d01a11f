"""Row 4: Sequential, ModuleList and ModuleDict, as the tutorial writes them in plain torch."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import modelview as mv
from tests.laws import run
from tests.runner import runner
from tests.tutorials.recipes import LAYERS, NAMED_LAYERS, RECIPES

INPUT = torch.rand(4, 784, generator=torch.Generator().manual_seed(0))
# The tutorial's own.


def unnamed() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def named() -> nn.Module:
    layers = [("hidden", nn.Linear(784, 256)), ("act", nn.ReLU()), ("output", nn.Linear(256, 10))]
    return nn.Sequential(OrderedDict(layers))


class OfList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(784, 256)])
        self.layers.append(nn.ReLU())
        self.layers.extend([nn.Linear(256, 10)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class OfDict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({"hidden": nn.Linear(784, 256), "act": nn.ReLU()})
        self.layers["output"] = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


# Compared with modelview's.

PAIRS = [("4 sequential", unnamed), ("4 named sequential", named), ("4 list", OfList), ("4 dict", OfDict)]


def opened(container: str, rows: object) -> mv.Recipe:
    return mv.open(f"modelview:{container}", rows=rows, input=(1, 784))


@pytest.mark.parametrize(("recipe", "make"), PAIRS)
def test_same_keys_shapes_outputs_and_trainable_set(recipe: str, make: type[nn.Module]) -> None:
    theirs, ours = make().eval(), RECIPES[recipe].build()
    shapes = [[(name, value.shape) for name, value in model.state_dict().items()] for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(run(ours, (INPUT,)), run(theirs, (INPUT,)))
    assert all(parameter.requires_grad for parameter in ours.parameters())


@pytest.mark.parametrize(("recipe", "make"), PAIRS)
def test_the_exported_code_is_the_tutorial_s_model(recipe: str, make: type[nn.Module], tmp_path: Path) -> None:
    theirs = make().eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    answer = runner().ask(code=RECIPES[recipe].code(), weights=str(tmp_path / "weights.pth"), inputs=(INPUT,))
    assert torch.equal(answer["outputs"], run(theirs, (INPUT,)))


def test_layers_are_reached_by_index_and_by_key() -> None:
    of_list, of_dict = (RECIPES[recipe].build().layers for recipe in ("4 list", "4 dict"))
    assert isinstance(of_list, nn.ModuleList)
    assert isinstance(of_dict, nn.ModuleDict)
    assert repr(of_list[-1]) == repr(of_dict["output"]) == "Linear(in_features=256, out_features=10, bias=True)"


@pytest.mark.parametrize(
    ("container", "alone"), [("modulelist", nn.ModuleList([nn.ReLU()])), ("moduledict", nn.ModuleDict())]
)
def test_alone_they_have_no_forward_and_it_is_said(container: str, alone: nn.Module) -> None:
    with pytest.raises(NotImplementedError, match='is missing the required "forward" function'):
        alone(INPUT)
    source = opened(container, LAYERS if container == "modulelist" else NAMED_LAYERS).source
    assert f"A {type(alone).__name__} alone has no forward." in source.running  # type: ignore[attr-defined]


@pytest.mark.parametrize("container", ["sequential", "modulelist", "moduledict"])
def test_an_order_that_cannot_run_is_refused_with_the_shapes(container: str) -> None:
    rows = LAYERS[::-1] if container == "modulelist" else NAMED_LAYERS[::-1]
    with pytest.raises(mv.EditError, match=r"Row 1: `(0|output)` gets 1 × 784, so 784 features, but takes 256"):
        opened(container, rows)
