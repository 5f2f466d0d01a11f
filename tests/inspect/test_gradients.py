"""One step tells what learns, says why the rest does not, and changes nothing of anybody's."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview.cli import main
from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError, ForwardError, ModelviewError
from modelview.inspect.gradients import GradientRow, gradients, one_step, small_inputs, summary
from modelview.meta import building, to_meta
from modelview.opening import open_recipe
from modelview.recipe import Recipe, structure_of
from modelview.script import Code
from modelview.sources.base import Progress, Shape, Source


@dataclass(frozen=True)
class Own(Source):
    """A model of this file's own."""

    make: Callable[[], nn.Module]
    shapes: tuple[Shape, ...] = ((1, 3),)

    title = "own"  # type: ignore[assignment]
    origin = "here"  # type: ignore[assignment]

    @property
    def example(self) -> tuple[Shape, ...]:
        return self.shapes

    def structure(self) -> nn.Module:
        with building():
            return to_meta(self.make()).eval()

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.make().eval()

    def code(self) -> Code:
        return Code()


class Every(nn.Module):
    """One parameter for each reason."""

    def __init__(self) -> None:
        super().__init__()
        self.learns, self.detached, self.dropped = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.zero, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)
        self.norm, self.spare = nn.BatchNorm1d(3), nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Any:
        x = self.detached(x).detach()
        self.dropped(x)
        x = self.norm(self.learns(self.frozen(x)))
        return {"a": (x, [torch.tensor([1])]), "b": 0 * self.zero(x), "c": self.unused.weight.shape}


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        return self.body(x).softmax(1)


class Classes(Plain):
    def forward(self, x: Tensor) -> Any:
        return self.body(x).argmax(1)


class WritesOver(Plain):
    def forward(self, x: Tensor) -> Any:
        x = self.body(x).exp()
        y = x * x
        x.add_(1)
        return y


class Sorts(Plain):
    """Needs values, so that it does not run on meta."""

    def forward(self, x: Tensor) -> Any:
        return self.body(x)[torch.nonzero(x[:, 0] < 10).flatten()]


class KeepsEval(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def train(self, mode: bool = True) -> "KeepsEval":
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Any:
        return self.body(self.norm(x))


def by_name(rows: list[GradientRow]) -> dict[str, GradientRow]:
    return {row.name: row for row in rows}


def reasons(rows: list[GradientRow]) -> dict[str, str]:
    return {row.name: row.reason for row in rows if row.name.endswith("weight") or row.what == "statistics"}


def test_each_reason_has_its_word() -> None:
    rows = gradients(Recipe(Own(Every)))
    assert reasons(rows) == {
        "learns.weight": "",
        "detached.weight": "detached",
        "dropped.weight": "detached",
        "frozen.weight": "frozen",
        "zero.weight": "zero gradient",
        "unused.weight": "never used",
        "norm.weight": "",
        "spare.weight": "never used",
        "norm": "",
        "spare": "never used",
    }
    found = by_name(rows)
    assert [row.name for row in rows if row.what == "parameter"] == [name for name, _ in Every().named_parameters()]
    learns, zero, unused, norm = (found[name] for name in ("learns.weight", "zero.weight", "unused.weight", "norm"))
    assert (learns.kind, learns.shape, learns.gradient, learns.moved) == ("Linear", (3, 3), True, True)
    assert learns.norm is not None
    assert learns.norm > 0
    assert (zero.gradient, zero.norm, zero.moved) == (True, 0.0, False)
    assert (unused.trainable, unused.gradient, unused.norm, unused.moved) == (True, False, None, False)
    assert (norm.kind, norm.shape, norm.trainable, norm.moved) == ("BatchNorm1d", (3,), False, True)
    assert summary(rows) == (
        "4 of 16 parameters got a gradient and moved; 4 detached; 2 frozen; 2 zero gradient; 4 never used; "
        "batch-norm statistics of 1 of 2 layers moved"
    )


def test_on_meta_the_same_gradients_are_there_and_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    with_weights = gradients(Recipe(Own(Every)))
    monkeypatch.setattr(Own, "load", None)
    rows = gradients(Recipe(Own(Every)), real=False)
    assert [(row.name, row.gradient) for row in rows] == [(row.name, row.gradient) for row in with_weights]
    assert {row.moved for row in rows} == {row.norm for row in rows} == {None}
    assert {name: word for name, word in reasons(rows).items() if word} == {
        "detached.weight": "detached",
        "dropped.weight": "detached",
        "frozen.weight": "frozen",
        "unused.weight": "never used",
        "spare.weight": "never used",
    }
    assert summary(rows).startswith("6 of 16 parameters got a gradient; 4 detached")


@pytest.mark.parametrize("real", [True, False], ids=["real", "meta"])
def test_nobodys_model_changes(real: bool) -> None:
    recipe = open_recipe("shufflenet_v2_x0_5").then(Freeze("conv1"))
    shared, x = structure_of(recipe).model, torch.randn(2, 3, 64, 64)
    given, state, caches = x.clone(), torch.get_rng_state(), dict(shared.named_parameters())
    with torch.no_grad():
        rows = gradients(recipe, x, real=real)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, given)
    assert not shared.training
    assert all(p.grad is None and p is caches[name] for name, p in shared.named_parameters())
    assert rows == gradients(recipe, x, real=real)


