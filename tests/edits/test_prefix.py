"""A prefix before every name, as DataParallel saves it, and no other change."""

import pytest
import torch
from torch import nn

from modelview import Prefix, Recipe, SwapHead
from modelview.errors import EditError
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, example, run

BASE = Recipe(Torchvision("squeezenet1_1"))


@pytest.mark.parametrize("text", ["module.", "module", "net.encoder."])
def test_every_name_gets_it_and_the_values_stay(text: str) -> None:
    recipe = BASE.then(Prefix(text))
    built = check_recipe(recipe)
    names = [f"{text.removesuffix('.')}.{name}" for name in BASE.build().state_dict()]
    assert list(built.state_dict()) == names
    assert torch.equal(run(built, example(recipe)), run(BASE.build(), example(BASE)))


def test_it_is_what_data_parallel_saves() -> None:
    ours = BASE.then(Prefix("module.")).build().state_dict()
    theirs = nn.DataParallel(BASE.build()).state_dict()
    assert list(ours) == list(theirs)


def test_the_head_is_still_found() -> None:
    recipe = BASE.then(Prefix("backbone.")).then(SwapHead(3))
    assert check_recipe(recipe).state_dict()["backbone.classifier.1.weight"].shape[0] == 3


def test_a_model_of_two_inputs_keeps_them() -> None:
    check = Recipe(Torchvision("raft_small")).then(Prefix("module.")).check()
    assert check.before == check.after
    assert len(check.input) == 2


@pytest.mark.parametrize("text", ["", ".", "1.", "a..b", "a b.", "class\n", "a." * 9, "<b>."])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(EditError, match="A prefix is up to 8 names with dots between, such as module"):
        BASE.then(Prefix(text)).check()


def test_a_model_that_takes_more_keeps_that_below_several_names() -> None:
    recipe = Recipe(Torchvision("raft_small")).then(Prefix("a.b."))
    assert "def forward(self, image1: Any, image2: Any, num_flow_updates: Any = 12) -> Any:" in recipe.code()
    assert all(name.startswith("a.b.") for name in recipe.structure().state_dict())
    assert recipe.check().before == recipe.check().after
