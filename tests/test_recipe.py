import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st

import modelview as mv
from modelview import (
    AdaptInput,
    AddInput,
    AddOutputs,
    Append,
    DeleteLayer,
    Detach,
    FirstChildren,
    Freeze,
    FuseStages,
    InsertLayer,
    Layer,
    LearningRates,
    LoadWeights,
    Prefix,
    Rename,
    ReplaceLayer,
    SelectClasses,
    SwapHead,
    Truncate,
    Unfreeze,
)
from modelview.edits.adapt_input import WEIGHTS
from modelview.edits.base import EDITS, Edit
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, check_undo, pictures_of
from tests.small import arguments

BASE = Recipe(Torchvision("squeezenet1_1"))
SMALL: dict[str, dict[str, Any]] = {
    "torchvision:ResNet": {"block": "Bottleneck", "layers": (1, 1, 1, 1), "width_per_group": 8},
    "torchvision:DenseNet": {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8},
    "torchvision:VisionTransformer": {
        **{"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2},
        **{"hidden_dim": 16, "mlp_dim": 32},
    },
    "torchvision:SwinTransformer": {
        **{"patch_size": (4, 4), "embed_dim": 12, "depths": (1, 1), "num_heads": (2, 2), "window_size": (4, 4)},
        **{"block": "SwinTransformerBlockV2", "downsample_layer": "PatchMergingV2"},
    },
    "torchvision:MaxVit": {
        **{"input_size": (32, 32), "stem_channels": 8, "partition_size": 4, "block_channels": (8,)},
        **{"block_layers": (1,), "head_dim": 8, "stochastic_depth_prob": 0.0},
    },
    "torchvision:MobileNetV2": {"width_mult": 0.25},
    "torchvision:MNASNet": {"alpha": 0.1},
    "torchvision:ShuffleNetV2": {"stages_repeats": (1, 1, 1), "stages_out_channels": (8, 16, 16, 16, 32)},
    **{
        f"torchvision:{name}": arguments(name) for name in ("ConvNeXt", "EfficientNet", "MViT", "MobileNetV3", "RegNet")
    },
    **{f"torchvision:{name}": arguments(name) for name in ("SwinTransformer3d", "VideoResNet")},
    "quantized_shufflenet_v2_x0_5": {},
    "lraspp_mobilenet_v3_large": {},
    "ssdlite320_mobilenet_v3_large": {},
    "modelview:moduledict": {
        "rows": {"conv": "Conv2d(3, 8, 3)", "block": "BasicBlock(_, 8, 2)", "head": "OutConv(_, 4)"}
    },
}
"""A small model of a family each, be it by a class with its arguments; the largest are tried edit by edit elsewhere."""
SIDES = {
    **{f"torchvision:{name}": (32, 32) for name in ("ConvNeXt", "EfficientNet", "MobileNetV3", "RegNet")},
    **{"torchvision:SwinTransformer3d": (4, 64, 64), "torchvision:VideoResNet": (4, 32, 32)},
}
"""Of pictures with which they do not take long."""


def opened(name: str) -> Recipe:
    classes = {"num_classes": 10} if name.startswith("torchvision:") else {}
    return mv.open(name, **SMALL[name], **classes)


def edits_of(recipe: Recipe) -> st.SearchStrategy[Edit]:
    """Edits that may fit the model, and many that do not."""
    model = structure_of(recipe).model
    paths = [path for path, _ in model.named_modules() if path]
    children = [name for name, _ in model.named_children()]
    return st.one_of(
        st.builds(Freeze, st.sampled_from(["*", *paths]), except_=st.sampled_from([(), paths[0]])),
        st.builds(Unfreeze, st.sampled_from(["*", *paths])),
        st.builds(ReplaceLayer, st.sampled_from(paths), st.sampled_from([Layer("Identity()"), Layer("ReLU()")])),
        st.builds(SwapHead, st.integers(1, 9), hidden=st.sampled_from([(), (8,), (8, 4)]), softmax=st.booleans()),
        st.builds(Truncate, st.sampled_from(paths), pool=st.booleans(), flatten=st.booleans()),
        st.builds(AdaptInput, st.sampled_from([None, 1, 4]), st.sampled_from([None, 64]), st.sampled_from(WEIGHTS)),
        st.builds(SelectClasses, st.lists(st.integers(0, 9), max_size=3).map(tuple)),
        st.builds(Append, st.just((("extra", Layer("ReLU()")),)), st.sampled_from(["keep", "wrap", "sequential"])),
        st.builds(AddInput, st.just("more"), st.integers(1, 3), st.sampled_from(["", *paths]), style=st.just("keep")),
        st.builds(AddOutputs, st.lists(st.sampled_from(paths), max_size=2), form=st.sampled_from(["tuple", "dict"])),
        st.builds(FuseStages, st.lists(st.sampled_from(paths), max_size=2), style=st.sampled_from(["inherit", "wrap"])),
        st.builds(InsertLayer, st.sampled_from(paths), st.just(Layer("ReLU()")), st.sampled_from(["before", "after"])),
        st.builds(DeleteLayer, st.sampled_from(paths), st.booleans(), st.sampled_from(["", "next", "1x1"])),
        st.builds(Detach, st.sampled_from(paths)),
        st.builds(Prefix, st.sampled_from(["module.", "a.b"])),
        st.builds(Rename, st.sampled_from([((child, "renamed"),) for child in children])),
        st.builds(FirstChildren, st.integers(1, 3)),
        st.just(LearningRates(default="1e-3")),
    )


_INTERNAL = re.compile(r"positional argument|\w\(\) (got|takes|missing)|object has no attribute|NoneType|Proxy|lambda")
"""What Python says of a slip in the code that ran, and no refusal should."""


def assert_sentence(refusal: str) -> None:
    assert refusal.endswith((".", "?")), refusal
    assert not _INTERNAL.search(refusal), refusal


def refused(recipe: Recipe) -> str | None:
    """The sentence with which a recipe is refused, if it is."""
    try:
        recipe.check()
    except EditError as error:
        return str(error)
    return None


_SMALL = {"min_size": 64, "max_size": 64}
DETECTORS: dict[str, dict[str, int]] = {
    "fcos_resnet50_fpn": _SMALL,
    "keypointrcnn_resnet50_fpn": {**_SMALL, "box_detections_per_img": 2},
    "maskrcnn_resnet50_fpn": {**_SMALL, "box_detections_per_img": 2},
    "retinanet_resnet50_fpn": _SMALL,
}
"""How they are opened: on small pictures, and with little that comes out."""
LARGE: dict[str, tuple[int, ...]] = {
    "alexnet": (64, 64),
    "deeplabv3_mobilenet_v3_large": (64, 64),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (64, 64),
    "fcn_resnet50": (64, 64),
    "fcos_resnet50_fpn": (64, 64),
    "googlenet": (96, 96),
    "inception_v3": (96, 96),
    "keypointrcnn_resnet50_fpn": (64, 64),
    "maskrcnn_resnet50_fpn": (64, 64),
    "modelview:unet": (32, 48),
    "raft_small": (128, 128),
    "retinanet_resnet50_fpn": (64, 64),
}
"""Families that no small model stands for, and the sides of pictures for which they do not take long."""
LARGEST = {"s3d": (14, 224, 224), "vgg11": (32, 32)}
"""The others, which take long for any sides that they run with."""


def hold(recipe: Recipe, edits: list[Edit], sides: tuple[int, ...] = ()) -> None:
    """The laws of all the edits that can be made, one after the other; the others are refused in sentences.

    sides: of the pictures that the model is run with, where not those that its source is made for.
    """
    for edit in edits:
        refusal = refused(recipe.then(edit))
        if refusal is None:
            recipe = recipe.then(edit)
        else:
            assert_sentence(refusal)
    check_recipe(recipe, inputs=pictures_of(recipe, sides) if sides else None)
    check_undo(recipe)


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_recipe_that_checks_holds_the_laws(data: st.DataObject) -> None:
    hold(BASE, data.draw(st.lists(edits_of(BASE), max_size=4)))


@pytest.mark.zoo
@pytest.mark.parametrize("name", [name for name in SMALL if ":" in name])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_so_does_any_of_a_small_model(name: str, data: st.DataObject) -> None:
    recipe = opened(name)
    hold(recipe, data.draw(st.lists(edits_of(recipe), max_size=4)), SIDES.get(name, ()))


@pytest.mark.zoo
@pytest.mark.parametrize("name", [name for name in SMALL if ":" not in name])
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_so_does_any_of_the_smallest_that_a_builder_makes(name: str, data: st.DataObject) -> None:
    recipe = opened(name)
    hold(recipe, data.draw(st.lists(edits_of(recipe), max_size=3)))


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "sides"),
    [*LARGE.items(), *(pytest.param(*item, marks=pytest.mark.slow) for item in LARGEST.items())],
)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_so_does_any_of_the_families_without_a_small_one(
    name: str, sides: tuple[int, ...], data: st.DataObject
) -> None:
    recipe = mv.open(name, **DETECTORS.get(name, {}))
    hold(recipe, data.draw(st.lists(edits_of(recipe), min_size=1, max_size=3)), sides)


