"""timm's architectures beside torchvision's: by a small index made up here, and by timm where it is installed."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

import modelview as mv
from modelview import files, recognised
from modelview.checkpoints.records import TensorInfo
from modelview.cli import main
from modelview.fields import FileRef
from modelview.identify import index, kept, making, making_timm
from modelview.identify.index import Entry, Grid, Growth
from modelview.identify.matching import Match, identify, nearest
from modelview.meta import building
from modelview.recognised import recognise
from modelview.sources.timm import Timm

Shapes = dict[str, tuple[int, ...]]

VIT: Shapes = {
    "cls_token": (1, 1, 24),
    "pos_embed": (1, 197, 24),
    "patch_embed.proj.weight": (24, 3, 16, 16),
    **{f"blocks.{n}.{part}": (24, 24) for n in range(4) for part in ("q", "k", "v", "proj")},
    "head.weight": (1000, 24),
    "head.bias": (1000,),
}
SPACE_TO_DEPTH: Shapes = {
    "body.conv1.weight": (32, 48, 3, 3),
    **{f"body.layer{n}.conv.weight": (32, 32, 3, 3) for n in range(6)},
    "head.fc.weight": (1001, 32),
}
BY_CLASSES = Growth(0, 1, 0)


def entry(name: str, shapes: Shapes, **given: Any) -> Entry:
    given = {"heads": {}, "stems": {}, "grids": {}, "num_classes": None, "keywords": ()} | given
    children = tuple(dict.fromkeys(key.partition(".")[0] for key in shapes))
    return Entry(spec=f"timm:{name}", items=tuple(shapes.items()), children=children, **given)


def made_up() -> tuple[Entry, ...]:
    resnet = next(each for each in index.load().entries if each.spec == "torchvision:resnet18")
    heads = {"head.weight": BY_CLASSES, "head.bias": BY_CLASSES}
    stems, grids = {"patch_embed.proj.weight": Growth(1, 1, 0)}, {"pos_embed": Grid(16, 1)}
    return (
        replace(resnet, spec="timm:resnet18"),
        entry("vit", VIT, heads=heads, stems=stems, grids=grids, num_classes=1000),
        entry("vit_too", VIT | {"head.weight": (21, 24), "head.bias": (21,)}, heads=heads, stems=stems, num_classes=21),
        entry(
            "tres",
            SPACE_TO_DEPTH,
            heads={"head.fc.weight": Growth(0, 1, 1)},
            stems={"body.conv1.weight": Growth(1, 16, 0)},
            num_classes=1000,
        ),
    )


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timm 9.9, as far as recognising asks."""
    monkeypatch.setattr(kept, "timm_version", lambda: "9.9")


@pytest.fixture
def path(installed: None) -> Path:  # noqa: ARG001 - it decides the path
    """Where the index of timm 9.9 belongs, in a folder that is there."""
    path = kept.state().path
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def indexed(path: Path) -> Path:
    """The index that is made up here, in its place."""
    kept.write(path, index.written(made_up(), {"timm": "9.9"}))
    return path


def checkpoint(shapes: Shapes) -> Any:
    return SimpleNamespace(tensors={name: TensorInfo(tuple(shape), "float32", 0) for name, shape in shapes.items()})


def best(shapes: Shapes) -> Match:
    return identify(checkpoint(shapes))[0]


