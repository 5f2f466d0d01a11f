"""The model stays; the optimizer of the exported code has every trainable parameter once, at its own rate."""

from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.learning_rates import LearningRates
from modelview.edits.swap_head import SwapHead
from modelview.errors import EditError, UnknownName
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe

RESNET = Recipe(Torchvision("resnet18"))
SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))


def exported(recipe: Recipe) -> tuple[nn.Module, torch.optim.Optimizer]:
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.code(), scope)
    model = scope["build_model"]()
    return model, scope["make_optimizer"](model)


def rates(recipe: Recipe) -> dict[str, float]:
    """The rate of each parameter that the exported optimizer has, by name; each is there once."""
    model, optimizer = exported(recipe)
    names = {id(p): name for name, p in model.named_parameters()}
    found = [(names[id(p)], group["lr"]) for group in optimizer.param_groups for p in group["params"]]
    assert len(dict(found)) == len(found)
    return dict(found)


def groups(*pairs: tuple[str, str], default: str = "1e-5") -> LearningRates:
    return LearningRates(pairs, default=default)


def test_the_tutorials_own_three_rates() -> None:
    recipe = RESNET.then(SwapHead(10)).then(groups(("layer4", "1e-4"), ("fc", "1e-3")))
    check_recipe(recipe)
    found = rates(recipe)
    assert set(found) == {name for name, _ in recipe.structure().named_parameters()}
    assert {name: rate for name, rate in found.items() if rate == 1e-3} == {"fc.weight": 1e-3, "fc.bias": 1e-3}
    assert {name.partition(".")[0] for name, rate in found.items() if rate == 1e-4} == {"layer4"}
    assert recipe.changes()[-1].summary == "AdamW · layer4 1e-4, fc 1e-3, the rest 1e-5"
    lines = recipe.changes()[-1].code.definitions[0].splitlines()
    assert '        {"params": [*model.layer4.parameters()], "lr": 0.0001},' in lines
    assert lines[-1] == "    return torch.optim.AdamW(groups, lr=1e-05, weight_decay=0.0)"


