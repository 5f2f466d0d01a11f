"""What is inside a file is said: the weights wherever they lie, what lies beside them, and names as text."""

import argparse
import io
import pickle
import re
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim

import modelview as mv
from modelview.checkpoints import describing, unwrap
from modelview.export.base import EXPORTS, export, filename
from modelview.fields import FileRef
from modelview.inspect.graph import graph
from modelview.inspect.tints import tints
from modelview.recipe import Recipe
from modelview.render import frames, svg
from modelview.render.dot import dot
from modelview.render.terminal import plain
from modelview.script import quoted
from modelview.sources.pickled import Pickled
from modelview.trace.run import trace_module
from tests.checkpoints.making import Net, State, state


def read(content: Any, folder: Path, **keywords: Any) -> Any:
    torch.save(content, folder / "file")
    return mv.read(folder / "file", **keywords)


def beside(content: Any, folder: Path) -> dict[str, str]:
    """The extras of a file, without what every file of torch.save has."""
    extras = read(content, folder).extras
    return {name: value for name, value in extras.items() if not name.startswith("archive")}


def averaged() -> State:
    return {name: value + 1 for name, value in state().items()}


OPTIMIZERS: list[tuple[type[optim.Optimizer], dict[str, Any], str]] = [
    (optim.SGD, {}, "SGD: 2 groups (lr 0.1 and 0.01, weight_decay 0, momentum 0), state of 0 parameters"),
    (optim.SGD, {"momentum": 0.9}, "SGD with momentum: 2 groups"),
    (optim.Adam, {}, "Adam: 2 groups (lr 0.1 and 0.01, weight_decay 0, betas 0.9, 0.999, eps 1e-08), state of 6"),
    (optim.Adam, {"amsgrad": True}, "Adam (amsgrad): 2 groups"),
    (optim.AdamW, {}, "AdamW: 2 groups (lr 0.1 and 0.01, weight_decay 0.01"),
    (optim.Adamax, {}, "Adamax"),
    (optim.NAdam, {}, "NAdam"),
    (optim.RAdam, {}, "RAdam"),
    (optim.RMSprop, {}, "RMSprop"),
    (optim.Adagrad, {}, "Adagrad"),
    (optim.Adadelta, {}, "Adadelta"),
    (optim.Adafactor, {}, "Adafactor"),
    (optim.ASGD, {}, "ASGD"),
    (optim.Rprop, {}, "Rprop"),
]


