import json

import pytest
from hypothesis import given, settings, strategies as st

from modelview import Freeze, Layer, ReplaceLayer, SwapHead, Truncate, Unfreeze
from modelview.edits.base import EDITS, Edit
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, check_undo

BASE = Recipe(Torchvision("squeezenet1_1"))
PATHS = [path for path, module in structure_of(BASE).model.named_modules() if path and not list(module.children())]
EDIT = st.one_of(
    st.builds(Freeze, st.sampled_from(["*", *PATHS]), except_=st.sampled_from([(), "features.0"])),
    st.builds(Unfreeze, st.sampled_from(["*", *PATHS])),
    st.builds(ReplaceLayer, st.sampled_from(PATHS), st.sampled_from([Layer("Identity()"), Layer("ReLU()")])),
    st.builds(SwapHead, st.integers(1, 9), hidden=st.sampled_from([(), (8,), (8, 4)]), softmax=st.booleans()),
    st.builds(Truncate, st.sampled_from(PATHS), pool=st.booleans(), flatten=st.booleans()),
)


def refused(recipe: Recipe) -> str | None:
    """The sentence with which a recipe is refused, if it is."""
    try:
        recipe.check()
    except EditError as error:
        return str(error)
    return None


@settings(max_examples=30, deadline=None)
@given(st.lists(EDIT, max_size=4))
def test_any_recipe_that_checks_holds_the_laws(edits: list[Edit]) -> None:
    recipe = BASE
    for edit in edits:
        refusal = refused(recipe.then(edit))
        if refusal is None:
            recipe = recipe.then(edit)
        else:
            assert refusal.endswith((".", "?")), refusal
    check_recipe(recipe)
    check_undo(recipe)


FAMILIES = (
    "squeezenet1_1",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "regnet_y_400mf",
    "lraspp_mobilenet_v3_large",
    "ssdlite320_mobilenet_v3_large",
)


def _edits(name: str) -> dict[str, Edit]:
    """One of each kind that fits the model whatever the others did before it."""
    trace = structure_of(Recipe(Torchvision(name))).trace
    inner = [c.path for c in trace.calls if c.path and c.index < len(trace.calls) // 2]
    activation = next(c.path for c in trace.calls if trace.model.get_submodule(c.path).__class__.__name__ == "ReLU")
    return {
        "swap": SwapHead(5),
        "replace": ReplaceLayer(activation, Layer("GELU()")),
        "freeze": Freeze(inner[3]),
        "unfreeze": Unfreeze("*"),
        "truncate": Truncate(inner[-1]),
    }


@pytest.mark.zoo
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("first", ["swap", "replace", "freeze", "unfreeze", "truncate"])
@pytest.mark.parametrize("second", ["swap", "replace", "freeze", "unfreeze", "truncate"])
def test_every_pair_of_edits_on_every_family(name: str, first: str, second: str) -> None:
    assert set(EDITS) == {"swap_head", "replace_layer", "freeze", "unfreeze", "truncate"}
    edits = _edits(name)
    recipe = Recipe(Torchvision(name))
    for edit in (edits[first], edits[second]):
        refusal = refused(recipe.then(edit))
        if refusal is None:
            recipe = recipe.then(edit)
        else:
            assert any(word in refusal for word in ("already", "No module", "runcate")), refusal
    check_recipe(recipe)


def test_undo_is_total_and_without_takes_out_the_middle() -> None:
    recipe = BASE.then(SwapHead(4)).then(Freeze("features"))
    assert recipe.without(1) == BASE.then(Freeze("features"))
    assert recipe.undo().undo().undo() == BASE


def test_a_step_that_a_later_one_needs_stays() -> None:
    recipe = BASE.then(SwapHead(4, hidden=(8,))).then(Freeze("classifier.1.conv1")).then(Freeze("features"))
    with pytest.raises(EditError, match=r"Edit 1 of 2 \(Freeze\): No module or parameter is called"):
        recipe.without(1)


def test_a_structure_is_the_callers_to_keep() -> None:
    model = BASE.structure()
    del model.classifier
    assert BASE.check().output == (1, 1000)


GOOD = json.loads(BASE.then(SwapHead(4, hidden=(8,))).then(Freeze("features", except_="features.0")).to_json())


def _with(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is not a recipe.json: Expecting value"),
        ("{", "This is not a recipe.json: Expecting property name"),
        ("[]", 'This is not a recipe.json: it has no "modelview" version.'),
        ("[" * 100_000, "This is not a recipe.json:"),
        ("{}", 'This is not a recipe.json: it has no "modelview" version.'),
        (_with(modelview=2), "This recipe is of version 2; this modelview reads version 1."),
        (_with(modelview="1"), "This recipe is of version '1'; this modelview reads version 1."),
        (_with(source=None), 'This is not a recipe.json: it needs a "source" and a list of "edits".'),
        (_with(source={"name": "resnet18"}), 'The source of this recipe needs a "kind".'),
        (_with(source={"kind": "tochvision", "name": "x"}), "No source is called 'tochvision'. Did you mean"),
        (_with(source={"kind": "torchvision"}), "The source of this recipe (torchvision) needs 'name'."),
        (_with(source={"kind": "torchvision", "name": "resnet5"}), "No torchvision model is called 'resnet5'."),
        (_with(source={"kind": "torchvision", "name": 5}), "The source of this recipe, 'name': 5 is not a text."),
        (_with(edits={}), 'This is not a recipe.json: it needs a "source" and a list of "edits".'),
        (_with(edits=[{"edit": "swap_haed"}]), "No edit is called 'swap_haed'. Did you mean 'swap_head'?"),
        (_with(edits=[{}]), 'Edit 1 of this recipe needs a "edit".'),
        (_with(edits=["swap_head"]), 'Edit 1 of this recipe needs a "edit".'),
        (_with(edits=[{"edit": "swap_head"}]), "Edit 1 of this recipe (swap_head) needs 'num_classes'."),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": "4"}]),
            "Edit 1 of this recipe, 'num_classes': ",
        ),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": True}]),
            "Edit 1 of this recipe, 'num_classes': true",
        ),
        (
            _with(edits=[{"edit": "swap_head", "num_classes": 4, "hiden": []}]),
            "Edit 1 of this recipe: No field of swap_head is called 'hiden'. Did you mean 'hidden'?",
        ),
        (
            _with(edits=[{"edit": "freeze", "patterns": "fc"}]),
            "Edit 1 of this recipe, 'patterns': \"fc\" is not a list.",
        ),
    ],
)
def test_a_bad_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        Recipe.from_json(text)
    assert str(caught.value).startswith(message)


def test_json_round_trips_and_leaves_out_defaults() -> None:
    recipe = BASE.then(SwapHead(4)).then(ReplaceLayer("features.1", "GELU()")).then(Truncate("features.3", pool=True))
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert json.loads(recipe.to_json())["edits"][0] == {"edit": "swap_head", "num_classes": 4}
