"""The building part of the Open page: a U-Net by its fields, containers by rows, and what is refused there."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from modelview.edits.truncate import Truncate
from modelview.opening import open_recipe
from modelview.ui.composing import FIRST
from tests.pages.app import errors, go, session, start, text


def container(kind: str, *rows: tuple[str, str], n_first: int = len(FIRST)) -> AppTest:
    """The rows of a container: the first ones that stand there, and more."""
    at = start()
    at.button_group(key="build.kind").set_value(kind).run()
    return typed(at, added=rows, deleted=range(n_first, len(FIRST)))


def typed(at: AppTest, *, added: Any = (), deleted: Any = (), **cells: str) -> AppTest:
    edited = {int(number.removeprefix("row")): {"Layer": layer} for number, layer in cells.items()}
    new = [{"Name": name or None, "Layer": layer or None} for name, layer in added]
    at.session_state["build.rows"] = {"edited_rows": edited, "added_rows": new, "deleted_rows": list(deleted)}
    return at.run()


def outcomes(at: AppTest) -> list[str]:
    (table,) = [each.value for each in at.dataframe if "What comes out" in each.value]
    return [str(cell).replace("\u2009", " ") for cell in table["What comes out"]]


def test_a_unet_without_typing() -> None:
    at = start()
    assert "31,037,698 parameters · `1 × 3 × 256 × 256` → `1 × 2 × 256 × 256`" in text(at)
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    assert at.title[0].value == "Layers"
    assert session(at).recipe == open_recipe("modelview:unet")


def test_a_unet_in_its_other_forms_and_for_another_image() -> None:
    at = start()
    at.number_input(key="build.unet.n_classes").set_value(1)
    at.toggle(key="build.unet.bilinear").set_value(True).run()
    assert "17,262,977 parameters" in text(at)
    at.toggle(key="build.unet.halved").set_value(False).run()
    assert "13,391,361 parameters" in text(at)
    at.number_input(key="build.unet.n_channels").set_value(1)
    at.number_input(key="build.seed").set_value(7).run()
    at.number_input(key="build.unet.input.0.height").set_value(97).run()
    assert "`1 × 1 × 97 × 256` → `1 × 1 × 97 × 256`" in text(at)
    at.button(key="build.open").click().run()
    wanted = open_recipe("modelview:unet", n_channels=1, n_classes=1, bilinear=True, halved=False, seed=7)
    assert session(at).recipe == wanted
    assert session(at).inputs == ((1, 1, 97, 256),)


@pytest.mark.long
def test_the_rows_that_were_typed_stay() -> None:
    at = container("ModuleDict", ("more", "Linear(10, 3)"))
    expected = outcomes(at)
    go(go(at, "4_Edit"), "1_Open")
    assert at.button_group(key="build.kind").value == "ModuleDict"
    assert outcomes(at) == expected
    assert len(expected) == len(FIRST) + 1
    assert outcomes(typed(at, row5="Linear(10, 4)"))[-1] == "1 × 4"


@pytest.mark.long
def test_the_fields_of_a_unet_and_a_class_stay() -> None:
    at = start()
    at.number_input(key="build.unet.n_classes").set_value(5).run()
    at.button_group(key="build.kind").set_value("torchvision class").run()
    at.text_input(key="build.ResNet.layers").input("[3, 24, 36, 3]").run()
    go(go(at, "4_Edit"), "1_Open")
    assert at.text_input(key="build.ResNet.layers").value == "[3, 24, 36, 3]"
    at.button_group(key="build.kind").set_value("U-Net").run()
    assert at.number_input(key="build.unet.n_classes").value == 5


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("n_channels", 0, "n_channels is a whole number from 1 up; got 0."),
        ("n_classes", -3, "n_classes is a whole number from 1 up; got -3."),
        ("n_classes", 10**12, "n_classes is at most 2,147,483,647"),
        ("n_channels", 2 * 10**9, "would take 4,608 GB of weights; this machine has"),
        ("input.0.height", 15, "`down4.maxpool_conv.0` (MaxPool2d) could not take"),
        ("input.0.channels", 4, "`inc.double_conv.0` gets 4 channels but takes 3"),
    ],
)
def test_a_unet_that_cannot_be(field: str, value: int, message: str) -> None:
    at = start()
    at.number_input(key=f"build.unet.{field}").set_value(value).run()
    assert message in errors(at)
    assert at.button(key="build.open").disabled


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Sequential", "A Sequential runs its layers in this order: `conv1`, `relu1`, `pool`, `flatten`, `fc`."),
        (
            "ModuleList",
            "A ModuleList alone has no forward. A small module holds this one as `layers`; its forward runs",
        ),
        ("ModuleDict", "stored order: `conv1`, `relu1`, `pool`, `flatten`, `fc`."),
    ],
)
def test_a_container_says_how_it_runs_and_opens(kind: str, said: str) -> None:
    at = container(kind)
    assert said in text(at)
    assert "1,226 parameters · `1 × 3 × 224 × 224` → `1 × 10`" in text(at)
    assert outcomes(at) == [
        *["1 × 32 × 224 × 224"] * 2,
        *["1 × 32 × 1 × 1", "1 × 32", "1 × 10"],
    ]
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    rows = [layer for _, layer in FIRST] if kind == "ModuleList" else FIRST
    assert session(at).recipe == open_recipe(f"modelview:{kind.lower()}", rows=rows)


def test_rows_are_added_and_another_input_chosen() -> None:
    at = container("Sequential", ("block", "BasicBlock(_, 64, 2)"), ("", ""), ("", "OutConv(_, 2)"), n_first=2)
    at.text_input(key="build.input").set_value("1, 3, 32, 48").run()
    assert outcomes(at) == ["1 × 32 × 32 × 48", "1 × 32 × 32 × 48", "1 × 64 × 16 × 24", "", "1 × 2 × 16 × 24"]
    at.button(key="build.open").click().run()
    rows = [*FIRST[:2], ("block", "BasicBlock(_, 64, 2)"), ("", "OutConv(_, 2)")]
    assert session(at).recipe == open_recipe("modelview:sequential", rows=rows, input=(1, 3, 32, 48))


def test_an_up_takes_the_output_of_an_earlier_row() -> None:
    rows = [("inc", "DoubleConv(_, 8)"), ("down1", "Down(_, 16)"), ("down2", "Down(_, 32)"), ("up1", "Up(_, 16)")]
    at = container("ModuleDict", *rows, n_first=0)
    at.text_input(key="build.input").set_value("1, 3, 37, 50").run()
    assert outcomes(at) == ["1 × 8 × 37 × 50", "1 × 16 × 18 × 25", "1 × 32 × 9 × 12", "1 × 16 × 18 × 25"]
    assert "`up1` also takes what `down1` leaves." in text(at)
    assert "`Up`, `OutConv`" in text(at)
    assert '`Up(_, 64, skip="down1")`' in text(at)
    typed(at, added=[*rows, ("up2", "Up(_, 8, True, skip='down1')")], deleted=range(len(FIRST)))
    assert outcomes(at)[4].startswith("`up2` makes 36 × 50 of 1 × 16 × 18 × 25, and its skip `down1` leaves")
    rows.append(("up2", "Up(_, 8, True, skip='inc')"))
    typed(at, added=rows, deleted=range(len(FIRST)))
    assert outcomes(at)[4] == "1 × 8 × 37 × 50"
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    assert session(at).recipe == open_recipe("modelview:moduledict", rows=rows, input=(1, 3, 37, 50))


def test_the_open_model_becomes_a_row() -> None:
    at = go(start("1_Open", "resnet18", Truncate("layer4")), "1_Open")
    at.button_group(key="build.kind").set_value("Sequential").run()
    rows = [("trunk", "backbone()"), ("head", "Conv2d(_, 21, 1)")]
    typed(at, added=rows, deleted=range(len(FIRST)))
    assert errors(at) == ""
    assert outcomes(at) == ["1 × 512 × 7 × 7", "1 × 21 × 7 × 7"]
    at.button(key="build.open").click().run()
    backbone = open_recipe("resnet18").then(Truncate("layer4"))
    assert session(at).recipe == open_recipe("modelview:sequential", rows=rows, blocks={"backbone": backbone})


def test_a_name_that_no_row_could_call_is_refused() -> None:
    at = start("1_Open", "resnet18")
    at.button_group(key="build.kind").set_value("Sequential").run()
    at.text_input(key="build.own").set_value("Linear").run()
    assert "'Linear' is something else already" in errors(at)
    at.text_input(key="build.own").set_value("").run()
    assert errors(at) == ""


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("Sequential", ("x", "Conv2d(4, 8, 3)"), "Row 6: `x` gets 1 × 10, but Conv2d takes 4 dimensions (N, C, H, W)."),
        ("ModuleDict", ("x", "Linear(4, 8)"), "Row 6: `x` gets 1 × 10, so 10 features, but takes 4"),
        ("Sequential", ("x", "Linaer(_, 8)"), "Row 6: No layer or block is called 'Linaer'. Did you mean 'Linear'"),
        ("Sequential", ("fc", "ReLU()"), "Row 6 has the name 'fc' of row 5: choose another."),
        ("Sequential", ("a.b", "ReLU()"), "Row 6: 'a.b' has a dot"),
        ("Sequential", ("up", "Up(_, 8)"), "Row 6: `up` takes the output of an earlier row as its skip, and an nn.Seq"),
        ("ModuleDict", ("", "ReLU()"), "Row 6 needs a name"),
        ("ModuleDict", ("x", ""), "Row 6 has no layer"),
    ],
)
def test_rows_that_cannot_be(kind: str, row: tuple[str, str], message: str) -> None:
    at = container(kind, row)
    assert message in errors(at)
    assert at.button(key="build.open").disabled
    assert outcomes(at)[:5] == outcomes(container(kind))


def test_below_a_row_that_cannot_run_nothing_comes_out() -> None:
    at = typed(container("Sequential"), row1="Conv2d(8, 8, 3)")
    assert outcomes(at)[0] == "1 × 32 × 224 × 224"
    assert "`relu1` gets 32 channels but takes 8" in outcomes(at)[1]
    assert outcomes(at)[2:] == ["", "", ""]


def test_no_rows_at_all() -> None:
    at = container("ModuleList", n_first=0)
    assert "There are no rows: a container needs at least one layer." in errors(at)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("3 by 4", "A shape is whole numbers with commas between, such as 1, 3, 224, 224; got '3 by 4'."),
        ("8, 3, 4, 4", "input is a shape with N = 1 first, such as (1, 3, 224, 224); got (8, 3, 4, 4)."),
        ("1, 4, 9, 9", ""),
        ("1, 3, 999999999999, 999999999999", "No tensor can have the shape"),
    ],
)
def test_the_input_is_looked_at(shape: str, message: str) -> None:
    at = container("Sequential")
    at.text_input(key="build.input").set_value(shape).run()
    assert message in errors(at)
    assert bool(message) == bool(errors(at))
    assert [each.key for each in at.data_editor] == ["build.rows"]


def of_class(name: str = "ResNet") -> AppTest:
    at = start()
    at.button_group(key="build.kind").set_value("torchvision class").run()
    at.selectbox(key="build.class").select(name).run()
    return at


def test_a_class_says_what_it_needs() -> None:
    at = of_class()
    assert errors(at) == ""
    assert "ResNet needs `layers`: fill it in to see the model." in text(at)
    assert at.button(key="build.open").disabled
    assert "VisionTransformer needs `image_size` and `patch_size` and" in text(of_class("VisionTransformer"))


@pytest.mark.parametrize("layers", ["[3, 24, 36, 3]", "3, 24, 36, 3", " 3 24 36 3"])
def test_a_class_with_arguments_and_another_image(layers: str) -> None:
    at = of_class()
    at.selectbox(key="build.ResNet.block").select("Bottleneck")
    at.text_input(key="build.ResNet.layers").set_value(layers)
    at.number_input(key="build.ResNet.num_classes").set_value(10).run()
    assert "62,645,322 parameters · `1 × 3 × 224 × 224` → `1 × 10`" in text(at)
    at.number_input(key="build.ResNet.input.0.height").set_value(97).run()
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    wanted = open_recipe("torchvision:ResNet", block="Bottleneck", layers=(3, 24, 36, 3), num_classes=10)
    assert session(at).recipe == wanted
    assert session(at).inputs == ((1, 3, 97, 224),)


def test_a_class_of_objects_begins_with_an_example_that_can_be_changed() -> None:
    at = of_class("ConvNeXt")
    assert errors(at) == ""
    assert "28,589,128 parameters · `1 × 3 × 224 × 224` → `1 × 1000`" in text(at)
    at.text_area(key="build.ConvNeXt.block_setting").set_value("[CNBlockConfig(8, None, 2)]")
    at.text_input(key="build.ConvNeXt.norm_layer").set_value("partial(nn.GroupNorm, 1)")
    at.number_input(key="build.ConvNeXt.num_classes").set_value(3).run()
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    assert session(at).recipe == open_recipe(
        "torchvision:ConvNeXt",
        block_setting=["CNBlockConfig(8, None, 2)"],
        norm_layer="partial(nn.GroupNorm, 1)",
        num_classes=3,
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "VGG needs `features`: fill it in to see the model."),
        ("make_layers([64", "features is written as Python; got 'make_layers([64'."),
        ("open('x')", "No class or function for features is called 'open'."),
    ],
)
def test_objects_that_cannot_be(value: str, message: str) -> None:
    at = of_class("VGG")
    at.text_area(key="build.VGG.features").set_value(value).run()
    assert message in errors(at) + text(at)
    assert at.button(key="build.open").disabled


def test_a_detector_of_a_class_is_opened() -> None:
    at = of_class("FasterRCNN")
    at.number_input(key="build.FasterRCNN.num_classes").set_value(3)
    at.number_input(key="build.FasterRCNN.min_size").set_value(64).run()
    at.button(key="build.open").click().run()
    assert errors(at) == ""
    assert session(at).recipe.source.title == "FasterRCNN"
    assert session(at).recipe.example == ((1, 3, 64, 64),)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("layers", "print(1)", "layers is a list of plain values, such as [1, 2]; got 'print(1)'."),
        ("layers", "[1, 1, 1, 0]", "layers is a list of numbers from 1 to 100,000; 0 is in it."),
        ("layers", "3", "layers is a list. Got 3."),
        ("norm_layer", "BatchNrm2d", "No class for norm_layer is called 'BatchNrm2d'. Did you mean 'BatchNorm2d'"),
        ("num_classes", 0, "num_classes is a whole number from 1 up; got 0."),
        ("groups", 3, "groups"),
        ("input.0.channels", 4, "`conv1` gets 4 channels but takes 3"),
    ],
)
def test_a_class_that_cannot_be(field: str, value: Any, message: str) -> None:
    at = of_class()
    at.text_input(key="build.ResNet.layers").set_value("[1, 1, 1, 1]").run()
    place = at.number_input if isinstance(value, int) else at.text_input
    place(key=f"build.ResNet.{field}").set_value(value).run()
    assert message in errors(at)
    assert at.button(key="build.open").disabled
