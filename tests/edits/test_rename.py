"""Other names for layers: what the state_dict says changes, and nothing else does."""

from typing import Any

import pytest
import torch

from modelview import Recipe, Rename, SwapHead, Truncate
from modelview.errors import EditError
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, example, run


def of(name: str) -> Recipe:
    return Recipe(Torchvision(name))


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("squeezenet1_1", {"features.0": "stem"}),
        ("squeezenet1_1", {"features": "trunk", "classifier.1": "classifier.head"}),
        ("mobilenet_v3_small", {"classifier": "head"}),
        ("shufflenet_v2_x0_5", {"fc": "classifier", "conv1": "stem"}),
    ],
)
def test_names_change_and_values_stay(name: str, names: dict[str, str]) -> None:
    recipe = of(name).then(Rename(tuple(names.items())))
    built, plain = check_recipe(recipe), of(name).build()
    renamed = {}
    for key, value in plain.state_dict().items():
        old = next((old for old in names if key.startswith(f"{old}.")), "")
        parent = old.rpartition(".")[0]
        new = names.get(old, "").removeprefix(f"{parent}.")
        renamed[f"{parent}.{new}".lstrip(".") + key.removeprefix(old) if old else key] = value
    assert set(built.state_dict()) == set(renamed)
    assert all(torch.equal(value, renamed[key]) for key, value in built.state_dict().items())
    assert torch.equal(run(built, example(recipe)), run(plain, example(recipe)))


def test_later_edits_find_the_new_names() -> None:
    recipe = of("squeezenet1_1").then(Rename((("classifier", "head"),)))
    assert "head.1.weight" in check_recipe(recipe.then(SwapHead(3))).state_dict()
    check_recipe(recipe.then(Truncate("head.0")))


def test_a_dict_and_a_list_mean_the_same() -> None:
    pairs: Any = {"features": "trunk"}
    listed: Any = [["features", "trunk"]]
    assert Rename(pairs) == Rename(listed) == Rename((("features.", "trunk."),))


@pytest.mark.parametrize(
    ("name", "names", "message"),
    [
        ("squeezenet1_1", (), "Name what is to be called otherwise"),
        ("squeezenet1_1", (("featurs", "x"),), "No module is called 'featurs'. Did you mean 'features'"),
        ("squeezenet1_1", (("features", "features"),), "A new name for `features` is another Python name"),
        ("squeezenet1_1", (("features", "a-b"),), "A new name for `features` is another Python name"),
        ("squeezenet1_1", (("features", "a.b"),), "A new name for `features` is another Python name"),
        ("squeezenet1_1", (("features", ""),), "A new name for `features` is another Python name"),
        ("squeezenet1_1", (("features", "classifier"),), "`classifier` is there already; choose another name"),
        ("squeezenet1_1", (("features", "forward"),), "`forward` is there already; choose another name"),
        ("squeezenet1_1", (("features.0", "1"),), "`features.1` is there already; choose another name"),
        ("squeezenet1_1", (("", "x"),), "needs a module inside the model"),
        ("squeezenet1_1", (("features", "a"), ("features", "b")), "A module is renamed twice"),
        ("squeezenet1_1", (("features.3.squeeze", "x"),), "is neither a row of a Sequential nor a child"),
        ("ssdlite320_mobilenet_v3_large", (("backbone", "b"),), "The forward of this model cannot be written anew"),
    ],
)
def test_refusals(name: str, names: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(EditError) as caught:
        of(name).then(Rename(names)).check()
    assert message in str(caught.value)


@pytest.mark.parametrize("names", ["fc", (("a", "b", "c"),), ((1, "b"),)])
def test_what_is_no_pair_is_refused(names: Any) -> None:
    with pytest.raises(EditError, match="New names are pairs of an old and a new one"):
        Rename(names)
