"""Up as a row: which earlier output it takes, a U-Net of rows beside one written by hand, edits, and refusals."""

import pytest
import torch
from torch import Tensor, nn

import modelview as mv
from modelview.edits.base import Edit
from modelview.errors import EditError
from modelview.sources.composed import Composed, steps
from tests.laws import check_recipe, run
from tests.tutorials.test_05_unet import DoubleConv, Down, OutConv, Up

ODD = (1, 3, 37, 50)
ROWS = {
    "inc": "DoubleConv(_, 8)",
    "down1": "Down(_, 16)",
    "down2": "Down(_, 32)",
    "up1": "Up(_, 16)",
    "up2": "Up(_, 8)",
    "outc": "OutConv(_, 2)",
}
BILINEAR = ROWS | {"up1": "Up(_, 16, bilinear=True)", "up2": "Up(_, 8, True, False)"}
UNET = mv.open("modelview:moduledict", rows=ROWS, input=ODD)


class ByHand(nn.Module):
    """The tutorial's blocks, and a forward that names each skip."""

    def __init__(self, up1: nn.Module, up2: nn.Module) -> None:
        super().__init__()
        self.inc, self.down1, self.down2 = DoubleConv(3, 8), Down(8, 16), Down(16, 32)
        self.up1, self.up2, self.outc = up1, up2, OutConv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def by_hand(*, bilinear: bool) -> nn.Module:
    ups = ((48, True), (24, False)) if bilinear else ((32, False), (16, False))
    return ByHand(*(Up(n, m, bilinear, halved) for (n, halved), m in zip(ups, (16, 8), strict=True))).eval()


@pytest.mark.parametrize("container", ["moduledict", "modulelist"])
@pytest.mark.parametrize("rows", [ROWS, BILINEAR], ids=["transposed", "bilinear"])
def test_a_u_net_of_rows_is_the_one_written_by_hand(container: str, rows: dict[str, str]) -> None:
    given = rows if container == "moduledict" else list(rows.values())
    theirs = by_hand(bilinear=rows is BILINEAR)
    ours = check_recipe(mv.open(f"modelview:{container}", rows=given, input=ODD))
    values = list(theirs.state_dict().values())
    assert [value.shape for value in ours.state_dict().values()] == [value.shape for value in values]
    if container == "moduledict":
        assert list(ours.state_dict()) == [f"layers.{name}" for name in theirs.state_dict()]
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    for size in ((37, 50), (16, 16), (9, 31)):
        x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
        assert torch.equal(run(ours, (x,)), run(theirs, (x,)))


def test_the_code_says_which_skip_goes_where() -> None:
    assert 'skips={"up1": "down1", "up2": "inc"},\n' in UNET.code()
    assert '"up1": Up(32, 16),\n' in UNET.code()
    rows = ["DoubleConv(_, 4)", "Down(_, 8)", "Up(_, 4, skip=0)"]
    code = mv.open("modelview:modulelist", rows=rows).code()
    assert "    model = SkipList([DoubleConv(3, 4), Down(4, 8), Up(8, 4)], skips={2: 0})\n" in code
    assert "class LayerList" not in code


def test_how_it_runs_is_said() -> None:
    assert isinstance(UNET.source, Composed)
    assert UNET.source.running.endswith("`up1` also takes what `down1` leaves, `up2` also takes what `inc` leaves.")


@pytest.mark.parametrize(
    ("rows", "filled"),
    [
        (["DoubleConv(_, 8)", "ReLU()", "Down(_, 16)", "Up(_, 8)"], ("Up(16, 8)", "1")),
        (["DoubleConv(_, 8)", "ReLU()", "Down(_, 16)", "Up(_, 8, skip='0')"], ("Up(16, 8)", "0")),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, skip=0, out_channels=8)"], ("Up(16, out_channels=8)", "0")),
        (["DoubleConv(_, 6)", "Down(_, 5)", "Up(skip=0, bilinear=True, in_channels=_, out_channels=_)"], None),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 9)", "Down(_, 16)", "Up(_, 8, True)"], ("Up(25, 8, True)", "2")),
        (["DoubleConv(_, 3)", "Down(_, 5)", "Up(_, 2)"], ("Up(5, 2)", "0")),
        (["Conv2d(_, 8, 3, stride=2)", "Conv2d(_, 16, 2, stride=2)", "Up(16, 4)"], ("Up(16, 4)", "0")),
    ],
    ids=["newest", "named", "keyword", "both", "its own output", "odd width", "no hole"],
)  # fmt: skip
def test_the_skip_is_the_newest_that_fits(rows: list[str], filled: tuple[str, str] | None) -> None:
    last = steps(tuple(("", row) for row in rows), (1, 3, 36, 40), (), "modulelist")[-1]
    assert last.refused == ""
    assert (last.layer, last.skip) == (filled or ("Up(bilinear=True, in_channels=11, out_channels=11)", "0"))


