from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from modelview.edits.adapt_input import AdaptInput
from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.append import Append
from modelview.edits.base import Edit
from modelview.edits.detach import Detach
from modelview.edits.freeze import Freeze
from modelview.edits.fuse_stages import FuseStages
from modelview.edits.rename import Rename
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.layers import Layer
from modelview.recipe import _PROOFS, Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from modelview.stems import Stem, stems
from modelview.structure import Structure
from tests.laws import check_recipe, run
from tests.zoo import ALL, FLOW, exact, n_parameters

SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))
RESNET = Recipe(Torchvision("resnet18"))
VIT = Recipe(Torchvision("vit_b_32", keywords=(("image_size", 64),)))
RAFT = Recipe(Torchvision("raft_small"))
SSD = Recipe(Torchvision("ssdlite320_mobilenet_v3_large"))
INCEPTION = Recipe(Torchvision("inception_v3", keywords=(("init_weights", False), ("transform_input", True))))


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def written_out(recipe: Recipe) -> nn.Module:
    """The source's own model with weights, changed by the statements that the last edit exports."""
    scope: dict[str, Any] = {"model": recipe.undo().build(), "torch": torch, "nn": nn}
    exec("\n".join(recipe.changes()[-1].code.statements), scope)
    model: nn.Module = scope["model"]
    return model.eval()


def same_values(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("recipe", "edit", "lines"),
    [
        (
            RESNET,
            AdaptInput(4),
            [
                "old = model.conv1",
                "model.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)",
                "with torch.no_grad():",
                "    model.conv1.weight[:, :3] = old.weight",
                "    model.conv1.weight[:, 3:] = old.weight[:, :1]",
            ],
        ),
        (
            RESNET,
            AdaptInput(4, weights="new"),
            ["model.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)"],
        ),
        (RESNET, AdaptInput(size=256), ["# pictures of 256 × 256 need no change of the layers"]),
        (
            VIT,
            AdaptInput(size=96),
            [
                "old = model.encoder.pos_embedding.detach()",
                "grid = old[:, 1:].transpose(1, 2).unflatten(2, (2, 2))",
                'grid = nn.functional.interpolate(grid, size=3, mode="bicubic", align_corners=True)',
                "model.encoder.pos_embedding = nn.Parameter("
                "torch.cat([old[:, :1], grid.flatten(2).transpose(1, 2)], dim=1))",
                "model.image_size = 96",
                "model.seq_length = 10",
            ],
        ),
    ],
    ids=["channels", "new weights", "size of a convolutional net", "size of a transformer"],
)
def test_the_code_reads_as_written_by_a_person(recipe: Recipe, edit: AdaptInput, lines: list[str]) -> None:
    assert "\n".join(recipe.then(edit).changes()[0].code.statements).split("\n") == lines


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("weights", ["copy", "mean", pytest.param("zero", marks=pytest.mark.slow)])
def test_the_code_gives_the_values_that_applying_gives(channels: int, weights: str) -> None:
    recipe = RAFT.then(AdaptInput(channels, weights=weights))
    assert same_values(recipe.build(), written_out(recipe))


@pytest.mark.long
def test_the_code_interpolates_as_applying_does() -> None:
    recipe = VIT.then(AdaptInput(4, 96))
    built = recipe.build()
    assert same_values(built, written_out(recipe))
    state = VIT.build().state_dict()
    theirs = models.vision_transformer.interpolate_embeddings(96, 32, state)["encoder.pos_embedding"]
    assert torch.equal(built.state_dict()["encoder.pos_embedding"], theirs)


