"""The Open page: search, filter, choose, open; recipes; the first visit."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.opening import open_recipe
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
    at.session_state["models"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at.run()
    at.button(key="open").click().run()
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
