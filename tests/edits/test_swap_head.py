import pytest

from modelview.edits.add_input import AddInput
from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.insert_layer import InsertLayer
from modelview.edits.prefix import Prefix
from modelview.edits.select_classes import SelectClasses
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe
from tests.zoo import ALL, FLOW

SSD, FASTER = "ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"

SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))
SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("resnet50", ("model.fc = nn.Linear(2048, 10)",)),
        ("squeezenet1_1", ("model.classifier[1] = nn.Conv2d(512, 10, kernel_size=1)", "model.num_classes = 10")),
        ("vgg11", ("model.classifier[6] = nn.Linear(4096, 10)",)),
        ("densenet121", ("model.classifier = nn.Linear(1024, 10)",)),
        ("vit_b_16", ("model.heads.head = nn.Linear(768, 10)", "model.num_classes = 10")),
        (
            "deeplabv3_resnet50",
            ("model.classifier[4] = nn.Conv2d(256, 10, kernel_size=1)",),
        ),
        (
            "fasterrcnn_resnet50_fpn",
            (
                "model.roi_heads.box_predictor.cls_score = nn.Linear(1024, 10)",
                "model.roi_heads.box_predictor.bbox_pred = nn.Linear(1024, 40)",
            ),
        ),
    ],
)
def test_the_code_is_plain_assignment(name: str, lines: tuple[str, ...]) -> None:
    change = Recipe(Torchvision(name)).then(SwapHead(10)).changes()[0]
    assert tuple(line for line in change.code.statements) == lines


def test_auxiliary_heads_go_along() -> None:
    recipe = Recipe(Torchvision("deeplabv3_resnet50", keywords=(("aux_loss", True),))).then(SwapHead(4, hidden=(16,)))
    assert recipe.check().output == {"out": (1, 4, 520, 520), "aux": (1, 4, 520, 520)}
    assert "model.aux_classifier[4] = nn.Conv2d(256, 4, kernel_size=1)" in recipe.code()


def test_a_deep_head_is_the_tutorials_own() -> None:
    recipe = SHUFFLENET.then(SwapHead(10, hidden=(128,), dropout=0.5, softmax=True))
    built = check_recipe(recipe)
    assert [name for name, _ in built.fc.named_children()] == ["fc1", "relu1", "dropout1", "fc2", "output"]  # type: ignore[union-attr]
    assert "CrossEntropyLoss applies its own" in recipe.changes()[0].notes[0]


@pytest.mark.parametrize(
    "edits",
    [
        [SwapHead(10)],
        [SwapHead(1000)],
        [SwapHead(5, hidden=(16, 8), activation="GELU")],
        [SwapHead(5, dropout=0.2)],
        [SwapHead(5, hidden=(16,), names=("a", "b", "c"))],
        [SwapHead(5, hidden=(16,)), SwapHead(6)],
        [Truncate("stage3.1"), SwapHead(5)],
        [Truncate("stage3.1", pool=True, flatten=True), SwapHead(5, hidden=(8,))],
        [Truncate("stage3"), SwapHead(5), SwapHead(3, softmax=True)],
        [Truncate("stage3"), SwapHead(5), Freeze("backbone"), Truncate("backbone.stage2"), SwapHead(2)],
    ],
)
def test_laws(edits: list[SwapHead]) -> None:
    recipe = SHUFFLENET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


@pytest.mark.long
@pytest.mark.parametrize("edit", [SwapHead(5), SwapHead(5, hidden=(16,), softmax=True)])
def test_behind_a_truncation_with_another_input(edit: SwapHead) -> None:
    recipe = Recipe(Torchvision("resnet18"), (AddInput("age", 2, at="layer2"), Truncate("net.layer3"), edit))
    assert recipe.check().output == (1, 5)
    assert "x = self.backbone(x, age)" in recipe.code()
    check_recipe(recipe)
    check_recipe(recipe.then(SwapHead(3)))


