"""The Edit page: forms, previews, refusals with their remedies, and what Apply does."""

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.base import EDITS
from modelview.edits.freeze import Freeze
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.opening import open_recipe
from tests.pages.app import errors, go, session, start, text

BASE = open_recipe("resnet18")


def form(kind: str, *edits: object, model: str = "resnet18") -> AppTest:
    at = start("4_Edit", model, *edits)  # type: ignore[arg-type]
    at.session_state["kind"] = kind
    return at.run()


def code(at: AppTest) -> str:
    return str(at.code[0].value)


@pytest.mark.parametrize("kind", list(EDITS))
def test_every_kind_of_edit_has_a_form(kind: str) -> None:
    at = form(kind)
    assert errors(at) == ""
    assert kind in at.button_group(key="kind").options or EDITS[kind].title in at.button_group(key="kind").options


def test_without_a_model_the_page_leads_to_open() -> None:
    assert "No model is open yet" in text(start("4_Edit"))


def test_swap_head_is_previewed_in_five_rows_and_applied() -> None:
    at = form("swap_head")
    at.number_input(key="swap_head.num_classes").set_value(7).run()
    shown = text(at)
    assert "| Output | `1 × 1000` | `1 × 7` |" in shown
    assert "| Parameters | 11,689,512 | 11,180,103 |" in shown
    assert "| Trainable |" in shown
    assert "| MACs |" in shown
    assert "| state_dict | same keys | same keys |" in shown
    assert code(at) == "model.fc = nn.Linear(512, 7)"
    assert session(at).recipe == BASE
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(SwapHead(7))


def test_every_field_of_a_head_reaches_the_edit() -> None:
    at = form("swap_head")
    at.number_input(key="swap_head.num_classes").set_value(5)
    at.text_input(key="swap_head.hidden").input("64, 32")
    at.selectbox(key="swap_head.activation").select("GELU")
    at.number_input(key="swap_head.dropout").set_value(0.5)
    at.toggle(key="swap_head.softmax").set_value(True).run()
    assert "`fc.fc1.*`" in text(at) or "`fc.*`" in text(at)
    assert "train with NLLLoss" in text(at)
    at.button(key="apply").click().run()
    expected = SwapHead(5, hidden=(64, 32), activation="GELU", dropout=0.5, softmax=True)
    assert session(at).recipe == BASE.then(expected)


def test_truncate_waits_for_a_module_and_then_shows_what_goes() -> None:
    at = form("truncate")
    assert "Last module is still empty" in text(at)
    assert at.button(key="apply").disabled
    at.selectbox(key="truncate.path").select("layer3").run()
    assert "| Output | `1 × 1000` | `1 × 256 × 14 × 14` |" in text(at)
    assert "`layer4.0.*` `layer4.1.*`" in text(at)
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(Truncate("layer3"))
    assert session(at).selected == "layer3"


def test_a_layer_is_written_out_to_be_changed() -> None:
    at = form("replace_layer")
    at.selectbox(key="replace_layer.path").select("conv1").run()
    field = at.text_input(key="replace_layer.layer")
    assert field.value == "Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)"
    assert "This is the layer that stands at `conv1`" in text(at)
    assert "takes `1 × 3 × 224 × 224` and gives `1 × 64 × 112 × 112`" in text(at)
    field.input("Conv2d(3, 64, 5, stride=2, padding=2)").run()
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(ReplaceLayer("conv1", "Conv2d(3, 64, 5, stride=2, padding=2)"))  # type: ignore[arg-type]


def test_another_module_brings_its_own_layer() -> None:
    at = form("replace_layer")
    at.selectbox(key="replace_layer.path").select("conv1").run()
    at.selectbox(key="replace_layer.path").select("fc").run()
    assert at.text_input(key="replace_layer.layer").value == "Linear(512, 1000)"


def test_freeze_begins_with_everything_except_the_head_and_counts_what_matches() -> None:
    at = form("freeze")
    assert at.text_input(key="freeze.patterns").value == "*"
    assert at.text_input(key="freeze.except_").value == "fc"
    at.text_input(key="freeze.patterns").input("layer1, *.bn2").run()
    assert "matches 19 modules" in text(at)
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(Freeze("layer1", "*.bn2", except_="fc"))


def test_freeze_up_to_a_module() -> None:
    at = form("freeze")
    at.text_input(key="freeze.patterns").input("")
    at.text_input(key="freeze.except_").input("")
    at.selectbox(key="freeze.up_to").select("layer2").run()
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(Freeze(up_to="layer2"))


