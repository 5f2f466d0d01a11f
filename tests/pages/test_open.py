"""The Open page: search, filter, choose, open; recipes; the first visit."""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import safetensors.torch
import torch
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox
from torch import nn
from torchvision import models

from modelview import files
from modelview.checkpoints.reading import Checkpoint
from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.opening import open_recipe
from modelview.ui.state import SESSION, Session
from tests.pages.app import ROOT, errors, go, session, start, text


def listed(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["Model"])


def searched(query: str) -> AppTest:
    at = start()
    at.text_input(key="search").input(query).run()
    return at


def test_the_first_visit_shows_every_model_and_an_example() -> None:
    at = start()
    assert len(listed(at)) == 121
    assert at.button(key="try_it").label.startswith("Try it")


@pytest.mark.parametrize(
    ("query", "first", "others"),
    [
        ("resnet50", "resnet50", {"wide_resnet50_2", "deeplabv3_resnet50"}),
        ("RESNET1", "resnet101", {"resnet152", "resnet18"}),
        ("flow", "raft_large", {"raft_small"}),
        ("mobilenet detection", "fasterrcnn_mobilenet_v3_large_320_fpn", {"ssdlite320_mobilenet_v3_large"}),
    ],
)
def test_search(query: str, first: str, others: set[str]) -> None:
    names = listed(searched(query))
    assert names[0] == first
    assert others <= set(names)


def test_a_search_that_finds_nothing_says_so() -> None:
    at = searched("nosuchmodel")
    assert "No model is called that" in text(at)
    assert not at.dataframe
    assert errors(at) == ""


@pytest.mark.parametrize(("task", "number"), [("video", 9), ("optical flow", 2), ("quantizable", 12)])
def test_the_task_filters(task: str, number: int) -> None:
    at = start()
    at.session_state["task"] = task
    assert len(listed(at.run())) == number