FAMILIES: dict[str, tuple[int, ...]] = {
    "mobilenet_v3_small": (),
    "shufflenet_v2_x0_5": (),
    "regnet_y_400mf": (96, 96),
    "lraspp_mobilenet_v3_large": (96, 96),
    "ssdlite320_mobilenet_v3_large": (),
}
"""Small models of other families, and the sides of pictures with which they do not take long."""


@cache
def _edits(name: str, folder: Path) -> dict[str, Edit]:
    """One of each kind that fits the model as it was, and mostly whatever the others did before it."""
    other = folder / f"{name}.pth"
    torch.save(Recipe(Torchvision(name, seed=7)).build().state_dict(), other)
    trace = structure_of(Recipe(Torchvision(name))).trace
    inner = [c.path for c in trace.calls if c.path and c.index < len(trace.calls) // 2]
    activation = next(c.path for c in trace.calls if trace.model.get_submodule(c.path).__class__.__name__ == "ReLU")
    child = next(path for path, _ in trace.model.named_children())
    return {
        "adapt": AdaptInput(4),
        "append": Append((("extra", Layer("ReLU()")),)),
        "delete": DeleteLayer(activation),
        "detach": Detach(inner[4]),
        "first": FirstChildren(1),
        "freeze": Freeze(inner[3]),
        "fuse": FuseStages((inner[2], inner[-2]), 3),
        "input": AddInput(at=inner[3], size=2, style="keep"),
        "insert": InsertLayer(inner[3], Layer("Dropout(0.2)")),
        "load": LoadWeights(other, strict=False, mismatched="skip"),
        "outputs": AddOutputs((inner[1], inner[5])),
        "prefix": Prefix("module."),
        "rates": LearningRates(default="1e-4"),
        "rename": Rename(((child, "renamed"),)),
        "replace": ReplaceLayer(activation, Layer("GELU()")),
        "select": SelectClasses((0, 1)),
        "swap": SwapHead(5),
        "truncate": Truncate(inner[-1]),
        "unfreeze": Unfreeze("*"),
    }


KINDS = (
    *("adapt", "append", "delete", "detach", "first", "freeze", "fuse", "input", "insert", "load", "outputs"),
    *("prefix", "rates", "rename", "replace", "select", "swap", "truncate", "unfreeze"),
)
BESIDE = ("swap", "truncate", "outputs")
"""What the other families have each edit before and after: a head, a forward written anew, and other outputs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


def _check_pair(name: str, first: str, second: str, folder: Path) -> None:
    edits = _edits(name, folder)
    assert {type(edit) for edit in edits.values()} == {EDITS[kind] for kind in EDITS}
    recipe = Recipe(Torchvision(name))
    for edit in (edits[first], edits[second]):
        refusal = refused(recipe.then(edit))
        if refusal is None:
            recipe = recipe.then(edit)
        else:
            assert_sentence(refusal)
            assert recipe.check()
    sides = FAMILIES.get(name)
    check_recipe(recipe, inputs=pictures_of(recipe, sides) if sides else None)


@pytest.mark.zoo
@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_every_pair_of_edits(first: str, second: str, folder: Path) -> None:
    _check_pair("squeezenet1_1", first, second, folder)


@pytest.mark.zoo
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_each_edit_beside_others_on_every_family(name: str, beside: str, kind: str, folder: Path) -> None:
    _check_pair(name, beside, kind, folder)
    if kind not in BESIDE:
        _check_pair(name, kind, beside, folder)


def test_undo_is_total_and_without_takes_out_the_middle() -> None:
    recipe = BASE.then(SwapHead(4)).then(Freeze("features"))
    assert recipe.without(1) == BASE.then(Freeze("features"))
    assert recipe.undo().undo().undo() == BASE


def test_a_step_that_a_later_one_needs_stays() -> None:
    recipe = BASE.then(SwapHead(4, hidden=(8,))).then(Freeze("classifier.1.conv1")).then(Freeze("features"))
    with pytest.raises(EditError, match=r"Edit 1 of 2 \(Freeze\): No module or parameter is called"):
        recipe.without(1)


def test_a_structure_is_the_callers_to_keep() -> None:
    model = BASE.structure()
    del model.classifier
    assert BASE.check().output == (1, 1000)


GOOD = json.loads(BASE.then(SwapHead(4, hidden=(8,))).then(Freeze("features", except_="features.0")).to_json())


def _with(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is not a recipe.json: Expecting value"),
        ("{", "This is not a recipe.json: Expecting property name"),
        ("[]", 'This is not a recipe.json: it has no "modelview" version.'),
        ("[" * 100_000, "This is not a recipe.json:"),
        ("{}", 'This is not a recipe.json: it has no "modelview" version.'),
        (_with(modelview=2), "This recipe is of version 2; this modelview reads version 1."),
        (_with(modelview="1"), "This recipe is of version '1'; this modelview reads version 1."),
        (_with(source=None), 'This is not a recipe.json: it needs a "source" and a list of "edits".'),
        (_with(source={"name": "resnet18"}), 'The source of this recipe needs a "kind".'),
        (_with(source={"kind": "tochvision", "name": "x"}), "No source is called 'tochvision'. Did you mean"),
        (_with(source={"kind": "torchvision"}), "The source of this recipe (torchvision) needs 'name'."),
        (_with(source={"kind": "torchvision", "name": "resnet5"}), "No torchvision model is called 'resnet5'."),
        (_with(source={"kind": "torchvision", "name": 5}), "The source of this recipe, 'name': 5 is not a text."),
        (_with(edits={}), 'This is not a recipe.json: it needs a "source" and a list of "edits".'),
        (_with(edits=[{"edit": "swap_haed"}]), "No edit is called 'swap_haed'. Did you mean 'swap_head'?"),
        (_with(edits=[{}]), 'Edit 1 of this recipe needs a "edit".'),
        (_with(edits=["swap_head"]), 'Edit 1 of this recipe needs a "edit".'),
        (_with(edits=[{"edit": "swap_head"}]), "Edit 1 of this recipe (swap_head) needs 'num_classes'."),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": "4"}]),
            "Edit 1 of this recipe, 'num_classes': ",
        ),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": True}]),
            "Edit 1 of this recipe, 'num_classes': true",
        ),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": 4, "hiden": []}]),
            "Edit 1 of this recipe: No field of swap_head is called 'hiden'. Did you mean 'hidden'?",
        ),
        (
            _with(edits=[{"edit": "freeze", "patterns": "fc"}]),
            "Edit 1 of this recipe, 'patterns': \"fc\" is not a list.",
        ),
    ],
)
def test_a_bad_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        Recipe.from_json(text)
    assert str(caught.value).startswith(message)


def test_json_round_trips_and_leaves_out_defaults() -> None:
    recipe = BASE.then(SwapHead(4)).then(ReplaceLayer("features.1", "GELU()")).then(Truncate("features.3", pool=True))
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert json.loads(recipe.to_json())["edits"][0] == {"edit": "swap_head", "num_classes": 4}
