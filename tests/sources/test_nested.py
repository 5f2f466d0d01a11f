"""A model that was opened and edited, as a row of another."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.cli import main
from modelview.nested import Edited
from modelview.recipe import Recipe
from tests.laws import check_recipe, check_undo, run, trainable

SMALL = mv.open("torchvision:ResNet", block="BasicBlock", layers=(1, 1, 1, 1), num_classes=6)
LONGER = mv.open("torchvision:ResNet", block="BasicBlock", layers=(2, 1, 1, 1), seed=3)
BACKBONE = SMALL.then(mv.Truncate("layer2"))
X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def composed(rows: Any, container: str = "sequential", **keywords: Any) -> Recipe:
    return mv.open(f"modelview:{container}", **{"rows": rows, "input": (1, 3, 64, 64), **keywords})


WITH_HEAD = composed(
    [("backbone", BACKBONE), ("pool", "AdaptiveAvgPool2d(1)"), ("flat", "Flatten()"), ("fc", "Linear(_, 5)")]
)


@pytest.mark.parametrize(
    "recipe",
    [
        WITH_HEAD,
        WITH_HEAD.then(mv.SwapHead(3)).then(mv.Freeze("backbone")).then(mv.Detach("pool")),
        composed([BACKBONE, "Conv2d(_, 4, 1)"], "modulelist"),
        composed({"a": BACKBONE, "b": "Conv2d(_, 3, 1)", "c": LONGER.then(mv.Truncate("layer2"))}, "moduledict"),
        composed([("net", SMALL.then(mv.LearningRates(default="1e-3"))), ("more", "Linear(_, 2)")]),
        composed([("outer", composed([("inner", BACKBONE), ("conv", "Conv2d(_, 3, 1)")])), ("relu", "ReLU()")]).then(
            mv.AdaptInput(4)
        ),
    ],
    ids=["sequential", "edited", "list", "two of one class", "optimizer left out", "twice"],
)
def test_laws(recipe: Recipe) -> None:
    check_recipe(recipe)
    check_undo(recipe)


def test_it_is_what_one_writes_by_hand() -> None:
    """The row has the model's own weights and names below its own, and trains as it did."""
    frozen = BACKBONE.then(mv.Freeze("*", except_="layer2"))
    built = composed([("backbone", frozen), ("head", "Conv2d(_, 7, 1)")]).build()
    backbone = frozen.build()
    by_hand = nn.Sequential()
    by_hand.add_module("backbone", backbone)
    by_hand.add_module("head", nn.Conv2d(128, 7, 1))
    assert list(built.state_dict()) == list(by_hand.state_dict())
    assert trainable(built) == trainable(by_hand)
    by_hand.head.load_state_dict(built.head.state_dict())  # type: ignore[union-attr]
    assert torch.equal(run(built, (X,)), run(by_hand.eval(), (X,)))


def test_the_code_has_a_function_for_it() -> None:
    code = WITH_HEAD.code()
    assert "def backbone() -> nn.Module:" in code
    assert '("backbone", backbone()),' in code
    two = composed({"a": BACKBONE, "b": "Conv2d(_, 3, 1)", "c": SMALL.then(mv.Truncate("layer1"))}, "moduledict")
    assert "class ResNetToLayer2(nn.Module)" in two.code()
    other = SMALL.then(mv.Append([("more", "Linear(6, 3)")], style="wrap"))
    again = SMALL.then(mv.Append([("more", "Linear(6, 4)")], style="wrap"))
    code = composed(
        [("a", other), ("view", "Unflatten(1, (3, 1, 1))"), ("up", "Upsample((32, 32))"), ("b", again)]
    ).code()
    assert "class ResNetWithMore(nn.Module)" in code
    assert "class ResNetWithMoreOfB(nn.Module)" in code


def test_a_saved_sequential_is_a_row_too(tmp_path: Path) -> None:
    saved = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)).eval()
    torch.save(saved, tmp_path / "mine.pth")
    recipe = composed([("mine", mv.open(tmp_path / "mine.pth")), ("more", "Conv2d(_, 2, 1)")])
    check_recipe(recipe)
    assert torch.equal(run(recipe.build().mine, (X,)), run(saved, (X,)))  # type: ignore[arg-type]


