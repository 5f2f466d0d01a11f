from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modelview.edits.adapt_input import AdaptInput
from modelview.edits.append import Append
from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.load_weights import LoadWeights
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.select_classes import SelectClasses
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import _PROOFS, Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.edits.test_adapt_input import pictures, same_values, written_out
from tests.laws import check_recipe, run
from tests.zoo import ALL, DETECTION, FLOW, SEGMENTATION

SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))
SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))
NAMED = Recipe(Torchvision("resnet18", "DEFAULT"))
COCO = Recipe(Torchvision("ssdlite320_mobilenet_v3_large", "DEFAULT"))
LRASPP = Recipe(Torchvision("lraspp_mobilenet_v3_large"))
SSD = Recipe(Torchvision("ssdlite320_mobilenet_v3_large"))
FASTER = Recipe(Torchvision("fasterrcnn_mobilenet_v3_large_320_fpn"))


@pytest.mark.parametrize(
    ("recipe", "edit", "lines"),
    [
        (
            NAMED,
            SelectClasses(("goldfish", 281)),
            [
                "kept = [1, 281]",
                "old = model.fc",
                "model.fc = nn.Linear(512, 2)",
                "with torch.no_grad():",
                "    model.fc.weight.copy_(old.weight[kept])",
                "    model.fc.bias.copy_(old.bias[kept])",
            ],
        ),
        (
            SQUEEZENET.then(Freeze("*")),
            SelectClasses(3),  # type: ignore[arg-type]
            [
                "kept = [3]",
                "old = model.classifier[1]",
                "model.classifier[1] = nn.Conv2d(512, 1, kernel_size=1)",
                "with torch.no_grad():",
                "    model.classifier[1].weight.copy_(old.weight[kept])",
                "    model.classifier[1].bias.copy_(old.bias[kept])",
                "model.classifier[1].weight.requires_grad_(False)",
                "model.classifier[1].bias.requires_grad_(False)",
                "model.num_classes = 1",
            ],
        ),
    ],
    ids=["by name", "a frozen convolution"],
)
def test_the_code_reads_as_written_by_a_person(recipe: Recipe, edit: SelectClasses, lines: list[str]) -> None:
    assert "\n".join(recipe.then(edit).changes()[-1].code.statements).split("\n") == lines


@pytest.mark.parametrize("recipe", [SHUFFLENET, SQUEEZENET, LRASPP], ids=lambda recipe: recipe.source.title)
def test_outputs_are_the_originals_and_the_proof_can_fail(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe.then(SelectClasses((20, 0, 7)))
    _PROOFS.clear()
    recipe.build()
    assert [proof.what for proof in recipe.proofs()[0]] == ["the outputs of the chosen classes"]
    (change,) = recipe.changes()
    apply = change.apply

    def altered(model: nn.Module) -> nn.Module:
        model = apply(model)
        head = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
        with torch.no_grad():
            head.get_parameter("bias")[0] += 1e-3
        return model

    monkeypatch.setitem(change.__dict__, "apply", altered)
    _PROOFS.clear()
    with pytest.raises(EditError, match="The values were to stay, but the outputs of the chosen classes differs by"):
        recipe.build()


def test_the_rows_are_the_old_ones_to_the_last_bit() -> None:
    new, old = (r.build().state_dict() for r in (SHUFFLENET.then(SelectClasses((999, 0, 7))), SHUFFLENET))
    for name in ("fc.weight", "fc.bias"):
        assert torch.equal(new[name], old[name][[999, 0, 7]])


def test_what_looks_at_all_classes_is_said_and_nothing_is_promised(tmp_path: Path) -> None:
    swapped = SHUFFLENET.then(SwapHead(6, softmax=True))
    torch.save(swapped.build().state_dict(), tmp_path / "w.pth")
    recipe = swapped.then(LoadWeights(tmp_path / "w.pth")).then(SelectClasses((4, 1)))
    change = recipe.changes()[-1]
    assert change.notes == ("`softmax` comes after the head, so what it gives is among the chosen classes only.",)
    assert change.promise is None
    assert torch.allclose(run(recipe.build(), (pictures(1, 3, 64, 64),)).sum(), torch.tensor(1.0))


@pytest.mark.parametrize("recipe", [SHUFFLENET, SQUEEZENET, LRASPP, SSD, FASTER], ids=lambda r: r.source.title)
def test_the_code_gives_the_values_that_applying_gives(recipe: Recipe) -> None:
    recipe = recipe.then(SelectClasses((0, 20, 3)))
    assert same_values(recipe.build(), written_out(recipe))


def test_boxes_are_chosen_class_by_class() -> None:
    built = FASTER.then(SelectClasses((0, 5))).build().get_submodule("roi_heads.box_predictor")
    old = FASTER.build().get_submodule("roi_heads.box_predictor")
    features = pictures(2, 1024)
    (scores, boxes), (all_scores, all_boxes) = run(built, (features,)), run(old, (features,))
    assert torch.allclose(scores, all_scores[:, [0, 5]], atol=1e-6)
    assert torch.allclose(boxes.reshape(2, 2, 4), all_boxes.reshape(2, 91, 4)[:, [0, 5]], atol=1e-6)


@pytest.mark.parametrize("name", ["ssdlite320_mobilenet_v3_large", "retinanet_resnet50_fpn", "fcos_resnet50_fpn"])
def test_anchors_keep_their_classes(name: str) -> None:
    source = Torchvision(name)
    model = source.load()
    head: Any = model.get_submodule("head.classification_head")
    if hasattr(head, "module_list"):
        maps = [pictures(1, module[0][0].in_channels, 4, 4) for module in head.module_list]
    else:
        maps = [pictures(1, 256, 4, 4), pictures(1, 256, 2, 2)]
    before = run(head, (maps,))
    Recipe(source).then(SelectClasses((0, 44, 3))).changes()[0].apply(model)
    assert torch.allclose(run(head, (maps,)), before[..., [0, 44, 3]], atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "edits"),
    [
        (SHUFFLENET, [SelectClasses((3, 17))]),
        (SHUFFLENET, [SelectClasses(tuple(range(999, -1, -1)))]),
        (SHUFFLENET, [SelectClasses((3, 17, 20)), SelectClasses((2, 0))]),
        (SHUFFLENET, [Freeze("*"), AdaptInput(4), SelectClasses((5,)), SwapHead(3)]),
        (SQUEEZENET, [SelectClasses((3, 17)), Truncate("features.3")]),
        (LRASPP, [SelectClasses((3, 17))]),
        (SSD, [SelectClasses((0, 90, 17)), SelectClasses((0, 2))]),
        (FASTER, [SelectClasses((0, 1))]),
    ],
)
def test_laws(recipe: Recipe, edits: list[Edit]) -> None:
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


