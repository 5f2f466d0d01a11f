import json
from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.base import Edit
from modelview.edits.delete_layer import DeleteLayer
from modelview.edits.detach import Detach
from modelview.edits.freeze import Freeze
from modelview.edits.insert_layer import InsertLayer
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.select_classes import SelectClasses
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.heads import head_paths
from modelview.recipe import Recipe, structure_of
from tests.edits.subjects import (
    GOOGLENET,
    LRASPP,
    MASKRCNN,
    MOBILENET,
    REGNET,
    RESNET,
    SHUFFLENET,
    SQUEEZENET,
    SSD,
    SWIN,
    VIT,
    check_refused,
    opened,
    small,
    values,
)
from tests.laws import check_recipe, pictures_of, run
from tests.small import arguments

CASES = [
    (SQUEEZENET, DeleteLayer("features.1"), (1, 1000)),
    (SQUEEZENET, DeleteLayer("features.1", renumber=True), (1, 1000)),
    (SQUEEZENET, DeleteLayer("features.0", adapt="next"), (1, 1000)),
    (SQUEEZENET, DeleteLayer("features.0", renumber=True, adapt="next"), (1, 1000)),
    (SQUEEZENET, DeleteLayer("features.3", adapt="1x1"), (1, 1000)),
    (SQUEEZENET, DeleteLayer("classifier.1"), (1, 512)),
    (SQUEEZENET, DeleteLayer("features.7.expand3x3_activation"), (1, 1000)),
    (MOBILENET, DeleteLayer("features.1"), (1, 1000)),
    (MOBILENET, DeleteLayer("features.3.block.0.2"), (1, 1000)),
    (MOBILENET, DeleteLayer("classifier.0", adapt="1x1"), (1, 1000)),
    (SHUFFLENET, DeleteLayer("stage2.1.branch2"), (1, 1000)),
    (SHUFFLENET, DeleteLayer("fc"), (1, 1024)),
    (MOBILENET, DeleteLayer("features.12", adapt="next"), (1, 1000)),  # pooling and flatten lie between
    (SHUFFLENET, DeleteLayer("conv1", adapt="next"), (1, 1000)),  # norms and convolutions of each channel by itself
    (SHUFFLENET, DeleteLayer("stage2.0.branch2.0", adapt="1x1"), (1, 1000)),
    (SQUEEZENET, DeleteLayer("features.6.expand3x3", adapt="next"), (1, 1000)),  # the other part of a cat stays
    (RESNET, DeleteLayer("layer4", adapt="next"), (1, 1000)),
    (RESNET, DeleteLayer("layer1", adapt="next"), (1, 1000)),
    (REGNET, DeleteLayer("stem", adapt="next"), (1, 1000)),
    (REGNET, DeleteLayer("trunk_output.block4.block4-2", renumber=True), (1, 1000)),
    (RESNET, DeleteLayer("layer1.0.relu"), (1, 1000)),
    (RESNET, DeleteLayer("layer2", adapt="next"), (1, 1000)),
    (LRASPP, DeleteLayer("classifier.scale.2"), {"out": (1, 21, 520, 520)}),
    (SSD, DeleteLayer("backbone.features.0.3"), SSD.check().output),
]


@pytest.mark.parametrize(
    ("recipe", "edit", "output"), CASES, ids=[f"{r.source.title}-{e.path}-{e.adapt}" for r, e, _ in CASES]
)
def test_laws(recipe: Recipe, edit: DeleteLayer, output: Any) -> None:
    edited = recipe.then(edit)
    assert edited.check().output == output
    check_recipe(edited, inputs=small(edited) if output == (1, 1000) else None)


@pytest.mark.parametrize(
    ("recipe", "path"),
    [(SQUEEZENET, "features.0"), (MOBILENET, "features.0.0"), (REGNET, "stem"), (RESNET, "conv1")],
)
@pytest.mark.parametrize("renumber", [False, True])
def test_a_model_that_begins_behind_its_first_layer(recipe: Recipe, path: str, renumber: bool) -> None:
    """It gives on what came out of the layer what it gave, to the last bit; every other weight is where it was."""
    args = small(recipe)
    edited = recipe.then(DeleteLayer(path, renumber, adapt="input"))
    built = check_recipe(edited)
    original = recipe.build()
    assert edited.example == (structure_of(recipe).calls(path)[0].outputs,)
    assert torch.equal(run(built, (values(original, path, args),)), run(original, args))
    trained = [value for name, value in original.state_dict().items() if not name.startswith(f"{path}.")]
    assert all(torch.equal(a, b) for a, b in zip(built.state_dict().values(), trained, strict=True))


