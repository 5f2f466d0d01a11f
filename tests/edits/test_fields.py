"""Every field of every edit with values of other kinds: a sentence, never a stray exception, and nothing changes."""

from dataclasses import fields
from typing import Any

import pytest
import torch

import modelview as mv
from modelview.edits.base import EDITS, Edit
from modelview.recipe import Recipe, structure_of

BASE = mv.open("torchvision:ResNet", block="BasicBlock", layers=(1, 1, 1, 1), num_classes=6)
GOOD: dict[str, dict[str, Any]] = {
    "adapt_input": {"channels": 4},
    "add_input": {"name": "age"},
    "add_outputs": {"paths": ("layer1",)},
    "append": {"layers": (("extra", "ReLU()"),)},
    "delete_layer": {"path": "relu"},
    "detach": {"path": "layer1"},
    "first_children": {},
    "freeze": {"patterns": ("layer1",)},
    "fuse_stages": {"paths": ("layer1", "layer2")},
    "insert_layer": {"path": "layer1", "layer": "ReLU()"},
    "learning_rates": {},
    "prefix": {"text": "module."},
    "rename": {"names": (("fc", "head"),)},
    "replace_layer": {"path": "relu", "layer": "GELU()"},
    "select_classes": {"indices": (0, 1)},
    "swap_head": {"num_classes": 3, "hidden": (4,)},
    "truncate": {"path": "layer2"},
    "unfreeze": {"patterns": ("layer1",)},
}
STRANGE: list[Any] = [
    *(None, "", "nope", "a b", "\x00", "x" * 5000, b"x", 0, -1, 2.5, True, float("nan"), 10**15),
    *((), (0,), ("",), ("a", "b"), (("a",),), (("a", "b", "c"),), (None,), [], [[1]], {}, {"a": []}, object()),
]
FIELDS = [(name, field.name) for name in EDITS for field in fields(EDITS[name])]  # type: ignore[arg-type]
REFUSED: dict[tuple[str, str], tuple[Any, str]] = {
    ("adapt_input", "channels"): ("4", "The number of channels is a whole number from 1 up; got '4'."),
    ("adapt_input", "size"): ((0, 3), "A size is a height and a width from 1 up, such as (384, 384); go"),
    ("adapt_input", "weights"): ("average", "No way to make the weights is called 'average'. Did you mean 'co"),
    ("add_input", "name"): ("x", "'x' means something else in the code that is written; choose ano"),
    ("add_input", "size"): (0, "The size of an input is whole numbers from 1 up, such as 3 or (8"),
    ("add_input", "at"): ("layer9", "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("add_input", "layers"): (
        (("a", "Linear(2, 3)"),),
        "`a`, Linear(2, 3), does not take 1 × 1: a and b must have same r",
    ),
    ("add_input", "num_outputs"): (0, "The number of outputs is a whole number from 1 up; got 0."),
    ("add_input", "style"): ("inherit", "No choice is called 'inherit'. Did you mean 'wrap' or 'keep'?"),
    ("add_input", "where"): ("behind", "No choice is called 'behind'. Did you mean 'after' or 'before'?"),
    ("add_input", "before"): (5, 'Layers are rows of a name and a layer, such as ("fc", "Linear(10'),
    ("add_input", "softmax"): (2, "Add input: `softmax` is True or False; got 2."),
    ("add_input", "holder"): ("1", "A layer's name is a Python name, such as fc1; got '1'."),
    ("add_outputs", "paths"): (("layer9",), "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("add_outputs", "names"): (("a", "b"), "There are 2 names for 1 module; give each its own."),
    ("add_outputs", "form"): ("list", "No form is called 'list'. Did you mean 'tuple' or 'dict'?"),
    ("add_outputs", "keep_final"): ("no", "Add outputs: `keep_final` is True or False; got 'no'."),
    ("append", "layers"): ((), "Name a layer to append, such as fc = Linear(1000, 10)."),
    ("append", "style"): ("inherit", "No style is called 'inherit'. Did you mean 'keep' or 'wrap' or '"),
    ("append", "name"): (3, "Append layers: `name` is a text; got 3."),
    ("delete_layer", "path"): ("", "This edit needs a module inside the model, not the whole of it."),
    ("delete_layer", "renumber"): ("yes", "Delete layer: `renumber` is True or False; got 'yes'."),
    ("delete_layer", "adapt"): ("both", "No way to adapt is called 'both'. Did you mean 'next' or '1x1' o"),
    ("detach", "path"): ("layer9", "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("first_children", "drop"): (10, "The model has 10 children (conv1, bn1, relu, maxpool, layer1, la"),
    ("freeze", "patterns"): ((), 'Name what to freeze: a path or a pattern such as "layer1" or "*"'),
    ("freeze", "except_"): ("head", "No module or parameter is called 'head'. There are 81, such as '"),
    ("freeze", "up_to"): ("layer9", "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("freeze", "from_"): (3, "Freeze: `from_` is a text; got 3."),
    ("freeze", "batchnorm"): ("fixed", "No way with batch-norm is called 'fixed'. Did you mean 'train' o"),
    ("fuse_stages", "paths"): ((), "Choose the modules whose outputs are to be fused, such as layer1"),
    ("fuse_stages", "num_classes"): (0, "The number of classes is a whole number from 1 up; got 0."),
    ("fuse_stages", "style"): ("keep", "No style is called 'keep'. Did you mean 'inherit' or 'wrap'?"),
    ("fuse_stages", "name"): (3, "Fuse stages: `name` is a text; got 3."),
    ("insert_layer", "path"): ("", "This edit needs a module inside the model, not the whole of it."),
    ("insert_layer", "layer"): ("Linaer(3, 4)", "No layer class is called 'Linaer'. Did you mean 'Linear'?"),
    ("insert_layer", "where"): ("beside", "No place is called 'beside'. Did you mean 'after' or 'before' or"),
    ("insert_layer", "name"): ("a b", "A layer's name is a Python name, such as fc1; got 'a b'."),
    ("learning_rates", "groups"): ((("fc", "0"),), "A learning rate is a number above 0, such as 1e-4; got '0' for f"),
    ("learning_rates", "default"): ("fast", "A learning rate is a number above 0, such as 1e-4; got 'fast' fo"),
    ("learning_rates", "optimizer"): ("adam", "No optimizer is called 'adam'. Did you mean 'Adam' or 'AdamW'?"),
    ("learning_rates", "weight_decay"): (-1, "Weight decay is a number from 0 up, such as 0.01; got -1."),
    ("load_weights", "file"): ("/nowhere.pth", "There is no file '/nowhere.pth'."),
    ("load_weights", "strict"): ("no", "Load weights: `strict` is True or False; got 'no'."),
    ("load_weights", "include"): ("layer9", "No module or tensor is called 'layer9'. Did you mean 'layer4' or"),
    ("load_weights", "exclude"): ("layer9", "No module or tensor is called 'layer9'. Did you mean 'layer4' or"),
    ("load_weights", "rename"): (("fc", "head"), 'New names are pairs of an old and a new one, such as ("fc", "cla'),
    ("load_weights", "mismatched"): ("ignore", "No way with other shapes is called 'ignore'. Did you mean 'refus"),
    ("load_weights", "classes"): ((-1,), "Class rows are different whole numbers from 0 up; got (-1,)."),
    ("load_weights", "at"): ("ema", "No state_dict in this file is called 'ema'. Its weights lie at the top of it"),
    ("prefix", "text"): ("1.", "A prefix is up to 8 names with dots between, such as module. or "),
    ("rename", "names"): ((("layer9", "x"),), "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("replace_layer", "path"): ("", "This edit needs a module inside the model, not the whole of it."),
    ("replace_layer", "layer"): ("ReLU(", "A layer is a torch.nn class called with plain values, such as Co"),
    ("select_classes", "indices"): ((6,), "The classes are numbered from 0 to 5; got 6."),
    ("swap_head", "num_classes"): (0, "The number of classes is a whole number from 1 up; got 0."),
    ("swap_head", "hidden"): ((0,), "A hidden width is a whole number from 1 up; got 0."),
    ("swap_head", "names"): (("a",), "This head has 3 layers (fc1, relu1, fc2): give each its own name"),
    ("swap_head", "activation"): ("Relu", "No activation is called 'Relu'. There are 9, such as 'ReLU', 'GE"),
    ("swap_head", "dropout"): (1, "Dropout is a share from 0 to below 1, such as 0.5; got 1."),
    ("swap_head", "softmax"): ("yes", "Swap head: `softmax` is True or False; got 'yes'."),
    ("truncate", "path"): ("layer9", "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
    ("truncate", "pool"): ("yes", "Truncate: `pool` is True or False; got 'yes'."),
    ("truncate", "flatten"): (1, "Truncate: `flatten` is True or False; got 1."),
    ("truncate", "style"): ("wrap", "No style is called 'wrap'. Did you mean 'keep'?"),
    ("truncate", "call"): (3, "`layer2` is called once; there is no call 3."),
    ("unfreeze", "patterns"): ((), 'Name what to unfreeze: a path or a pattern such as "layer4" or "'),
    ("unfreeze", "except_"): ("layer9", "No module or parameter is called 'layer9'. Did you mean 'layer4'"),
}
"""For each field a value that cannot be, and how the sentence begins that says so."""


@pytest.fixture(scope="module", autouse=True)
def _a_file_to_load(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(BASE.build().state_dict(), path)
    GOOD["load_weights"] = {"file": str(path)}


def made(kind: str, values: dict[str, Any]) -> Edit:
    edit: Any = EDITS[kind]
    values = dict(values)
    patterns = values.pop("patterns", ())
    return edit(*(patterns if isinstance(patterns, tuple) else (patterns,)), **values)  # type: ignore[no-any-return]


def test_the_others_are_fine() -> None:
    assert GOOD.keys() == {name for name, _ in FIELDS}
    assert REFUSED.keys() == set(FIELDS)
    for name, values in GOOD.items():
        BASE.then(made(name, values)).check()


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_value_of_another_kind_is_refused_in_a_sentence(name: str, field: str) -> None:
    before, keys = BASE.check(), list(structure_of(BASE).model.state_dict())
    refused = 0
    for value in STRANGE:
        try:
            recipe = BASE.then(made(name, {**GOOD[name], field: value}))
            recipe.check()
            assert Recipe.from_json(recipe.to_json()) == recipe
        except mv.ModelviewError as error:
            said, refused = str(error), refused + 1
            assert said.endswith((".", "?")), said
            assert len(said) < 500
    assert refused > 10
    assert BASE.check() == before
    assert list(structure_of(BASE).model.state_dict()) == keys


@pytest.mark.parametrize(("name", "field"), REFUSED)
def test_each_field_says_what_it_takes(name: str, field: str) -> None:
    value, message = REFUSED[name, field]
    before, model = BASE.check(), structure_of(BASE).model
    held = [(key, tensor.shape, tensor.requires_grad) for key, tensor in model.named_parameters()]
    with pytest.raises(mv.ModelviewError) as caught:
        BASE.then(made(name, {**GOOD[name], field: value})).check()
    assert str(caught.value).startswith(message), str(caught.value)
    assert BASE.check() == before
    assert structure_of(BASE).model is model
    assert [(key, tensor.shape, tensor.requires_grad) for key, tensor in model.named_parameters()] == held
    assert not any(module.training for module in model.modules())
    BASE.then(made(name, GOOD[name])).check()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: mv.Truncate("layer1", call="1"), "Which call is a whole number, -1 for the last; got '1'."),  # type: ignore[arg-type]
        (lambda: mv.Detach(3), "Detach: `path` is a text; got 3."),  # type: ignore[arg-type]
        (lambda: mv.Freeze("fc", batchnorm=3), "Freeze: `batchnorm` is a text; got 3."),  # type: ignore[arg-type]
        (lambda: mv.Freeze("fc", except_=3), "This takes patterns, such as layer1 or *.bn1; got 3."),  # type: ignore[arg-type]
        (lambda: mv.Prefix(None), "Prefix: `text` is a text; got None."),  # type: ignore[arg-type]
        (lambda: mv.SwapHead(3, hidden=4), "This takes a list of widths; got 4."),  # type: ignore[arg-type]
        (lambda: mv.SwapHead(3, dropout="0.5"), "Dropout is a share from 0 to below 1, such as 0.5; got '0.5'."),  # type: ignore[arg-type]
        (lambda: mv.AddOutputs(None), "This takes paths of modules, such as layer1; got None."),  # type: ignore[arg-type]
        (lambda: mv.Append(5), "Layers are rows of a name and a layer, such as"),  # type: ignore[arg-type]
        (lambda: mv.LearningRates(5), "This takes patterns with their rates; got 5."),  # type: ignore[arg-type]
        (lambda: mv.AddInput(size=10**15), "An input of 1 × 1000000000000000 would take 4,000,000 GB"),
    ],
)
def test_what_is_said(edit: Any, message: str) -> None:
    with pytest.raises(mv.EditError) as caught:
        BASE.then(edit()).check()
    assert str(caught.value).startswith(message), str(caught.value)
