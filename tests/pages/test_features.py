"""The Features page."""

import io
from dataclasses import replace

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from modelview.edits.swap_head import SwapHead
from modelview.errors import DownloadError
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui import weights
from tests.pages.screen import ROOT, page, said

RESNET = open_recipe("resnet18")


def picture(size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 10, 30)).save(file, kind)
    return file.getvalue()


def run(at: AppTest) -> AppTest:
    return at.button(key="features.run").click().run()


PAGE = str(ROOT / "pages/{}.py")


def test_without_a_model_it_says_where_to_get_one() -> None:
    assert "No model is open yet." in said(page("Features", None))


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "vit_b_32", "ssdlite320_mobilenet_v3_large", "r3d_18"])
def test_random_input(name: str) -> None:
    at = run(page("Features", open_recipe(name), timeout_s=120))
    assert not at.exception
    assert not at.error
    assert "std" in said(at)


def test_the_prediction_of_random_weights_says_so() -> None:
    at = run(page("Features", RESNET))
    assert "The weights are random" in said(at)
    assert "**Prediction**" in said(at)


def test_a_new_head_has_no_class_names() -> None:
    at = run(page("Features", RESNET.then(SwapHead(4))))
    assert not at.exception
    assert "| class 3 |" in said(at)


def test_a_picture_with_plain_preprocessing() -> None:
    at = page("Features", RESNET)
    at.button_group(key="features.input").set_value("A picture").run()
    assert at.button(key="features.run").disabled
    at.file_uploader(key="features.picture").upload("cat.png", picture(), "image/png").run()
    assert "Resized and centre" in said(at)
    run(at)
    assert not at.exception
    assert "the picture, on cpu" in said(at)


def test_what_was_chosen_stays_while_another_page_is_looked_at() -> None:
    at = page("Features", RESNET)
    at.button_group(key="features.input").set_value("A picture").run()
    at.file_uploader(key="features.picture").upload("cat.png", picture(), "image/png").run()
    at.switch_page(PAGE.format("2_Layers")).run()
    at.switch_page(PAGE.format("5_Features")).run()
    assert not at.exception
    assert at.button_group(key="features.input").value == "A picture"
    assert "`cat.png`" in said(at)
    assert "Resized and centre" in said(at)
    assert not at.button(key="features.run").disabled
    at.button(key="features.remove").click().run()
    assert "`cat.png`" not in said(at)
    assert at.button(key="features.run").disabled


def test_patterns() -> None:
    at = page("Features", RESNET)
    at.text_input(key="features.patterns").input("layer*.0.conv1").run()
    assert "11 modules" in said(at)
    run(at)
    assert "`layer3.0.conv1`" in said(at)


def test_enlarging() -> None:
    at = run(page("Features", RESNET))
    at.button(key="features.enlarge.0").click().run()
    assert not at.exception
    at.selectbox(key="features.channel").select(3).run()
    assert not at.exception


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cat.png", b"no picture at all", "no picture that can be read"),
        ("cat.png", picture()[:60], "no picture that can be read"),
    ],
    ids=["text", "cut short"],
)
def test_files_that_are_no_pictures(name: str, data: bytes, message: str) -> None:
    at = page("Features", RESNET)
    at.button_group(key="features.input").set_value("A picture").run()
    at.file_uploader(key="features.picture").upload(name, data, "image/png").run()
    assert not at.exception
    assert message in at.error[0].value
    assert at.button(key="features.run").disabled


def test_an_input_that_would_not_fit_is_refused_before_anything_is_made() -> None:
    at = page("Features", RESNET)
    at.session_state["session"] = replace(at.session_state["session"], inputs=((10**7, 3, 224, 224),))
    at.run()
    assert not at.exception
    assert "What a layer makes of this input would take" in at.error[0].value
    assert at.button(key="features.run").disabled


def test_a_pattern_that_matches_nothing() -> None:
    at = page("Features", RESNET)
    at.text_input(key="features.patterns").input("layer9").run()
    assert "Did you mean" in at.error[0].value
    assert at.button(key="features.run").disabled


def test_weights_that_cannot_be_fetched_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Recipe) -> None:
        raise DownloadError("resnet18.pth could not be fetched from https://example.org.")

    monkeypatch.setattr(weights, "build", refuse)
    at = run(page("Features", open_recipe("resnet18", weights="DEFAULT")))
    assert not at.exception
    assert "could not be fetched" in at.error[0].value
    at.button(key="features.random").click().run()
    assert not at.error
    assert at.session_state["session"].recipe == RESNET


def test_another_model_does_not_show_the_last_one_s_result() -> None:
    at = run(page("Features", RESNET.then(SwapHead(4))))
    at.button(key="undo").click().run()
    assert "has changed since the last run" in said(at)
    assert "**Prediction**" not in said(at)