def test_a_row_is_chosen() -> None:
    at = start()
    assert listed(at)[:2] == ["resnet50", "alexnet"]  # what is chosen at first stands in sight
    at.session_state["models"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    at.run()
    at.button(key="open").click().run()
    assert session(at).recipe == open_recipe("alexnet")


@pytest.mark.long
def test_undo_goes_back_to_the_model_before() -> None:
    at = start("4_Edit", "resnet18", SwapHead(10))
    at.number_input(key="swap_head.num_classes").set_value(77).run()
    before = session(at)
    go(at, "1_Open").session_state["models"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    at.run().button(key="open").click().run()
    assert session(at).recipe == open_recipe("alexnet")
    assert go(at, "4_Edit").number_input(key="swap_head.num_classes").value == 10
    at.button(key="undo").click().run()
    assert session(at).recipe == before.recipe
    at.button(key="redo").click().run()
    assert session(at).recipe == open_recipe("alexnet")


def test_open_with_weights_keywords_and_input() -> None:
    at = searched("googlenet")
    at.selectbox(key="open.googlenet.weights").select("IMAGENET1K_V1")
    at.selectbox(key="open.googlenet.transform_input").select(False)
    at.number_input(key="open.googlenet.input.0.height").set_value(160).run()
    assert "is not on this machine" in text(at) or "is on this machine" in text(at)
    at.button(key="open").click().run()
    assert errors(at) == ""
    assert session(at).recipe == open_recipe("googlenet", weights="DEFAULT")
    assert session(at).inputs == ((1, 3, 160, 224),)


def test_two_inputs_are_asked_for_where_there_are_two() -> None:
    at = searched("raft_small")
    keys = [field.key for field in at.number_input if ".input." in str(field.key) and str(field.key).startswith("open")]
    assert len(keys) == 8


def test_frames_are_asked_for_a_video() -> None:
    at = searched("r3d_18")
    at.number_input(key="open.r3d_18.input.0.frames").set_value(8).run()
    at.button(key="open").click().run()
    assert session(at).inputs == ((1, 3, 8, 112, 112),)


def test_a_licence_that_is_not_free_is_named() -> None:
    at = searched("vit_h_14")
    at.selectbox(key="open.vit_h_14.weights").select("IMAGENET1K_SWAG_E2E_V1").run()
    assert "not for commercial use" in text(at)


@pytest.mark.parametrize(
    ("model", "field", "value", "message"),
    [
        ("resnet18", "num_classes", 0, "num_classes is a whole number from 1 up; got 0."),
        ("resnet18", "num_classes", 10**15, "this machine has"),
        ("resnet18", "input.0.height", 0, "whole numbers from 1 up"),
        ("resnet18", "input.0.width", -3, "whole numbers from 1 up"),
        ("resnet18", "input.0.channels", 4, "`conv1` gets 4 channels but takes 3"),
        ("alexnet", "input.0.height", 30, "alexnet"),
        ("vit_b_16", "input.0.height", 225, "224"),
    ],
)
def test_what_cannot_be_opened(model: str, field: str, value: int, message: str) -> None:
    at = searched(model)
    at.number_input(key=f"open.{model}.{field}").set_value(value)
    at.button(key="open").click().run()
    if message != "alexnet":
        assert message in errors(at)
    assert errors(at)
    assert session(at).recipe is None


def test_classes_beside_weights_are_refused_with_the_way() -> None:
    at = searched("resnet18")
    at.selectbox(key="open.resnet18.weights").select("IMAGENET1K_V1")
    at.number_input(key="open.resnet18.num_classes").set_value(10).run()
    assert "then SwapHead(num_classes=10)" in errors(at)
    assert at.button(key="open").disabled


def test_a_keyword_that_is_no_value_is_refused() -> None:
    at = searched("resnet18")
    at.text_input(key="open.resnet18.replace_stride_with_dilation").input("print(1)").run()
    assert "list of plain values" in errors(at)


def test_the_example_lands_on_edit_with_its_steps() -> None:
    at = start()
    at.button(key="try_it").click().run()
    assert errors(at) == ""
    assert at.title[0].value == "Edit"
    assert session(at).recipe == open_recipe("resnet50").then(SwapHead(10)).then(Freeze("*", except_="fc"))
    assert len(session(at).history) == 3
    at.button(key="undo").click().run()
    assert session(at).recipe == open_recipe("resnet50").then(SwapHead(10))
    assert not [button for button in go(at, "1_Open").button if button.key == "try_it"]


@pytest.mark.parametrize("way", ["pasted", "uploaded"])
def test_a_recipe_is_opened(way: str) -> None:
    recipe = open_recipe("resnet18").then(SwapHead(7))
    at = start()
    if way == "pasted":
        at.text_area(key="recipe_text").input(recipe.to_json()).run()
    else:
        at.file_uploader(key="recipe_file").upload("recipe.json", recipe.to_json().encode()).run()
    at.button(key="open_recipe").click().run()
    assert errors(at) == ""
    assert session(at).recipe == recipe
    assert len(session(at).history) == 2


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("{", "This is not a recipe.json"),
        ("[]", 'it has no "modelview" version'),
        ('{"modelview": 99}', "reads version 1"),
        ('{"modelview": 1, "source": {"kind": "torchvision", "name": "resnet5"}}', "Did you mean"),
        ('{"modelview": 1, "source": {"kind": "torchvision", "name": "resnet18"}, "edits": [{"edit": "x"}]}', "edit"),
        (open_recipe("resnet18").then(Freeze("layer9")).to_json(), "No module or parameter is called 'layer9'"),
    ],
    ids=["broken", "no recipe", "another version", "unknown model", "unknown edit", "does not fit"],
)
def test_a_recipe_that_cannot_be_opened(pasted: str, message: str) -> None:
    at = start()
    at.text_area(key="recipe_text").input(pasted).run()
    at.button(key="open_recipe").click().run()
    assert message in errors(at)
    assert session(at).recipe is None


@pytest.mark.parametrize("page", sorted(Path(ROOT / "pages").glob("*_*.py")), ids=lambda page: page.stem)
def test_every_page_stands_without_a_model(page: Path) -> None:
    at = start(page.stem)
    assert errors(at) == ""


def given(content: object, folder: Path, name: str = "weights.pth") -> AppTest:
    """The Open page of a session that was given a file."""
    torch.save(content, folder / name)
    at = start()
    at.session_state[SESSION] = Session(files=(files.give(folder / name),))
    return at.run()


def test_a_file_is_described_and_opened(tmp_path: Path) -> None:
    at = given({"epoch": 3, "state_dict": nn.DataParallel(models.squeezenet1_1(num_classes=4)).state_dict()}, tmp_path)
    said = text(at)
    assert "A training checkpoint, epoch 3. Its weights are at 'state_dict'." in said
    assert "It fits torchvision squeezenet1_1 with 4 classes; 52 of 52 tensors match." in said
    at.button(key="open_file").click().run()
    assert errors(at) == ""
    assert [edit.title for edit in session(at).recipe.edits] == ["Load weights"]  # type: ignore[union-attr]


def test_a_file_that_fits_nothing_says_so_and_cannot_be_opened(tmp_path: Path) -> None:
    at = given({"a": torch.ones(3)}, tmp_path)
    assert "No known architecture fits these 1 tensors." in text(at)
    assert not [button for button in at.button if button.key == "open_file"]


def test_what_the_file_asks_for_is_listed(tmp_path: Path) -> None:
    at = given({"w": torch.ones(3), "args": argparse.Namespace(lr=0.1)}, tmp_path)
    assert "The file asks for `argparse.Namespace`. None of it was imported or run." in text(at)


