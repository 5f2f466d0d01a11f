import pytest
import torch

from modelview.edits.freeze import Freeze, Unfreeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import EditError
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, trainable

SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))
SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))


def frozen(recipe: Recipe) -> set[str]:
    return {name for name, on in trainable(recipe.structure()).items() if not on}


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        ([Freeze("*", except_="fc")], ["model.requires_grad_(False)", "model.fc.requires_grad_(True)"]),
        ([Freeze("conv1", "stage2")], ["model.conv1.requires_grad_(False)", "model.stage2.requires_grad_(False)"]),
        ([Freeze("fc.weight")], ["model.fc.weight.requires_grad_(False)"]),
        ([Freeze("*"), Unfreeze("fc", "conv5")], ["model.conv5.requires_grad_(True)", "model.fc.requires_grad_(True)"]),
        ([Freeze("fc"), Freeze("*", except_="fc")], ["model.requires_grad_(False)"]),
        ([Freeze(up_to="stage2.0")], ["model.conv1.requires_grad_(False)", "model.stage2[0].requires_grad_(False)"]),
    ],
)
def test_the_code_is_what_one_would_write(edits: list[Freeze], lines: list[str]) -> None:
    recipe = SHUFFLENET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)
    assert list(recipe.changes()[-1].code.statements) == lines


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Freeze("features.0"), {"features.0.weight", "features.0.bias"}),
        (Freeze("*.bias", except_="features"), {"classifier.1.bias"}),
        (Freeze("*", except_=("features.*", "classifier.1.bias")), {"classifier.1.weight"}),
        (Freeze("classifier.2"), set()),
        (Freeze(up_to="features.0"), {"features.0.weight", "features.0.bias"}),
    ],
)
def test_what_freezes(edit: Freeze, expected: set[str]) -> None:
    assert frozen(SQUEEZENET.then(edit)) == expected


def test_many_single_parameters_are_named_in_a_loop() -> None:
    recipe = SHUFFLENET.then(Freeze("*.0.weight"))
    check_recipe(recipe)
    assert recipe.changes()[-1].code.statements[0].startswith("for name in (")


def test_a_step_moves_what_trains_and_nothing_else() -> None:
    model = SHUFFLENET.then(SwapHead(3)).then(Freeze("*", except_="fc")).build()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


def test_moving_statistics_are_said() -> None:
    (note,) = SHUFFLENET.then(Freeze("conv1")).changes()[0].notes
    assert note == "1 frozen batch-norm layer still updates its statistics in train mode."


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Freeze(), 'Name what to freeze: a path or a pattern such as "layer1" or "*".'),
        (Unfreeze(), 'Name what to unfreeze: a path or a pattern such as "layer4" or "*".'),
        (Freeze(""), 'An empty pattern matches nothing; write "*" for the whole model.'),
        (Freeze("claszifier"), "No module or parameter is called 'claszifier'. Did you mean 'classifier'"),
        (Freeze("*", except_="fc"), "No module or parameter is called 'fc'."),
        (Unfreeze("layer9.*"), "No module or parameter is called 'layer9.*'."),
        (Freeze(up_to="features.99"), "No module is called 'features.99'. Did you mean 'features.9'"),
    ],
)
def test_refusals_change_nothing(edit: Freeze | Unfreeze, message: str) -> None:
    recipe = SQUEEZENET.then(edit)
    with pytest.raises(EditError) as caught:
        recipe.check()
    assert str(caught.value).startswith(message)
    assert frozen(SQUEEZENET) == set()
