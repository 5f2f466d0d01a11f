"""Rows 1, 5, 6, 7, 8, 16 and 19 of the tutorials in a real browser: chosen and clicked, no Python typed."""

import re
from pathlib import Path
from typing import Literal

import pytest
import torch
from playwright.sync_api import Locator, Page, TimeoutError, expect
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, ResNet

from tests.e2e.test_walk import download, go

pytestmark = pytest.mark.e2e


class Fused(ResNet):
    """The tutorial's fusion of four stages, by inheritance."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        self.fc = nn.Linear(960, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        pooled = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            pooled.append(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return self.fc(torch.cat(pooled, dim=1))


def test_the_tutorials_edits_by_form(page: Page, address: str, tmp_path: Path) -> None:
    _open(page, address, "resnet18")
    _fuse_stages(page, tmp_path)
    _deeper_head(page)
    _extra_input(page, tmp_path)
    _extra_output(page)
    _detach(page)
    _backbone(page)


def _fuse_stages(page: Page, folder: Path) -> None:
    """Row 1: what is downloaded fits the class that the tutorial writes by hand."""
    _choose(page, "Fuse stages")
    expect(_preview(page)).to_contain_text("64 + 128 + 256 + 512 = 960")
    _number(page, "Classes", "1")
    _apply(page, "1 × 1", card="4 stages → Linear(960, 1)")
    go(page, "Export")
    page.locator(".st-key-prepare_state_dict button").click()
    expect(page.get_by_text("tensors equal.", exact=False)).to_be_visible()
    weights = torch.load(download(page, "Download resnet18_state_dict.pth", folder), weights_only=True)
    code = download(page, "Download model.py", folder).read_text()
    by_hand = Fused(1)
    ours = {name: value.shape for name, value in weights.items()}
    assert ours == {name: value.shape for name, value in by_hand.state_dict().items()}
    assert "class FusedResNet(ResNet):" in code
    names: dict[str, object] = {"__name__": "model"}
    exec(compile(code, "model.py", "exec"), names)
    exported = names["build_model"]()  # type: ignore[operator]
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        outputs = [_loaded(model, weights)(x) for model in (by_hand, exported)]
    assert torch.allclose(*outputs, atol=1e-5)
    go(page, "Edit")
    _undo(page)


def _deeper_head(page: Page) -> None:
    """Row 6."""
    _choose(page, "Swap head")
    _field(page, "textbox", "Hidden widths").fill("128")
    _number(page, "Dropout", "0.5")
    page.get_by_text("Softmax at the end").click()
    expect(_preview(page)).to_contain_text("train with NLLLoss on its log")
    _apply(page, "1 × 10", card="Linear(512, 128) → ReLU → Dropout(0.5) → Linear(128, 10) → Softmax(dim=1)")
    _undo(page)


def _extra_input(page: Page, folder: Path) -> None:
    """Row 7: the model takes two inputs afterwards, on the other pages as well."""
    _choose(page, "Add input")
    page.get_by_role("button", name="As in the tutorial").click()
    expect(_preview(page)).to_contain_text("train with NLLLoss on its log")
    _apply(page, "1 × 10", card="add_variable 1 × 1 joined after the output")
    go(page, "Features")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".st-key-features-strip-0")).to_be_visible()
    go(page, "Layers")
    page.get_by_role("button", name="Input").click()
    expect(page.get_by_text("Input 2")).to_be_visible()
    page.keyboard.press("Escape")
    go(page, "Export")
    assert "add_variable" in download(page, "Download model.py", folder).read_text()
    go(page, "Edit")
    _undo(page)


def _extra_output(page: Page) -> None:
    """Row 8: (x10, x1000) from layers after the output and the whole net beside it."""
    _choose(page, "Append layers")
    page.get_by_role("button", name="And dropout, softmax").click()
    _pick(page, "Names", "wrap")
    expect(_preview(page)).to_contain_text("self.net")
    _apply(page, "1 × 10", card="ReLU → Dropout(0.5) → Linear(1000, 10) → Softmax(dim=1)")
    _choose(page, "Add outputs")
    _pick(page, "Modules", "net")
    page.keyboard.press("Escape")
    _apply(page, "(1 × 10, 1 × 1000)", card="output, net", number=2)
    _undo(page)
    _undo(page)


def _detach(page: Page) -> None:
    """Row 16."""
    _choose(page, "Detach")
    _pick(page, "After", "layer2")
    expect(_preview(page)).to_contain_text(".detach()")
    _apply(page, "1 × 1000", card="no gradient before layer2")
    _undo(page)


def _backbone(page: Page) -> None:
    """Row 19: without the last children, and cut with the original's names."""
    _choose(page, "First children")
    _number(page, "Leave out", "2")
    _apply(page, "1 × 512 × 7 × 7", card="conv1 to layer4")
    _undo(page)
    _choose(page, "Truncate")
    _pick(page, "Last module", "layer4")
    page.get_by_text("Pool", exact=True).click()
    _apply(page, "1 × 512 × 1 × 1", card="up to layer4 → pool · 512 channels")