def test_auxiliary_heads_go_along() -> None:
    recipe = Recipe(Torchvision("deeplabv3_mobilenet_v3_large", keywords=(("aux_loss", True),)))
    assert recipe.then(SelectClasses((15, 0))).check().output == {"out": (1, 2, 520, 520), "aux": (1, 2, 520, 520)}


def test_class_names_are_the_chosen_ones() -> None:
    recipe = NAMED.then(SelectClasses((281, "goldfish", "great white shark")))
    assert recipe.categories() == ("tabby", "goldfish", "great white shark")
    assert 'CATEGORIES = ["tabby", "goldfish", "great white shark"]\n' in recipe.code()
    assert recipe.then(SelectClasses(("goldfish",))).categories() == ("goldfish",)
    assert recipe.then(SwapHead(2)).categories() == ()
    assert "CATEGORIES" not in recipe.then(SwapHead(2)).code()
    assert 'CATEGORIES = WEIGHTS.meta["categories"]' in NAMED.code()
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_long_lists_are_wrapped() -> None:
    code = NAMED.then(SelectClasses(range(0, 1000, 7))).code()  # type: ignore[arg-type]
    assert max(map(len, code.splitlines())) <= 110
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(compile(code, "model.py", "exec"), scope)
    assert tuple(scope["CATEGORIES"]) == NAMED.source.categories[::7]


def test_a_head_that_a_file_trained_has_rows_again(tmp_path: Path) -> None:
    swapped = SHUFFLENET.then(SwapHead(6, hidden=(8,)))
    torch.save(
        Recipe(Torchvision("shufflenet_v2_x0_5", seed=3)).then(SwapHead(6, hidden=(8,))).build().state_dict(),
        tmp_path / "w.pth",
    )
    recipe = swapped.then(LoadWeights(tmp_path / "w.pth"))
    picture = pictures(2, 3, 64, 64)
    after = run(recipe.then(SelectClasses((4, 1))).build(), (picture,))
    assert torch.allclose(after, run(recipe.build(), (picture,))[:, [4, 1]], atol=1e-6)


@pytest.mark.zoo
@pytest.mark.parametrize("name", [name for name in ALL if name not in FLOW])
def test_every_model_with_classes_keeps_some(name: str) -> None:
    """The same parameter shapes as the builder's own model for as many classes."""
    source = Torchvision(name)
    kept = (0, 1) if name.startswith("keypoint") else (0, 20, 3)
    recipe = Recipe(source).then(SelectClasses(kept))
    built = source.with_classes(len(kept)).structure()
    assert {n: p.shape for n, p in recipe.structure().named_parameters()} == {
        n: p.shape for n, p in built.named_parameters()
    }
    output = recipe.check().output
    if name in SEGMENTATION:
        assert output["out"][1] == len(kept)
    elif name not in DETECTION:
        assert output == (1, len(kept))