def test_it_works_inside_inference_mode() -> None:
    recipe = Recipe(Own(Plain))
    with torch.inference_mode():
        assert by_name(gradients(recipe))["body.weight"].moved


def test_a_softmax_at_the_end_hides_nothing() -> None:
    rows = gradients(Recipe(Own(Plain)))
    assert [row.reason for row in rows] == ["", ""]


def test_frozen_parameters_stay_and_their_batch_norm_moves() -> None:
    base = open_recipe("resnet18").then(SwapHead(3))
    step = one_step(base.then(Freeze("*", except_="fc")))
    assert step.summary == (
        "2 of 62 parameters got a gradient and moved; 60 frozen; batch-norm statistics of 20 layers moved"
    )
    assert {row.name for row in step.rows if row.gradient} == {"fc.weight", "fc.bias"}
    step = one_step(base.then(Freeze("*", except_="fc", batchnorm="frozen")))
    assert step.summary == (
        "2 of 22 parameters got a gradient and moved; 20 frozen; batch-norm statistics of 0 of 20 layers moved"
    )
    assert {row.reason for row in step.rows if row.what == "statistics"} == {"frozen"}


def test_all_frozen_is_no_error() -> None:
    step = one_step(Recipe(Own(Plain)).then(Freeze("*")))
    assert step.summary == "0 of 2 parameters got a gradient and moved; 2 frozen"


def test_a_layer_that_keeps_to_eval_mode_says_so() -> None:
    assert by_name(gradients(Recipe(Own(KeepsEval))))["norm"].reason == "in eval mode"


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("resnet18", ((2, 3, 128, 128),)),
        ("vit_b_32", ((2, 3, 224, 224),)),
        ("inception_v3", ((2, 3, 299, 299),)),
        ("r3d_18", ((2, 3, 16, 112, 112),)),
        ("raft_small", ((2, 3, 128, 128),) * 2),
        ("fasterrcnn_resnet50_fpn", ((2, 3, 128, 128),)),
    ],
)
def test_inputs_are_small_where_the_model_takes_it(name: str, shapes: tuple[Shape, ...]) -> None:
    assert small_inputs(open_recipe(name)) == shapes


@pytest.mark.parametrize(
    "name",
    [
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "ssdlite320_mobilenet_v3_large",
        pytest.param("retinanet_resnet50_fpn", marks=pytest.mark.zoo),
        pytest.param("fcos_resnet50_fpn", marks=pytest.mark.zoo),
        pytest.param("maskrcnn_resnet50_fpn", marks=pytest.mark.zoo),
        pytest.param("keypointrcnn_resnet50_fpn", marks=pytest.mark.zoo),
    ],
)
def test_detectors_train_on_made_up_boxes(name: str) -> None:
    recipe = open_recipe(name)
    step, without = one_step(recipe), one_step(recipe, real=False)
    assert step.note.endswith("trained on one made-up box a picture")
    assert {row.name: row.gradient for row in step.rows} == {row.name: row.gradient for row in without.rows}
    assert all(row.gradient for row in step.rows if row.what == "parameter")
    assert all(row.moved for row in step.rows if row.what == "parameter" and "backbone.body" in row.name)
    assert without.note.startswith("run on the CPU, since its forward needs values")