@pytest.mark.parametrize(
    ("channels", "weights", "expected"),
    [
        (4, "copy", lambda w: torch.cat([w, w[:, :1]], 1)),
        (6, "copy", lambda w: torch.cat([w, w], 1)),
        (8, "copy", lambda w: torch.cat([w, w, w[:, :2]], 1)),
        (2, "copy", lambda w: w[:, :2]),
        (1, "copy", lambda w: w.sum(1, keepdim=True)),
        (1, "zero", lambda w: w.sum(1, keepdim=True)),
        (1, "mean", lambda w: w.sum(1, keepdim=True)),
        (2, "zero", lambda w: w[:, :2]),
        (4, "zero", lambda w: torch.cat([w, torch.zeros_like(w[:, :1])], 1)),
        (6, "mean", lambda w: w.mean(1, keepdim=True).expand(-1, 6, -1, -1) / 2),
    ],
)
def test_what_becomes_of_the_weights(channels: int, weights: str, expected: Any) -> None:
    old = RESNET.build().state_dict()["conv1.weight"]
    new = RESNET.then(AdaptInput(channels, weights=weights)).build().state_dict()["conv1.weight"]
    assert torch.allclose(new, expected(old))


@pytest.mark.parametrize(("channels", "weights"), [(1, "copy"), (1, "mean"), (4, "mean"), (2, "mean")])
def test_a_grey_picture_gives_what_it_gave(channels: int, weights: str) -> None:
    grey = pictures(1, 1, 64, 64)
    before = run(RESNET.build(), (grey.expand(-1, 3, -1, -1),))
    after = run(RESNET.then(AdaptInput(channels, weights=weights)).build(), (grey.expand(-1, channels, -1, -1),))
    assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("recipe", [RESNET, SSD], ids=lambda recipe: recipe.source.title)
def test_zeros_prove_themselves(recipe: Recipe) -> None:
    recipe = recipe.then(AdaptInput(5, weights="zero"))
    _PROOFS.clear()
    recipe.build()
    assert [proof.largest_difference for proof in recipe.proofs()[0]] == [0.0]


def test_the_proof_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = RESNET.then(AdaptInput(5, weights="zero"))
    (change,) = recipe.changes()
    apply = change.apply

    def altered(model: nn.Module) -> nn.Module:
        model = apply(model)
        with torch.no_grad():
            model.get_parameter("conv1.weight")[0, 4, 0, 0] += 1e-3
        return model

    monkeypatch.setitem(change.__dict__, "apply", altered)
    _PROOFS.clear()
    with pytest.raises(EditError, match="The values were to stay, but the output differs by"):
        recipe.build()


@pytest.mark.parametrize(
    ("recipe", "edit"),
    [
        (RESNET, AdaptInput(4)),
        (RESNET, AdaptInput(2, weights="zero")),
        (VIT, AdaptInput(4, 96, "zero")),
        (INCEPTION, AdaptInput(4, weights="zero")),
    ],
    ids=["copies", "fewer", "interpolated", "switched off"],
)
def test_only_what_stays_is_promised(recipe: Recipe, edit: AdaptInput) -> None:
    assert recipe.then(edit).changes()[0].promise is None


def test_an_input_that_was_added_keeps_its_own_channels() -> None:
    emb = (("emb", "Conv2d(1, 8, 3, padding=1)"),)
    recipe = RESNET.then(AddInput("depth", (1, 56, 56), "layer1", emb)).then(AddInput("age", 2, "net.layer2"))
    recipe = recipe.then(AdaptInput(4))
    assert recipe.check().input == ((1, 4, 224, 224), (1, 1, 56, 56), (1, 2))
    assert "conv1: 3 → 4 channels" in recipe.changes()[-1].summary
    assert "emb" not in recipe.changes()[-1].summary


@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "edits"),
    [
        (RESNET, [AddInput("age", 2, "layer2"), AdaptInput(4)]),
        (SHUFFLENET, [AdaptInput(4)]),
        (SHUFFLENET, [AdaptInput(1, 64, "mean")]),
        (SHUFFLENET, [AdaptInput(4, weights="new"), AdaptInput(6, (96, 64), "zero")]),
        (SHUFFLENET, [Freeze("*"), AdaptInput(4), SwapHead(5)]),
        (SHUFFLENET, [Truncate("stage2.0"), AdaptInput(2)]),
        (SHUFFLENET, [AdaptInput(4), Truncate("stage2.0", pool=True, flatten=True), SwapHead(3)]),
        (VIT, [Freeze("*"), AdaptInput(4, 96)]),
        (SSD, [AdaptInput(4)]),
        (SSD, [AdaptInput(1, 64), AdaptInput(3)]),
        (INCEPTION, [AdaptInput(4, 96)]),
        (RAFT, [AdaptInput(4, (128, 136), "zero")]),
        (Recipe(Torchvision("r3d_18")), [AdaptInput(4, 32)]),
    ],
)
def test_laws(recipe: Recipe, edits: list[Edit]) -> None:
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