EDITS: dict[str, Edit] = {
    "truncate": mv.Truncate("layers.up1"),
    "inside": mv.Truncate("layers.up2.conv.double_conv.0"),
    "head": mv.SwapHead(3),
    "append": mv.Append([("more", "Conv2d(2, 4, 1)")]),
    "freeze": mv.Freeze(up_to="layers.up1"),
    "outputs": mv.AddOutputs(("layers.down2", "layers.up1"), form="dict", keep_final=False),
    "input": mv.AddInput(at="layers.down2", size=3),
    "insert": mv.InsertLayer("layers.down1", "BatchNorm2d()"),
    "delete": mv.DeleteLayer("layers.outc"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_edits_go_on_it(kind: str) -> None:
    check_recipe(UNET.then(EDITS[kind]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (mv.DeleteLayer("layers.up1"), "`layers.up1` (Identity) takes one tensor, but gets (1 × 32 × 9 × 12, 1 × 16"),
        (mv.InsertLayer("layers.up1", "ReLU()"), "`layers.up1` (Sequential) takes one tensor, but gets (1 × 32 × 9"),
        (mv.InsertLayer("layers.up1", "ReLU()", "before"), "this needs a module that takes one tensor."),
        (mv.ReplaceLayer("layers.up1", "Conv2d(32, 16, 1)"), "`layers.up1` (Conv2d) takes one tensor, but gets"),
        (mv.DeleteLayer("layers.down1"), "`layers.down2.maxpool_conv.1.double_conv.0` gets 8 channels but takes 16"),
    ],
)
def test_edits_that_an_up_cannot_take(edit: Edit, message: str) -> None:
    with pytest.raises(EditError) as caught:
        UNET.then(edit).check()
    assert message in str(caught.value)


def test_the_whole_is_a_row_again() -> None:
    rows = {"features": UNET.then(mv.Truncate("layers.up1")), "down": "Down(_, 8)", "up": "Up(_, 4, bilinear=True)"}
    recipe = mv.open("modelview:moduledict", rows=rows, input=ODD)
    check_recipe(recipe)
    assert 'skips={"up": "features"}' in recipe.code()


def test_a_whole_u_net_is_a_row_too() -> None:
    rows = ["Conv2d(_, 1, 1)", "UNet(_, 4, bilinear=True)"]
    source = mv.open("modelview:sequential", rows=rows, input=(1, 3, 32, 32))
    assert source.check().output == (1, 4, 32, 32)
    assert "    model = nn.Sequential(nn.Conv2d(3, 1, 1), UNet(1, 4, bilinear=True))\n" in source.code()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Up(_, 8)"], "Row 1: `0` makes 64 × 64 of 1 × 3 × 32 × 32, and no earlier row leaves that height"),
        (["Up(_, 8)"], "as its skip: there is no row at all. Put a row of that size before the one that halves it."),
        (["Flatten()", "Up(_, 8)"], "Row 2: `1` takes a tensor (N, C, H, W) and a skip, and 1 × 3072 comes in."),
        (
            ["MaxPool2d(2)", "Conv2d(_, 8, 1)", "Flatten(2)", "Unflatten(2, (16, 16))", "Up(_, 4)"],
            "Row 5: `4` makes 32 × 32 of 1 × 8 × 16 × 16, and no earlier row leaves that height and width, or one "
            "more, as its skip: there is 1 × 3 × 16 × 16, 1 × 8 × 16 × 16, 1 × 8 × 256. Put a row of that size",
        ),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 8, skip='inc')"], "No earlier row is called 'inc'. Did you mean"),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 8, skip=2)"], "Row 3: No earlier row is called '2'."),
        (
            ["DoubleConv(_, 8)", "Down(_, 16)", "Down(_, 32)", "Up(_, 8, skip=0)"],
            "Row 4: `3` makes 16 × 16 of 1 × 32 × 8 × 8, and its skip `0` leaves 1 × 8 × 32 × 32: name a row that",
        ),
        (["Flatten()", "Unflatten(1, (3, 32, 32))", "Up(_, 8, skip=0)"], "and its skip `0` leaves 1 × 3072: name"),
        (
            ["DoubleConv(_, 8)", "Down(_, 8)", "Up(_, 8)"],
            "Row 3: `2` makes 4 channels of 8 and takes 4 from its skip, but `0` leaves 1 × 8 × 32 × 32: write",
        ),
        (
            ["DoubleConv(_, 8)", "Down(_, 16)", "Up(16, 8, True)"],
            "Row 3: `2` gets 1 × 16 × 16 × 16 and 1 × 8 × 32 × 32 of `0`, so 24 channels, but takes 16: write `_` for",
        ),
        (
            ["DoubleConv(_, 8)", "Down(_, 16)", "Up(24, 8)"],
            "Row 3: `2` gets 1 × 16 × 16 × 16, so 16 channels, but takes 24: write `_` for that number.",
        ),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 0)"], "Row 3: Up(16, 0) has a conv.double_conv.0.weight of 0 × 16"),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_)"], "Up also needs"),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up()"], "Up also needs"),
        (["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 8, skip=a)"], "A layer is a class called with plain values on one"),
        (["Conv2d(_, 8, 3, skip=0)"], "Row 1: No argument of Conv2d is called 'skip'."),
        (["UNet(_)"], "Row 1: UNet also needs"),
    ],
)  # fmt: skip
def test_refuses(rows: list[str], message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open("modelview:modulelist", rows=rows, input=(1, 3, 32, 32))
    assert message in str(caught.value)


def test_a_sequential_cannot_keep_a_skip() -> None:
    with pytest.raises(EditError) as caught:
        mv.open("modelview:sequential", rows=ROWS, input=ODD)
    assert str(caught.value) == (
        "Row 4: `up1` takes the output of an earlier row as its skip, and an nn.Sequential passes one value on: choose "
        "a ModuleDict or a ModuleList, whose forward can keep it."
    )
