from typing import Any

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from modelview.edits.freeze import Freeze, Unfreeze
from modelview.edits.learning_rates import LearningRates
from modelview.edits.norms import plan_fixing, whole_norms
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, trainable

SQUEEZENET = Recipe(Torchvision("squeezenet1_1"))
WB = ("weight", "bias")
SHUFFLENET = Recipe(Torchvision("shufflenet_v2_x0_5"))


def frozen(recipe: Recipe) -> set[str]:
    return {name for name, on in trainable(recipe.structure()).items() if not on}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("vit_b_16", "encoder.layers.encoder_layer_1"),
        ("swin_v2_t", "features.1"),
        ("mvit_v1_b", "blocks.3"),
        ("maxvit_t", "blocks.1"),
        ("convnext_tiny", "features.3"),
        ("regnet_y_400mf", "trunk_output.block1"),
    ],
)
def test_up_to_a_point_is_what_gets_no_gradient_when_cut_there(name: str, path: str) -> None:
    """Tensors that a module around the point holds itself, such as class tokens, are on the side that uses them."""
    recipe = Recipe(Torchvision(name))
    model = recipe.structure()
    model.get_submodule(path).register_forward_hook(lambda *args: _detached(args[-1]))
    model(torch.empty(recipe.example[0], device="meta")).sum().backward()
    moving = {name for name, p in model.named_parameters() if p.grad is not None}
    assert frozen(recipe.then(Freeze(up_to=path))) == {name for name, _ in model.named_parameters()} - moving
    after = frozen(recipe.then(Freeze(from_=path)))
    inside = {name for name in trainable(model) if name.startswith(f"{path}.")}
    assert after == moving | inside


def _detached(value: Any) -> Any:
    return tuple(map(_detached, value)) if isinstance(value, tuple) else getattr(value, "detach", lambda: value)()


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        ([Freeze("*", except_="fc")], ["model.requires_grad_(False)", "model.fc.requires_grad_(True)"]),
        ([Freeze("conv1", "stage2")], ["model.conv1.requires_grad_(False)", "model.stage2.requires_grad_(False)"]),
        ([Freeze("fc.weight")], ["model.fc.weight.requires_grad_(False)"]),
        ([Freeze("*"), Unfreeze("fc", "conv5")], ["model.conv5.requires_grad_(True)", "model.fc.requires_grad_(True)"]),
        ([Freeze("fc"), Freeze("*", except_="fc")], ["model.requires_grad_(False)"]),
        ([Freeze(up_to="stage2.0")], ["model.conv1.requires_grad_(False)", "model.stage2[0].requires_grad_(False)"]),
    ],
)
def test_the_code_is_what_one_would_write(edits: list[Freeze], lines: list[str]) -> None:
    recipe = SHUFFLENET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)
    assert list(recipe.changes()[-1].code.statements) == lines


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Freeze("features.0"), {"features.0.weight", "features.0.bias"}),
        (Freeze("*.bias", except_="features"), {"classifier.1.bias"}),
        (Freeze("*", except_=("features.*", "classifier.1.bias")), {"classifier.1.weight"}),
        (Freeze("classifier.2"), set()),
        (Freeze(up_to="features.0"), {"features.0.weight", "features.0.bias"}),
        (Freeze(from_="classifier.1"), {"classifier.1.weight", "classifier.1.bias"}),
        (
            Freeze("features.0.bias", from_="classifier"),
            {"features.0.bias", "classifier.1.weight", "classifier.1.bias"},
        ),
        (Freeze(from_="features.12.expand3x3", except_="classifier"), {f"features.12.expand3x3.{n}" for n in WB}),
        (Freeze(from_="features.3.squeeze", up_to="features.3.squeeze"), {f"features.3.squeeze.{n}" for n in WB}),
    ],
)
def test_what_freezes(edit: Freeze, expected: set[str]) -> None:
    assert frozen(SQUEEZENET.then(edit)) == expected


def test_many_single_parameters_are_named_in_a_loop() -> None:
    recipe = SHUFFLENET.then(Freeze("*.0.weight"))
    check_recipe(recipe)
    assert recipe.changes()[-1].code.statements[0].startswith("for name in (")


def test_a_step_moves_what_trains_and_nothing_else() -> None:
    model = SHUFFLENET.then(SwapHead(3)).then(Freeze("*", except_="fc")).build()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