def test_what_was_frozen_stays_so_unless_it_is_new() -> None:
    frozen = RESNET.then(Freeze("*"))
    assert not frozen.then(AdaptInput(4)).structure().get_parameter("conv1.weight").requires_grad
    assert frozen.then(AdaptInput(4, weights="new")).structure().get_parameter("conv1.weight").requires_grad
    assert not VIT.then(Freeze("*")).then(AdaptInput(size=96)).build().get_parameter("class_token").requires_grad


def test_both_inputs_and_both_encoders_of_raft_follow() -> None:
    assert stems(structure_of(RAFT)).stems == (
        Stem("feature_encoder.convnormrelu.0", (0, 1)),
        Stem("context_encoder.convnormrelu.0", (0,)),
    )
    assert RAFT.then(AdaptInput(4)).example == ((1, 4, 520, 960), (1, 4, 520, 960))


@pytest.mark.parametrize(
    ("recipe", "edit", "note"),
    [
        (RESNET, AdaptInput(4), "`conv1`: 3 channels kept, 1 new as copies of them in turn."),
        (RESNET, AdaptInput(1), "`conv1`: the 3 channels added up, so that a grey picture gives what it gave in 3"),
        (RESNET, AdaptInput(2), "`conv1`: the first 2 of 3 channels kept."),
        (RESNET, AdaptInput(4, weights="mean"), "`conv1`: every channel the mean of the 3, times 3/4."),
        (RESNET, AdaptInput(4, weights="zero"), "`conv1`: 3 channels kept, 1 new with zeros."),
        (RESNET, AdaptInput(4, weights="new"), "`conv1`: new random weights."),
        (RESNET, AdaptInput(size=256), "The layers take this size as they are: only the example changes."),
        (Recipe(Torchvision("swin_v2_t")), AdaptInput(size=128), "The layers take this size as they are: only"),
        (VIT, AdaptInput(size=96), "Position embeddings interpolated from 2 × 2 to 3 × 3, as torchvision does."),
        (INCEPTION, AdaptInput(4), "`transform_input` is switched off, since its code takes three channels: norm"),
        (SSD, AdaptInput(4), "`transform.image_mean` has one number a channel: its mean for new ones."),
        (SSD, AdaptInput(1), "`transform.image_std` has one number a channel: its mean for the only one."),
        (SSD, AdaptInput(size=500), "`transform` goes on resizing every picture, to 320 × 320."),
    ],
)
def test_what_was_done_is_said(recipe: Recipe, edit: AdaptInput, note: str) -> None:
    assert any(said.startswith(note) for said in recipe.then(edit).changes()[0].notes)


def test_what_normalises_each_channel_has_a_number_for_each() -> None:
    recipe = Recipe(Torchvision("fasterrcnn_mobilenet_v3_large_320_fpn"))
    model = recipe.then(AdaptInput(5)).structure()
    transform: Any = model.get_submodule("transform")
    assert transform.image_mean == [0.485, 0.456, 0.406, 0.449, 0.449]
    assert transform.image_std == [0.229, 0.224, 0.225, 0.226, 0.226]


MLP = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
CAT = nn.Sequential(nn.Conv2d(8, 4, 1))
APART = nn.Sequential(nn.Conv2d(3, 6, 1, groups=3))
TEXT = nn.Sequential(nn.Conv2d(3, 6, 3, padding="same"))
NORMED = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))


