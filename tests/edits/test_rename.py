"""Other names for layers: what the state_dict says changes, and nothing else does."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection.retinanet import RetinaNetHead

import modelview as mv
from modelview import Detach, Recipe, Rename, SwapHead, Truncate
from modelview.errors import EditError
from modelview.export.base import EXPORTS
from modelview.rewrite import Wiring, plan_renaming
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, example, run


def of(name: str) -> Recipe:
    return Recipe(Torchvision(name))


def key_after(key: str, names: dict[str, str]) -> str:
    """A key of the state_dict when the modules at those paths have their new names."""
    parts = key.split(".")
    paths = (".".join(parts[: n + 1]) for n in range(len(parts)))
    return ".".join(names[path].rpartition(".")[2] if path in names else path.rpartition(".")[2] for path in paths)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("squeezenet1_1", {"features.0": "stem"}),
        ("squeezenet1_1", {"features": "trunk", "classifier.1": "classifier.head"}),
        ("mobilenet_v3_small", {"classifier": "head"}),
        ("shufflenet_v2_x0_5", {"fc": "classifier", "conv1": "stem"}),
        ("squeezenet1_1", {"features.3.squeeze": "reduce", "features.12.expand3x3": "wide"}),
        ("mobilenet_v3_small", {"features.0.0": "conv", "features.1.block": "body", "features.1.block.1.fc1": "down"}),
        pytest.param("googlenet", {"inception3a": "first", "inception4a.branch1": "one"}, marks=pytest.mark.long),
        pytest.param("densenet121", {"features.denseblock1.denselayer1.conv1": "first"}, marks=pytest.mark.long),
    ],
)
def test_names_change_and_values_stay(name: str, names: dict[str, str]) -> None:
    recipe = of(name).then(Rename(tuple(names.items())))
    built, plain = check_recipe(recipe), of(name).build()
    renamed = {key_after(key, names): value for key, value in plain.state_dict().items()}
    assert set(built.state_dict()) == set(renamed)
    assert all(torch.equal(value, renamed[key]) for key, value in built.state_dict().items())
    assert torch.equal(run(built, example(recipe)), run(plain, example(recipe)))


def test_later_edits_find_the_new_names() -> None:
    recipe = of("squeezenet1_1").then(Rename((("classifier", "head"),)))
    assert "head.1.weight" in check_recipe(recipe.then(SwapHead(3))).state_dict()
    check_recipe(recipe.then(Truncate("head.0")))


BLOCKS = [f"layer1.{block}.{layer}" for block in "01" for layer in ("conv1", "bn1")]


def test_blocks_that_do_the_same_get_one_class() -> None:
    recipe = of("resnet18").then(
        Rename({path: f"my_{path[9:]}" for path in (*BLOCKS, "layer2.0.conv1", "layer2.0.bn1")})
    )  # type: ignore[arg-type]
    check_recipe(recipe)
    code = recipe.code()
    assert "for block in (model.layer1[0], model.layer1[1]):\n        block.__class__ = RenamedBasicBlock\n" in code
    assert (code.count("class RenamedBasicBlock("), code.count("class RenamedBasicBlock2(")) == (1, 1)


def test_one_edit_after_another_defines_no_class_twice() -> None:
    recipe = of("resnet18")
    for path in ("layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer2.0.conv1"):
        recipe = recipe.then(Rename(((path, f"my_{path[9:]}"),)))
    check_recipe(recipe)
    code = recipe.code()
    names = [line.split()[1].partition("(")[0] for line in code.splitlines() if line.startswith("class ")]
    assert names == ["RenamedBasicBlock", "RenamedRenamedBasicBlock", "RenamedBasicBlock2"]


@pytest.mark.parametrize("path", ["layer1.0.first", "layer1.0.relu", "layer2"])
def test_a_cut_at_and_inside_what_was_renamed(path: str) -> None:
    renamed = of("resnet18").then(Rename((("layer1.0.conv1", "first"),)))
    assert "layer1.0.first.weight" in check_recipe(renamed.then(Truncate(path))).state_dict()


def test_what_stands_inside_another_may_be_renamed_with_it() -> None:
    names = {"fc": "head", "layer4": "top", "layer4.1": "last", "layer4.1.conv2": "final"}
    recipe = of("resnet18").then(Rename(tuple(names.items())))
    assert recipe.changes()[0].summary.endswith("layer4.1 → top.last, layer4.1.conv2 → top.last.final")
    assert recipe.then(SwapHead(3)).changes()[1].summary.startswith("head → ")
    plain = of("resnet18").build().state_dict()
    assert set(recipe.build().state_dict()) == {key_after(key, names) for key in plain}


@pytest.mark.parametrize(
    ("name", "names", "summary"),
    [
        (
            "googlenet",
            {"aux1": "helper", "aux1.fc2": "last"},
            "helper.last → Linear(1024, 3) · aux2.fc2 → Linear(1024, 3) · fc → Linear(1024, 3)",
        ),
        ("ssdlite320_mobilenet_v3_large", {"head": "top"}, "6 predictor layers → 3 classes"),
    ],
)
def test_every_head_is_found_where_it_is_now(name: str, names: dict[str, str], summary: str) -> None:
    recipe = of(name).then(Rename(tuple(names.items()))).then(SwapHead(3))
    recipe.check()
    assert recipe.changes()[1].summary == summary


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("squeezenet1_1", "features.3.squeeze", ""),
        ("squeezenet1_1", "features", ""),
        ("mobilenet_v3_small", "features.0.0", ""),
        ("googlenet", "inception3a", "RenamedGoogLeNet"),
        ("vit_b_16", "encoder.layers.encoder_layer_1.self_attention.out_proj", "RenamedMultiheadAttention"),
        ("ssdlite320_mobilenet_v3_large", "backbone", "RenamedSSD"),
    ],
)
def test_a_forward_that_stays_says_so(name: str, path: str, kind: str) -> None:
    recipe = of(name).then(Rename(((path, "other"),)))
    recipe.check()
    refusal, notes = EXPORTS["module"]().refusal(recipe), recipe.changes()[0].notes
    assert ("@property" in recipe.code()) == bool(kind)
    if not kind:
        assert (refusal, notes) == (None, ())
        return
    old = path.rpartition(".")[2]
    assert refusal is not None
    assert f".{kind}." in refusal
    assert notes == (
        f"The forward that {kind} inherits still says `{old}`, which it answers by a property. A whole-model file "
        "cannot hold such a class.",
    )


@pytest.mark.parametrize(
    ("module", "child"),
    [
        (RetinaNetHead(8, 1, 2), "regression_head"),  # `compute_loss` is for training, and reads it as well
        (nn.TransformerEncoderLayer(8, 2), "linear1"),  # others may give it masks
    ],
    ids=["another method", "options"],
)
def test_a_part_of_which_others_ask_more_keeps_its_forward(module: nn.Module, child: str) -> None:
    wiring = Wiring("Renamed", "Renamed.", renamed=((child, "other"),))
    assert plan_renaming(module, wiring, {}, inside=True).rewired is None


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
        ("squeezenet1_1", (("features", "class"),), "A new name for `features` is another Python name"),
        ("squeezenet1_1", (("features.3.squeeze", "__x"),), "A new name for `features.3.squeeze` is another Python"),
        ("squeezenet1_1", (("features.3.squeeze", "expand1x1"),), "`features.3.expand1x1` is there already"),
        ("resnet18", (("conv1", "x"), ("bn1", "x")), "`x` would be there twice; choose another for `bn1`"),
        ("ssdlite320_mobilenet_v3_large", (("backbone.extra.0", "x"),), "is a child of a ModuleList"),
    ],
)
def test_refusals(name: str, names: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(EditError) as caught:
        of(name).then(Rename(names)).check()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "old", "message"),
    [
        (mv.open("modelview:modulelist", rows=["Linear(224, 4)"]), "layers.0", "others read it by its number"),
        (mv.open("modelview:moduledict", rows={"a": "Linear(224, 4)"}), "layers.a", "others read it by its key"),
        (of("squeezenet1_1").then(Detach("features.3.squeeze")), "features.3.expand1x1", "`features.3` is not called"),
        (of("squeezenet1_1").then(Detach("features.3.squeeze")), "features.0", "Let the renaming be the earlier one"),
    ],
)
def test_what_others_read_by_its_name_keeps_it(recipe: Recipe, old: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        recipe.then(Rename(((old, "x"),))).check()
    assert message in str(caught.value)


@pytest.mark.parametrize("names", ["fc", (("a", "b", "c"),), ((1, "b"),)])
def test_what_is_no_pair_is_refused(names: Any) -> None:
    with pytest.raises(EditError, match="New names are pairs of an old and a new one"):
        Rename(names)