def test_what_another_page_proposes_is_filled_in() -> None:
    at = start("4_Edit", "resnet18")
    at.session_state["session.proposed"] = ("truncate", {"path": "layer2", "pool": True})
    at.run()
    assert at.selectbox(key="truncate.path").value == "layer2"
    assert at.toggle(key="truncate.pool").value is True
    assert "| `1 × 128 × 1 × 1` |" in text(at)


@pytest.mark.parametrize(
    ("kind", "key", "value", "message"),
    [
        ("swap_head", "num_classes", 0, "whole number from 1 up; got 0"),
        ("swap_head", "num_classes", -5, "whole number from 1 up; got -5"),
        ("swap_head", "num_classes", 10**14, "this machine has"),
        ("swap_head", "dropout", 1.5, "Dropout is a share"),
        ("swap_head", "hidden", "many", "Hidden widths are whole numbers"),
        ("swap_head", "hidden", "0", "A hidden width is a whole number"),
        ("swap_head", "names", "a, b", "Names are for a head of several layers"),
        ("freeze", "patterns", "layr1", "Did you mean 'layer1'"),
        ("freeze", "except_", "fcc", "Did you mean"),
        ("unfreeze", "patterns", "nothing.*", "No module or parameter is called"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(kind: str, key: str, value: object, message: str) -> None:
    at = form(kind)
    fields = [*at.number_input, *at.text_input]
    field = next(field for field in fields if field.key == f"{kind}.{key}")
    field.set_value(value).run()  # type: ignore[arg-type]
    assert message in errors(at)
    assert at.button(key="apply").disabled
    assert session(at).recipe == BASE


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("Linear(print(1))", "called with plain values"),
        ("Linaer(512, 10)", "Did you mean 'Linear'"),
        ("Linear(512)", "does not take these arguments"),
        ("Linear(256, 10)", "`fc` gets 1 × 512, so 512 features, but takes 256"),
        ("Linear(512, 100000000000)", "this machine has"),
        ("__import__('os')", "No layer class is called '__import__'"),
        ("Linear(`a` *b* :red[c])", "got 'Linear(`a` *b* :red[c])'"),
    ],
)
def test_a_layer_that_cannot_be_put_there(layer: str, message: str) -> None:
    at = form("replace_layer")
    at.selectbox(key="replace_layer.path").select("fc").run()
    at.text_input(key="replace_layer.layer").input(layer).run()
    assert message in errors(at)
    assert session(at).recipe == BASE


def test_a_name_that_was_meant_is_one_click_away() -> None:
    at = form("freeze")
    at.text_input(key="freeze.patterns").input("layr1, conv1").run()
    at.button(key="remedy_0").click().run()
    assert at.text_input(key="freeze.patterns").value == "layer1, conv1"
    assert errors(at) == ""
    assert not at.button(key="apply").disabled


def test_widths_that_fit_are_one_click_away() -> None:
    at = form("replace_layer")
    at.selectbox(key="replace_layer.path").select("layer2.0.conv1").run()
    at.text_input(key="replace_layer.layer").input("Conv2d(3, 17, 3, stride=2, padding=1)").run()
    assert "`layer2.0.conv1` gets 64 channels but takes 3" in errors(at)
    at.button(key="instead_0").click().run()
    assert at.text_input(key="replace_layer.layer").value == "Conv2d(64, 128, 3, stride=2, padding=1)"
    assert errors(at) == ""


def test_a_model_without_classes_says_so() -> None:
    assert "no classes" in errors(form("swap_head", model="raft_small"))


def test_the_code_and_the_recipe_are_there() -> None:
    at = form("swap_head", SwapHead(3))
    shown = [block.value for block in at.code]
    assert any("def build_model()" in block and "nn.Linear(512, 3)" in block for block in shown)
    assert any('"modelview": 1' in block for block in shown)


def test_a_module_that_is_gone_is_not_offered_any_more() -> None:
    at = form("truncate")
    at.selectbox(key="truncate.path").select("layer3").run()
    at.button(key="apply").click().run()
    assert "layer4" not in str(at.selectbox(key="truncate.path").options)
    assert errors(at) == ""


def test_two_tabs_stay_apart() -> None:
    one, two = form("swap_head"), form("swap_head")
    one.number_input(key="swap_head.num_classes").set_value(3).run()
    two.number_input(key="swap_head.num_classes").set_value(4).run()
    one.button(key="apply").click().run()
    assert session(two).recipe == BASE
    two.button(key="apply").click().run()
    assert session(one).recipe == BASE.then(SwapHead(3))
    assert session(two).recipe == BASE.then(SwapHead(4))
    go(one, "1_Open")
    assert session(one).recipe == BASE.then(SwapHead(3))