class Padded(nn.Module):
    """A convolution that takes the input beside something else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x, torch.zeros(1, 5, 2, 2, device=x.device)], 1))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (MLP, "No convolution sees the input: `1` (Linear) takes it. Replace that layer by hand."),
        (nn.Sequential(nn.ReLU()), "No convolution sees the input, so there is no layer to adapt."),
        (Padded(), "`conv` takes 8 channels where the input has 3, so something else comes in with it. Replace it"),
        (APART, "`0` takes its 3 channels apart, in 3 groups, so another number of them would change what comes"),
        (TEXT, "`0` (Conv2d) cannot be made anew for another width: it is not a plain torch.nn layer that its text"),
        (CAT, "The model does not run, so its input is unknown: `0` gets 3 channels but takes 8: insert"),
    ],
)
def test_models_whose_input_cannot_be_adapted(model: nn.Module, message: str) -> None:
    structure = Structure(deepcopy(model).to("meta"), RESNET.source, example=((1, 3, 2, 2),))
    with pytest.raises(EditError) as caught:
        AdaptInput(4).plan(structure)
    assert str(caught.value).startswith(message)


def test_pictures_need_a_height_and_a_width() -> None:
    structure = Structure(nn.Linear(12, 4, device="meta"), RESNET.source, example=((1, 12),))
    with pytest.raises(EditError, match=r"^The input is 1 × 12, which has no height and width\. Leave the size out\.$"):
        AdaptInput(size=4).plan(structure)


LAYER = "encoder.layers.encoder_layer_1"


@pytest.mark.long
@pytest.mark.parametrize(
    "before",
    [
        (AddOutputs((LAYER,)),),
        (AddInput(at=LAYER, size=3, style="keep"),),
        (AddInput(at=LAYER, size=3),),
        (Detach(LAYER),),
        (Truncate(LAYER), SwapHead(3)),
        (FuseStages((LAYER, "encoder.layers.encoder_layer_2"), 3),),
        (FuseStages((LAYER, "encoder.layers.encoder_layer_2"), 3, style="wrap"),),
        (AddOutputs((LAYER,), keep_final=False),),
        (Detach(LAYER), Append((("more", Layer("Linear(1000, 3)")),)), AddOutputs((LAYER,))),
    ],
)
def test_another_size_after_an_edit_that_wrote_the_forward_anew(before: tuple[Edit, ...]) -> None:
    recipe = Recipe(VIT.source, (*before, AdaptInput(size=96)))
    check_recipe(recipe)
    resized = Recipe(VIT.source, (AdaptInput(size=96),)).build()
    ours = recipe.build().state_dict()
    embedding = next(value for name, value in ours.items() if name.endswith("pos_embedding"))
    assert torch.equal(embedding, resized.state_dict()["encoder.pos_embedding"])
    image = pictures(1, 3, 64, 64)
    with pytest.raises(AssertionError, match="Wrong image height"):
        run(recipe.build(), recipe.source.taken(image, *(pictures(*shape) for shape in recipe.example[1:])))


def test_the_input_is_followed_through_what_normalises_it() -> None:
    structure = Structure(deepcopy(NORMED).to("meta"), RESNET.source, example=((1, 3, 2, 2),))
    found = stems(structure)
    assert (found.stems, found.others, found.through) == ((Stem("1", (0,)),), (), ("0",))


@pytest.mark.parametrize(
    ("recipe", "edit", "message"),
    [
        (RESNET, AdaptInput(), "Say how many channels the input has, or the size of the pictures, or both."),
        (RESNET, AdaptInput(0), "The number of channels is a whole number from 1 up; got 0."),
        (RESNET, AdaptInput(-4), "The number of channels is a whole number from 1 up; got -4."),
        (RESNET, AdaptInput(True), "The number of channels is a whole number from 1 up; got True."),
        (RESNET, AdaptInput(4.0), "The number of channels is a whole number from 1 up; got 4.0."),  # type: ignore[arg-type]
        (RESNET, AdaptInput(10**12), "Conv2d(1000000000000, 64, kernel_size=7, stride=2, padding=3, bias=False) would"),
        (RESNET, AdaptInput(3), "`conv1` already takes 3 channels."),
        (RESNET.then(AdaptInput(1)), AdaptInput(1), "`conv1` already takes 1 channel."),
        (RESNET, AdaptInput(4, weights="zeros"), "No way to make the weights is called 'zeros'. Did you mean 'zero'"),
        (RESNET, AdaptInput(size=0), "A size is a height and a width from 1 up, such as (384, 384); got (0, 0)."),
        (RESNET, AdaptInput(size=True), "A size is a height and a width from 1 up, such as (384, 384); got True."),
        (RESNET, AdaptInput(size=(224,)), "A size is a height and a width from 1 up, such as (384, 384); got (224,)."),
        (
            RESNET,
            AdaptInput(size=(8, -1)),
            "A size is a height and a width from 1 up, such as (384, 384); got (8, -1).",
        ),
        (RESNET, AdaptInput(size=224), "The model already takes 224 × 224."),
        (RESNET, AdaptInput(size=10**7), "An input of 10000000 × 10000000 would take 1,200,000 GB; this machine has"),
        (VIT, AdaptInput(size=100), "100 is not a multiple of 32, the side of a patch: take 96 or 128 instead."),
        (VIT, AdaptInput(size=20), "20 is not a multiple of 32, the side of a patch: take 32 instead."),
        (VIT, AdaptInput(size=(96, 128)), "This vision transformer takes square pictures; got 96 × 128."),
        (
            VIT.then(Rename((("encoder", "enc"),))),
            AdaptInput(size=96),
            "An edit before this one has written the forward of the model for pictures of 64 × 64. Take that edit back",
        ),
        (
            VIT.then(Detach("encoder.layers.encoder_layer_1")),
            AdaptInput(size=100),
            "100 is not a multiple of 32, the side of a patch: take 96 or 128 instead.",
        ),
        (
            Recipe(Torchvision("densenet121")),
            AdaptInput(size=20),
            "densenet121 was made for pictures of 224 × 224 and cannot take 20 × 20. `features.transition3.pool`",
        ),
        (
            Recipe(Torchvision("maxvit_t")),
            AdaptInput(size=448),
            "maxvit_t was made for pictures of 224 × 224 and cannot take 448 × 448.",
        ),
        (
            RAFT,
            AdaptInput(size=130),
            "raft_small was made for pictures of 520 × 960 and cannot take 130 × 130. The model (RAFT) could not take",
        ),
        (
            RESNET.then(ReplaceLayer("conv1", "Flatten()")),  # type: ignore[arg-type]
            AdaptInput(4),
            "The model does not run, so its input is unknown: `bn1`",
        ),
    ],
)
def test_refusals(recipe: Recipe, edit: AdaptInput, message: str) -> None:
    with pytest.raises(EditError) as caught:
        recipe.then(edit).check()
    assert str(caught.value).startswith(message)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ALL)
def test_every_model_takes_four_channels(name: str) -> None:
    recipe = Recipe(Torchvision(name))
    adapted = recipe.then(AdaptInput(4))
    assert adapted.check().output == structure_of(recipe).trace.output
    assert adapted.example == tuple((shape[0], 4, *shape[2:]) for shape in recipe.example)


SMALL = [name for name in ALL if n_parameters(name) <= 10_000_000]
SIDES = {"raft_large": 128, "raft_small": 128, "inception_v3": 96}


@pytest.mark.zoo
@pytest.mark.parametrize("name", SMALL)
def test_channels_that_weigh_nothing_change_nothing(name: str) -> None:
    """The fourth channel is noise; what comes out is equal to the last bit."""
    source = Torchvision(name)
    side = SIDES.get(name)
    shapes = [(*s[:2], *s[2:-2], side, side) if side else s for s in source.example]
    noisy = [pictures(1, 4, *(min(size, 16) for size in shape[2:-2]), *shape[-2:]) for shape in shapes]
    model = source.load()
    before = run(model, source.arguments(*(picture[:, :3] for picture in noisy)))
    change = Recipe(source).then(AdaptInput(4, weights="zero")).changes()[0]
    assert exact(run(change.apply(model).eval(), source.arguments(*noisy)), before)
    assert name in FLOW or len(noisy) == 1
