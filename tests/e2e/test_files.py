"""A fine-tuned checkpoint through the app, in a real browser: drop it, open it, change it, take it away."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn
from torchvision import models

from tests.e2e.test_walk import download, go

pytestmark = pytest.mark.e2e


def send(page: Page, *files: Path) -> None:
    page.locator(".st-key-received input[type=file]").set_input_files([str(file) for file in files])


def test_a_prefixed_checkpoint_is_dropped_opened_edited_and_downloaded(
    page: Page, address: str, tmp_path: Path
) -> None:
    model = models.resnet18(num_classes=17)
    torch.save({"epoch": 12, "state_dict": nn.DataParallel(model).state_dict()}, tmp_path / "tuned.ckpt")
    page.goto(address)
    expect(page.get_by_role("heading", name="Open a model")).to_be_visible(timeout=60_000)
    send(page, tmp_path / "tuned.ckpt")
    received = page.locator(".st-key-received")
    expect(received.get_by_text("A training checkpoint, epoch 12.", exact=False)).to_be_visible()
    expect(
        received.get_by_text("It fits torchvision resnet18 with 17 classes; 102 of 102", exact=False)
    ).to_be_visible()
    page.locator(".st-key-open_file button").click()
    expect(page.get_by_test_id("stSidebar").get_by_text("resnet18", exact=True)).to_be_visible()

    go(page, "Edit")
    page.locator(".st-key-preview").get_by_text("model.fc = nn.Linear").wait_for()
    apply = page.locator(".st-key-apply button")
    expect(apply).to_be_enabled()
    apply.click()
    expect(page.get_by_test_id("stSidebar").get_by_text("fc → Linear(512, 10)")).to_be_visible()
    go(page, "Export")
    page.locator(".st-key-prepare_state_dict button").click()
    out = torch.load(download(page, "Download resnet18_state_dict.pth", tmp_path), weights_only=True)
    assert out["fc.weight"].shape == (10, 512)
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith("fc")}
    assert all(torch.equal(out[name], value) for name, value in kept.items())


def test_what_is_no_checkpoint_is_refused_and_the_next_file_works(page: Page, address: str, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.pth"
    (tmp_path / name).write_text("<!DOCTYPE html><html><body>404</body></html>")
    (tmp_path / "empty.pth").touch()
    torch.save(models.shufflenet_v2_x0_5(num_classes=3).state_dict(), tmp_path / "good.pth")
    page.goto(address)
    received = page.locator(".st-key-received")
    expect(received.get_by_text("Drop a file here")).to_be_visible(timeout=60_000)
    send(page, tmp_path / "empty.pth")
    expect(received.get_by_text("empty.pth is empty.")).to_be_visible()
    send(page, tmp_path / name)
    expect(received.get_by_text("it looks like a web page.", exact=False)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    send(page, tmp_path / "good.pth")
    expect(received.get_by_text("shufflenet_v2_x0_5 with 3 classes", exact=False)).to_be_visible()
