"""The Export page: what can be taken away, and what is said where it cannot."""

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from modelview.edits.prefix import Prefix
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.export.recipe import RecipeDocument
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from modelview.ui import transfers
from modelview.ui.state import SESSION, Session

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "pages" / "6_Export.py"
SQUEEZENET = Recipe(Torchvision("squeezenet1_1")).then(SwapHead(4))


def opened(recipe: Recipe | None) -> AppTest:
    at = AppTest.from_file(str(ROOT / "modelview/ui/main.py"), default_timeout=60)
    if recipe is not None:
        at.session_state[SESSION] = Session(history=(recipe,), position=0)
    at.run()
    at.switch_page(str(PAGE)).run()
    assert not at.exception
    return at


def test_without_a_model_it_says_where_to_open_one() -> None:
    assert "No model is open yet" in opened(None).info[0].value


def test_a_card_for_each_format_with_the_lines_that_load_it() -> None:
    at = opened(SQUEEZENET)
    assert [title.value for title in at.subheader][:4] == ["state_dict", "model.py", "Whole model", "recipe.json"]
    assert 'torch.load("squeezenet1_1_state_dict.pth", map_location="cpu", weights_only=True)' in at.code[0].value


def test_a_prepared_file_is_read_back_and_can_be_fetched() -> None:
    at = opened(SQUEEZENET)
    at.button(key="prepare_state_dict").click().run()
    assert not at.exception
    assert any("Read back: 52 of 52 tensors equal." in caption.value for caption in at.caption)
    grant = next(reversed(transfers.spool._grants.values()))
    assert grant.name == "squeezenet1_1_state_dict.pth"
    assert torch.load(grant.path, weights_only=True)["classifier.1.bias"].shape == (4,)


def test_what_preparing_proves_is_said_at_once() -> None:
    recipe = Recipe(Torchvision("squeezenet1_1", seed=11)).then(Prefix("module."))
    at = opened(recipe)
    assert any("compared when the weights are first made" in caption.value for caption in at.sidebar.caption)
    (size,) = (caption.value for caption in at.caption if "_recipe.json" in caption.value)
    assert size.endswith(f"{len(recipe.to_json()) + 1} bytes")
    at.button(key="prepare_state_dict").click().run()
    assert any("Proved: the output, equal to the last bit" in caption.value for caption in at.sidebar.caption)
    (size,) = (caption.value for caption in at.caption if "_recipe.json" in caption.value)
    assert size.endswith(f"{len(RecipeDocument().text(recipe))} bytes")
    assert "largest_difference" in RecipeDocument().text(recipe)


def test_what_cannot_be_pickled_whole_says_what_to_take_instead() -> None:
    recipe = Recipe(Torchvision("ssdlite320_mobilenet_v3_large")).then(Truncate("backbone.features.0.3"))
    at = opened(recipe)
    assert "Export python and state" in at.warning[0].value


def test_weights_that_cannot_be_fetched_are_a_sentence_and_a_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("MODELVIEW_WEIGHTS_MIRROR", "http://127.0.0.1:9")
    at = opened(Recipe(Torchvision("squeezenet1_1", "IMAGENET1K_V1")))
    assert any("What belongs to these weights" in title.value for title in at.subheader)
    at.button(key="prepare_state_dict").click().run()
    assert not at.exception
    assert "could not be fetched from" in at.error[0].value
    assert "by hand, or go on with random weights" in at.error[0].value
    at.button(key="random_state_dict").click().run()
    assert at.session_state[SESSION].recipe == Recipe(Torchvision("squeezenet1_1"))


def test_links_expire_and_files_make_room() -> None:
    spool = transfers.Spool()
    tokens = []
    for number in range(transfers.MOST_FILES + 2):
        path = spool.place("x.pth")
        path.write_text(str(number))
        tokens.append(spool.offer(path, "x.pth"))
    assert [spool.find(token) is None for token in tokens[:3]] == [True, True, False]
    assert spool.find("nonsense") is None
    kept = spool.find(tokens[-1])
    assert kept is not None
    assert kept.path.read_text() == str(transfers.MOST_FILES + 1)
    spool.close()
    assert not kept.path.exists()
