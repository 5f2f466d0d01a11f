"""Whole models from files: rebuilt of torch's classes, never unpickled; a foreign class as its children in order."""

import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models, ops

import modelview as mv
from modelview import files
from modelview.edits.base import Edit
from modelview.errors import CheckpointError, EditError
from modelview.export.python import PythonCode
from modelview.fields import ModulePath
from modelview.meta import building
from modelview.recipe import Recipe
from modelview.recognised import recognise
from modelview.sources._rebuilding import rebuilt
from modelview.sources.base import Shape
from modelview.sources.pickled import Pickled, whole
from modelview.sources.torchvision import Torchvision
from modelview.sources.torchvision_class import TorchvisionClass
from tests.laws import check_recipe, run
from tests.zoo import ALL, exact

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def saved(model: nn.Module, tmp_path: Path) -> Path:
    torch.save(model, tmp_path / "model.pth")
    return tmp_path / "model.pth"


@pytest.mark.zoo
@pytest.mark.parametrize("name", ALL)
def test_every_model_is_rebuilt_as_it_was(name: str, tmp_path: Path) -> None:
    model = Torchvision(name).structure()
    node = whole(mv.read(saved(model, tmp_path)))
    made = rebuilt(node, lambda info: torch.empty(info.shape, dtype=getattr(torch, info.dtype), device="meta"))
    assert repr(made) == repr(model)
    assert list(made.state_dict()) == list(model.state_dict())
    assert [n for n, b in made.named_buffers()] == [n for n, b in model.named_buffers()]
    for (_, ours), (_, theirs) in zip(made.named_modules(), model.named_modules(), strict=True):
        plain = {k: v for k, v in vars(theirs).items() if type(v) in (int, float, str, bool)}
        assert {k: vars(ours).get(k) for k in plain} == plain


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "swin_t", "r3d_18"])
def test_outputs_are_bit_equal(name: str, tmp_path: Path) -> None:
    model = models.get_model(name).eval()
    values = mv.read(saved(model, tmp_path)).values
    made = rebuilt(whole(mv.read(tmp_path / "model.pth")), lambda info: values.tensor("it", info).clone())
    inputs = (torch.rand(1, 3, 8, 112, 112),) if name == "r3d_18" else (torch.rand(1, 3, 224, 224),)
    assert exact(run(made, inputs), run(model, inputs))


ENCODER: dict[str, Any] = {"d_model": 16, "nhead": 2, "dim_feedforward": 32, "batch_first": True}


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (lambda: nn.LSTM(8, 4, 2, bidirectional=True, batch_first=True), (1, 5, 8), "nn.LSTM(8, 4, num_layers=2, "),
        (lambda: nn.GRU(8, 4), (1, 5, 8), "model = nn.GRU(8, 4)"),
        (lambda: nn.RNN(8, 4, nonlinearity="relu"), (1, 5, 8), 'nonlinearity="relu")'),
        (lambda: nn.TransformerEncoderLayer(**ENCODER), (1, 5, 16), "nn.TransformerEncoderLayer(16, 2, dim"),
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(**ENCODER, activation="gelu"), 2),
            *((1, 5, 16), 'activation="gelu"'),
        ),
    ],
    ids=["lstm", "gru", "rnn", "encoder layer", "encoder"],
)
def test_layers_of_sequences_run_and_are_written(make: Any, shape: Shape, text: str, tmp_path: Path) -> None:
    model, x = make().eval(), torch.rand(shape)
    recipe = Recipe(Pickled(files.give(saved(model, tmp_path)), input=shape))
    built = check_recipe(recipe, inputs=(x,))
    assert exact(run(built, (x,)), run(model, (x,)))
    assert text in recipe.code()