def test_the_others_keep_their_weights_and_train_on() -> None:
    original, built = RESNET.build(), RESNET.then(DeleteLayer("layer2", adapt="next")).build()
    new = {"layer3.0.conv1.weight", "layer3.0.downsample.0.weight"}
    kept = {name: value for name, value in built.state_dict().items() if name not in new}
    assert kept.keys() == {n for n in original.state_dict() if not n.startswith("layer2.") and n not in new}
    assert all(torch.equal(value, original.state_dict()[name]) for name, value in kept.items())
    built.train()(*small(RESNET)).sum().backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


def test_a_head_that_takes_another_width_has_lost_its_classes() -> None:
    recipe = RESNET.then(DeleteLayer("layer4", adapt="next"))
    change = recipe.changes()[0]
    assert change.summary == "without layer4 · fc → Linear(256, 1000)"
    assert change.notes[-1] == "`fc` is Linear(256, 1000) now; its weights are new."
    assert (recipe.categories(), head_paths(structure_of(recipe))) == ((), ("fc",))
    assert recipe.then(SwapHead(3)).check().output == (1, 3)
    substituted = MOBILENET.then(DeleteLayer("classifier", adapt="1x1"))
    assert substituted.changes()[0].summary == "classifier → Linear(576, 1000)"
    assert (substituted.categories(), head_paths(structure_of(substituted))) == ((), ("classifier",))


@pytest.mark.parametrize(
    ("recipe", "path", "layers", "more"),
    [
        (RESNET, "layer1", ["What follows `layer1` fits as it is."], ""),
        (GOOGLENET, "inception3a.branch1", [f"inception3b.branch{n}" for n in (1, 2, 3, 4)], ""),
        (MASKRCNN, "backbone.body.layer3", ["layer4.0.conv1", "layer4.0.downsample.0", "fpn.inner_blocks.2.0"], ""),
        (
            opened("mobilenet_v2"),
            "features.0",
            ["Conv2d(3, 3, kernel_size=3, padding=1, groups=3", "(3)", "(3, 16"],
            "",
        ),
        (
            opened("densenet121"),
            "features.transition1",
            ["norm1` is BatchNorm2d(256)", "conv1` is Conv2d(256, 128", "denselayer2.norm1", "denselayer2.conv1"],
            "22 more layers behind it take another width, with new weights.",
        ),
    ],
)
def test_all_that_take_what_comes_are_made_anew(recipe: Recipe, path: str, layers: list[str], more: str) -> None:
    edited = recipe.then(DeleteLayer(path, adapt="next"))
    assert edited.check().output == recipe.check().output
    notes = edited.changes()[0].notes[bool(edited.changes()[0].notes[0].startswith("The forward calls")) :]
    assert notes[len(layers) :] == ((more,) if more else ())
    assert all(said in note for said, note in zip(layers, notes, strict=False)), notes


def test_a_linear_stands_where_channels_come_last() -> None:
    change = SWIN.then(DeleteLayer("features.2", adapt="1x1")).changes()[0]
    assert (change.summary, change.notes) == (
        "features.2 → Linear(96, 192)",
        (
            "`Linear(96, 192)` brings 96 to 192 channels, which is what follows `features.2`. Its positions are "
            "56 × 56, where they were 28 × 28.",
        ),
    )
    layer = VIT.then(DeleteLayer("encoder.layers.encoder_layer_0", adapt="1x1"))
    assert layer.changes()[0].summary == "encoder.layers.encoder_layer_0 → Linear(768, 768)"
    assert layer.check().output == (1, 1000)


def test_what_does_nothing_in_eval_mode_is_not_missed() -> None:
    recipe = MOBILENET.then(DeleteLayer("classifier.2"))
    assert torch.equal(run(recipe.build(), small(recipe)), run(MOBILENET.build(), small(recipe)))


@pytest.mark.parametrize(
    ("edit", "summary", "notes", "rows"),
    [
        (DeleteLayer("classifier.0"), "without classifier.0", (), ["1", "2", "3"]),
        (
            DeleteLayer("classifier.0", renumber=True),
            "without classifier.0",
            ("The layers behind it are renumbered: `classifier.1` is `classifier.0` now.",),
            ["0", "1", "2"],
        ),
        (DeleteLayer("classifier.3", renumber=True), "without classifier.3", (), ["0", "1", "2"]),
    ],
)
def test_rows(edit: DeleteLayer, summary: str, notes: tuple[str, ...], rows: list[str]) -> None:
    change = SQUEEZENET.then(edit).changes()[0]
    assert (change.summary, change.notes) == (summary, notes)
    built = SQUEEZENET.then(edit).structure()
    assert [name for name, _ in built.classifier.named_children()] == rows  # type: ignore[union-attr]


def test_elsewhere_an_identity_takes_its_place() -> None:
    recipe = RESNET.then(DeleteLayer("layer1.0.relu"))
    built = recipe.structure()
    assert isinstance(built.get_submodule("layer1.0.relu"), nn.Identity)
    assert recipe.changes()[0].notes == (
        "The forward calls `layer1.0.relu`, so an Identity stands there, which passes everything on.",
    )


