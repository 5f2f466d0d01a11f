"""The Layers page."""

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import DownloadError
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui import weights
from modelview.ui.state import Session
from tests.pages.screen import in_hand, page, said, show

RESNET = open_recipe("resnet18")
TABLE = "layers.table"


def names(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value.iloc[:, 0])


def test_without_a_model_it_says_where_to_get_one() -> None:
    at = page("Layers", None)
    assert not at.exception
    assert "No model is open yet." in said(at)


@pytest.mark.parametrize(
    "recipe",
    [RESNET, RESNET.then(SwapHead(7)).then(Freeze("layer1")), open_recipe("vit_b_16"), open_recipe("ssd300_vgg16")],
    ids=["plain", "edited", "vit", "detection"],
)
def test_it_shows_every_module_and_the_totals(recipe: Recipe) -> None:
    at = page("Layers", recipe)
    assert not at.exception
    modules = dict(recipe.structure().named_modules(remove_duplicate=False))
    assert names(at) == [path or "(the model)" for path in modules]
    total = sum(p.numel() for p in recipe.structure().parameters())
    assert f"{total:,} unique parameters" in said(at).replace("\\", "")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("layers.filter", "layer1.0.conv1", ["layer1.0.conv1"]),
        ("layers.filter", "layer*.1.conv2, fc", [*(f"layer{n}.1.conv2" for n in range(1, 5)), "fc"]),
        ("layers.filter", "Linear or MaxPool2d", ["maxpool", "fc"]),
        ("layers.filter", "nothing_like_it", []),
    ],
)
def test_the_filter(key: str, value: str, expected: list[str]) -> None:
    at = page("Layers", RESNET)
    at.text_input(key=key).input(value).run()
    assert names(at) == expected


def test_a_filter_is_for_the_model_that_it_was_typed_for() -> None:
    at = page("Layers", RESNET)
    at.text_input(key="layers.filter").input("fc").run()
    at.session_state["session"] = Session((RESNET, RESNET.then(SwapHead(7))), 1)
    assert names(at.run()) == ["fc"]
    at.session_state["session"] = Session((open_recipe("alexnet"),), 0)
    assert len(names(at.run())) > 20


def test_depth_and_containers() -> None:
    at = page("Layers", RESNET)
    at.button_group(key="layers.depth").set_value(1).run()
    assert names(at)[:3] == ["(the model)", "conv1", "bn1"]
    assert not any("." in name for name in names(at))
    at.toggle(key="layers.containers").set_value(False).run()
    assert "layer1" not in names(at)


@pytest.mark.parametrize(("kind", "first"), [("Parameters", "conv1.weight"), ("Buffers", "bn1.running_mean")])
def test_parameters_and_buffers(kind: str, first: str) -> None:
    at = page("Layers", RESNET)
    at.button_group(key="layers.kind").set_value(kind).run()
    assert not at.exception
    assert names(at)[0] == first


def test_several_rows_are_frozen_at_once_and_undo_brings_them_back() -> None:
    at = page("Layers", RESNET)
    rows = [names(at).index(path) for path in ("conv1", "layer1")]
    show(at, TABLE, rows)
    at.button(key="layers.freeze").click().run()
    assert in_hand(at) == RESNET.then(Freeze("conv1", "layer1"))
    at.button(key="undo").click().run()
    assert in_hand(at) == RESNET


def test_a_parameter_whose_cell_was_clicked_is_frozen_alone() -> None:
    at = page("Layers", RESNET)
    at.button_group(key="layers.kind").set_value("Parameters").run()
    show(at, TABLE, cell=(names(at).index("bn1.bias"), "Name"))
    assert at.button(key="layers.freeze").label == "Freeze bias"
    at.button(key="layers.freeze").click().run()
    assert in_hand(at) == RESNET.then(Freeze("bn1.bias"))


def test_the_whole_model_is_frozen_by_its_own_row() -> None:
    at = page("Layers", RESNET)
    at.button(key="layers.freeze").click().run()
    assert in_hand(at) == RESNET.then(Freeze("*"))


@pytest.mark.parametrize(
    ("model", "path", "words"),
    [
        ("resnet18", "layer1.0.relu", "Called 2 times"),
        ("resnet18", "layer1.0.conv1", "Conv2d(64, 64, kernel_size=(3, 3)"),
        ("vit_b_16", "", "class_token"),
        ("vit_b_16", "encoder.layers.encoder_layer_0.self_attention.out_proj", "the module itself is not called"),
    ],
)
def test_the_card(model: str, path: str, words: str) -> None:
    at = page("Layers", open_recipe(model), path)
    assert not at.exception
    assert words in said(at).replace("\\", "")


def test_truncate_here_leads_to_the_edit_page() -> None:
    at = page("Layers", RESNET, "layer3")
    at.button(key="layers.truncate").click().run()
    assert not at.exception
    assert at.title[0].value == "Edit"


def test_values_are_shown_once_the_weights_are_made() -> None:
    at = page("Layers", open_recipe("resnet18", seed=5), "conv1")
    assert "Values are shown once the weights are made." in said(at)
    at.button(key="card.make").click().run()
    assert "no NaN" in said(at)
    assert "Values are shown" not in said(at)


def test_weights_that_cannot_be_fetched_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Recipe) -> None:
        raise DownloadError("resnet18.pth could not be fetched from https://example.org.")

    monkeypatch.setattr(weights, "build", refuse)
    at = page("Layers", open_recipe("resnet18", weights="DEFAULT"), "conv1")
    at.button(key="card.make").click().run()
    assert not at.exception
    assert "could not be fetched" in at.error[0].value
    at.button(key="card.random").click().run()
    assert not at.error
    assert at.session_state["session"].recipe == RESNET


def test_the_memory_estimate() -> None:
    at = page("Layers", RESNET)
    at.selectbox(key="memory.optimizer").select("SGD").run()
    assert not at.exception
    table = at.table[0].value
    assert set(table["Optimizer"]) == {"0 B"}
    at.number_input(key="memory.batch").set_value(48).run()
    assert "48" in at.table[0].value.index


def test_print_model_can_be_copied() -> None:
    assert any(
        code.value.startswith("ResNet(") and "(fc): Linear" in code.value for code in page("Layers", RESNET).code
    )
