"""The Graph page."""

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.freeze import Freeze
from modelview.opening import open_recipe
from modelview.render import svg
from tests.pages.screen import page, said

RESNET = open_recipe("resnet18")


def counts(at: AppTest) -> str:
    return next(caption.value for caption in at.caption if "arrows" in caption.value)


def test_without_a_model_it_says_where_to_get_one() -> None:
    assert "No model is open yet." in said(page("Graph", None))


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vit_b_16", "swin_t", "ssd300_vgg16", "raft_small"])
def test_it_draws(name: str) -> None:
    at = page("Graph", open_recipe(name))
    assert not at.exception
    assert "arrows" in counts(at)


def test_depth_unfolds() -> None:
    at = page("Graph", RESNET)
    at.button_group(key="graph.depth").set_value(1).run()
    one = counts(at)
    at.button_group(key="graph.depth").set_value(2).run()
    assert counts(at) != one


def test_a_module_is_unfolded_and_folded_by_hand() -> None:
    at = page("Graph", RESNET, "layer2")
    at.button_group(key="graph.depth").set_value(1).run()
    one = counts(at)
    at.button(key="graph.unfold").click().run()
    assert counts(at) != one
    at.button(key="graph.fold").click().run()
    assert counts(at) == one


def test_find_selects_on_every_page() -> None:
    at = page("Graph", RESNET)
    at.selectbox(key="graph.find").select("layer3.0.conv1").run()
    assert at.session_state["session"].selected == "layer3.0.conv1"
    assert {"layer3", "layer3.0"} <= at.session_state["graph.folds"].opened  # or it would not be in the picture
    assert "Conv2d(128, 256" in said(at)


@pytest.mark.parametrize("by", ["training", "parameters", "MACs"])
def test_colours(by: str) -> None:
    at = page("Graph", RESNET.then(Freeze("layer1")))
    at.selectbox(key="graph.by").select(by).run()
    assert not at.exception


def test_too_much_to_draw_is_said() -> None:
    at = page("Graph", open_recipe("densenet201"))
    at.button_group(key="graph.depth").set_value(4).run()
    assert not at.exception
    assert "nobody could read" in at.warning[0].value


def test_without_dot_the_browser_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelview.ui import graph_view

    graph_view._drawn.clear()
    monkeypatch.setattr(svg, "svg", lambda source: None)
    at = page("Graph", open_recipe("resnet34"))
    assert not at.exception
    assert at.get("graphviz_chart")
    graph_view._drawn.clear()
