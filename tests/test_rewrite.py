import copy
import inspect
import io
import os
import random
import subprocess
import sys
from collections import Counter, OrderedDict
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from modelview import (
    AddInput,
    AddOutputs,
    Append,
    DeleteLayer,
    Detach,
    FirstChildren,
    InsertLayer,
    Layer,
    Recipe,
    Rename,
    Truncate,
)
from modelview.edits.base import Edit
from modelview.errors import EditError, UnknownName
from modelview.rewrite import Cut, plan_cut
from modelview.script import Code
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe
from tests.zoo import ALL, DETECTION, FLOW, exact, n_parameters

Inputs = tuple[Any, ...]


def cloned(value: Any) -> Any:
    """A copy of an output: what a hook holds is changed by an in-place ReLU that follows."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: cloned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(cloned, value))
    return cloned(vars(value)) if hasattr(value, "__dict__") else value  # such as an ImageList


def hooked(model: nn.Module, path: str, inputs: Inputs) -> list[Any]:
    """What each call of the module at `path` returned."""
    outputs: list[Any] = []
    handle = model.get_submodule(path).register_forward_hook(lambda m, i, o: outputs.append(cloned(o)))
    with torch.no_grad():
        model(*inputs)
    handle.remove()
    return outputs


def n_calls(model: nn.Module, inputs: Inputs) -> Counter[str]:
    """How often each inner module is called."""
    calls: Counter[str] = Counter()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    with torch.no_grad():
        model(*inputs)
    del calls[""]
    for module in model.modules():
        module._forward_hooks.clear()
    return calls


def output(model: nn.Module, inputs: Inputs) -> Any:
    with torch.no_grad():
        return cloned(model(*inputs))


def written(cut: Cut, model: nn.Module) -> nn.Module:
    """What the code makes of the model."""
    names: dict[str, Any] = {"model": model, type(model).__name__: type(model)}
    lines = ["import torch", "from torch import nn", *cut.code.imports, *cut.code.definitions, *cut.code.statements]
    exec("\n".join(lines), names)
    made: nn.Module = names["model"]
    return made


def tree(model: nn.Module) -> list[tuple[str, type]]:
    return [(name, type(module)) for name, module in model.named_modules() if name]


def state(model: nn.Module) -> dict[str, Any]:
    """All that planning must leave alone."""
    modules = dict(model.named_modules(remove_duplicate=False))
    return {name: (id(m), m.training, {k: id(v) for k, v in vars(m).items() if k != "training"}, list(m._modules))
            for name, m in modules.items()}  # fmt: skip


def check_cut(model: nn.Module, path: str, inputs: Inputs, call: int = -1, traced: bool = True, **more: Any) -> Cut:
    """The law: the code and the running form give what a hook caught, under the original's names."""
    model.eval()
    outputs = hooked(model, path, inputs)
    before, mark = state(model), torch.random.get_rng_state()
    cut = plan_cut(model, path, call=call, n_calls=len(outputs), **more)
    assert state(model) == before
    assert torch.equal(torch.random.get_rng_state(), mark)
    assert cut.traced == traced

    original = model.state_dict()
    ours, theirs = cut.apply(copy.deepcopy(model)).eval(), written(cut, copy.deepcopy(model)).eval()
    value = output(ours, inputs)
    assert exact(value, output(theirs, inputs))
    if not cut.tail:
        assert exact(value, outputs[call])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert tree(ours) == tree(theirs)
    kept = [key for key in ours.state_dict() if key.split(".")[0] not in dict(cut.tail)]
    assert kept == [key for key in original if key in kept]
    assert all(torch.equal(ours.state_dict()[key], original[key]) for key in kept)
    assert all(len(line) <= 110 for text in cut.code.definitions for line in text.split("\n"))
    if traced:
        check_survives(ours, inputs, value)
    return cut


def check_survives(model: nn.Module, inputs: Inputs, value: Any) -> None:
    """Copies and pickles of the running form are the same, and know nothing of this package."""
    file = io.BytesIO()
    torch.save(model, file)
    assert b"modelview" not in file.getvalue()
    file.seek(0)
    for again in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        assert exact(output(again, inputs), value)
        assert tree(again) == tree(model)
        assert list(again.state_dict()) == list(model.state_dict())