def test_a_whole_module_is_shown_as_a_tree(tmp_path: Path) -> None:
    at = given(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), tmp_path)
    (tree,) = [table.value for table in at.dataframe if "Class" in table.value and "Set to" in table.value]
    assert [*tree["Module"]] == ["(the model)", "0", "1"]
    assert tree["Class"][1] == "torch.nn.modules.conv.Conv2d"
    assert [*tree["Tensors"]] == [0, 2, 5]
    assert tree["Set to"][1].startswith("in_channels = 3, out_channels = 8, kernel_size = [3, 3]")


def test_weights_alone_have_no_tree(tmp_path: Path) -> None:
    at = given(nn.Conv2d(3, 8, 3).state_dict(), tmp_path)
    assert not [table for table in at.dataframe if "Set to" in table.value]


def test_several_state_dicts_are_a_choice(tmp_path: Path) -> None:
    model = models.squeezenet1_1(num_classes=4)
    at = given({"model": model.state_dict(), "ema": model.state_dict()}, tmp_path)
    assert at.selectbox(key="received.at").options == ["model", "ema"]
    at.selectbox(key="received.at").select("ema").run()
    at.button(key="open_file").click().run()
    assert session(at).recipe.edits[0].at == "ema"  # type: ignore[union-attr]


def test_names_from_a_file_are_text(tmp_path: Path) -> None:
    at = given({"<b>x</b>": torch.ones(3), "[a](javascript:b)": 3}, tmp_path)
    assert errors(at) == ""
    assert not any("](javascript" in element.value for element in at.markdown)


def architecture(at: AppTest) -> Selectbox:
    """The choice of what a file is opened as."""
    (box,) = [box for box in at.selectbox if box.label == "Architecture"]
    return box


@pytest.mark.parametrize(
    ("chosen", "spec"),
    [
        (None, "squeezenet1_1"),
        ("torchvision:squeezenet1_0", "squeezenet1_0"),
    ],
)
def test_another_architecture_that_fits_is_a_choice(chosen: str | None, spec: str, tmp_path: Path) -> None:
    at = given(models.squeezenet1_1(num_classes=4).state_dict(), tmp_path)
    assert architecture(at).options == ["squeezenet1_1 · 100%", "squeezenet1_0 · 58%"]
    if chosen:
        architecture(at).select(chosen).run()
    assert f"It fits torchvision {spec} with 4 classes" in text(at)
    at.button(key="open_file").click().run()
    assert errors(at) == ""
    assert session(at).recipe.source.name == spec  # type: ignore[union-attr]


def test_architectures_that_no_file_tells_apart_are_a_choice(tmp_path: Path) -> None:
    model = models.shufflenet_v2_x0_5(num_classes=3)
    at = given(model.state_dict(), tmp_path)
    architecture(at).select("torchvision:quantized_shufflenet_v2_x0_5").run()
    assert "It fits torchvision quantized_shufflenet_v2_x0_5 with 3 classes" in text(at)
    assert "Equal in names and shapes: shufflenet_v2_x0_5." in text(at)
    at.button(key="open_file").click().run()
    recipe = session(at).recipe
    assert recipe is not None
    assert recipe.source.name == "quantized_shufflenet_v2_x0_5"  # type: ignore[attr-defined]
    assert torch.equal(recipe.build().state_dict()["fc.bias"], model.state_dict()["fc.bias"])


@pytest.mark.parametrize(
    "content",
    [{"a": torch.ones(3)}, models.alexnet(num_classes=2).state_dict(), models.squeezenet1_1(num_classes=4)],
    ids=["fits nothing", "fits one", "a whole module"],
)
def test_without_another_that_fits_there_is_no_choice(content: object, tmp_path: Path) -> None:
    at = given(content, tmp_path)
    assert errors(at) == ""
    assert "Architecture" not in [box.label for box in at.selectbox]


def test_choices_are_the_file_s_own(tmp_path: Path) -> None:
    at = given(models.squeezenet1_1(num_classes=4).state_dict(), tmp_path, "first.pth")
    architecture(at).select("torchvision:squeezenet1_0").run()
    torch.save(models.squeezenet1_1(num_classes=4).state_dict(), tmp_path / "second.pth")
    first, second = session(at).files[0], files.give(tmp_path / "second.pth")
    at.session_state[SESSION] = Session(files=(first, second))
    at.run()
    at.selectbox(key="received.file").select(second).run()
    assert architecture(at).value == "torchvision:squeezenet1_1"
    at.selectbox(key="received.file").select(first).run()
    assert architecture(at).value == "torchvision:squeezenet1_0"


def tensor_chosen(at: AppTest, row: int) -> AppTest:
    """The row of the table of the file's tensors clicked."""
    (key,) = [str(table.key) for table in at.dataframe if str(table.key).startswith("contents.tensors")]
    at.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return at.run()