def test_by_name_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "backbone.json").write_text(BACKBONE.to_json())
    blocks = json.dumps({"trunk": str(tmp_path / "backbone.json"), "unused": "resnet18"})
    rows = json.dumps([["first", "trunk()"], ["second", "Conv2d(_, 7, 1)"]])
    given = ["--with", f"rows={rows}", "--with", f"blocks={blocks}", "--with", "input=[1,3,64,64]"]
    assert main(["open", "modelview:sequential", *given, "-o", str(tmp_path / "r.json")]) == 0, capsys.readouterr().err
    recipe = mv.open(tmp_path / "r.json")
    assert recipe.check().output == (1, 7, 8, 8)
    assert recipe.source.blocks[0] == ("trunk", Edited(BACKBONE))  # type: ignore[attr-defined]
    assert "def unused" not in recipe.code()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"rows": [("a", "backbone()")]}, "Row 1: No layer or block is called 'backbone'."),
        ({"rows": [("a", "net(3)")], "blocks": {"net": SMALL}}, "Row 1: net is a model that was made already"),
        ({"rows": [("a", BACKBONE), ("b", "Conv2d(3, 4, 1)")]}, "Row 2: `b` gets 128 channels but takes 3"),
        ({"rows": [("a", SMALL), ("b", BACKBONE)]}, "Row 2: `b.conv1` gets 1 × 6"),
        ({"rows": [("a", "net()")], "blocks": {"net": 3}}, "Name a model, such as"),
        ({"rows": [("a", "net()")], "blocks": ["net"]}, "blocks are models by the names that rows call them by"),
        ({"rows": [("a", "ReLU()")], "blocks": {"ReLU": SMALL}}, "'ReLU' is something else already"),
        ({"rows": [("a", "ReLU()")], "blocks": {"torch": SMALL}}, "'torch' is something else already"),
        ({"rows": [("a", "ReLU()")], "blocks": {"a.b": SMALL}}, "A model that rows call has a Python name"),
        ({"rows": [("net", SMALL)], "blocks": {"net": BACKBONE}}, "Two models are called 'net'"),
        ({"rows": [("a", mv.open("raft_small"))]}, "Row 1: "),
    ],
)
def test_refusals(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(mv.EditError) as caught:
        mv.open("modelview:sequential", **keywords)
    assert str(caught.value).startswith(message), str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_a_model_whose_edit_does_not_fit_is_refused() -> None:
    with pytest.raises(mv.EditError, match="No module is called 'layer9'"):
        composed([("a", SMALL.then(mv.Truncate("layer9")))])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"kind": "recipe", "recipe": {"source": {"kind": "unet"}, "edits": [{"edit": "x"}]}}, "No edit is called 'x'"),
        ({"kind": "recipe", "recipe": {"edits": []}}, 'This is not a recipe.json: it needs a "source"'),
        ({"kind": "recipe", "recipe": 3}, "The source of this recipe, 'recipe': 3 is not of the right kind."),
        ("resnet18", "The source of this recipe, 'blocks': \"resnet18\" is not of the right kind."),
        ({}, 'The source of this recipe needs a "kind".'),
    ],
)
def test_json_that_cannot_be(model: Any, message: str) -> None:
    document = json.loads(WITH_HEAD.to_json())
    document["source"]["blocks"] = [["backbone", model]]
    with pytest.raises(mv.EditError) as caught:
        Recipe.from_json(json.dumps(document))
    assert str(caught.value).startswith(message), str(caught.value)


def test_recipes_in_recipes_without_end_are_refused() -> None:
    text = '{"source": {"kind": "unet"}}'
    for _ in range(400):
        text = f'{{"source": {{"kind": "recipe", "recipe": {text}}}}}'
    with pytest.raises(mv.EditError, match=r"This is not a recipe\.json"):
        Recipe.from_json(f'{{"modelview": 1, {text[1:]}')