def images(n: int = 2, size: int = 32) -> Inputs:
    return (torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(n)),)


def small(name: str) -> nn.Module:
    """A small model of a family, with random weights that do not hide differences."""
    torch.manual_seed(0)
    builders = {
        "vit": lambda: models.VisionTransformer(32, 16, 2, 2, 32, 64),
        "swin": lambda: models.SwinTransformer([4, 4], 16, [1, 1], [1, 2], [2, 2]),
        "swin_v2": lambda: models.swin_transformer.SwinTransformer(
            [4, 4], 16, [1, 1], [1, 2], [2, 2],
            block=models.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=models.swin_transformer.PatchMergingV2,
        ),
        "convnext": lambda: models.ConvNeXt(
            [models.convnext.CNBlockConfig(8, 16, 1), models.convnext.CNBlockConfig(16, None, 1)]
        ),
        "googlenet": lambda: models.googlenet(weights=None, init_weights=False),
    }  # fmt: skip
    model: nn.Module = builders[name]() if name in builders else models.get_model(name, weights=None)
    return model


CUTS = [
    ("resnet18", "layer3"),
    ("resnet18", "layer3.0"),
    ("resnet18", "layer3.1.conv1"),
    ("resnet18", "layer2.0.downsample.0"),
    ("resnet18", "layer2.0.relu"),
    ("resnet18", "fc"),
    ("squeezenet1_1", "features.4.expand3x3"),
    ("squeezenet1_1", "features.12"),
    ("mobilenet_v3_small", "features.0.0"),
    ("mobilenet_v3_small", "features.3.block.1"),
    ("mobilenet_v3_small", "features.1.block.1.fc2"),
    ("mobilenet_v3_small", "classifier.1"),
    ("shufflenet_v2_x0_5", "stage2.1.branch2.3"),
    ("shufflenet_v2_x0_5", "stage3.0"),
    ("densenet121", "features.denseblock2.denselayer3.norm2"),
    ("densenet121", "features.transition1"),
    ("densenet121", "features.transition1.conv"),
    ("googlenet", "inception4a.branch3.1.bn"),
    ("vit", "encoder.layers.encoder_layer_1.mlp.0"),
    ("vit", "encoder.layers.encoder_layer_0"),
    ("vit", "encoder.ln"),
    ("vit", "heads.head"),
    ("swin", "features.3.0.mlp.0"),
    ("swin", "features.2.reduction"),
    ("swin_v2", "features.3.0.norm1"),
    ("swin_v2", "features.3.0.attn.cpb_mlp.1"),
    ("convnext", "features.3.0.block.3"),
    ("convnext", "features.3.0.stochastic_depth"),
]


@pytest.mark.parametrize(("name", "path"), CUTS, ids=lambda text: text)
def test_cut(name: str, path: str) -> None:
    model = small(name)
    check_cut(model, path, images())
    cut = plan_cut(model, path)
    want = hooked(model, path, images(1))[0]
    assert exact(output(cut.apply(copy.deepcopy(model)), images(1)), want), "the batch size is not built in"


class InPlace(nn.Module):
    """Views that see later changes, and items that are assigned."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        view = x[:, 1:]
        x += 1
        x[:, 0] = 2.0
        x[:, 2:] *= view.mean()
        F.relu_(x[:, :2])
        size = x.shape[2]
        size += 1
        y = self.second(x) - view.sum() / size
        return self.last(y - x)


class Shared(nn.Module):
    """One layer and one block, each called several times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.block = nn.Sequential(self.conv, nn.Tanh(), nn.Conv2d(3, 3, 1))
        self.other = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.other(self.block(self.conv(x)))
        return self.block(x) + self.other(x)