def test_without_its_head_it_predicts_no_classes() -> None:
    recipe = RESNET.then(DeleteLayer("fc"))
    assert (recipe.changes()[0].heads, recipe.categories()) == ((), ())
    assert recipe.then(SwapHead(3)).check().output == (1, 3)


CLASSES = "head.classification_head.module_list"


@pytest.mark.parametrize("renumber", [False, True])
def test_later_edits_find_what_it_renumbered(renumber: bool) -> None:
    """A detector's heads, and the number of classes that it keeps beside them."""
    edit = DeleteLayer(f"{CLASSES}.0.0", renumber)
    gone, moved = (f"{CLASSES}.0.0", ""), (f"{CLASSES}.0.1", f"{CLASSES}.0.0")
    recipe = SSD.then(edit)
    assert (recipe.changes()[0].moved, recipe.changes()[0].heads) == ((gone, moved) if renumber else (gone,), None)
    for later, said, n_classes in (
        (SwapHead(3), "6 predictor layers → 3 classes", 3),
        (SelectClasses((0, 7)), "2 of 91 classes: 0, 7", 2),
    ):
        edited = recipe.then(later)
        edited.check()
        assert edited.changes()[1].summary == said
        assert edited.structure().head.classification_head.num_columns == n_classes  # type: ignore[union-attr]


def test_what_is_gone_is_no_head_any_more() -> None:
    recipe = SSD.then(DeleteLayer(f"{CLASSES}.0.1"))
    assert recipe.changes()[0].moved == ((f"{CLASSES}.0.1", ""),)
    assert head_paths(structure_of(recipe)) == tuple(f"{CLASSES}.{n}.1" for n in range(1, 6))
    identity = RESNET.then(DeleteLayer("layer1.0.relu"))
    assert identity.changes()[0].moved == (("layer1.0.relu", ""),)
    assert identity.then(SelectClasses((3, 1))).check().output == (1, 2)
    row = MOBILENET.then(DeleteLayer("classifier.2", renumber=True))
    assert head_paths(structure_of(row)) == ("classifier.2",)
    check_recipe(row.then(SelectClasses((3, 1))), inputs=small(row))


