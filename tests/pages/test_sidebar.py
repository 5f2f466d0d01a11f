"""The model in hand: its figures, its history, the removal of steps, and the address."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from modelview import files
from modelview.edits.freeze import Freeze
from modelview.edits.load_weights import LoadWeights
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui.state import SESSION
from tests.pages.app import errors, session, start, text

BASE = open_recipe("resnet18")


def test_without_a_model_it_says_so() -> None:
    assert "Open one first" in text(start())


def test_the_four_figures_and_the_shapes() -> None:
    at = start("4_Edit", "resnet18", SwapHead(10), Freeze("*", except_="fc"))
    assert {m.label: m.value for m in at.metric} == {
        "Parameters": "11.2 M",
        "Trainable": "5.13 k",
        "MACs": "1.81 G",
        "Weights": "44.8 MB",
    }
    assert "in `1 × 3 × 224 × 224`" in text(at)
    assert "out `1 × 10`" in text(at)
    assert "torchvision · random weights, seed 0" in text(at)


def test_it_says_of_which_file_the_weights_are(tmp_path: Path) -> None:
    torch.save(models.resnet18().state_dict(), tmp_path / "tuned.pth")
    at = start("4_Edit", "resnet18", LoadWeights(files.give(tmp_path / "tuned.pth")))
    assert "torchvision · weights from tuned.pth" in text(at)
    assert "random weights" not in text(at)


def test_undo_and_redo() -> None:
    at = start("4_Edit", "resnet18", SwapHead(10), Freeze("layer1"))
    assert at.button(key="redo").disabled
    at.button(key="undo").click().run()
    at.button(key="undo").click().run()
    assert session(at).recipe == BASE
    assert at.button(key="undo").disabled
    at.button(key="redo").click().run()
    assert session(at).recipe == BASE.then(SwapHead(10))


def test_a_step_in_the_middle_is_removed_and_comes_back() -> None:
    at = start("4_Edit", "resnet18", SwapHead(10), Freeze("layer1"))
    at.button(key="remove_1").click().run()
    assert session(at).recipe == BASE.then(Freeze("layer1"))
    at.button(key="undo").click().run()
    assert session(at).recipe == BASE.then(SwapHead(10)).then(Freeze("layer1"))


def test_a_step_that_later_ones_need_stays() -> None:
    edits = (SwapHead(10, hidden=(64,)), Freeze("layer1"), Freeze("fc.fc1"), Freeze("layer2"))
    at = start("4_Edit", "resnet18", *edits)
    at.button(key="remove_1").click().run()
    assert "Step 1 stays, since step 3, Freeze, needs it. " in errors(at)
    assert "No module or parameter is called 'fc.fc1'" in errors(at)
    assert session(at).recipe == Recipe(BASE.source, edits)


def test_another_input_recomputes_everything() -> None:
    at = start("4_Edit", "resnet18")
    at.number_input(key="sidebar.input.0.batch").set_value(2)
    at.number_input(key="sidebar.input.0.height").set_value(448).run()
    at.button(key="sidebar.use_input").click().run()
    assert session(at).inputs == ((2, 3, 448, 224),)
    assert "out `2 × 1000`" in text(at)
    assert next(m.value for m in at.metric if m.label == "MACs") == "7.26 G"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("channels", 1, "`conv1` gets 1 channel but takes 3"), ("height", 0, "from 1 up"), ("width", -1, "from 1 up")],
)
def test_an_input_that_the_model_cannot_take(field: str, value: int, message: str) -> None:
    at = start("4_Edit", "resnet18")
    at.number_input(key=f"sidebar.input.0.{field}").set_value(value).run()
    at.button(key="sidebar.use_input").click().run()
    assert message in errors(at)
    assert session(at).inputs == ()


def test_the_selection_stands_in_the_address() -> None:
    at = start("4_Edit", "resnet18")
    at.session_state["kind"] = "truncate"
    at.run()
    at.selectbox(key="truncate.path").select("layer2.0").run()
    assert at.query_params["module"] in ("layer2.0", ["layer2.0"])


def test_the_address_selects() -> None:
    at = start("", "resnet18")
    at.query_params["module"] = "layer3"
    at.run()
    assert session(at).selected == "layer3"


def test_names_of_the_model_are_text() -> None:
    at = start("4_Edit", "resnet18", ReplaceLayer("fc", "Linear(512, 8)"))  # type: ignore[arg-type]
    assert SESSION in at.session_state
    assert "fc → Linear(in_features=512" in text(at) or "fc → Linear(512, 8)" in text(at)


def test_what_a_step_promises_is_said_and_then_proved() -> None:
    at = start("4_Edit", "squeezenet1_1", Truncate("features.3"), SwapHead(4))
    assert "compared when the weights are first made" in text(at)
    session(at).recipe.build()
    at.run()
    assert "Proved: the output and features.3 of the model before, equal to the last bit" in text(at)
    assert "compared when" not in text(at), "a new head promises nothing"