class Awkward(nn.Module):
    """Names that an attribute or a ModuleDict cannot have, tensors at every depth, an argument that may be left out."""

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.keys, self.values = nn.Linear(4, 4), nn.Linear(4, 4)
            self.scale = nn.Parameter(torch.rand(4))
            self.register_buffer("seen", torch.rand(4))
            self.register_buffer("hidden", torch.rand(4), persistent=False)
            self.tables = nn.ParameterList([torch.rand(4), torch.rand(4)])
            self.by_name = nn.ParameterDict({"a b": torch.rand(4)})

        def forward(self, x: Tensor) -> Tensor:
            x = self.keys(x) * -self.scale + (x + self.seen - self.hidden) ** 2
            return self.values(x * (self.tables[0] - (self.tables[1] - x)) + self.by_name["a b"])

    class Names(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.keys, self.pop = nn.Linear(4, 4), nn.Linear(4, 4)
            self.add_module("the class", nn.Linear(4, 4))
            self.add_module("0", nn.Linear(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.pop(getattr(self, "the class")(self.keys(x)) + getattr(self, "0")(x))

    def __init__(self) -> None:
        super().__init__()
        self.add_module("ä b", nn.Linear(4, 4))
        self.inner = self.Inner()
        self.deep = nn.ModuleDict({"a b": nn.ModuleList([self.Inner(), self.Names()])})
        self.unused = nn.Linear(4, 4)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            x = x * mask
        x = self.inner(getattr(self, "ä b")(x))
        for layer in self.deep["a b"]:
            x = layer(x)
        return x


class Branches(nn.Module):
    """Unpacking, several values at a time, indices of every kind, a dict at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(OrderedDict(a=nn.Conv2d(2, 2, 1), b=nn.ReLU()))
        self.pick = Pick()
        self.end = Outputs()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        n, _, height, width = image.shape
        first, second = torch.cat([image, image[:, :1]], dim=1).chunk(2, dim=1)
        first = self.left(first)
        both = self.pick(first, second, scale=(height * width) ** 0.5)
        x = torch.stack([both["a"], both["b"]]).sum(0) / -(-n // (n + 1))
        x = x[..., ::2, [0, 1]] - x[:, None].mean((1, 2), keepdim=True)[:, 0, :, 1:2, :2]
        result: dict[str, Tensor] = self.end(x.flatten(start_dim=2) @ x.flatten(2).transpose(1, 2))
        return result


class Pick(nn.Module):
    def forward(self, a: Tensor, b: Tensor, scale: float) -> dict[str, Tensor]:
        return {"a": a * scale, "b": b}


class Outputs(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": x, "more": {"x": x + 1}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("kind", "path", "call"),
    [
        *((InPlace, path, -1) for path in ("first", "second", "last")),
        *((Shared, "conv", call) for call in range(3)),
        *((Shared, path, call) for path in ("block", "block.2", "other", "other.0") for call in range(2)),
        *((Awkward, path, -1) for path in ("ä b", "inner.keys", "inner.values", "inner", "deep.a b.0.values")),
        *((Awkward, f"deep.a b.1{path}", -1) for path in (".the class", ".0", ".pop", "")),
        *((Branches, path, -1) for path in ("left.a", "left", "pick", "end")),
    ],
)  # fmt: skip
def test_cut_what_is_awkward(kind: type[nn.Module], path: str, call: int) -> None:
    torch.manual_seed(0)
    inputs = (torch.rand(2, 3, 4),) if kind is Awkward else images(2, 4)
    check_cut(kind(), path, inputs, call)


class Stubborn(nn.Module):
    """A forward that no graph can stand for, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.register_buffer("seen", torch.ones(1))
        self.first = nn.Conv2d(3, 3, 1)
        self.last = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if self.way == "asks for a type" and isinstance(x, Tensor):
            x = x + 1
        if self.way == "asks for a size" and len(x) > 1:
            x = x + 2
        if self.way == "asks for a value" and x.sum() > -1000:
            x = x + 3
        if self.way == "makes a tensor":
            x = x + torch.arange(x.shape[-1]) + torch.ones(4)
        if self.way == "reads buffers alone":
            x = x + torch.cat([self.seen, self.seen]).mean()
        if self.way == "depends on the mode":
            x = F.batch_norm(x, torch.zeros(3), torch.ones(3), training=self.training)
        return self.last(x)


WAYS = (
    "asks for a type",
    "asks for a size",
    "asks for a value",
    "makes a tensor",
    "reads buffers alone",
    "depends on the mode",
)


@pytest.mark.parametrize("way", WAYS)
def test_fall_back_to_the_forward_as_it_is(way: str) -> None:
    check_cut(Stubborn(way), "last.0", images(2, 4), traced=False)
    check_cut(Stubborn(way), "last.1", images(2, 4), traced=False, tail=(("first", "ReLU()"), ("x", "Flatten()")))


def test_fall_back_for_hooks() -> None:
    model = Shared()
    model.block.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    check_cut(model, "block.1", images(2, 4), call=1, traced=False)


@pytest.mark.parametrize("name", ["lambda", "graph"])
def test_fall_back_for_names_that_fx_cannot_write(name: str) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(name, nn.Conv2d(3, 3, 1))
            self.last = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(getattr(self, name)(x))

    check_cut(Named(), name, images(), traced=False)


def test_hooks_and_functions_of_kept_layers_stay() -> None:
    model = small("resnet18")
    model.layer1.register_forward_hook(lambda module, inputs, output: output + 1)
    model.eval()
    want = hooked(model, "layer2.0", images())[0]
    assert exact(output(plan_cut(model, "layer2.0").apply(model), images()), want)


class Dropouts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Identity()
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.dropout(x), p=0.5, training=self.training)
        x = F.dropout2d(F.dropout(x, 0.5, self.training), training=self.training)
        return self.last(x)


def test_dropout_follows_the_mode() -> None:
    x = torch.ones(1, 3, 8, 8)
    cut = check_cut(Dropouts(), "last", (x,))
    assert "self.dropout_1 = nn.Dropout(0.5)" in cut.code.definitions[0]
    file = io.BytesIO()
    torch.save(cut.apply(Dropouts().eval()), file)
    file.seek(0)
    for model in (cut.apply(Dropouts()), written(cut, Dropouts()), torch.load(file, weights_only=False)):
        torch.manual_seed(0)
        want = Dropouts().train()(x)
        torch.manual_seed(0)
        assert exact(model.train()(x), want)
        assert exact(model.eval()(x), x)


def test_dropout_that_never_rests() -> None:
    class Always(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(F.dropout(x, training=True))

    cut = plan_cut(Always().train(), "last")
    assert "F.dropout(x, training=True)" in cut.code.definitions[0]
    assert not exact(output(cut.apply(Always()).eval(), images()), images()[0])


TAIL = (("avgpool", "AdaptiveAvgPool2d(1)"), ("conv1", "Flatten()"), ("fc", "Linear(128, 5)"))


@pytest.mark.parametrize("path", ["layer2", "layer2.0.bn2"])
def test_tail(path: str) -> None:
    model = small("resnet18").eval()
    cut = plan_cut(model, path, tail=TAIL, out_channels=5)
    assert [name for name, _ in cut.tail] == ["avgpool", "conv1_1", "fc"]
    ours, theirs = cut.apply(copy.deepcopy(model)), written(cut, copy.deepcopy(model)).eval()
    theirs.load_state_dict(ours.state_dict())
    want = ours.fc(hooked(model, path, images())[0].mean((2, 3), keepdim=True).flatten(1))
    assert exact(output(ours, images()), want.detach())
    assert exact(output(theirs, images()), want.detach())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert tree(ours) == tree(theirs)
    for made in (ours, theirs, copy.deepcopy(ours)):
        assert made.out_channels == 5


def test_tail_of_a_sequential() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    cut = plan_cut(model, "1", tail=(("flatten", "Flatten()"),), out_channels=4)
    assert cut.code.statements == (
        "model = model[:2]",
        'model.add_module("flatten", nn.Flatten())',
        "model.out_channels = 4",
    )
    ours = cut.apply(model)
    assert (list(ours._modules), ours.out_channels) == (["0", "1", "flatten"], 4)
    assert len(model) == 3
    assert plan_cut(model, "2").code.statements == ()


@pytest.mark.parametrize(
    ("first", "second"), [("layer3.1.conv2", "layer3.0.bn1"), ("layer4", "layer3.1"), ("layer4.1.bn1", "layer4.0")]
)
def test_cut_of_a_cut(first: str, second: str) -> None:
    model = small("resnet18").eval()
    cut = plan_cut(model, first)
    for made in (cut.apply(copy.deepcopy(model)), written(cut, copy.deepcopy(model)).eval()):
        again = check_cut(made, second, images())
        assert exact(output(again.apply(made), images()), hooked(model, second, images())[0])


def test_codes_of_a_cut_of_a_cut_follow_each_other() -> None:
    model = small("densenet121").eval()
    cut = plan_cut(model, "features.denseblock2.denselayer2.conv2", tail=(("end", "ReLU()"),))
    once = cut.apply(copy.deepcopy(model))
    again = plan_cut(once, "features.denseblock2.denselayer1")
    theirs = written(again, written(cut, copy.deepcopy(model))).eval()
    ours = again.apply(once)
    assert tree(ours) == tree(theirs)
    assert exact(output(ours, images()), output(theirs, images()))


def test_stop_a_stopped_model() -> None:
    model = Stubborn("asks for a type").eval()
    cut = plan_cut(model, "last.0", tail=(("end", "ReLU()"),))
    once = cut.apply(copy.deepcopy(model))
    again = plan_cut(once, "first")
    theirs = written(replace(cut, code=_joined(cut, again)), copy.deepcopy(model)).eval()
    want = hooked(model, "first", images())[0]
    assert exact(output(again.apply(once), images()), want)
    assert exact(output(theirs, images()), want)


def _joined(*cuts: Cut) -> Code:
    codes = [cut.code for cut in cuts]
    return Code(*(tuple(line for code in codes for line in getattr(code, f.name)) for f in fields(Code)))


def test_refuses_to_stop_inside_a_cut() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.last = Stubborn("asks for a type"), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.inner(x))

    once = plan_cut(Outer(), "inner").apply(Outer())
    with pytest.raises(EditError, match="cut already cannot be cut inside"):
        plan_cut(once, "inner.last")


@pytest.mark.long
def test_loads_where_this_package_is_not(tmp_path: Path) -> None:
    model = small("vit").eval()
    cut = plan_cut(model, "encoder.layers.encoder_layer_1.mlp.0", out_channels=64)
    made = cut.apply(model)
    torch.save((made, images(), output(made, images())), tmp_path / "cut.pth")
    program = (
        "import sys, torch\n"
        "sys.modules['modelview'] = None\n"
        "model, inputs, value = torch.load('cut.pth', weights_only=False)\n"
        "assert model.out_channels == 64\n"
        "with torch.no_grad():\n"
        "    assert torch.equal(model(*inputs), value)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)


def test_plans_on_meta_and_applies_to_the_real_thing() -> None:
    with torch.device("meta"):
        structure = models.resnet18()
    cut = plan_cut(structure, "layer1.0.conv1", tail=TAIL[:1])
    model = small("resnet18").eval()
    made = cut.apply(copy.deepcopy(model))
    want = hooked(model, "layer1.0.conv1", images())[0].mean((2, 3), keepdim=True)
    assert torch.allclose(output(made, images()), want)
    assert all(tensor.is_meta for tensor in cut.apply(structure).state_dict().values())


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("layer9", UnknownName, "No module is called 'layer9'. Did you mean 'layer"),
        ("", EditError, "choose a module inside it"),
        ("unused", EditError, "`unused` is never called in a forward pass: there is no output"),
    ],
)
def test_refusals(path: str, error: type[EditError], message: str) -> None:
    model = small("resnet18")
    model.unused = nn.Conv2d(3, 3, 1)
    with pytest.raises(error) as caught:
        plan_cut(model, path)
    assert message in str(caught.value)


def test_refuses_a_call_too_many() -> None:
    with pytest.raises(EditError, match="`conv` is called only 3 times"):
        plan_cut(Shared(), "conv", call=3)


def test_code_reads_as_a_person_writes_it() -> None:
    cut = plan_cut(small("resnet18"), "layer2.1.conv1")
    assert cut.code.statements == ("model = ResNetToLayer2_1Conv1(model)",)
    assert (
        cut.code.definitions[0]
        == '''\
class ResNetToLayer2_1Conv1(nn.Module):
    """ResNet up to `layer2.1.conv1`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.conv1 = model.conv1
        self.bn1 = model.bn1
        self.relu = model.relu
        self.maxpool = model.maxpool
        self.layer1 = model.layer1
        self.layer2: Any = nn.ModuleDict({
            "0": model.layer2[0],
            "1": nn.ModuleDict({"conv1": model.layer2[1].conv1}),
        })

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2["0"](x)
        return self.layer2["1"]["conv1"](x)'''
    )


def arguments(name: str, model: nn.Module) -> Inputs:
    """The smallest input that the architecture allows, two images where it takes a batch."""
    if name in DETECTION:
        if "ssd" not in name:
            model.transform.min_size, model.transform.max_size = (64,), 96
        return ([torch.rand(3, 64, 64)],)
    if name in FLOW:
        return torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128), 2
    video = {
        "mvit": (16, 224),
        "swin3d": (4, 64),
        "s3d": (16, 224),
        "r3d": (8, 32),
        "mc3": (8, 32),
        "r2plus1d": (8, 32),
    }
    for prefix, (frames, size) in video.items():
        if name.startswith(prefix):
            return (torch.rand(1, 3, frames, size, size),)
    fixed = name.startswith(("vit", "maxvit"))
    size = 518 if name == "vit_h_14" else 224 if fixed else 96 if "inception" in name else 64
    return images(1 if fixed else 2, size)