@pytest.mark.parametrize(
    ("recipe", "edit", "message"),
    [
        (SQUEEZENET, SelectClasses(()), "Choose at least one class, by number or by name."),
        (SQUEEZENET, SelectClasses((1000,)), "The classes are numbered from 0 to 999; got 1000."),
        (SQUEEZENET, SelectClasses((-1,)), "The classes are numbered from 0 to 999; got -1."),
        (SQUEEZENET, SelectClasses((True,)), "The classes are numbered from 0 to 999; got True."),
        (SQUEEZENET, SelectClasses((2.0,)), "The classes are numbered from 0 to 999; got 2.0."),  # type: ignore[arg-type]
        (SQUEEZENET, SelectClasses(None), "The classes are numbered from 0 to 999; got None."),  # type: ignore[arg-type]
        (SQUEEZENET, SelectClasses((3, 17, 3)), "Class 3 is chosen twice; name it once."),
        (
            SQUEEZENET,
            SelectClasses(("goldfish",)),
            "The names of the classes are unknown here, so 'goldfish' cannot be",
        ),
        (NAMED, SelectClasses(("goldfish", 1)), "Class 1 (goldfish) is chosen twice; name it once."),
        (NAMED, SelectClasses(("goldfisch",)), "No class is called 'goldfisch'. Did you mean 'goldfish'"),
        (NAMED, SelectClasses("Goldfish"), "No class is called 'Goldfish'. Did you mean 'goldfish'"),  # type: ignore[arg-type]
        (NAMED.then(SelectClasses((1, 2))), SelectClasses(("tabby",)), "No class is called 'tabby'. Did you mean"),
        (NAMED.then(SelectClasses((1, 2))), SelectClasses((2,)), "The classes are numbered from 0 to 1; got 2."),
        (COCO, SelectClasses((0, "N/A")), "10 classes are called 'N/A': choose by number, such as 12."),
        (
            SSD,
            SelectClasses((3, 17)),
            "Class 0 of ssdlite320_mobilenet_v3_large is the background, which it leaves out",
        ),
        (FASTER, SelectClasses((3, 0)), "Class 0 of fasterrcnn_mobilenet_v3_large_320_fpn is the background, which it"),
        (SQUEEZENET.then(SwapHead(5)), SelectClasses((1,)), "The head is new, so its classes mean nothing yet: choose"),
        (SQUEEZENET.then(SwapHead(1000)), SelectClasses((1,)), "The head is new, so its classes mean nothing yet"),
        (
            SHUFFLENET.then(Append((("fc1", "Linear(1000, 5)"),))),  # type: ignore[arg-type]
            SelectClasses((1,)),
            "The head is new, so its classes mean nothing yet",
        ),
        (
            SQUEEZENET.then(Truncate("features.3")),
            SelectClasses((1,)),
            "The model has no head any more: select classes",
        ),
        (
            SHUFFLENET.then(ReplaceLayer("fc", "Identity()")),  # type: ignore[arg-type]
            SelectClasses((1,)),
            "The head at `fc` is Identity now, which has no rows to select.",
        ),
        (
            LRASPP.then(ReplaceLayer("classifier.low_classifier", "Conv2d(40, 1, 1)")),  # type: ignore[arg-type]
            SelectClasses((0,)),
            "The heads do not predict the same number of classes any more: `classifier.low_classifier` has 1 outputs,",
        ),
        (Recipe(Torchvision("raft_small")), SelectClasses((1,)), "RAFT predicts optical flow; it has no classes."),
    ],
)
def test_refusals(recipe: Recipe, edit: SelectClasses, message: str) -> None:
    with pytest.raises(EditError) as caught:
        recipe.then(edit).check()
    assert str(caught.value).startswith(message)


def test_an_order_that_is_not_certain_is_refused() -> None:
    """A holder that none of the known layouts is, with four outputs a class."""
    structure = structure_of(FASTER)
    predictor = structure.model.get_submodule("roi_heads.box_predictor")
    kind = type(predictor)
    try:
        predictor.__class__ = nn.Module
        with pytest.raises(EditError, match=r"has 4 outputs for each of 91 classes, and in which order is not known\."):
            SelectClasses((0, 1)).plan(structure)
    finally:
        predictor.__class__ = kind