def test_a_model_without_a_name_opens_and_is_edited(tmp_path: Path) -> None:
    model = models.ResNet(models.resnet.Bottleneck, [1, 1, 2, 1], num_classes=4).eval()
    model.relu = nn.ReLU6()  # type: ignore[assignment]
    recipe = mv.open(saved(model, tmp_path))
    assert isinstance(recipe.source, Pickled)
    assert exact(run(recipe.build(), (IMAGE,)), run(model, (IMAGE,)))
    assert recipe.then(mv.SwapHead(7)).check().output == (1, 7)
    assert recipe.then(mv.SwapHead(7)).changes()[0].summary == "fc → Linear(2048, 7)"
    cut = recipe.then(mv.Truncate(ModulePath("layer2")))
    assert cut.check().output == (1, 512, 28, 28)


def test_one_that_a_builder_makes_opens_by_its_name(tmp_path: Path) -> None:
    shallow = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=3)
    assert isinstance(mv.open(saved(shallow, tmp_path)).source, TorchvisionClass)
    recipe = mv.open(saved(nn.DataParallel(models.squeezenet1_1(num_classes=3)), tmp_path))
    assert recipe.source == Torchvision("squeezenet1_1", keywords=(("num_classes", 3),))
    changed = models.squeezenet1_1(num_classes=3)
    changed.classifier[0] = nn.Dropout(0.1)
    assert isinstance(mv.open(saved(changed, tmp_path)).source, Pickled)


FOREIGN = """
import torch
from torch import nn

class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.liner1 = nn.Linear(10, 20)
        self.act = nn.ReLU()
        self.liner2 = nn.Linear(20, 3)
    def forward(self, x):
        return self.liner2(self.act(self.liner1(x)))

class Wrong(M):
    def __init__(self):
        super().__init__()
        self.liner3 = nn.Linear(20, 3)

class Own(M):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
"""


@pytest.fixture
def mine() -> Iterator[Any]:
    """A module of somebody's own, which is gone when the file is read."""
    module: Any = types.ModuleType("mine")
    sys.modules["mine"] = module
    exec(FOREIGN.replace("class ", "__name__ = 'mine'\nclass "), module.__dict__)
    yield module
    sys.modules.pop("mine", None)


def test_a_foreign_class_opens_as_its_children_and_says_so(mine: Any, tmp_path: Path) -> None:
    model = mine.M()
    path = saved(model, tmp_path)
    del sys.modules["mine"]
    found = recognise(files.give(path))
    assert "It opens as its children in the stored order; that its forward runs them so is assumed." in found.sentence
    built = check_recipe(found.recipe)
    x = torch.rand(2, 10)
    assert torch.equal(run(built, (x,)), run(model, (x,)))
    assert list(built.state_dict()) == ["liner1.weight", "liner1.bias", "liner2.weight", "liner2.bias"]
    assert '("liner1", nn.Linear(10, 20)),' in found.recipe.code()
    check_recipe(found.recipe.then(mv.SwapHead(5)).then(mv.Freeze("liner1")))


def test_an_order_that_cannot_run_is_refused_with_the_shapes(mine: Any, tmp_path: Path) -> None:
    recipe = mv.open(saved(mine.Wrong(), tmp_path))
    with pytest.raises(EditError, match="`liner3` gets 1 × 3, so 3 features, but takes 20"):
        recipe.check()


def test_tensors_of_a_foreign_class_have_no_order(mine: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No known architecture fits") as caught:
        mv.open(saved(mine.Own(), tmp_path))
    assert "`the model` of the class mine.Own holds 'scale' itself" in str(caught.value)
    assert str(caught.value).endswith("open it through a factory of your own.")


def test_a_sequential_of_plain_layers_is_written_without_its_file(tmp_path: Path) -> None:
    inner = nn.Sequential(nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(inplace=True))
    recipe = mv.open(saved(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), inner, nn.Conv2d(8, 4, 1)), tmp_path))
    assert "torch.load" not in recipe.code().partition("__main__")[0]
    assert "OrderedDict" not in recipe.code()
    check_recipe(recipe)


def _with(model: Any, **children: Any) -> nn.Module:
    """The model with other modules, or values of modules, at these paths, with `__` for a dot."""
    for path, value in children.items():
        holder, _, name = path.replace("__", ".").rpartition(".")
        setattr(model.get_submodule(holder), name, value)
    return model  # type: ignore[no-any-return]


