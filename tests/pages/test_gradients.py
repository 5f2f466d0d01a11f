"""The gradient check on the Features page."""

from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import DownloadError
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui import gradients_view
from tests.pages.screen import page, said

SHUFFLENET = open_recipe("shufflenet_v2_x0_5")
TUNED = SHUFFLENET.then(SwapHead(3)).then(Freeze("*", except_="fc"))


def run(recipe: Recipe) -> AppTest:
    return page("Features", recipe).button(key="gradients.run").click().run()


def table(at: AppTest) -> Any:
    return next(frame.value for frame in at.dataframe)


def outcomes(at: AppTest) -> Any:
    return next(group for group in at.button_group if str(group.key).startswith("gradients.outcomes"))


def test_a_step_says_what_learned() -> None:
    at = run(TUNED)
    assert not at.exception
    assert not at.error
    words = said(at).replace("\\", "")
    assert (
        "**2 of 170 parameters got a gradient and moved; 168 frozen; batch-norm statistics of 56 layers moved**"
        in words
    )
    assert "226 of 226 rows shown" in words
    found = table(at)
    assert list(found[found["Moved"] & found["Gradient"]]["Name"]) == ["fc.weight", "fc.bias"]
    assert "conv1.1 (statistics)" in set(found["Name"])


def test_rows_are_chosen_by_name_and_by_outcome() -> None:
    at = run(TUNED)
    at.text_input(key="gradients.filter").input("fc BatchNorm2d").run()
    assert "170 of 226 rows shown" in said(at)
    outcomes(at).set_value(["frozen"]).run()
    assert set(table(at)["Why not"]) == {"frozen"}
    assert "112 of 226 rows shown" in said(at)


def test_without_weights_only_gradients_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recipe, "build", None)
    at = page("Features", TUNED)
    at.toggle(key="gradients.real").set_value(False).run()
    at.button(key="gradients.run").click().run()
    assert not at.exception
    words = said(at).replace("\\", "")
    assert "**2 of 170 parameters got a gradient; 168 frozen**" in words
    assert "on meta, without weights" in words


def test_another_model_does_not_show_the_last_one_s_result() -> None:
    at = run(TUNED)
    at.button(key="undo").click().run()
    assert "has changed since the last step" in said(at)
    assert "168 frozen" not in said(at)


def test_weights_that_cannot_be_fetched_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DownloadError("resnet18.pth could not be fetched from https://example.org.")

    monkeypatch.setattr(Recipe, "build", refuse)
    at = run(open_recipe("resnet18", weights="DEFAULT"))
    assert not at.exception
    assert "could not be fetched" in at.error[0].value
    at.button(key="gradients.random").click().run()
    assert not at.error
    assert at.session_state["session"].recipe == open_recipe("resnet18")


def test_the_words_are_explained_and_true() -> None:
    at = page("Features", SHUFFLENET)
    assert "A can then not be trained through `y` either" in said(at)
    assert gradients_view.EXAMPLE.strip() in [block.value for block in at.code]
    one, two = gradients_view.EXAMPLE.split("\n\n")
    for example, trained in ((one, True), (two, False)):
        a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        exec(example, {"A": a, "B": b, "x": torch.rand(1, 2)})
        assert b.weight.grad is not None
        assert (a.weight.grad is not None) == trained