@pytest.mark.parametrize("stepped", [True, False], ids=["after a step", "before"])
@pytest.mark.parametrize(("kind", "keywords", "said"), OPTIMIZERS)
def test_the_optimizer_is_told(kind: Any, keywords: dict[str, Any], said: str, stepped: bool, tmp_path: Path) -> None:
    model = Net()
    groups = [{"params": [*model.conv.parameters()], "lr": 0.1}, {"params": [*model.bn.parameters()]}]
    groups[1]["params"] += [*model.fc.parameters()]
    optimizer = kind(groups, lr=0.01, **keywords)
    for parameter in model.parameters() if stepped else ():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    ck = read({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path)
    assert ck.path == "model"
    expected = said.partition(", state of")[0]
    if kind is optim.Adamax and not stepped:
        expected = "optimizer"  # nothing in its groups is its own
    assert ck.extras["optimizer"].startswith(expected)
    assert [each.path for each in ck.candidates] == ["model"]


def test_an_optimizer_of_others_is_told_by_what_it_keeps() -> None:
    groups = [{"params": [0], "lr": 1e-4, "betas": (0.9, 0.99)}]
    assert describing.text({"state": {0: {"exp_avg": 1}}, "param_groups": groups}).startswith(
        "Lion: 1 group (lr 0.0001"
    )
    assert describing.text({"state": {}, "param_groups": groups}).startswith("optimizer: 1 group")


class Dict(dict[str, Any]):
    """As AttributeDict, EasyDict and the like: a dict by another name."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7, "7"),
        (None, "None"),
        (True, "True"),
        (0.25, "0.25"),
        ("1.9.0", "1.9.0"),
        (torch.__version__, f"torch.torch_version.TorchVersion ({torch.__version__})"),
        (torch.tensor(71.5), "tensor scalar float32"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "tensor 2 × 3 bfloat16"),
        (np.float64(71.5), "71.5"),
        (np.int64(-3), "-3"),
        (np.float32(0.5), "0.5"),
        (torch.float16, "torch.float16"),
        (torch.device("cuda:1"), "cuda:1"),
        (b"abc", "3 bytes"),
        ([1, 2], "1, 2"),
        ([], "none"),
        ([{}] * 20, "20 items"),
        ({}, "0 entries"),
        ({"acc": [0.5, 0.75], "loss": 0.3, "best": np.float64(0.75)}, "acc = [0.5, 0.75], loss = 0.3, best = 0.75"),
        ({"lr": 0.1, "arch": {"name": "x", "depth": 3}}, "lr = 0.1, arch = {name = x, depth = 3}"),
        ({str(n): n for n in range(99)}, "0 = 0, 1 = 1, 2 = 2, 3 = 3, 4 = 4, 5 = 5, 6 = 6, 7 = 7, … (99 in all)"),
        (
            argparse.Namespace(lr=0.1, layers=[1, 2], inner=argparse.Namespace(a=1)),
            "argparse.Namespace (lr = 0.1, layers = [1, 2], inner = argparse.Namespace (a = 1))",
        ),
        (Dict(lr=0.1, name="x"), "tests.checkpoints.test_contents.Dict (lr = 0.1, name = x)"),
        (nn.ReLU(), "a module, torch.nn.modules.activation.ReLU"),
        (len, "builtins.len"),
        ({"a": torch.ones(1), "b": torch.ones(1)}, "2 tensors"),
    ],
)
def test_what_lies_beside_the_weights_is_said(value: Any, said: str, tmp_path: Path) -> None:
    assert beside({"state_dict": state(), "more": value}, tmp_path) == {"more": said}


def test_what_lies_between_the_weights_is_said(tmp_path: Path) -> None:
    assert beside({**state(), "epoch": 3, "args": {"lr": 1}}, tmp_path) == {"epoch": "3", "args": "lr = 1"}
    nested = {"run": {"state_dict": {**state(), "_extra_state": b"x"}, "epoch": 3}, "by": "me"}
    assert beside(nested, tmp_path) == {"by": "me", "run.epoch": "3", "run.state_dict._extra_state": "1 bytes"}


NAMES = (
    *("state_dict", "model", "model_state_dict", "module", "ema", "params_ema", "generator", "net", "weights"),
    *("model_ema", "student", "0"),
)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_weights_are_found_wherever_they_are(name: str, depth: int, tmp_path: Path) -> None:
    content: Any = {name: state(), "epoch": 3}
    for outer in ("run", "checkpoint")[: depth - 1]:
        content = {outer: content}
    ck = read(content, tmp_path)
    assert ck.path == ".".join([*("run", "checkpoint")[: depth - 1][::-1], name])
    assert all(torch.equal(ck.tensor(key), value) for key, value in state().items())


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (lambda: {"model": state(), "ema": averaged()}, ["model", "ema"]),
        (lambda: {"ema": averaged(), "model": state()}, ["model", "ema"]),
        (lambda: {"model_ema": averaged(), "epoch": 1, "state_dict": state()}, ["state_dict", "model_ema"]),
        (lambda: {"params_ema": averaged(), "params": state()}, ["params", "params_ema"]),
        (lambda: {"discriminator": averaged(), "generator": state()}, ["generator", "discriminator"]),
        (lambda: {"ema": {"module": averaged()}, "module": state()}, ["module", "ema.module"]),
        (lambda: {"a": {"ema": averaged(), "model": state()}}, ["a.model", "a.ema"]),
        (lambda: {"models": [state(), averaged()]}, ["models.0", "models.1"]),
        (lambda: {"ema": averaged(), "model": Net()}, ["model", "ema", "model.attributes"]),
        (lambda: Dict(ema=Dict(averaged()), model=OrderedDict(state())), ["model", "ema"]),
    ],
)
def test_several_are_a_choice(content: Callable[[], Any], places: list[str], tmp_path: Path) -> None:
    ck = read(content(), tmp_path)
    assert [each.path for each in ck.candidates] == places
    assert ck.path == places[0]
    other = mv.read(tmp_path / "file", at=places[1])
    assert other.path == places[1]
    assert other.tensors.keys() == averaged().keys()
    assert torch.equal(other.tensor("fc.bias"), averaged()["fc.bias"])
    with pytest.raises(mv.UnknownName, match=r"No state_dict in this file is called 'nothing'"):
        mv.read(tmp_path / "file", at="nothing")


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["module.a.w", "module.b"], "module."),
        (["module._orig_mod.a.w", "module._orig_mod.b"], "module._orig_mod."),
        (["_orig_mod.module.a.w", "_orig_mod.module.b"], "_orig_mod.module."),
        (["model.backbone.a.w", "model.backbone.b"], "model.backbone."),
        (["model.model.a", "model.model.b"], "model.model."),
        (["net.module._orig_mod.model.a", "net.module._orig_mod.model.b"], "net.module._orig_mod.model."),
        (["model.backbone.a", "model.head.b"], "model."),
        (["module.a", "module.b", "step"], ""),
        (["module.a", "model.b"], ""),
        (["module.a", "module."], ""),
        (["module.a", "module"], ""),
        (["modules.a", "modules.b"], ""),
        (["student.a", "student.b"], ""),
        (["a", "b"], ""),
    ],
)
def test_wrappers_are_taken_off_where_every_name_has_them(names: list[str], prefix: str, tmp_path: Path) -> None:
    ck = read({name: torch.ones(number) for number, name in enumerate(names, start=1)}, tmp_path)
    assert ck.prefix == prefix
    assert [f"{ck.prefix}{name}" for name in ck.tensors] == names
    assert [info.shape for info in ck.tensors.values()] == [(n,) for n in range(1, len(names) + 1)]


def test_ties_and_shared_storages_are_seen(tmp_path: Path) -> None:
    whole = torch.rand(6)
    ck = read({"a": whole, "b": whole, "half": whole[:3], "also": whole[:3], "like": whole.clone()}, tmp_path)
    assert {name: info.tied_to for name, info in ck.tensors.items()} == {
        **{"a": None, "b": "a", "half": None, "also": "half", "like": None}
    }
    storages = {name: info.storage for name, info in ck.tensors.items()}
    assert storages["a"] == storages["half"] != storages["like"]
    assert ck.tensor("half").data_ptr() == ck.tensor("a").data_ptr()
    assert frames.stored(ck.tensors)["Tied to"].tolist() == ["", "a", "", "half", ""]


def test_a_small_view_of_a_large_storage_is_said_with_both_sizes(tmp_path: Path) -> None:
    ck = read({"view": torch.zeros(1_000_000)[:4], "all": torch.ones(3)}, tmp_path)
    info = ck.tensors["view"]
    assert (info.nbytes, info.storage_nbytes) == (16, 4_000_000)
    assert frames.stored(ck.tensors)["Note"].tolist() == ["16 B as a view of a storage of 4 MB", ""]


@pytest.mark.parametrize(
    ("made", "dtype", "layout", "note"),
    [
        (lambda: torch.ones(2, dtype=torch.bfloat16), "bfloat16", "strided", ""),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "float8_e4m3fn", "strided", ""),
        (lambda: torch.ones(2, dtype=torch.complex64), "complex64", "strided", ""),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8), "qint8", "quantized", "quantized"),
        (lambda: torch.eye(2).to_sparse(), "float32", "sparse_coo", "sparse_coo"),
        (lambda: torch.empty(2, device="meta"), "float32", "strided", "it was saved from the meta device, which keeps"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dtypes_and_layouts_are_listed(
    made: Callable[[], Tensor], dtype: str, layout: str, note: str, tmp_path: Path
) -> None:
    ck = read({"w": made()}, tmp_path)
    assert (ck.tensors["w"].dtype, ck.tensors["w"].layout) == (dtype, layout)
    (row,) = frames.stored(ck.tensors).to_dict("records")
    assert row["dtype"] == dtype
    assert row["Note"].startswith(note)
    assert bool(row["Note"]) == bool(note)


@pytest.mark.parametrize("device", ["cuda:0", "cuda:7", "mps:0", "xpu:1"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_tensors_of_a_device_that_is_not_here_are_read(device: str, zipped: bool, tmp_path: Path) -> None:
    """The place is a text in the pickle; torch itself refuses such files without map_location."""
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(3.0)}, buffer, _use_new_zipfile_serialization=zipped)
    content = buffer.getvalue()
    if zipped:
        with zipfile.ZipFile(buffer) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(tmp_path / "file", "w") as archive:
            for name, body in entries.items():
                archive.writestr(name, moved(body, device) if name.endswith("data.pkl") else body)
    else:
        (tmp_path / "file").write_bytes(moved(content, device))
    with pytest.raises((RuntimeError, AttributeError)):
        torch.load(tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert ck.tensors["w"].device == device
    assert ck.tensor("w").device.type == "cpu"
    assert ck.tensor("w").tolist() == [0, 1, 2]
    assert frames.stored(ck.tensors)["Device"].tolist() == [device]


def moved(body: bytes, device: str) -> bytes:
    """A pickle whose storages are said to be elsewhere than on the CPU."""
    before, after = (b"X" + len(name).to_bytes(4, "little") + name.encode() for name in ("cpu", device))
    assert body.count(before) == 1
    return body.replace(before, after)


@pytest.mark.parametrize("wrapped", [lambda method: method, lambda method: {"model": method, "epoch": 3}])
def test_a_method_saved_by_mistake_gives_its_weights_and_is_said_to_be_one(
    wrapped: Callable[[Any], Any], tmp_path: Path
) -> None:
    model = Net()
    ck = read(wrapped(model.state_dict), tmp_path)
    assert list(ck.tensors) == list(model.state_dict())
    assert torch.equal(ck.tensor("fc.bias"), model.state_dict()["fc.bias"])
    assert ck.notes == (
        "The file holds the method state_dict, saved without its parentheses; the weights are of the model it is of.",
    )


class Two:
    """Holds two things."""

    def __init__(self, one: Any) -> None:
        self.one, self.other = one, one


def doubled(make: Callable[[Any], Any], innermost: Any) -> Any:
    """Small in the file, and 2**60 to whoever writes it out."""
    for _ in range(60):
        innermost = make(innermost)
    return innermost


def test_what_unfolds_without_end_is_not_written_out(tmp_path: Path) -> None:
    ck = read({"model": state(), "more": doubled(Two, 1), doubled(Two, 1): 3}, tmp_path)
    assert max(map(len, ck.extras.values())) <= describing.MOST
    assert ck.extras["<tests.checkpoints.test_contents.Two>"] == "3"
    rates = ("lr", "weight_decay", "momentum")
    endless = doubled(lambda inner: {"state": {}, "param_groups": [dict.fromkeys(rates, inner)]}, 1)
    assert describing.text(endless) == (
        "optimizer: 1 group (lr dict, weight_decay dict, momentum dict), state of 0 parameters"
    )


def test_a_module_whose_own_sets_are_none_is_read(tmp_path: Path) -> None:
    model = Net()
    model._non_persistent_buffers_set = 5  # type: ignore[assignment]
    (tmp_path / "file").write_bytes(pickle.dumps(model))
    assert mv.read(tmp_path / "file").module is not None


NASTY = {
    "HTML": "</td><script>alert(1)</script><b>x</b>",
    "quotes": "a'b\"c`d\\",
    "lines": "new\nline\r\ttab\0",
    "right to left": "\u202eabc\u2066\u200f",
    "long": "x" * 10_000,
    "markup": "$(rm) {a|b} [l](u) &lt; %s {0}",
    "other letters": "模型" * 60,
    "surrogates": "a\udc80b",
}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_names_are_text_in_tables(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(pickle.dumps({"sd": {name: torch.ones(2), "w": torch.ones(1)}, name: {name: name}}))
    ck = mv.read(tmp_path / "file")
    assert list(ck.tensors) == [name, "w"]
    tables = (frames.stored(ck.tensors), frames.extras(ck.extras))
    cells = [cell for table in tables for column in table for cell in table[column] if isinstance(cell, str)]
    assert plain(name) in cells
    assert all(cell.isprintable() for cell in cells)
    assert {len(value) for value in ck.extras.values()} <= set(range(describing.MOST + 1))
    with pytest.raises(mv.UnknownName) as caught:
        ck.tensor(f"{name}!")
    assert len(str(caught.value)) < 400


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("name", [name for name in NASTY.values() if "." not in name], ids=NASTY)
def test_names_are_text_in_the_graph(name: str) -> None:
    model = nn.Sequential()
    model.add_module(name, nn.Sequential(OrderedDict([(name, nn.Linear(2, 2)), ("relu", nn.ReLU())])))
    found = graph(trace_module(model, torch.zeros(1, 2)), 3)
    picture = svg.svg(dot(found, tints(found), name=name))
    assert picture is not None
    root = ElementTree.fromstring(picture)
    assert not [each for each in root.iter() if each.tag.endswith("script") or "href" in "".join(each.attrib)]
    words = [text for text in root.itertext() if text.strip()]
    assert max(map(len, words)) < 1_000
    assert len(picture) < 20_000
    shown = svg.image(picture, name)
    assert re.fullmatch(r'<div [^<>]*><img alt="[^"<]*" style="[^"]*" src="[^"]*"></div>', shown, re.DOTALL)


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_names_are_text_in_code(name: str) -> None:
    written = quoted(name)
    assert eval(written) == name
    assert written.isprintable()
    assert "\n" not in written


@pytest.mark.parametrize("name", [*NASTY.values(), "..", ".hidden", "a/b", "𝒳" * 99, "con"], ids=str)
def test_names_are_harmless_in_file_names(name: str, tmp_path: Path) -> None:
    recipe = Recipe(Pickled(FileRef("0" * 64, f"{name}.pth")))
    for form in EXPORTS:
        file = filename(recipe, form)
        assert not set(file) & set("/\\\0\n\r\t\"'<>:|?*`$ \u202e\u2066\u200f")
        assert not file.startswith(".")
        assert file.endswith(EXPORTS[form].suffix)
        file.encode()
        (tmp_path / file).touch()
    assert export(recipe, "recipe", tmp_path / filename(recipe, "recipe")).is_file()


def test_every_wrapper_ends_in_a_dot() -> None:
    assert all(wrapper.endswith(".") for wrapper in unwrap.WRAPPERS)