def _frozen(model: nn.Module, *paths: str) -> nn.Module:
    for path in paths:
        model.get_submodule(path).requires_grad_(False)
    return model


def _shared() -> nn.Module:
    layer = nn.Conv2d(3, 3, 1)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _other_eps(model: nn.Module) -> nn.Module:
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eps = 1e-3
    return model


block = models.resnet.BasicBlock
googlenet = sys.modules["torchvision.models.googlenet"]
efficient = models.efficientnet_b0
_shortcut = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
WRITTEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "block": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), block(8, 8)), "    models.resnet.BasicBlock(8, 8),"),
    "block with a shortcut": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), block(8, 16, 2, _shortcut)),
        "            stride=2,\n            downsample=nn.Sequential(",
    ),
    "grouped block": (
        lambda: nn.Sequential(nn.Conv2d(3, 256, 3), models.resnet.Bottleneck(256, 64, groups=32, base_width=4)),
        "    models.resnet.Bottleneck(256, 64, groups=32, base_width=4),",
    ),
    "frozen": (
        lambda: _frozen(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)), "0"),
        "model[0].requires_grad_(False)",
    ),
    "same padding": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding="same")),
        'nn.Conv2d(3, 8, 3, padding="same")',
    ),
    "convolution, norm and activation": (
        lambda: nn.Sequential(ops.Conv2dNormActivation(3, 8, 5, 2, activation_layer=nn.Hardswish)),
        "ops.Conv2dNormActivation(3, 8, kernel_size=5, stride=2, activation_layer=nn.Hardswish)",
    ),
    "keywords handed on": (
        lambda: nn.Sequential(googlenet.BasicConv2d(3, 8, kernel_size=3, stride=2)),
        "    BasicConv2d(3, 8, kernel_size=3, stride=2),",
    ),
    "a layer twice": (_shared, "model[2] = model[0]"),
    "a head and an activation": (
        lambda: _with(models.squeezenet1_1(), classifier=nn.Sequential(nn.Conv2d(512, 5, 1)), features__1=nn.ReLU6()),
        "model.features[1] = nn.ReLU6()",
    ),
    "what the builder takes": (
        lambda: _with(models.squeezenet1_1(num_classes=3), classifier__0=nn.Dropout(0.1)),
        "model = models.squeezenet1_1(weights=None, num_classes=3, dropout=0.1)",
    ),
    "no builder's depths": (
        lambda: _with(models.ResNet(block, [1, 1, 1, 1], num_classes=4), relu=nn.ReLU6()),
        "model = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=4)",
    ),
    "inside another": (
        lambda: nn.Sequential(_with(models.squeezenet1_1(), features__1=nn.ReLU6()), nn.Linear(1000, 2)),
        "model[0].features[1] = nn.ReLU6()",
    ),
    "a part that no plain values make": (
        lambda: nn.Sequential(nn.Conv2d(3, 32, 3), efficient().features[1]),
        "    models.efficientnet_b0(weights=None).features[1],",
    ),
    "all norms alike": (
        lambda: _other_eps(models.shufflenet_v2_x0_5()),
        "        if isinstance(module, nn.BatchNorm2d):\n            module.eps = 0.001",
    ),
    "a name that is a keyword": (
        lambda: nn.Sequential(OrderedDict([("class", nn.Conv2d(3, 3, 1)), ('a"b', nn.ReLU())])),
        "        ('a\"b', nn.ReLU()),",
    ),
}


_LONG = ("no builder's depths", "a part that no plain values make", "all norms alike")


