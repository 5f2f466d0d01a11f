"""timm's models, where timm is installed: by name and tag, with the keywords of their classes; a sentence where not."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import modelview as mv
from modelview.errors import DownloadError, EditError, UnknownName
from modelview.fields import ModulePath
from modelview.recipe import Recipe
from modelview.sources import timm as source_module
from modelview.sources.timm import Timm
from tests.laws import assert_same_values, check_recipe
from tests.runner import runner

MISSING = "A model of timm needs timm, which is not installed here: pip install timm."


def forget() -> None:
    for kept in (source_module._names, source_module._known, source_module._keywords):
        kept.cache_clear()


def test_where_it_is_not_installed_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    forget()
    for given in ({}, {"weights": "DEFAULT"}, {"num_classes": 3}):
        with pytest.raises(EditError) as caught:
            mv.open("timm:resnet18", **given)
        assert str(caught.value) == MISSING


def test_a_recipe_is_a_value_that_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    recipe = Recipe(Timm("vit_tiny_patch16_224", "augreg_in21k", 0, (("num_classes", 3), ("img_size", [64, 64]))))
    assert Recipe.from_json(recipe.to_json()) == recipe
    called = '"vit_tiny_patch16_224.augreg_in21k", pretrained=False, img_size=(64, 64), num_classes=3'
    written = " ".join(recipe.code().split()).replace("( ", "(")  # however it is laid out in lines
    assert f"model = timm.create_model({called}" in written
    forget()
    for use in (recipe.structure, recipe.build, lambda: recipe.example):
        with pytest.raises(EditError) as caught:
            use()
        assert str(caught.value).endswith(MISSING)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"name": "resnet18", "keywords": [["block", {}]]}, "resnet18 is opened with plain values; block={} is not"),
        ({"name": "resnet18", "seed": -1}, "A seed is a whole number from 0 up; got -1."),
        ({"name": 3}, "'name': 3 is not a text."),
        ({}, "The source of this recipe (timm) needs 'name'."),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        Recipe.from_json(json.dumps({"modelview": 1, "source": {"kind": "timm", **source}}))
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def timm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package, which the process that runs exported code finds as well; skips where it is not installed."""
    timm = pytest.importorskip("timm")
    forget()
    folder = str(Path(timm.__file__).parents[1])
    none = tmp_path_factory.mktemp("timm") / "none.pth"
    torch.save({}, none)
    path = f"import sys\nfrom torch import nn\nsys.path.append({folder!r})\nbuild_model = nn.Identity"
    runner().ask(code=path, weights=str(none))
    return timm


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "given", "example"),
    [
        ("resnet10t", {}, (1, 3, 176, 176)),
        ("mobilenetv3_small_050", {"num_classes": 7, "in_chans": 1, "seed": 3}, (1, 1, 224, 224)),
        ("vit_tiny_patch16_224", {"img_size": 64, "num_classes": 5}, (1, 3, 64, 64)),
        ("convnext_atto.d2_in1k", {}, (1, 3, 224, 224)),
        ("vit_small_patch16_rope_mixed_224", {"depth": 2}, (1, 3, 224, 224)),
    ],
)
def test_the_laws_hold(name: str, given: dict[str, Any], example: tuple[int, ...]) -> None:
    recipe = mv.open(f"timm:{name}", **given)
    assert recipe.source.example == (example,)
    check_recipe(recipe)
    assert recipe.then(mv.SwapHead(4)).check().output == (1, 4)