def shapes_of(model: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.usefixtures("indexed")
def test_both_indexes_are_one() -> None:
    specs = {each.spec for each in index.load().entries}
    assert {"torchvision:resnet50", "timm:vit", "timm:resnet18"} <= specs
    assert index.load().note == ""


@pytest.mark.usefixtures("indexed")
def test_what_fits_both_is_torchvisions_first() -> None:
    match = best(shapes_of(models.resnet18(num_classes=7)))
    assert (match.spec, match.also) == ("torchvision:resnet18", ("torchvision:quantized_resnet18", "timm:resnet18"))
    assert match.sentence.endswith("Equal in names and shapes: quantized_resnet18, timm resnet18.")


@pytest.mark.usefixtures("indexed")
def test_each_of_equals_is_opened_in_its_own_way() -> None:
    own = shapes_of(models.resnet18(num_classes=7))
    match = best(own | {"conv1.weight": (64, 4, 7, 7)})
    assert (match.spec, match.in_channels, match.opening) == ("torchvision:resnet18", 4, (("num_classes", 7),))
    chosen = replace(match, spec="timm:resnet18")  # as the Open page does
    assert chosen.opening == (("in_chans", 4), ("num_classes", 7))


SEVEN: Shapes = {"head.weight": (7, 24), "head.bias": (7,)}


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize(
    ("shapes", "spec", "opening"),
    [
        (VIT, "timm:vit", ()),
        (VIT | SEVEN, "timm:vit", (("num_classes", 7),)),
        (VIT | {"patch_embed.proj.weight": (24, 4, 16, 16)}, "timm:vit", (("in_chans", 4),)),
        (VIT | {"pos_embed": (1, 577, 24)}, "timm:vit", (("img_size", 384),)),
        (SPACE_TO_DEPTH | {"head.fc.weight": (8, 32)}, "timm:tres", (("num_classes", 7),)),
        (SPACE_TO_DEPTH | {"body.conv1.weight": (32, 16, 3, 3)}, "timm:tres", (("in_chans", 1),)),
    ],
    ids=["as it is", "7 classes", "4 channels", "384 pixels", "one class more than asked", "16 a channel"],
)
def test_numbers_are_told(shapes: Shapes, spec: str, opening: tuple[Any, ...]) -> None:
    match = best(shapes)
    assert (match.spec, match.coverage, match.opening) == (spec, 1.0, opening)


@pytest.mark.usefixtures("indexed")
def test_a_size_that_no_source_is_asked_for_differs() -> None:
    match = best(SPACE_TO_DEPTH | {"body.conv1.weight": (32, 40, 3, 3)})
    assert match.mismatched == (("body.conv1.weight", (32, 40, 3, 3), (32, 48, 3, 3)),)
    assert match.in_channels is None
    assert best(VIT | {"pos_embed": (1, 200, 24)}).mismatched == (("pos_embed", (1, 200, 24), (1, 197, 24)),)


@pytest.mark.usefixtures("indexed")
def test_another_number_of_classes_makes_no_other_architecture() -> None:
    match = best(VIT | SEVEN)
    assert (match.spec, match.also) == ("timm:vit", ("timm:vit_too",))
    assert match.sentence == "timm vit with 7 classes; 21 of 21 tensors match. Equal in names and shapes: timm vit_too."


def test_of_equals_that_comes_first_which_needs_no_keyword(path: Path) -> None:
    large = VIT | {"pos_embed": (1, 577, 24)}
    both = [entry("v", VIT, grids={"pos_embed": Grid(16, 1)}), entry("v_384", large, grids={"pos_embed": Grid(16, 1)})]
    kept.write(path, index.written(both, {"timm": "9.9"}))
    found = identify(checkpoint(large))
    assert [(m.spec, m.opening) for m in found] == [("timm:v_384", ()), ("timm:v", (("img_size", 384),))]


@pytest.mark.usefixtures("indexed")
def test_below_a_prefix_in_a_larger_model_and_after_a_cut() -> None:
    inside = {f"encoder.body.{name}": shape for name, shape in (VIT | SEVEN).items()}
    assert best(inside).prefix == "encoder.body."
    larger = best(inside | {f"decoder.{n}.weight": (3, 3) for n in range(9)})
    assert (larger.spec, larger.prefix, larger.num_classes) == ("timm:vit", "encoder.body.", 7)
    cut = {name.replace("body", "0"): shape for name, shape in SPACE_TO_DEPTH.items() if name.startswith("body")}
    assert ("0.conv1.weight", "body.conv1.weight") in best(cut).renamed


@pytest.mark.usefixtures("indexed")
def test_the_nearest_say_whose_they_are() -> None:
    some = dict(list(VIT.items())[:6]) | {f"other.{n}": (5,) for n in range(9)}
    assert "The nearest are timm vit (" in nearest(checkpoint(some))


def test_an_index_of_what_is_not_installed_is_not_asked(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert best(VIT).spec == "timm:vit"
    monkeypatch.setattr(kept, "timm_version", lambda: None)
    assert indexed.exists()
    assert identify(checkpoint(VIT)) == []
    assert index.load().note == ""


@pytest.mark.usefixtures("installed")
def test_where_there_is_none_it_is_said_how_to_make_it() -> None:
    assert identify(checkpoint(VIT)) == []
    assert best(shapes_of(models.resnet18())).spec == "torchvision:resnet18"
    assert index.load().note == (
        "timm is installed; python -m modelview.identify.making --timm makes the index, in some minutes, by which its "
        "models are recognised too."
    )


def test_one_that_is_made_meanwhile_is_noticed(path: Path) -> None:
    assert identify(checkpoint(VIT)) == []
    kept.write(path, index.written(made_up(), {"timm": "9.9"}))
    assert best(VIT).spec == "timm:vit"
    kept.write(path, index.written(made_up()[2:], {"timm": "9.9"}))
    assert best(VIT).spec == "timm:vit_too"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["timm-9.8.json.gz", "timm-9.9.json.gz"])
def test_that_of_another_version_is_left_out(name: str, path: Path) -> None:
    kept.write(path.with_name(name), index.written(made_up(), {"timm": "9.8"}))
    assert identify(checkpoint(VIT)) == []
    assert index.load().note == (
        "The index of timm's models is of timm 9.8, and 9.9 is installed: python -m modelview.identify.making --timm "
        "makes it anew."
    )


def packed(**changed: Any) -> bytes:
    content = json.loads(gzip.decompress(index.written(made_up(), {"timm": "9.9"})))
    return gzip.compress(json.dumps(content | changed).encode())


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"not packed at all",
    "half": lambda whole: whole[: len(whole) // 2],
    "a bit": lambda whole: whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
    "no JSON": lambda _: gzip.compress(b"{'names': ["),
    "nested": lambda _: gzip.compress(b"[" * 100_000),
    "a list": lambda _: gzip.compress(b"[]"),
    "no entries": lambda _: packed(entries=None),
    "no items": lambda _: packed(items=[]),
    "other entries": lambda _: packed(entries=[{"spec": "timm:vit"}]),
    "an earlier format": lambda _: packed(format=1),
    "no versions": lambda _: packed(made_with=[]),
    "others' versions": lambda _: packed(made_with={"torchvision": "0.1"}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_one_is_left_out(damage: str, indexed: Path) -> None:
    kept.write(indexed, DAMAGED[damage](indexed.read_bytes()))
    assert identify(checkpoint(VIT)) == []
    assert best(shapes_of(models.resnet18())).spec == "torchvision:resnet18"
    assert index.load().note == (
        f"The index of timm's models in {indexed} cannot be read and was left out: "
        "python -m modelview.identify.making --timm makes it anew."
    )


def test_it_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert kept.folder() == tmp_path / "cache" / "modelview"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert kept.folder() == tmp_path / ".cache" / "modelview"


def test_what_is_written_is_read() -> None:
    data = index.written(made_up(), {"timm": "9.9"})
    part = index.read(data)
    assert [asdict(each) for each in part.entries] == [asdict(each) for each in made_up()]
    assert index.written(part.entries, part.made_with) == data


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Shapes], FileRef]:
    def save(shapes: Shapes) -> FileRef:
        torch.save({name: torch.rand(shape) for name, shape in shapes.items()}, tmp_path / "weights.pth")
        return files.give(tmp_path / "weights.pth")

    return save


@pytest.mark.usefixtures("indexed")
def test_a_file_is_opened_by_its_own_source(file: Callable[[Shapes], FileRef], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def opened(name: str, **keywords: Any) -> Timm:
        asked.append((name, keywords))
        return Timm(name, keywords=tuple(keywords.items()))

    monkeypatch.setitem(recognised._NAMED, "timm", opened)
    recipe = recognise(file(VIT | SEVEN)).recipe
    assert asked == [("vit", {"num_classes": 7})]
    assert recipe.source == Timm("vit", keywords=(("num_classes", 7),))
    assert recipe.edits == (mv.LoadWeights(recipe.edits[0].file),)  # every tensor, strictly
    four = recognise(file(VIT | {"patch_embed.proj.weight": (24, 4, 16, 16)})).recipe
    assert asked[1:] == [("vit", {"in_chans": 4})]
    assert four.edits == (mv.LoadWeights(four.edits[0].file),)


def test_the_sentence_says_once_how_to_make_it_where_nothing_fits_wholly(
    path: Path, file: Callable[[Shapes], FileRef]
) -> None:
    assert recognise(file(VIT)).sentence.count(kept.COMMAND) == 1
    own = shapes_of(models.shufflenet_v2_x0_5())
    assert kept.COMMAND not in recognise(file(own)).sentence
    kept.write(path, index.written(made_up(), {"timm": "9.9"}))
    known = recognise(file(VIT)).sentence
    assert known.startswith("21 tensors. It fits timm vit with 1,000 classes; 21 of 21 tensors match.")
    assert kept.COMMAND not in known


@pytest.mark.usefixtures("indexed")
def test_the_command_line_names_it(file: Callable[[Shapes], FileRef], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identify", str(files.find(file(VIT | SEVEN))[0])]) == 0
    assert "It fits timm vit with 7 classes; 21 of 21 tensors match." in capsys.readouterr().out


def test_making_it_needs_timm(capsys: pytest.CaptureFixture[str]) -> None:
    assert making.main(["--timm"]) == 1
    assert capsys.readouterr().err == "modelview: timm is not installed here: pip install timm.\n"
    assert making.main(["--tim"]) == 1
    assert capsys.readouterr().err == "modelview: The only argument is --timm; got --tim.\n"


# ---- By timm itself.

SOME = (
    "convnext_atto",
    "deit_tiny_distilled_patch16_224",
    "efficientnet_b0",
    "mixer_s32_224",
    "mobilenetv3_small_050",
    "naflexvit_base_patch16_gap",
    "regnetx_002",
    "resnet18",
    "resnet50",
    "swin_tiny_patch4_window7_224",
    "tresnet_m",
    "vit_small_patch14_dinov2",
    "vit_tiny_patch16_224",
)


@pytest.fixture(scope="module")
def real() -> Any:
    """The package, and the index of `SOME` of its models; skips where it is not installed."""
    timm = pytest.importorskip("timm")
    made = index.written(making_timm.entries(list(SOME), io.StringIO()), {"timm": version("timm")})
    return SimpleNamespace(create_model=timm.create_model, index=made)


@pytest.fixture
def timm(real: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(kept, "timm_version", lambda: version("timm"))
    kept.write(kept.state().path, real.index)
    return real


def fitting(shapes: Shapes, name: str) -> Match:
    """The best match, which is or equals timm's model of this name, as that."""
    match = best(shapes)
    assert f"timm:{name}" in (match.spec, *match.also)
    return replace(match, spec=f"timm:{name}")


@pytest.mark.parametrize("name", SOME)
def test_timms_models_are_found(name: str, timm: Any) -> None:
    with building():
        own, seven, four = (
            shapes_of(timm.create_model(name, **given)) for given in ({}, {"num_classes": 7}, {"in_chans": 4})
        )
    assert fitting(own, name).opening == ()
    for shapes, opening in ((seven, ("num_classes", 7)), (four, ("in_chans", 4))):
        match = fitting(shapes, name)
        assert (match.coverage, match.opening) == (1.0, (opening,))
    part = {f"encoder.body.{key}": shape for key, shape in seven.items()}
    match = fitting(part | {f"decoder.{number}.weight": (3, 3) for number in range(40)}, name)
    assert (match.prefix, match.num_classes) == ("encoder.body.", 7)


@pytest.mark.usefixtures("timm")
def test_torchvisions_resnets_are_not_timms() -> None:
    for name in ("resnet18", "resnet50"):
        match = best(shapes_of(getattr(models, name)(num_classes=7)))
        assert match.spec == f"torchvision:{name}"
        assert f"timm:{name}" in match.also


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("convnext_atto", {"num_classes": 7}),
        ("mobilenetv3_small_050", {"num_classes": 7, "in_chans": 4}),
        ("vit_tiny_patch16_224", {"num_classes": 7, "img_size": 64}),
    ],
)
def test_files_of_timms_models_open(name: str, given: dict[str, int], timm: Any, tmp_path: Path) -> None:
    model = timm.create_model(name, **given)
    torch.save({"state_dict": nn.DataParallel(model).state_dict()}, tmp_path / "tuned.pth")
    recipe = mv.open(tmp_path / "tuned.pth")
    assert recipe.source == mv.open(f"timm:{name}", **dict(sorted(given.items()))).source
    built = recipe.build().state_dict()
    assert all(torch.equal(built[key], value) for key, value in model.state_dict().items())