MOST = 60_000_000
"""Parameters of the largest model that is cut, unless MODELVIEW_ALL is set."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("quantized")])
def test_cut_everything(name: str) -> None:
    """Random inner modules of all of torchvision; other ones each day."""
    if n_parameters(name) > MOST and "MODELVIEW_ALL" not in os.environ:
        pytest.skip("large; set MODELVIEW_ALL=1")
    taken = inspect.signature(models.get_model_builder(name)).parameters
    more = {"weights_backbone": None} if "weights_backbone" in taken else {}
    more |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, **more).eval()
    inputs = arguments(name, model)
    calls = n_calls(model, inputs)
    paths = random.Random(f"{name} {date.today()}").sample(sorted(calls), min(3, len(calls)))
    for path in paths:
        check_cut(model, path, inputs, random.Random(path).randrange(calls[path]), name not in (*DETECTION, *FLOW))


CHAIN = Recipe(Torchvision("squeezenet1_1")).then(FirstChildren())


@pytest.mark.parametrize(
    "edit",
    [
        Append((("pool", "AdaptiveAvgPool2d(1)"), ("flat", "Flatten(1)"))),
        Append((("pool", "AdaptiveAvgPool2d(1)"),), style="wrap"),
        AddInput(size=3, num_outputs=4, style="keep"),
        AddInput(size=3, at="0.3", style="keep"),
        AddOutputs(("0.3",)),
        Detach("0"),
    ],
    ids=repr,
)
def test_a_sequential_does_not_run_what_is_added_twice(edit: Edit) -> None:
    check_recipe(CHAIN.then(edit))


@pytest.mark.long
def test_rows_that_a_new_forward_calls_by_name_are_not_numbered_anew() -> None:
    opened = Recipe(Torchvision("squeezenet1_1")).then(Detach("features.3.squeeze"))
    for edit in (
        InsertLayer("features.1", Layer("Dropout(0.2)")),
        DeleteLayer("features.1", renumber=True),
        Truncate("features.4"),
        Truncate("features.4.squeeze"),
    ):
        check_recipe(opened.then(edit))
    with pytest.raises(EditError, match="`features` is not called as a whole"):
        opened.then(Rename((("features.0", "stem"),))).check()