@pytest.mark.usefixtures("timm")
def test_edits_hold_the_laws() -> None:
    recipe = mv.open("timm:resnet10t").then(mv.SwapHead(4)).then(mv.Freeze("*", except_="fc"))
    assert recipe.changes()[0].summary == "fc → Linear(512, 4)"
    check_recipe(recipe)
    check_recipe(recipe.undo().undo().then(mv.Truncate(ModulePath("layer2"))))


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("resnet5", {}, "No timm model is called 'resnet5'. Did you mean 'resnet50'"),
        ("", {}, "No timm model is called ''."),
        ("resnet18.a9", {}, "No weights of resnet18 is called 'a9'. There are"),
        ("resnet18", {"weights": "a9"}, "No weights of resnet18 is called 'a9'."),
        ("resnet18", {"weights": 3}, "weights of resnet18 is 'DEFAULT' or a tag such as 'a1_in1k'; got 3."),
        ("resnet18.a1_in1k", {"weights": "a2_in1k"}, "weights of resnet18.a1_in1k is 'DEFAULT' or a tag such"),
        ("resnet18", {"num_clases": 3}, "No keyword of resnet18 is called 'num_clases'. Did you mean 'num_classes'"),
        ("resnet18", {"checkpoint_path": "/tmp/x.pth"}, "resnet18 takes no keyword 'checkpoint_path'. It takes block,"),
        ("resnet18", {"pretrained": True}, "resnet18 takes no keyword 'pretrained'."),
        ("resnet18", {"pretrained_cfg": "x"}, "resnet18 takes no keyword 'pretrained_cfg'."),
        ("resnet18", {"device": "cuda"}, "resnet18 takes no keyword 'device'."),
        ("resnet18", {"act_layer": torch.nn.ReLU}, "resnet18 is opened with plain values; act_layer=<class"),
        ("resnet18", {"block": "x"}, 'timm.create_model("resnet18", pretrained=False, block="x") failed: AttributeE'),
        ("resnet18", {"num_classes": 10**12}, "num_classes is at most 1,000,000; got 1000000000000."),
        ("resnet18", {"layers": (2, (2, 10**9))}, "layers is at most 1,000,000; got 1000000000."),
        ("vit_tiny_patch16_224", {"depth": 5_000}, '224", pretrained=False, depth=5000) has '),
    ],
)
def test_refuses(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open(f"timm:{name}", **given).build()
    assert message in str(caught.value)


@pytest.mark.usefixtures("timm")
def test_unknown_names_are_unknown_names() -> None:
    for name in ("resnet5", "resnet18.a9", "hf_hub"):
        with pytest.raises(UnknownName):
            mv.open(f"timm:{name}")


@pytest.mark.parametrize(
    ("name", "given"),
    [("resnet10t", {"weights": "DEFAULT"}), ("resnet10t", {"weights": "c3_in1k"}), ("resnet10t.c3_in1k", {})],
)
def test_weights_are_named_by_their_tag(timm: Any, name: str, given: dict[str, Any]) -> None:
    source = mv.open(f"timm:{name}", **given).source
    assert source == (Timm("resnet10t", "c3_in1k") if given else Timm("resnet10t.c3_in1k"))
    assert timm.get_pretrained_cfg("resnet10t").tag == "c3_in1k"


@pytest.mark.usefixtures("timm")
def test_weights_are_those_that_timm_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.models import _builder

    asked = []
    values = mv.open("timm:resnet10t", seed=5).build().state_dict()

    def fetched(where: str, *_: Any, **__: Any) -> Any:
        asked.append(where)
        return dict(values)

    monkeypatch.setattr(_builder, "_resolve_pretrained_source", lambda cfg: ("hf-hub", cfg["hf_hub_id"]))
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", fetched)
    recipe = mv.open("timm:resnet10t", weights="DEFAULT")
    assert recipe.check().output == (1, 1000)
    assert (asked, recipe.source.origin) == ([], "timm · c3_in1k")
    assert_same_values(recipe.build(), mv.open("timm:resnet10t", seed=5).build())
    assert asked == ["timm/resnet10t.c3_in1k"]
    check_recipe(recipe.then(mv.SwapHead(3)))


@pytest.mark.usefixtures("timm")
def test_weights_that_cannot_be_had_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.models import _builder

    def fetched(*_: Any, **__: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(_builder, "_resolve_pretrained_source", lambda cfg: ("hf-hub", cfg["hf_hub_id"]))
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", fetched)
    with pytest.raises(DownloadError) as caught:
        mv.open("timm:resnet10t", weights="DEFAULT").build()
    said = str(caught.value)
    assert said.startswith("The weights c3_in1k of resnet10t cannot be had: timm.create_model(")
    assert "OSError: no network" in said
    assert said.endswith("into its cache (HF_HOME); or go on with random weights (weights=None).")