def test_models_are_built_by_form(page: Page, address: str, tmp_path: Path) -> None:
    """Row 5, the whole U-Net from its numbers, and row 1's ResNet that has no builder."""
    _build(page, address)
    _built_number(page, "unet-n_classes", "2")
    expect(page.locator(".st-key-build").get_by_text("31,037,698 parameters", exact=False)).to_be_visible()
    _opened(page, "unet")
    _build(page, address)
    page.get_by_text("torchvision class", exact=True).click()
    expect(page.locator(".st-key-build").get_by_text("fill it in to see the model", exact=False)).to_be_visible()
    _chosen(page, "block", "Bottleneck")
    layers = page.locator(".st-key-build-ResNet-layers input")
    layers.fill("3, 24, 36, 3")
    layers.press("Enter")
    _opened(page, "ResNet")
    go(page, "Edit")
    _choose(page, "Fuse stages")
    expect(_preview(page)).to_contain_text("256 + 512 + 1,024 + 2,048 = 3,840")
    _apply(page, "1 × 10", card="4 stages → Linear(3840, 10)")
    go(page, "Export")
    code = download(page, "Download model.py", tmp_path).read_text()
    assert "model = FusedResNet(block=Bottleneck, layers=[3, 24, 36, 3])" in code


def _build(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Open a model")).to_be_visible(timeout=60_000)
    summary = page.get_by_text("Build a U-Net", exact=False)
    if not page.locator(".st-key-build-kind").is_visible():
        summary.click()
    expect(page.locator(".st-key-build-kind")).to_be_visible()


def _built_number(page: Page, key: str, value: str) -> None:
    field = page.locator(f".st-key-build-{key} input")
    field.fill(value)
    field.press("Enter")


def _chosen(page: Page, label: str, option: str) -> None:
    """Open the list and choose; once more where the page was drawn anew meanwhile."""
    for _ in range(5):
        page.locator(".st-key-build").get_by_role("combobox", name=label, exact=True).click()
        try:
            return page.get_by_role("option").filter(has_text=re.compile(f"^{option}$")).click(timeout=6_000)
        except TimeoutError:
            page.keyboard.press("Escape")
    raise AssertionError(f"{label} has no option {option}")


def _opened(page: Page, title: str) -> None:
    button = page.locator(".st-key-build-open button")
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_test_id("stSidebar").get_by_text(title, exact=True)).to_be_visible()


def _open(page: Page, address: str, name: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Open a model")).to_be_visible(timeout=60_000)
    page.get_by_label("Search", exact=False).first.fill(name)
    expect(page.locator(".st-key-chosen").get_by_text(name, exact=True).first).to_be_visible()
    page.locator(".st-key-open button").click()
    expect(page.get_by_test_id("stSidebar").get_by_text(name, exact=True)).to_be_visible()
    go(page, "Edit")


def _choose(page: Page, kind: str) -> None:
    page.get_by_role("radio", name=kind, exact=True).click()
    expect(page.get_by_role("radio", name=kind, exact=True)).to_be_checked()


def _preview(page: Page) -> Locator:
    return page.locator(".st-key-preview")


def _field(page: Page, role: Literal["combobox", "spinbutton", "textbox"], label: str) -> Locator:
    """A field of the form, once that of the kind before has gone."""
    found = page.locator(".st-key-form").get_by_role(role, name=label, exact=True)
    expect(found).to_have_count(1)
    return found


def _number(page: Page, label: str, value: str) -> None:
    field = _field(page, "spinbutton", label)
    field.fill(value)
    field.press("Enter")


def _pick(page: Page, label: str, option: str) -> None:
    """Search for an option, and choose the one of that name; once more where the page was drawn anew meanwhile."""
    wanted = page.get_by_role("option", name=re.compile(rf"^{re.escape(option)}( ·|$)"))
    for _ in range(5):
        _field(page, "combobox", label).fill(option)
        try:
            return wanted.click(timeout=6_000)
        except TimeoutError:
            page.keyboard.press("Escape")
    raise AssertionError(f"{label} has no option {option}")


def _apply(page: Page, output: str, card: str, number: int = 1) -> None:
    """Apply once the preview has this output; what it comes to stands in the sidebar afterwards."""
    expect(_preview(page).get_by_role("row", name="Output")).to_contain_text(_thin(output))
    page.locator(".st-key-apply button").click()
    expect(page.locator(f".st-key-card_{number}")).to_contain_text(card)
    expect(page.locator(".st-key-figures")).to_contain_text(_thin(output))


def _undo(page: Page) -> None:
    n_edits = page.locator("[class*=st-key-card_]").count()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[class*=st-key-card_]")).to_have_count(n_edits - 1)


def _thin(shape: str) -> str:
    """A shape as the screen writes it."""
    return shape.replace(" × ", "\u2009×\u2009")


def _loaded(model: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    model.load_state_dict(weights)
    return model.eval()
