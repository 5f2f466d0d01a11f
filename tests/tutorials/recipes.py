"""What each row of docs/tutorials.md comes to as a recipe: made by hand, by command and on the screen in tests."""

from pathlib import Path

import torch
from torch import nn
from torchvision import models

import modelview as mv
from modelview import Layer, Recipe, files

STAGES = ("layer1", "layer2", "layer3", "layer4")
RESNET = mv.open("resnet18")
LAYERS = ("Linear(784, 256)", "ReLU()", "Linear(256, 10)")
NAMED_LAYERS = tuple(zip(("hidden", "act", "output"), LAYERS, strict=True))
BEFORE = (("relu", Layer("ReLU()")), ("dropout", Layer("Dropout(0.5)")))
APPENDED = (*BEFORE, ("fc1", Layer("Linear(1000, 10)")), ("output", Layer("Softmax(dim=1)")))


def _container(kind: str, rows: object) -> Recipe:
    return mv.open(f"modelview:{kind}", rows=rows, input=(1, 784))


BACKBONE = RESNET.then(mv.Truncate("layer4"))
FROZEN = RESNET.then(mv.SwapHead(3)).then(mv.Freeze("*", except_=("fc",)))

RECIPES: dict[str, Recipe] = {
    "1 fusion by inheritance": RESNET.then(mv.FuseStages(STAGES, 1)),
    "1 of a resnet without a builder": mv.open("torchvision:ResNet", block="Bottleneck", layers=(1, 2, 1, 1)).then(
        mv.FuseStages(STAGES, 1)
    ),
    "2 fusion by composition": RESNET.then(mv.FuseStages(STAGES, 7, style="wrap")),
    "3 monkey patch": mv.open("shufflenet_v2_x0_5").then(mv.SwapHead(1)),
    "4 sequential": _container("sequential", LAYERS),
    "4 named sequential": _container("sequential", NAMED_LAYERS),
    "4 list": _container("modulelist", LAYERS),
    "4 dict": _container("moduledict", NAMED_LAYERS),
    "5 unet": mv.open("modelview:unet", n_channels=3, n_classes=1, bilinear=True, halved=False),
    "6 deeper head": mv.open("resnet50").then(mv.SwapHead(10, hidden=(128,), dropout=0.5, softmax=True)),
    "6 names of one's own": RESNET.then(
        mv.SwapHead(4, (8,), ("hidden", "act", "drop", "classes", "probability"), "GELU", dropout=0.1, softmax=True)
    ),
    "7 extra input": RESNET.then(mv.AddInput(num_outputs=10, before=BEFORE, softmax=True)),
    "7 before the head": RESNET.then(mv.AddInput("age", 3, where="before", style="keep")),
    "8 extra output": RESNET.then(mv.Append(APPENDED, style="wrap")).then(mv.AddOutputs(("net",))),
    "8 as a dict": RESNET.then(mv.AddOutputs(("layer2", "layer3"), ("fine", "coarse"), "dict")),
    "12 many GPUs": RESNET.then(mv.Prefix("module.")),
    "14 first layer": RESNET.then(mv.DeleteLayer("conv1", adapt="input")),
    "14 numbered anew": RESNET.then(mv.DeleteLayer("layer1.0", renumber=True)),
    "15 freeze": FROZEN.then(mv.LearningRates(default="0.01", optimizer="SGD")),
    "15 by pattern": RESNET.then(mv.Freeze("layer*.conv?.weight", "conv1")),
    "16 detach": RESNET.then(mv.Detach("layer2")),
    "16 between two models": RESNET.then(
        mv.Append((("b", Layer("Linear(1000, 3)")),), style="wrap", name="a"),
    ).then(mv.Detach("a")),
    "17 another width": RESNET.then(mv.ReplaceLayer("fc", Layer("Linear(512, 37)"))),
    "17 four channels": RESNET.then(mv.AdaptInput(4, weights="zero")),
    "17 some of the classes": RESNET.then(mv.SelectClasses((1, 2, 3, 5, 8, 13, 21, 34, 55, 89))),
    "18 after a stage": RESNET.then(mv.InsertLayer("layer1", Layer("Conv2d(kernel_size=1)"))),
    "18 before the head": RESNET.then(mv.InsertLayer("fc", Layer("Dropout(0.2)"), "before")),
    "18 under a name": mv.open("squeezenet1_1").then(mv.InsertLayer("features.0", Layer("BatchNorm2d()"), name="norm")),
    "19 first children": RESNET.then(mv.FirstChildren(2)),
    "19 truncated": RESNET.then(mv.Truncate("avgpool", flatten=True)),
    "19 empty head": RESNET.then(mv.DeleteLayer("fc")),
    "19 with a head of its own": BACKBONE.then(
        mv.Append((("head", Layer("Conv2d(512, 5, 1)")),), style="wrap", name="backbone")
    ),
    "20 all but the last stage": RESNET.then(mv.SwapHead(3)).then(
        mv.Freeze("*", except_=("layer4", "fc"), batchnorm="frozen")
    ),
}
"""By row and what it is about. Rows 9 and 10 look and change nothing; 11, 13 and a part of 12 begin with a file."""

OPENED = ("11 whole", "12 saved by many")
LOADED = ("13 what matches", "13 by names")


def of_files(folder: Path) -> dict[str, Recipe]:
    """The same for `OPENED`, opened from files that are written into `folder`, and `LOADED`, which load one."""
    torch.manual_seed(7)
    model = models.squeezenet1_1(weights=None, num_classes=4)
    torch.save(model, folder / "whole.pkl")
    torch.save(nn.DataParallel(model).state_dict(), folder / "many.pth")
    torch.save(models.resnet18(weights=None).state_dict(), folder / "pretrained.pth")
    partly = mv.open("resnet18", num_classes=5).then(mv.InsertLayer("layer4.1", Layer("BatchNorm2d(512)")))
    pretrained = files.give(folder / "pretrained.pth")
    return {
        "11 whole": mv.open(folder / "whole.pkl"),
        "12 saved by many": mv.open(folder / "many.pth"),
        "13 what matches": partly.then(mv.LoadWeights(pretrained, strict=False, mismatched="skip")),
        "13 by names": RESNET.then(mv.LoadWeights(pretrained, strict=False, exclude=("fc",))),
    }