@pytest.mark.parametrize(
    "edits",
    [(SwapHead(2),), (Truncate("backbone"),), (Truncate("backbone.body.6"), SwapHead(4))],
    ids=["head", "cut", "cut with a head"],
)
def test_an_edited_detector(edits: tuple[Edit, ...]) -> None:
    recipe = open_recipe("fasterrcnn_mobilenet_v3_large_320_fpn")
    for edit in edits:
        recipe = recipe.then(edit)
    step = one_step(recipe)
    assert any(row.moved for row in step.rows if row.what == "parameter")
    wrapped = "in eval mode, since it cannot be trained on targets (Sequential.forward() takes 2 positional arguments"
    assert (wrapped in step.note) == (len(edits) == 2)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "raft_small", "swin_t", "deeplabv3_mobilenet_v3_large"])
def test_every_output_counts(name: str) -> None:
    rows = gradients(open_recipe(name), real=False)
    assert all(row.gradient for row in rows if row.what == "parameter")


@pytest.mark.long
def test_a_head_that_begins_with_zeros_lets_nothing_through() -> None:
    found = by_name(gradients(open_recipe("vit_b_32")))
    assert found["heads.head.weight"].moved
    assert found["conv_proj.weight"].reason == "zero gradient"


def test_what_needs_values_gets_stand_ins() -> None:
    step = one_step(Recipe(Own(Sorts)), real=False)
    assert step.note == "run on the CPU, since its forward needs values; with zeros and ones for weights"
    assert [row.gradient for row in step.rows] == [True, True]


@pytest.mark.parametrize(
    ("recipe", "inputs", "kind", "message"),
    [
        (
            Recipe(Own(Classes)),
            (),
            EditError,
            "The model returns no floating-point tensor, so there is nothing to make",
        ),
        (
            Recipe(Own(WritesOver)),
            (),
            ForwardError,
            "The model runs, but its backward pass fails: one of the variables",
        ),
        (Recipe(Own(Plain)), ((2, 3), (2, 3)), EditError, "own takes 1 input, not 2."),
        (Recipe(Own(Plain)), ((2, 0),), EditError, "An input shape is whole numbers from 1 up"),
        (Recipe(Own(Plain)), ((2, 4),), ForwardError, "`body` gets 2 × 4, so 4 features, but takes 3"),
        (Recipe(Own(Every)), ((1, 3),), ForwardError, "Expected more than 1 value per channel when training"),
        (Recipe(Own(Plain)).then(Freeze("bdoy")), (), EditError, "No module or parameter is called 'bdoy'."),
    ],
    ids=["no floats", "in place", "two inputs", "no shape", "width", "one item", "edit"],
)
def test_refusals(recipe: Recipe, inputs: Any, kind: type[ModelviewError], message: str) -> None:
    with pytest.raises(kind) as caught:
        gradients(recipe, *inputs)
    assert message in str(caught.value)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(open_recipe("shufflenet_v2_x0_5").then(Freeze("*", except_="fc")).to_json())
    assert main(["gradients", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 170 parameters got a gradient and moved; 168 frozen" in printed
    assert "stayed  frozen" in printed
    assert main(["gradients", str(path), "--meta", "--input", "3,3,64,64", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["input"] == [[3, 3, 64, 64]]
    assert document["note"] == "on meta, without weights"
    first, last = document["gradients"][0], next(row for row in document["gradients"] if row["name"] == "fc.bias")
    assert (first["name"], first["reason"], first["moved"]) == ("conv1.0.weight", "frozen", None)
    assert last["gradient"]
    assert main(["gradients", str(path), "--input", "3,3,64,64", "--input", "3"]) == 1
    assert "shufflenet_v2_x0_5 takes 1 input, not 2." in capsys.readouterr().err