def test_moving_statistics_are_said() -> None:
    (note,) = SHUFFLENET.then(Freeze("conv1")).changes()[0].notes
    assert note == "1 frozen batch-norm layer still updates its statistics in train mode."


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Freeze(), 'Name what to freeze: a path or a pattern such as "layer1" or "*".'),
        (Unfreeze(), 'Name what to unfreeze: a path or a pattern such as "layer4" or "*".'),
        (Freeze(""), 'An empty pattern matches nothing; write "*" for the whole model.'),
        (Freeze("claszifier"), "No module or parameter is called 'claszifier'. Did you mean 'classifier'"),
        (Freeze("*", except_="fc"), "No module or parameter is called 'fc'."),
        (Unfreeze("*", except_="fc"), "No module or parameter is called 'fc'."),
        (Unfreeze("*", except_=""), 'An empty pattern matches nothing; write "*" for the whole model.'),
        (Unfreeze("layer9.*"), "No module or parameter is called 'layer9.*'."),
        (Freeze(up_to="features.99"), "No module is called 'features.99'. Did you mean 'features.9'"),
        (Freeze(from_="features.99"), "No module is called 'features.99'. Did you mean 'features.9'"),
        (
            Freeze(from_="classifier", up_to="features.3"),
            "`features.3` has ended before `classifier` begins, so nothing runs between them; exchange the two.",
        ),
        (Freeze("*", batchnorm="fixed"), "No way with batch-norm is called 'fixed'. Did you mean 'train' or 'frozen'?"),
    ],
)
def test_refusals_change_nothing(edit: Freeze | Unfreeze, message: str) -> None:
    before = SQUEEZENET.check()
    with pytest.raises(EditError) as caught:
        SQUEEZENET.then(edit).check()
    assert str(caught.value).startswith(message)
    assert SQUEEZENET.check() == before
    assert frozen(SQUEEZENET) == set()


@pytest.mark.parametrize(("field", "which"), [("from_", "from"), ("up_to", "up to")])
def test_what_is_never_called_is_no_point(field: str, which: str) -> None:
    recipe, path = Recipe(Torchvision("vit_b_16")), "encoder.layers.encoder_layer_0.self_attention.out_proj"
    before = recipe.check()
    with pytest.raises(EditError) as caught:
        recipe.then(Freeze(**{field: path})).check()  # type: ignore[arg-type]
    assert str(caught.value) == f"`{path}` is never called, so there is no point {which} which to freeze."
    assert recipe.check() == before


def test_that_values_stay_is_proved() -> None:
    recipe = SHUFFLENET.then(Freeze("conv1")).then(Unfreeze("conv1.0")).then(LearningRates())
    recipe.build()
    assert [[proof.largest_difference for proof in proofs] for proofs in recipe.proofs()] == [[0.0]] * 3