def test_a_tensor_is_chosen_and_its_values_are_shown(tmp_path: Path) -> None:
    values = torch.tensor([[1.0, math.nan, math.inf], [0.0, 2.0, 0.0]])
    at = given({"a": torch.ones(3), "layer.weight": values}, tmp_path)
    assert "Choose a row" in text(at)
    said = text(tensor_chosen(at, 1))
    assert "**`layer.weight`** `2 × 3` float32" in said
    assert "| 6 | 0.75 | 0.829 | 0 | 2 | 33.3% | 1 | 1 |" in said
    assert "Choose a row" not in said
    assert errors(at) == ""


@pytest.mark.parametrize(
    ("make", "said", "refused"),
    [
        (lambda: torch.tensor([1 + 3j]), "| 2 | 2 | 1 | 1 | 3 | 0.0% | 0 | 0 |", ""),
        (lambda: torch.tensor([0.0, 2.0]).to(torch.float8_e4m3fn), "| 2 | 1 | 1 | 0 | 2 | 50.0% | 0 | 0 |", ""),
        (lambda: torch.eye(2).to_sparse(), "Only stored values count: 2 of 4 elements", ""),
        (lambda: torch.full((2,), math.nan), "| 2 | – | – | – | – | – | 2 | 0 |", ""),
        (lambda: torch.ones(2, device="meta"), "", "cannot be read: it was saved from the meta device"),
        (lambda: torch.ones(1).expand(1 << 40), "", "figures are made of no such tensor"),
        (lambda: torch.zeros(4, dtype=torch.uint8).view(torch.bits8), "", "are bits8, which no figures can be made of"),
    ],
    ids=["complex", "fp8", "sparse", "NaN alone", "meta", "repeated", "bits"],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_every_tensor_has_figures_or_a_sentence(
    make: Callable[[], torch.Tensor], said: str, refused: str, tmp_path: Path
) -> None:
    at = tensor_chosen(given({"w": make()}, tmp_path), 0)
    assert said in text(at)
    assert refused in errors(at)
    assert bool(refused) == bool(errors(at))


def test_another_file_has_nothing_chosen(tmp_path: Path) -> None:
    at = tensor_chosen(given({"w": torch.rand(3)}, tmp_path), 0)
    torch.save({"v": torch.rand(3)}, tmp_path / "other.pth")
    at.session_state[SESSION] = Session(files=(files.give(tmp_path / "other.pth"),))
    assert "Choose a row" in text(at.run())


def until_checked(at: AppTest) -> AppTest:
    for _ in range(100):
        if "Checking values" not in " ".join(str(bar.proto.text) for bar in at.get("progress")):
            return at
        time.sleep(0.1)
        at.run()
    raise AssertionError("The check did not end.")


def test_all_values_are_checked_by_themselves(tmp_path: Path) -> None:
    at = until_checked(given({"w": torch.rand(3000)}, tmp_path))
    assert "All values are intact: 12 KB have the CRC-32 that was stored with them." in text(at)


def test_a_format_without_checksums_says_so(tmp_path: Path) -> None:
    safetensors.torch.save_file({"w": torch.rand(30)}, tmp_path / "w.safetensors")
    at = start()
    at.session_state[SESSION] = Session(files=(files.give(tmp_path / "w.safetensors"),))
    assert "This format stores no checksums; the values can be read." in text(until_checked(at.run()))


def test_the_page_does_not_wait_for_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = Event()
    monkeypatch.setattr(Checkpoint, "verify", lambda *_: goes_on.wait(60))
    at = given(models.squeezenet1_1(num_classes=5).state_dict(), tmp_path)
    assert "Checking values" in " ".join(bar.proto.text for bar in at.get("progress"))
    assert at.button(key="open_file")
    goes_on.set()
    assert "All values are intact" in text(until_checked(at.run()))


def damaged(folder: Path) -> Path:
    """A file whose tensor "w" was changed after it was saved."""
    saved, other = torch.rand(3000), torch.rand(3000)
    torch.save({"w": saved, "whole": torch.ones(3)}, folder / "weights.pth")
    content = (folder / "weights.pth").read_bytes()
    (folder / "weights.pth").write_bytes(content.replace(saved.numpy().tobytes(), other.numpy().tobytes()))
    return folder / "weights.pth"


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    at = start()
    at.session_state[SESSION] = Session(files=(files.give(damaged(tmp_path)),))
    at = until_checked(at.run())
    assert "'weights.pth' is damaged: some values do not have the CRC-32 stored with them." in errors(at)
    assert "intact" not in text(at)
    assert "damaged: the values of 'w' do not have" in errors(tensor_chosen(at, 0))
    assert "| 3 | 1 | 0 |" in text(tensor_chosen(at, 1))
