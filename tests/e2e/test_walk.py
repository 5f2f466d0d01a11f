"""The main job by itself, in a real browser: from a name to files that plain torch loads."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import run

pytestmark = pytest.mark.e2e

LOAD = """
import sys, torch
sys.path.insert(0, ".")
from model import build_model
model = build_model()
model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
model.eval()
torch.manual_seed(0)
with torch.no_grad():
    output = model(torch.rand(1, 3, 224, 224))
torch.save({"output": output, "trainable": [n for n, p in model.named_parameters() if p.requires_grad]}, "answer.pt")
"""


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
    expect(page.get_by_role("heading", name=name, exact=True).first).to_be_visible()


def download(page: Page, link: str, folder: Path) -> Path:
    with page.expect_download(timeout=60_000) as found:
        page.get_by_text(link, exact=True).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def test_from_resnet50_to_a_state_dict_and_its_code(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Open a model")).to_be_visible(timeout=60_000)
    page.get_by_label("Search", exact=False).first.fill("resnet50")
    expect(page.locator(".st-key-chosen").get_by_text("resnet50", exact=True).first).to_be_visible()
    page.locator(".st-key-open button").click()
    expect(page.get_by_test_id("stSidebar").get_by_text("resnet50", exact=True)).to_be_visible()

    go(page, "Edit")
    page.locator(".st-key-preview").get_by_text("model.fc = nn.Linear").wait_for()
    apply = page.locator(".st-key-apply button")
    expect(apply).to_be_enabled()
    apply.click()
    expect(page.locator(".st-key-card_1")).to_contain_text("Swap head")

    page.get_by_role("radio", name="Freeze", exact=True).click()
    page.get_by_role("textbox", name="What to freeze").fill("*")
    page.get_by_role("textbox", name="Everything except").fill("fc")
    page.locator(".st-key-preview").get_by_text("model.fc.requires_grad_(True)").wait_for()
    apply.click()
    expect(page.locator(".st-key-card_2")).to_contain_text("Freeze")

    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)).save(picture)
    go(page, "Features")
    page.get_by_text("A picture", exact=False).first.click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(picture)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".st-key-features-strip-0")).to_be_visible(timeout=60_000)

    go(page, "Export")
    page.locator(".st-key-prepare_state_dict button").click()
    expect(page.get_by_text("Read back: 320 of 320 tensors equal.", exact=False)).to_be_visible(timeout=60_000)
    weights = download(page, "Download resnet50_state_dict.pth", tmp_path)
    code = download(page, "Download model.py", tmp_path)
    assert (weights.name, code.name) == ("resnet50_state_dict.pth", "model.py")

    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, weights.name], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = torch.load(tmp_path / "answer.pt", weights_only=True)
    ours = Recipe(Torchvision("resnet50")).then(SwapHead(10)).then(Freeze("*", except_="fc")).build()
    torch.manual_seed(0)
    assert torch.allclose(answer["output"], run(ours, (torch.rand(1, 3, 224, 224),)), atol=1e-5)
    assert answer["trainable"] == ["fc.weight", "fc.bias"]