def stepped(model: nn.Module, x: torch.Tensor) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """The model after one SGD step in train mode, and its state_dict before."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.train().parameters() if p.requires_grad], lr=0.1)
    model(x).square().sum().backward()
    optimizer.step()
    return model, before


def test_fixed_batch_norms_do_not_move_and_compute_the_same() -> None:
    plain = SHUFFLENET.then(Freeze("*", except_="fc"))
    fixed = SHUFFLENET.then(Freeze("*", except_="fc", batchnorm="frozen"))
    assert torch.allclose(plain.build()(X), fixed.build()(X), atol=1e-5)
    model, before = stepped(plain.build(), X)
    moved = {
        name.rpartition(".")[2] for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    model, before = stepped(fixed.build(), X)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("edit", "line", "n_fixed"),
    [
        (Freeze("*", batchnorm="frozen"), '"conv1", "stage2", "stage3", "stage4", "conv5")', 56),
        (Freeze("conv1", batchnorm="frozen"), 'freeze_batchnorms(model, "conv1")', 1),
        (Freeze("*", except_="stage2.0.branch1.1", batchnorm="frozen"), '"stage2.0.branch1.3"', 55),
        (Freeze("stage2", "conv1.1.weight", batchnorm="frozen"), 'freeze_batchnorms(model, "stage2")', 14),
    ],
    ids=["all", "one", "all but one", "not in part"],
)
def test_fixed_batch_norms_hold_the_laws(edit: Freeze, line: str, n_fixed: int) -> None:
    recipe = SHUFFLENET.then(edit)
    built, plain = check_recipe(recipe), SHUFFLENET.build()
    assert line in recipe.code()
    norms = {path: module for path, module in built.named_modules() if isinstance(module, FrozenBatchNorm2d)}
    assert len(norms) == n_fixed
    for path, norm in norms.items():
        own = dict(plain.get_submodule(path).state_dict(prefix=f"{path}."))
        del own[f"{path}.num_batches_tracked"]
        assert norm.eps == plain.get_submodule(path).eps
        assert all(torch.equal(built.state_dict()[name], value) for name, value in own.items())
    change = next(row for row in recipe.check().changes if row.what == "state_dict")
    assert change.before == tuple(f"{path}.num_batches_tracked" for path in norms)
    assert change.after == ()
    (note,) = recipe.changes()[0].notes
    assert note.startswith("1 batch-norm layer becomes a" if n_fixed == 1 else f"{n_fixed} batch-norm layers become")


def test_another_epsilon_is_kept() -> None:
    recipe = Recipe(Torchvision("mobilenet_v3_small")).then(Freeze("features.0", batchnorm="frozen"))
    assert check_recipe(recipe).features[0][1].eps == 0.001


@pytest.mark.long
def test_fixed_batch_norms_with_other_edits() -> None:
    for after in (SwapHead(3), Truncate("stage3.1"), Unfreeze("conv1"), Freeze("fc")):
        check_recipe(SHUFFLENET.then(Freeze("*", batchnorm="frozen")).then(after))
    check_recipe(SHUFFLENET.then(Truncate("stage2.1")).then(Freeze("*", batchnorm="frozen")))


def test_what_cannot_train_again_is_said() -> None:
    recipe = SHUFFLENET.then(Freeze("*", batchnorm="frozen"))
    assert recipe.then(Unfreeze("conv1")).changes()[-1].notes == (
        "1 FrozenBatchNorm2d layer stays frozen: its weights are no parameters.",
    )
    assert recipe.then(Unfreeze("fc")).changes()[-1].notes == ()


def test_where_no_batch_norm_is_frozen_whole_none_is_replaced() -> None:
    change = SHUFFLENET.then(Freeze("fc", "conv1.1.bias", batchnorm="frozen")).changes()[0]
    assert change.notes == ("No batch-norm layer is frozen whole, so none is replaced.",)
    assert change.code.definitions == ()


def test_one_batch_norm_at_two_places_stays_one() -> None:
    shared = nn.BatchNorm2d(3)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(nn.BatchNorm2d(3), shared)})
    fixing = plan_fixing(
        model, whole_norms(model, [name for name, _ in model.named_parameters(remove_duplicate=False)])
    )
    scope = {"model": model, "nn": nn, "FrozenBatchNorm2d": FrozenBatchNorm2d}
    for each in (model, fixing.apply(model)):
        assert each["a"] is each["b"][1]  # type: ignore[index]
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(nn.BatchNorm2d(3), shared)})
    scope = {"model": model, "nn": nn, "FrozenBatchNorm2d": FrozenBatchNorm2d}
    exec("\n".join([*fixing.code().definitions, *fixing.code().statements]), scope)
    assert model["a"] is model["b"][1]  # type: ignore[index]
    assert sum(isinstance(module, FrozenBatchNorm2d) for module in model.modules()) == 2


def test_batch_norm_in_three_dimensions_is_refused_and_the_remedy_is_offered() -> None:
    recipe = Recipe(Torchvision("r3d_18"))
    edit = Freeze("*", except_="fc", batchnorm="frozen")
    with pytest.raises(EditError) as caught:
        recipe.then(edit).check()
    assert str(caught.value) == (
        "`stem.1` is a BatchNorm3d, and FrozenBatchNorm2d takes four dimensions (N, C, H, W) only: leave it out with "
        'except_, or use batchnorm="train" and call eval() on it after each train().'
    )
    (remedy,) = edit.remedies(structure_of(recipe))
    assert remedy == Freeze("*", except_="fc")
    recipe.then(remedy).check()
    assert Freeze("*").remedies(structure_of(recipe)) == ()


@pytest.mark.parametrize(
    ("norm", "path", "message"),
    [
        (nn.BatchNorm2d(3, track_running_stats=False), "0", "`0` keeps no statistics (track_running_stats=False)"),
        (nn.BatchNorm1d(3), "0", "`0` is a BatchNorm1d, and FrozenBatchNorm2d takes four dimensions"),
        (nn.BatchNorm2d(3), "", "The whole model is a BatchNorm2d and cannot be replaced inside itself"),
    ],
)
def test_batch_norms_that_cannot_be_fixed(norm: nn.Module, path: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        plan_fixing(nn.Sequential(norm) if path else norm, [path])
    assert str(caught.value).startswith(message)