BODY = groups(("layer4", "1e-4"), ("fc", "1e-3"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("edits", "body", "head"),
    [
        ((mv.Prefix("module."),), "module.layer4.", "module.fc."),
        ((mv.Prefix("module."), SwapHead(3)), "module.layer4.", "module.fc."),
        ((mv.Rename((("layer4", "stage4"), ("fc", "head"))),), "stage4.", "head."),
        ((mv.AddInput("age", num_outputs=4),), "net.layer4.", "net.fc."),
        ((mv.AddInput("age", where="before"),), "net.layer4.", "net.fc."),
        ((SwapHead(3, hidden=(8,)),), "layer4.", "fc."),
        ((mv.SelectClasses((1, 2)),), "layer4.", "fc."),
        ((mv.ReplaceLayer("layer4.0.conv1", "Conv2d(256, 512, 1, stride=2)"),), "layer4.", "fc."),
        ((mv.InsertLayer("layer4", "Conv2d(512, 512, 1)"),), "layer4.", "fc."),
        ((mv.DeleteLayer("layer4.1"),), "layer4.", "fc."),
        ((mv.InsertLayer("layer4.0", "Conv2d(512, 512, 1)"),), "layer4.", "fc."),
        ((mv.Truncate("layer4"),), "layer4.", ""),
        ((mv.Truncate("layer4.0"), mv.Append((("fc", "Conv2d(512, 8, 1)"),))), "layer4.", ""),
        ((mv.Truncate("layer2"),), "", ""),
        ((mv.FirstChildren(2),), "7.", ""),
        ((mv.FuseStages(("layer3", "layer4"), 5),), "layer4.", "fc."),
        ((mv.Detach("layer3"), mv.Prefix("a.b.")), "a.b.layer4.", "a.b.fc."),
        ((mv.Freeze("layer4.0"), mv.Prefix("module.")), "module.layer4.1.", "module.fc."),
    ],
    ids=lambda value: "-".join(type(edit).__name__ for edit in value) if isinstance(value, tuple) else None,
)
def test_the_groups_go_where_later_edits_put_them(edits: tuple[Edit, ...], body: str, head: str) -> None:
    recipe = RESNET.then(BODY)
    for edit in edits:
        recipe = recipe.then(edit)
    built, found = check_recipe(recipe), rates(recipe)
    assert set(found) == {name for name, p in built.named_parameters() if p.requires_grad}
    for name, rate in found.items():
        wanted = 1e-4 if body and name.startswith(body) else 1e-3 if head and name.startswith(head) else 1e-5
        assert rate == wanted, name


@pytest.mark.parametrize("renumber", [True, False])
def test_what_takes_the_name_of_a_layer_that_is_gone_is_not_of_its_group(renumber: bool) -> None:
    recipe = SQUEEZENET.then(groups(("features.10", "0.1"), ("features.11", "0.2")))
    recipe = recipe.then(mv.DeleteLayer("features.10", renumber=renumber))
    check_recipe(recipe)
    name = f"features.{10 if renumber else 11}."
    assert {n for n, rate in rates(recipe).items() if rate != 1e-5} == {n for n in rates(recipe) if n.startswith(name)}
    assert set(rates(recipe).values()) == {1e-5, 0.2}


def test_new_layers_in_a_group_that_was_everything_are_of_it() -> None:
    recipe = SQUEEZENET.then(groups(("*", "0.1"))).then(SwapHead(3)).then(mv.AddInput("age", num_outputs=2))
    assert set(rates(recipe).values()) == {0.1}


@pytest.mark.parametrize(
    ("edits", "piece"),
    [
        ((LearningRates(),), "trainable = [p for p in model.parameters() if p.requires_grad]"),
        (
            (LearningRates(optimizer="SGD", weight_decay=0.01),),
            "torch.optim.SGD(trainable, lr=0.001, weight_decay=0.01)",
        ),
        ((groups(("*", "0.1")),), '{"params": [*model.parameters()], "lr": 0.1}'),
        ((groups(("classifier.1.bias", "0.1")),), "[model.classifier[1].bias]"),
        ((groups(("features.0", "0.1"), ("features.3.*", "0.2")),), "[*model.features[3].parameters()]"),
        ((groups(("*.bias", "0.1")),), "[model.get_parameter(name) for name in ("),
        ((Freeze("features"), groups(("classifier", "0.1"))), "[*model.classifier.parameters()]"),
        ((groups(("features.3", "0.1")), Freeze("features.3.squeeze")), "[*model.features[3].parameters()]"),
    ],
    ids=["one", "sgd", "all", "parameter", "two", "many", "after freezing", "frozen afterwards"],
)
def test_each_trainable_parameter_once(edits: tuple[Edit, ...], piece: str) -> None:
    recipe = SQUEEZENET
    for edit in edits:
        recipe = recipe.then(edit)
    built = check_recipe(recipe)
    assert piece in recipe.code()
    assert set(rates(recipe)) == {name for name, p in built.named_parameters() if p.requires_grad}


def test_tied_parameters_are_given_once() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "c": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    change = groups(("a", "0.1"), ("b.bias", "0.2")).plan(_structure(model))
    scope: dict[str, Any] = {"torch": torch, "nn": nn, "Any": Any}
    exec(change.code.definitions[0], scope)
    given = [p for group in scope["make_optimizer"](model).param_groups for p in group["params"]]
    assert sorted(map(id, given)) == sorted(id(p) for p in model.parameters())
    with pytest.raises(EditError, match=r"`a` and `b` both name `a\.weight`"):
        groups(("a", "0.1"), ("b", "0.2")).plan(_structure(model))


def _structure(model: nn.Module) -> Any:
    class Before:
        heads = None

    Before.model = model  # type: ignore[attr-defined]
    return Before()


def test_numbers_are_rates_as_well() -> None:
    assert LearningRates((("fc", 1e-3),), default=1e-4) == LearningRates((("fc", "0.001"),), default="0.0001")  # type: ignore[arg-type]


def test_what_is_left_out_is_said() -> None:
    (note,) = SQUEEZENET.then(Freeze("features")).then(LearningRates()).changes()[-1].notes
    assert "gives 2 parameters to the optimizer, each once; the 50 frozen ones are left out." in note


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ((groups(("clasifier", "0.1")),), "No module or parameter is called 'clasifier'. Did you mean 'classifier'"),
        ((groups(("", "0.1")),), 'An empty pattern matches nothing; write "*" for the whole model.'),
        (
            (groups(("features", "0.1"), ("features.0", "0.2")),),
            "`features` and `features.0` both name `features.0.weight`",
        ),
        ((groups(("features", "0.1"), ("features", "0.2")),), "`features` has two learning rates; leave one of them."),
        ((groups(("features", "0")),), "A learning rate is a number above 0, such as 1e-4; got '0' for features."),
        ((groups(("features", "fast")),), "A learning rate is a number above 0, such as 1e-4; got 'fast'"),
        ((groups(("features", "nan")),), "A learning rate is a number above 0, such as 1e-4; got 'nan'"),
        ((groups(default="inf"),), "A learning rate is a number above 0, such as 1e-4; got 'inf' for everything else."),
        ((LearningRates(optimizer="Adan"),), "No optimizer is called 'Adan'. Did you mean 'Adam'"),
        ((LearningRates(weight_decay=-1.0),), "Weight decay is a number from 0 up, such as 0.01; got -1.0."),
        (
            (Freeze("features"), groups(("features.0", "0.1"))),
            "All of `features.0` is frozen, so it needs no learning rate",
        ),
        ((Freeze("*"), LearningRates()), "Every parameter is frozen, so there is nothing for an optimizer to move"),
    ],
)
def test_refusals(edits: tuple[Edit, ...], message: str) -> None:
    recipe = SQUEEZENET
    for edit in edits:
        recipe = recipe.then(edit)
    with pytest.raises(EditError) as caught:
        recipe.check()
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, UnknownName) == message.startswith("No ")


def test_a_group_is_a_pair() -> None:
    with pytest.raises(EditError, match="A group is a pattern and its rate"):
        LearningRates(("fc", "1e-3"))  # type: ignore[arg-type]