@pytest.mark.parametrize("how", [pytest.param(how, marks=[pytest.mark.long] * (how in _LONG)) for how in WRITTEN])
def test_what_calls_make_is_written_without_its_file(how: str, tmp_path: Path) -> None:
    make, line = WRITTEN[how]
    torch.manual_seed(0)
    path = saved(make(), tmp_path)
    recipe = mv.open(path)
    assert isinstance(recipe.source, Pickled)
    assert "torch.load" not in recipe.code().partition("__main__")[0]
    assert line in recipe.code()
    assert PythonCode().needs(recipe) == ""
    check_recipe(recipe, inputs=(IMAGE,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_numbers_of_another_kind_are_written(dtype: torch.dtype, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3).to(dtype), nn.BatchNorm2d(8))
    code = mv.open(saved(model, tmp_path)).code()
    assert f"    model[0].to({dtype})\n" in code


def _unsaved() -> nn.Module:
    layer = nn.Conv2d(3, 8, 3)
    layer.register_buffer("grid", torch.ones(2), persistent=False)
    return nn.Sequential(layer)


def _bare() -> nn.Module:
    layer = nn.Conv2d(3, 8, 3)
    del layer.stride
    return nn.Sequential(layer)


def _forged(name: str) -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    model._modules[name] = model._modules.pop("1")
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), _with(nn.Hardtanh(), max_val=float("inf"))),
        lambda: nn.Sequential(_with(nn.Conv2d(3, 8, 3), noted=torch.ones(1))),
        lambda: nn.Sequential(_with(nn.BatchNorm2d(3), running_mean=None)),
        _unsaved,
        lambda: _forged("a.b"),
        lambda: _forged("forward"),
        lambda: nn.Sequential(_with(nn.LSTM(8, 16), num_layers=10**9, hidden_size=10**9)),
        _bare,
    ],
    ids=[
        "infinite",
        "a tensor beside",
        "half of its statistics",
        "a buffer that is not saved",
        "a dot",
        "a method's name",
        "endless",
        "no attributes",
    ],
)
def test_what_no_call_makes_comes_from_the_file(make: Any, tmp_path: Path) -> None:
    recipe = mv.open(saved(make(), tmp_path))
    assert 'torch.load("model.pth"' in recipe.code()
    needs = PythonCode().needs(recipe)
    assert needs == 'It needs "model.pth" beside it, since no calls make that model, and runs what it says.'


EDITS: dict[str, Edit] = {
    "head": mv.SwapHead(3),
    "truncated in a block": mv.Truncate("1.conv1"),
    "truncated after it": mv.Truncate("1", pool=True, flatten=True),
    "frozen": mv.Freeze("0"),
    "replaced in a block": mv.ReplaceLayer("1.relu", "ReLU6()"),
    "outputs": mv.AddOutputs(("1.bn1",)),
    "channels": mv.AdaptInput(4),
}


@pytest.mark.parametrize("kind", EDITS)
def test_edits_go_on_from_it(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), block(8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    recipe = mv.open(saved(_frozen(model, "1.conv2"), tmp_path)).then(EDITS[kind])
    assert "torch.load" not in recipe.code().partition("__main__")[0]
    check_recipe(recipe)


def test_a_recipe_of_it_is_a_value(tmp_path: Path) -> None:
    recipe = mv.open(saved(nn.Sequential(nn.Conv2d(3, 8, 3), models.resnet.BasicBlock(8, 8)), tmp_path))
    assert mv.Recipe.from_json(recipe.to_json()) == recipe
    assert str(tmp_path) not in recipe.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m, "hook", print), "`hook` is builtins.print, which a model of torch's own does not keep."),
        (lambda m: setattr(m, "path", Path("x")), "`path` is pathlib."),
        (lambda m: m.__dict__.update({"__class__": 3}), "has an attribute called '__class__'"),
        (lambda m: m.__dict__.update({"not a name": 3}), "has an attribute called 'not a name'"),
    ],
)
def test_what_no_model_of_torchs_keeps_is_not_rebuilt(change: Any, message: str, tmp_path: Path) -> None:
    with building():
        model = models.squeezenet1_1()
    change(model)
    node = whole(mv.read(saved(model, tmp_path)))
    with pytest.raises(CheckpointError) as caught:
        rebuilt(node, lambda info: torch.empty(info.shape, device="meta"))
    assert message in str(caught.value)


def test_weights_alone_are_no_whole_model(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"The file holds weights, not a whole model\."):
        Pickled(files.give(tmp_path / "w.pth")).structure()
