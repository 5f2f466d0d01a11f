import json
from typing import Any

import pytest
import torch

import modelview as mv
from modelview.edits.add_input import AddInput
from modelview.edits.detach import Detach
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe
from tests.edits.subjects import (
    GOOGLENET,
    LRASPP,
    MOBILENET,
    RAFT,
    REGNET,
    RESNET,
    SHUFFLENET,
    SQUEEZENET,
    SSD,
    SWIN,
    VIT,
    check_refused,
    pictures,
    small,
    with_gradient,
)
from tests.laws import check_recipe, run
from tests.zoo import exact

CASES = [
    (SQUEEZENET, "features.3.squeeze", ("features.0", "features.3.squeeze")),
    (MOBILENET, "features.2.block.0.1", ("features.0", "features.1", "features.2.block.0")),
    (SHUFFLENET, "stage2", ("conv1", "stage2")),
    (REGNET, "stem.1", ("stem",)),
    (RESNET, "layer1.1.relu", ("conv1", "bn1", "layer1")),
    (LRASPP, "backbone.9", tuple(f"backbone.{n}" for n in range(10))),
]


@pytest.mark.parametrize(("recipe", "path", "cut"), CASES, ids=[recipe.source.title for recipe, _, _ in CASES])
def test_what_is_before_gets_no_gradient_and_what_is_after_does(
    recipe: Recipe, path: str, cut: tuple[str, ...]
) -> None:
    args = small(recipe)
    built = check_recipe(recipe.then(Detach(path)), inputs=args)
    assert exact(run(built, args), run(recipe.build(), args))
    names = {name for name, _ in built.named_parameters()}
    before = {name for name in names if name.startswith(tuple(f"{part}." for part in cut))}
    found = with_gradient(built, *args)
    if recipe is LRASPP:  # its second branch leaves the backbone before the cut
        assert found >= names - before
        assert not {name for name in found if name.startswith(("backbone.8.", "backbone.9."))}
    else:
        assert found == names - before
    assert with_gradient(recipe.build(), *args) == names


def test_a_residual_branch_still_passes() -> None:
    built = RESNET.then(Detach("layer2.0.bn2")).build()
    names = {name for name, _ in built.named_parameters()}
    cut = {name for name in names if name.startswith(("layer2.0.conv", "layer2.0.bn"))}
    assert with_gradient(built, pictures()) == names - cut  # all before it are reached by the downsampling


@pytest.mark.long
def test_a_hooked_forward_is_cut_too() -> None:
    """Detection models run their own forward, with a hook."""
    recipe = SSD.then(Detach("backbone.features.0"))
    check_recipe(recipe, inputs=small(SSD))
    rows = {row.name: row for row in mv.gradients(recipe) if row.what == "parameter"}
    assert {row.gradient for name, row in rows.items() if name.startswith("backbone.features.0.")} == {False}
    assert rows["backbone.features.0.0.0.weight"].reason == "detached"
    assert {row.gradient for name, row in rows.items() if name.startswith("backbone.features.1.")} == {True}


@pytest.mark.parametrize("path", ["encoder.layers.encoder_layer_3", "conv_proj"])
def test_on_meta(path: str) -> None:
    assert VIT.then(Detach(path)).check().output == (1, 1000)
    assert SWIN.then(Detach("features.3.0")).check().output == (1, 1000)
    assert RAFT.then(Detach("feature_encoder")).check().output == RAFT.check().output


@pytest.mark.long
@pytest.mark.parametrize(
    ("edits", "without", "having"),
    [
        ([Detach("layer1"), Detach("layer1"), Detach("layer2")], "layer2.0.conv1", "layer3.0.conv1"),
        ([Detach("layer1"), Truncate("layer3"), SwapHead(3)], "backbone.conv1", "backbone.layer3.0.conv1"),
        ([SwapHead(3, hidden=(8,)), Detach("fc.fc1")], "fc.fc1", "fc.fc2"),
        ([AddInput(at="layer2", style="keep"), Detach("join")], "join", "layer3.0.conv1"),
        ([Detach("layer2"), AddInput(at="layer3")], "net.layer2.0.conv1", "join"),
    ],
)
def test_with_others(edits: list[Any], without: str, having: str) -> None:
    recipe = RESNET
    for edit in edits:
        recipe = recipe.then(edit)
    found = with_gradient(check_recipe(recipe), *small(recipe))
    assert f"{without}.weight" not in found
    assert f"{having}.weight" in found


def test_in_train_mode_too() -> None:
    """Batch-norm statistics move as they did: the values pass."""
    ours, theirs = RESNET.then(Detach("layer3")).build().train(), RESNET.build().train()
    assert torch.equal(run(ours, (pictures(),)), run(theirs, (pictures(),)))
    assert torch.equal(ours.bn1.running_mean, theirs.bn1.running_mean)  # type: ignore[union-attr, arg-type]


def test_how_the_other_one_differs_is_said() -> None:
    (note,) = RESNET.then(Detach("layer3")).changes()[0].notes
    assert "`detach_()` would take it out of the graph for everybody" in note


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"path": "layer9"}, "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
        (RESNET, {"path": ""}, "This edit needs a module inside the model, not the whole of it."),
        (RESNET, {"path": None}, "Detach: `path` is a text; got None."),
        (GOOGLENET, {"path": "aux1"}, "`aux1` is never called, so it has no value."),
        (
            VIT,
            {"path": "encoder.layers.encoder_layer_0.self_attention.out_proj"},
            "`encoder.layers.encoder_layer_0.self_attention.out_proj` is never called, so it has no value.",
        ),
        (SSD, {"path": "transform"}, "`transform` returns"),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, Detach, fields, message)


@pytest.mark.parametrize("value", [5, None, ["layer1"]])
def test_json_of_other_types_is_refused(value: object) -> None:
    content = json.loads(RESNET.then(Detach("layer1")).to_json())
    content["edits"][0]["path"] = value
    with pytest.raises(EditError, match="Edit 1 of this recipe, 'path'"):
        Recipe.from_json(json.dumps(content))


def test_rows_are_read_by_their_numbers() -> None:
    code = RESNET.then(mv.FirstChildren(2)).then(Detach("4.0")).code()
    head, first, last = "def forward(self, x: Tensor) -> Tensor:", "row4: Any = self[4]", "x = row4[0](x).detach()"
    for line in (head, first, "x = self[0](x)", last):
        assert f"    {line}\n" in code