@pytest.mark.parametrize(
    ("edits", "summary"),
    [
        ((Prefix("net."), SwapHead(3)), "net.classifier.1 → Conv3d(1024, 3, kernel_size=1)"),
        ((AddInput("age", 2, at="features.5"), SwapHead(3)), "net.classifier.1 → Conv3d(1024, 3, kernel_size=1)"),
        (
            (Prefix("net."), SwapHead(3, hidden=(5,))),
            "net.classifier.1 → Conv3d(1024, 5, kernel_size=1) → ReLU → Conv3d(5, 3, kernel_size=1)",
        ),
    ],
)
def test_a_head_that_has_moved_stays_of_its_kind(edits: tuple[Edit, ...], summary: str) -> None:
    recipe = Recipe(Torchvision("s3d"), edits)
    assert recipe.check().output == (1, 3)
    assert recipe.changes()[-1].summary == summary


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "edit"),
    [
        (SSD, Prefix("net.")),
        (SSD, AddInput("age", 2, at="backbone.features.0.1")),
        (FASTER, Prefix("a.b.")),
        (FASTER, InsertLayer("roi_heads.box_predictor.cls_score", "Dropout(0.1)", "before")),
        ("googlenet", Prefix("net.")),
    ],
)
def test_all_heads_go_along_wherever_they_have_moved(name: str, edit: Edit) -> None:
    plain, moved = Recipe(Torchvision(name)), Recipe(Torchvision(name), (edit,))
    assert moved.then(SwapHead(3)).check().output == plain.then(SwapHead(3)).check().output
    assert moved.then(SelectClasses((0, 2))).check().output == plain.then(SelectClasses((0, 2))).check().output
    check_recipe(moved.then(SwapHead(3)))


def test_a_last_convolution_is_not_taken_for_a_head() -> None:
    recipe = SQUEEZENET.then(Truncate("features.0")).then(SwapHead(4))
    built = check_recipe(recipe)
    assert [name for name, _ in built.named_children()] == ["backbone", "pool", "flatten", "fc"]
    assert recipe.check().output == (1, 4)


@pytest.mark.zoo
@pytest.mark.parametrize("name", [name for name in ALL if name not in FLOW])
def test_every_model_with_classes_has_its_head_found(name: str) -> None:
    """The same parameter shapes as the builder's own model for 7 classes, by plain layers."""
    source = Torchvision(name)
    swapped = Recipe(source).then(SwapHead(7)).structure()
    built = source.with_classes(7).structure()
    assert {n: p.shape for n, p in swapped.named_parameters()} == {n: p.shape for n, p in built.named_parameters()}


@pytest.mark.parametrize(
    ("recipe", "edit", "message"),
    [
        (SQUEEZENET, SwapHead(0), "The number of classes is a whole number from 1 up; got 0."),
        (SQUEEZENET, SwapHead(-3), "The number of classes is a whole number from 1 up; got -3."),
        (SQUEEZENET, SwapHead(2.5), "The number of classes is a whole number from 1 up; got 2.5."),  # type: ignore[arg-type]
        (SQUEEZENET, SwapHead(True), "The number of classes is a whole number from 1 up; got True."),
        (SQUEEZENET, SwapHead(10**12), "A head for 1,000,000,000,000 classes would take"),
        (SQUEEZENET, SwapHead(5, hidden=(10**9, 10**9)), "A head for 5 classes would take"),
        (SQUEEZENET, SwapHead(5, hidden=(0,)), "A hidden width is a whole number from 1 up; got 0."),
        (SQUEEZENET, SwapHead(5, activation="ReLu"), "No activation is called 'ReLu'. Did you mean 'ReLU'"),
        (SQUEEZENET, SwapHead(5, dropout=1.0), "Dropout is a share from 0 to below 1, such as 0.5; got 1.0."),
        (SQUEEZENET, SwapHead(5, dropout=-0.1), "Dropout is a share from 0 to below 1, such as 0.5; got -0.1."),
        (SQUEEZENET, SwapHead(5, names=("a",)), "Names are for a head of several layers"),
        (SQUEEZENET, SwapHead(5, hidden=(8,), names=("a",)), "This head has 3 layers (conv1, relu1, conv2): give each"),
        (SQUEEZENET, SwapHead(5, hidden=(8,), names=("a", "a", "b")), "This head has 3 layers"),
        (SQUEEZENET, SwapHead(5, hidden=(8,), names=("a", "b.c", "d")), "A layer's name is a Python name, such as"),
        (Recipe(Torchvision("raft_small")), SwapHead(5), "RAFT predicts optical flow; it has no classes."),
        (
            Recipe(Torchvision("lraspp_mobilenet_v3_large")),
            SwapHead(5, hidden=(8,)),
            "lraspp_mobilenet_v3_large has 2 heads (`classifier.low_classifier`, `classifier.high_classifier`):",
        ),
        (
            Recipe(Torchvision("fasterrcnn_mobilenet_v3_large_fpn")),
            SwapHead(5, softmax=True),
            "fasterrcnn_mobilenet_v3_large_fpn has 2 heads (`roi_heads.box_predictor.cls_score`,",
        ),
    ],
)
def test_refusals(recipe: Recipe, edit: SwapHead, message: str) -> None:
    with pytest.raises(EditError) as caught:
        recipe.then(edit).check()
    assert str(caught.value).startswith(message)
