"""The Edit page: forms, previews, refusals with their remedies, and what Apply does."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.adapt_input import AdaptInput
from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.append import Append
from modelview.edits.base import EDITS
from modelview.edits.freeze import Freeze
from modelview.edits.fuse_stages import FuseStages
from modelview.edits.insert_layer import InsertLayer
from modelview.edits.learning_rates import LearningRates
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.select_classes import SelectClasses
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.layers import Layer
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from modelview.ui import kinds, preview
from modelview.ui.state import SESSION
from tests.pages.app import errors, go, session, start, text
from tests.pages.screen import page, show

BASE = open_recipe("resnet18")
TRAINED = Recipe(Torchvision("resnet18", "IMAGENET1K_V1"))
MODELS = ("resnet18", "vit_b_16", "fasterrcnn_mobilenet_v3_large_320_fpn", "raft_small")


def form(kind: str, *edits: object, model: str = "resnet18") -> AppTest:
    at = start("4_Edit", model, *edits)  # type: ignore[arg-type]
    at.session_state["kind"] = kind
    return at.run()


def widgets_of(at: AppTest, kind: str) -> list[str]:
    """The keys of the fields that the form of `kind` asks for."""
    drawn = (*at.text_input, *at.text_area, *at.number_input, *at.selectbox, *at.multiselect, *at.toggle)
    return [widget.key for widget in drawn if str(widget.key).startswith(f"{kind}.")]


def code(at: AppTest) -> str:
    return str(at.code[0].value)


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_edit_has_a_form(model: str) -> None:
    at = start("4_Edit", model)
    for kind in EDITS:
        at.session_state["kind"] = kind
        at.run()
        assert not at.exception, kind
        assert EDITS[kind].title in [EDITS[str(group.value)].title for group in at.button_group if group.value]
        assert widgets_of(at, kind), kind


def test_what_was_typed_stays_when_one_looks_elsewhere() -> None:
    at = form("swap_head")
    at.number_input(key="swap_head.num_classes").set_value(77)
    at.text_input(key="swap_head.hidden").input("33").run()
    for other in ("freeze", "swap_head"):
        at.session_state["kind"] = other
        at.run()
    assert at.number_input(key="swap_head.num_classes").value == 77
    go(go(at, "2_Layers"), "4_Edit")
    assert at.number_input(key="swap_head.num_classes").value == 77
    assert at.text_input(key="swap_head.hidden").value == "33"


def test_a_module_that_was_selected_elsewhere_is_the_forms() -> None:
    at = form("truncate")
    at.selectbox(key="truncate.path").select("layer1").run()
    go(at, "2_Layers").session_state[SESSION] = replace(session(at), selected="layer3")
    assert go(at, "4_Edit").selectbox(key="truncate.path").value == "layer3"


def test_every_kind_of_edit_is_in_one_group() -> None:
    found = [kind for group in kinds.groups().values() for kind in group]
    assert sorted(found) == sorted(EDITS)


def test_a_kind_that_no_group_names_is_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.GROUPS, "Inputs & outputs", ("adapt_input", "not_there"))
    assert kinds.groups()["Inputs & outputs"] == ["adapt_input"]
    assert kinds.groups()["Other"] == ["add_input", "add_outputs"]


def test_a_click_on_a_kind_leaves_the_other_groups() -> None:
    at = form("swap_head")
    at.button_group(key="kind.3").set_value("freeze").run()
    assert [group.value for group in at.button_group] == [None, None, None, "freeze"]
    assert at.text_input(key="freeze.patterns").value == "*"


def test_without_a_model_the_page_leads_to_open() -> None:
    assert "No model is open yet" in text(start("4_Edit"))


def test_swap_head_is_previewed_in_six_rows_and_applied() -> None:
    at = form("swap_head")
    at.number_input(key="swap_head.num_classes").set_value(7).run()
    shown = text(at)
    assert "| Output | `1 × 1000` | `1 × 7` |" in shown
    assert "| Modules | 68 | 68 |" in shown
    assert "| Parameters | 11,689,512 | 11,180,103 |" in shown
    assert "| Trainable |" in shown
    assert "| MACs |" in shown
    assert "| state_dict | same keys | same keys |" in shown
    assert code(at) == "model.fc = nn.Linear(512, 7)"
    assert session(at).recipe == BASE
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(SwapHead(7))


def test_an_edit_that_was_just_applied_says_that_it_is_there() -> None:
    at = form("swap_head", SwapHead(9))
    assert preview.AGAIN not in text(at)
    at.number_input(key="swap_head.num_classes").set_value(9).run()
    assert preview.AGAIN in text(at)


def test_an_edit_that_cannot_be_made_once_more_is_no_error_when_it_was_just_applied() -> None:
    at = form("adapt_input")
    at.number_input(key="adapt_input.channels").set_value(4).run()
    at.button(key="apply").click().run()
    assert errors(at) == ""
    assert preview.DONE in text(at)
    assert at.button(key="apply").disabled
    at.number_input(key="adapt_input.channels").set_value(5).run()
    assert preview.DONE not in text(at)
    assert not at.button(key="apply").disabled
    at.number_input(key="adapt_input.channels").set_value(4).run()
    at.selectbox(key="adapt_input.weights").select("zero").run()
    assert "`conv1` already takes 4 channels" in errors(at)


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


def test_appended_layers_are_rows_of_a_name_and_a_layer() -> None:
    at = form("append")
    assert at.text_area(key="append.layers").value == "relu = ReLU()\nfc1 = Linear(1000, 10)"
    at.button(key="append.start_1").click().run()
    assert "train with NLLLoss" in text(at)
    at.text_area(key="append.layers").input("tanh = Tanh()\n\n  fc = Linear(1000, 3, bias=False) ").run()
    at.button(key="apply").click().run()
    expected = Append((("tanh", Layer("Tanh()")), ("fc", Layer("Linear(1000, 3, bias=False)"))))
    assert session(at).recipe == BASE.then(expected)


def test_modules_are_chosen_with_their_shapes_and_keep_their_order() -> None:
    at = form("add_outputs")
    assert "Modules are still empty. Fill them in" in text(at)
    field = at.multiselect(key="add_outputs.paths")
    assert "layer2 · 1 × 128 × 28 × 28" in [option.replace("\u2009", " ") for option in field.options]
    field.set_value(["layer4", "layer2"])
    at.text_input(key="add_outputs.names").input("deep, early")
    at.selectbox(key="add_outputs.form").select("dict").run()
    at.button(key="apply").click().run()
    expected = AddOutputs(("layer4", "layer2"), ("deep", "early"), form="dict")  # type: ignore[arg-type]
    assert session(at).recipe == BASE.then(expected)


def test_modules_that_are_gone_are_not_chosen_any_more() -> None:
    at = form("fuse_stages")
    at.session_state["kind"] = "truncate"
    at.run()
    at.selectbox(key="truncate.path").select("layer3").run()
    at.button(key="apply").click().run()
    at.session_state["fuse_stages.paths"] = ["layer2", "layer4"]
    at.session_state["kind"] = "fuse_stages"
    at.run()
    assert at.multiselect(key="fuse_stages.paths").value == ["layer2"]


def test_rows_that_are_marked_on_the_layers_page_are_the_stages() -> None:
    at = start("2_Layers", "resnet18")
    at.button_group(key="layers.depth").set_value(1).run()
    shown = list(at.dataframe[0].value["Module"])
    show(at, "layers.table", rows=[shown.index("layer2"), shown.index("layer4")])
    at.button(key="layers.fuse").click().run()
    assert at.multiselect(key="fuse_stages.paths").value == ["layer2", "layer4"]
    assert errors(at) == ""


@pytest.mark.parametrize(("typed", "size"), [("3", 3), ("8, 56, 56", (8, 56, 56))], ids=["numbers", "a feature map"])
def test_a_size_is_one_number_or_several(typed: str, size: object) -> None:
    at = form("add_input")
    at.text_input(key="add_input.size").input(typed)
    at.selectbox(key="add_input.at").select("layer1" if "," in typed else "avgpool")
    at.number_input(key="add_input.num_outputs").set_value(None).run()
    at.button(key="apply").click().run()
    edit = session(at).recipe.edits[-1]  # type: ignore[union-attr]
    assert isinstance(edit, AddInput)
    assert (edit.size, edit.num_outputs) == (size, None)
    assert len(session(at).recipe.example) == 2  # type: ignore[union-attr]


def test_what_may_be_left_empty_is_none() -> None:
    at = form("adapt_input")
    at.number_input(key="adapt_input.channels").set_value(None)
    at.text_input(key="adapt_input.size").input("128, 160").run()
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(AdaptInput(None, (128, 160)))


def test_a_layer_is_inserted_with_the_width_of_its_place() -> None:
    at = form("insert_layer")
    at.selectbox(key="insert_layer.path").select("layer1").run()
    assert at.text_input(key="insert_layer.layer").value == ""
    at.text_input(key="insert_layer.layer").input("BatchNorm2d()").run()
    at.selectbox(key="insert_layer.path").select("layer2").run()
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(InsertLayer("layer2", "BatchNorm2d()"))  # type: ignore[arg-type]


def test_classes_are_found_by_name_and_typed_by_number() -> None:
    at = page("Edit", TRAINED)
    at.session_state["kind"] = "select_classes"
    at.run()
    field = at.multiselect(key="select_classes.indices")
    assert field.options[1] == "1 · goldfish"
    field.set_value([1, "7, 3", "tench"]).run()
    at.button(key="apply").click().run()
    assert session(at).recipe == TRAINED.then(SelectClasses((1, 7, 3, "tench")))


def test_a_class_that_was_meant_is_one_click_away() -> None:
    at = page("Edit", TRAINED)
    at.session_state["kind"] = "select_classes"
    at.run()
    at.multiselect(key="select_classes.indices").set_value([3, "goldfsh"]).run()
    assert "Did you mean 'goldfish'" in errors(at)
    at.button(key="remedy_0").click().run()
    assert at.multiselect(key="select_classes.indices").value == [3, "goldfish"]
    assert errors(at) == ""


def test_each_group_of_learning_rates_is_a_pattern_and_its_rate() -> None:
    at = form("learning_rates")
    at.text_input(key="learning_rates.groups").input("layer4 = 1e-4, fc=1e-3").run()
    at.button(key="apply").click().run()
    assert session(at).recipe == BASE.then(LearningRates((("layer4", "1e-4"), ("fc", "1e-3"))))


def test_what_takes_up_the_other_width_is_said_on_its_button() -> None:
    at = form("delete_layer", model="vgg11")
    at.selectbox(key="delete_layer.path").select("features.0").run()
    words = [button.label.replace("\\", "").replace("\u2009", " ") for button in at.button if _remedy(button.key)]
    assert words == [
        "without features.0 · features.3 → Conv2d(3, 128, kernel_size=3, padding=1)",
        "features.0 → Conv2d(3, 64, kernel_size=1)",
        "without features.0 · begins with 1 × 64 × 224 × 224",
    ]
    at.button(key="instead_1").click().run()
    assert at.selectbox(key="delete_layer.adapt").value == "1x1"
    assert not at.button(key="apply").disabled


def _remedy(key: str | None) -> bool:
    return str(key).startswith("instead_")


def test_what_is_not_what_the_forward_computes_is_a_warning() -> None:
    at = form("first_children", FuseStages(("layer3", "layer4"), 3))  # type: ignore[arg-type]
    assert [warning.value for warning in at.warning if "This is not what the forward computes" in warning.value]
    assert not at.button(key="apply").disabled


def test_a_model_with_two_inputs_is_looked_at_and_exported_like_any() -> None:
    extra = AddInput(num_outputs=10)
    at = start("4_Edit", "resnet18", extra)
    assert errors(at) == ""
    for name in ("1_Open", "2_Layers", "3_Graph", "5_Features", "6_Export"):
        assert errors(go(at, name)) == "", name
    go(at, "2_Layers")
    at.number_input(key="sidebar.input.0.height").set_value(128)
    at.number_input(key="sidebar.input.1.batch").set_value(2)
    at.number_input(key="sidebar.input.0.batch").set_value(2).run()
    at.button(key="sidebar.use_input").click().run()
    assert session(at).inputs == ((2, 3, 128, 224), (2, 1))


@pytest.mark.parametrize(
    ("kind", "key", "value", "message"),
    [
        ("append", "layers", "fc1 Linear(1000, 10)", "Line 1 of Layers is a name and a layer, such as fc = Linear"),
        ("append", "layers", "a = ReLU()\nb =", "Line 2 of Layers is a name and a layer"),
        ("append", "layers", "Linear(1000, 10, bias=False)", "Line 1 of Layers is a name and a layer"),
        ("append", "layers", "fc = Linaer(1000, 10)", "Did you mean 'Linear'"),
        ("append", "layers", "fc = Linear(7, 10)", "takes"),
        ("add_input", "size", "many", "Size is whole numbers with commas between, such as 3; got 'many'"),
        ("add_input", "size", "0", "whole numbers from 1 up"),
        ("add_input", "num_outputs", -1, "The number of outputs is a whole number from 1 up"),
        ("adapt_input", "size", "large", "Size is whole numbers with commas between"),
        ("select_classes", "indices", "3, goldfish", "choose by number, from 0 to 999"),
        ("learning_rates", "groups", "layer4", "Groups are pairs with = between, such as layer4 = 1e-4"),
        ("learning_rates", "groups", "layr4 = 1e-4", "Did you mean 'layer4'"),
        ("learning_rates", "default", "fast", "A learning rate is a number above 0"),
        ("rename", "names", "fcc = head", "Did you mean"),
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
    fields = [*at.number_input, *at.text_input, *at.text_area]
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
        ("Linear(512)", "also needs 'out_features'"),
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


def test_what_a_browser_still_holds_of_a_module_that_is_gone_is_not_selected() -> None:
    at = start("4_Edit", "resnet18", Append((("extra", Layer("ReLU()")),)))
    at.session_state["kind"] = "truncate"
    at.run().selectbox(key="truncate.path").select("extra").run()
    assert session(at).selected == "extra"
    at.button(key="undo").click()
    field = at.selectbox(key="truncate.path")
    field.options.append("extra · ReLU")
    field.set_value("extra · ReLU").run()
    assert session(at).selected == ""


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
