import pytest
import torch
from torch import Tensor, nn

from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, example

SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))
RESNET = Recipe(Torchvision("resnet18"))
SWIN = Recipe(Torchvision("swin_t"))


def hooked(model: nn.Module, path: str, args: tuple[Tensor, ...], call: int = -1) -> Tensor:
    found: list[Tensor] = []
    handle = model.get_submodule(path).register_forward_hook(lambda *a: found.append(a[-1].clone()))
    with torch.no_grad():
        model(*args)
    handle.remove()
    return found[call]


@pytest.mark.parametrize(
    ("recipe", "edit", "channels"),
    [
        (SHUFFLENET, Truncate("stage3"), 96),
        (SHUFFLENET, Truncate("stage3.1.branch2.1"), 48),
        (RESNET, Truncate("layer1.0.relu"), 64),
        (RESNET, Truncate("layer1.0.relu", call=0), 64),
        (RESNET, Truncate("layer4.0.downsample.0"), 512),
        (RESNET, Truncate("fc"), 1000),
        (SWIN, Truncate("features.3.0.mlp.1"), 768),
        (Recipe(Torchvision("densenet121")), Truncate("features.denseblock2.denselayer3"), 32),
        (Recipe(Torchvision("ssdlite320_mobilenet_v3_large")), Truncate("backbone.features.0.3"), 24),
    ],
)
def test_equal_to_the_hooked_value(recipe: Recipe, edit: Truncate, channels: int) -> None:
    built = check_recipe(recipe.then(edit))
    args = example(recipe)
    with torch.no_grad():
        ours = built(*args)
    assert torch.equal(ours, hooked(recipe.build(), edit.path, args, edit.call))
    assert built.out_channels == channels


def test_the_comparison_can_fail() -> None:
    """With one weight off by 1e-3 the values differ, so equality says something."""
    recipe = RESNET.then(Truncate("layer1.0.relu"))
    built, args = recipe.build(), example(recipe)
    with torch.no_grad():
        built.conv1.weight[0, 0, 3, 3] += 1e-3  # type: ignore[index, union-attr]
        ours = built(*args)
    assert not torch.equal(ours, hooked(RESNET.build(), "layer1.0.relu", args))


@pytest.mark.parametrize(
    ("recipe", "edit", "output"),
    [
        (RESNET, Truncate("layer4", pool=True), (1, 512, 1, 1)),
        (RESNET, Truncate("layer4", pool=True, flatten=True), (1, 512)),
        (RESNET, Truncate("layer4", flatten=True), (1, 512 * 49)),
        (SWIN, Truncate("features.1", pool=True, flatten=True), (1, 96)),
        (Recipe(Torchvision("r3d_18")), Truncate("layer2", pool=True, flatten=True), (1, 128)),
        (Recipe(Torchvision("vit_b_32")), Truncate("encoder", pool=True, flatten=True), (1, 768)),
    ],
)
def test_pooling(recipe: Recipe, edit: Truncate, output: tuple[int, ...]) -> None:
    assert recipe.then(edit).check().output == output


def test_it_can_be_cut_again_and_trains() -> None:
    recipe = RESNET.then(Truncate("layer3.0.conv2")).then(Truncate("layer2.1.bn1", pool=True, flatten=True))
    recipe = recipe.then(SwapHead(3))
    model = check_recipe(recipe).train()
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_code_reads_like_a_forward() -> None:
    code = RESNET.then(Truncate("layer3.0")).code()
    assert "self.layer3 = model.layer3[:1]" in code
    assert "return self.layer3(x)" in code
    assert "fx" not in code
    assert "modelview" not in code.partition('"""\n')[2]


@pytest.mark.parametrize(
    ("recipe", "edit", "message"),
    [
        (RESNET, Truncate("layer9"), "No module is called 'layer9'. Did you mean 'layer4'"),
        (RESNET, Truncate(""), "This edit needs a module inside the model, not the whole of it."),
        (RESNET, Truncate("layer1", style="wrpa"), "No style is called 'wrpa'. Did you mean 'keep'?"),
        (RESNET, Truncate("layer1", call=3), "`layer1` is called once; there is no call 3."),
        (
            Recipe(Torchvision("vit_b_32")),
            Truncate("encoder.layers.encoder_layer_0.self_attention.out_proj"),
            "`encoder.layers.encoder_layer_0.self_attention.out_proj` is never called, so there is nothing to return.",
        ),
        (Recipe(Torchvision("googlenet")), Truncate("aux1"), "`aux1` is never called, so there is nothing to return."),
        (
            Recipe(Torchvision("ssdlite320_mobilenet_v3_large")),
            Truncate("backbone", pool=True),
            "`backbone` returns 0:",
        ),
    ],
)
def test_refusals(recipe: Recipe, edit: Truncate, message: str) -> None:
    before = structure_of(recipe).model
    keys = list(before.state_dict())
    with pytest.raises(EditError) as caught:
        recipe.then(edit).check()
    assert str(caught.value).startswith(message)
    assert list(structure_of(recipe).model.state_dict()) == keys
