"""Every field of every edit with values of other kinds: a sentence, never a stray exception, and nothing changes."""

from dataclasses import fields
from typing import Any

import pytest

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
FIELDS = [(name, field.name) for name in EDITS if name != "load_weights" for field in fields(EDITS[name])]  # type: ignore[arg-type]


def made(kind: str, values: dict[str, Any]) -> Edit:
    edit: Any = EDITS[kind]
    values = dict(values)
    patterns = values.pop("patterns", ())
    return edit(*(patterns if isinstance(patterns, tuple) else (patterns,)), **values)  # type: ignore[no-any-return]


def test_the_others_are_fine() -> None:
    assert GOOD.keys() == {name for name, _ in FIELDS}
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
        except mv.EditError as error:
            said, refused = str(error), refused + 1
            assert said.endswith((".", "?")), said
            assert len(said) < 500
    assert refused > 10
    assert BASE.check() == before
    assert list(structure_of(BASE).model.state_dict()) == keys


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: mv.Truncate("layer1", pool="yes"), "Truncate: `pool` is True or False; got 'yes'."),  # type: ignore[arg-type]
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