@pytest.mark.parametrize(
    "edit",
    [
        SwapHead(3),
        Freeze("features.7"),
        Truncate("features.6.squeeze"),
        ReplaceLayer("features.5", "Identity()"),
        InsertLayer("features.5", "ReLU()"),
        DeleteLayer("features.5"),
        Detach("features.7.squeeze"),
        AddOutputs(("features.7", "features.5"), keep_final=False),
        AddInput(at="features.7"),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_rows_that_it_moved_are_found_by_their_names(edit: Edit) -> None:
    """`features.5` is the fifth row then: the written code counts places, the state_dict says names."""
    recipe = SQUEEZENET.then(DeleteLayer("features.1")).then(DeleteLayer("classifier.0")).then(edit)
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "path", "adapts"),
    [
        (RESNET, "layer2", ["next", "1x1"]),
        (RESNET, "conv1", ["1x1", "input"]),
        (SQUEEZENET, "features.3", ["next", "1x1"]),
    ],
)
def test_ways_that_would_work_are_offered(recipe: Recipe, path: str, adapts: list[str]) -> None:
    working = []
    for edit in DeleteLayer(path).remedies(structure_of(recipe)):
        try:
            recipe.then(edit).check()
        except EditError:
            continue
        working.append(edit.adapt)  # type: ignore[attr-defined]
    assert working == adapts
    assert DeleteLayer(path, adapt="next").remedies(structure_of(recipe)) == ()


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["alexnet", "densenet121", "efficientnet_b0", "googlenet", "mc3_18", "mnasnet0_5", "mobilenet_v2", "vgg11"]
)
def test_each_child_is_adapted_to_or_a_way_that_works_is_named(name: str) -> None:
    recipe = opened(name)
    calls = structure_of(recipe).trace.calls
    for path in dict.fromkeys(call.path for call in calls if call.path and call.path.count(".") < 2):
        try:
            recipe.then(DeleteLayer(path, adapt="next")).check()
        except EditError as error:
            said = str(error)
            if "try 1x1" in said:
                assert recipe.then(DeleteLayer(path, adapt="1x1")).check().output == recipe.check().output, said
            else:
                assert said.startswith(("No layer with weights", f"`{path}` is an Identity")) or "nstead" in said, said


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("MaxVit", ()),
        ("MViT", ()),
        ("SwinTransformer3d", (4, 64, 64)),
        ("VideoResNet", (4, 32, 32)),
        ("RegNet", (32, 32)),
    ],
)
def test_whatever_can_be_deleted_holds_the_laws(name: str, sides: tuple[int, ...]) -> None:
    recipe = mv.open(f"torchvision:{name}", **arguments(name))
    paths = [path for path, _ in structure_of(recipe).model.named_modules() if path]
    n_held = 0
    for number, path in enumerate(paths[:: max(1, len(paths) // 8)]):
        changed = recipe.then(DeleteLayer(path, adapt=("", "next", "1x1")[number % 3]))
        try:
            changed.check()
        except EditError:
            continue
        check_recipe(changed, inputs=pictures_of(changed, sides) if sides else None)
        n_held += 1
    assert n_held > 1


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"path": "layer9"}, "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
        (RESNET, {"path": ""}, "This edit needs a module inside the model, not the whole of it."),
        (
            RESNET.then(DeleteLayer("bn1")),
            {"path": "bn1"},
            "`bn1` is an Identity, which does nothing; there is nothing",
        ),
        (
            RESNET,
            {"path": "conv1"},
            "`bn1` gets 1 × 3 × 224 × 224, so 3 channels, but takes 64: replace it with BatchNorm2d(3).",
        ),
        (RESNET, {"path": "layer2"}, "`layer3.0.conv1` gets 64 channels but takes 128: insert a 1 × 1 Conv2d(64, 128)"),
        (
            VIT,
            {"path": "encoder.layers.encoder_layer_0.self_attention"},
            "`encoder.layers.encoder_layer_0.self_attention` (Identity) takes one tensor, but gets",
        ),
        (SWIN, {"path": "features.2"}, "`features.3.0.norm1` (LayerNorm) could not take 1 × 56 × 56 × 96: Given"),
        (SSD, {"path": "transform"}, "`transform` (Identity) takes one tensor, but gets ((3 × 320 × 320), –)."),
        (RESNET, {"path": "layer2", "adapt": "nxt"}, "No way to adapt is called 'nxt'. Did you mean 'next'?"),
        (RESNET, {"path": "layer2", "adapt": None}, "Delete layer: `adapt` is a text; got None."),
        (RESNET, {"path": "layer2", "renumber": "yes"}, "Delete layer: `renumber` is True or False; got 'yes'."),
        (RESNET, {"path": None}, "Delete layer: `path` is a text; got None."),
        (
            RESNET,
            {"path": "layer1.0.relu", "adapt": "next"},
            "`layer1.0.relu` is not called once with one tensor, so nothing can be fitted to it. Instead delete it "
            "without adapting.",
        ),
        (RESNET, {"path": "fc", "adapt": "next"}, "No layer with weights takes what `fc` returns, so there is none to"),
        (
            RESNET,
            {"path": "conv1", "adapt": "next"},
            "After `conv1` comes `layer1.0`, whose width cannot be chosen: try 1x1.",
        ),
        (
            SWIN,
            {"path": "features.2", "adapt": "next"},
            "After `features.2` comes `features.3.0.attn`, whose width cannot be chosen: try 1x1.",
        ),
        (
            MOBILENET,
            {"path": "features.0", "adapt": "next"},
            "After `features.0` comes `features.1.block.1`, whose width cannot be chosen: try 1x1.",
        ),
        (
            opened("convnext_tiny"),
            {"path": "features.0", "adapt": "next"},
            "After `features.0` comes `features.1.0`, whose width cannot be chosen: try 1x1.",
        ),
        (
            SWIN,
            {"path": "features.0", "adapt": "next"},
            "After `features.0` comes `features.1.0.attn`, whose width cannot be chosen: try input.",
        ),
        (
            opened("densenet121"),
            {"path": "features.denseblock1.denselayer2"},
            "`features.denseblock1.denselayer3.norm1` gets 1 × 96 × 56 × 56, so 96 channels, but takes 128: replace",
        ),
        (
            SSD,
            {"path": "head", "adapt": "next"},
            "`head` (Identity) takes one tensor, but gets (1 × 672 × 20 × 20,",
        ),
        (
            SWIN,
            {"path": "features.0", "adapt": "1x1"},
            "`features.0` makes 1 × 56 × 56 × 96 of 1 × 3 × 224 × 224, which no layer of one pixel does. Replace it",
        ),
        (
            SSD,
            {"path": "backbone", "adapt": "1x1"},
            "`backbone` is not called once with one tensor, so nothing can be fitted to it.",
        ),
        (
            RESNET,
            {"path": "layer2", "adapt": "input"},
            "`layer2` is not what takes the input, so the model cannot begin behind it.",
        ),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, DeleteLayer, fields, message)


@pytest.mark.parametrize(("field", "value"), [("path", None), ("renumber", "yes"), ("renumber", 1), ("adapt", 5)])
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    content = json.loads(RESNET.then(DeleteLayer("layer1.0", True, "1x1")).to_json())
    content["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(content))
