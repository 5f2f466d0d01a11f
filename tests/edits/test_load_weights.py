"""Loading a file: the plan, what it refuses, and that values arrive all or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview import Freeze, LoadWeights, Prefix, Recipe, SwapHead, Truncate
from modelview.errors import CheckpointError, EditError
from modelview.recipe import structure_of
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe

NAME = "squeezenet1_1"
BASE = Recipe(Torchvision(NAME))
OTHER = Recipe(Torchvision(NAME, seed=7)).build()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Saves something and says where."""

    def save(content: Any, name: str = "weights.pth") -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def values(recipe: Recipe) -> dict[str, Tensor]:
    return dict(recipe.build().state_dict())


def test_a_file_of_the_same_model_loads_exactly_and_holds_the_laws(file: Callable[..., Path]) -> None:
    recipe = BASE.then(LoadWeights(file({"epoch": 3, "state_dict": nn.DataParallel(OTHER).state_dict()})))
    built = check_recipe(recipe)
    assert all(torch.equal(built.state_dict()[name], value) for name, value in OTHER.state_dict().items())
    assert recipe.changes()[0].summary == "weights.pth: 52 of 52 tensors"
    assert recipe.check().changes[1].before == recipe.check().changes[1].after


def test_before_and_after_other_edits(file: Callable[..., Path]) -> None:
    load = LoadWeights(file(OTHER.state_dict()))
    recipe = BASE.then(load).then(SwapHead(5)).then(Freeze("*", except_="classifier"))
    built = check_recipe(recipe)
    assert torch.equal(built.state_dict()["features.0.weight"], OTHER.state_dict()["features.0.weight"])
    cut = Truncate("features.6")
    check_recipe(BASE.then(load).then(cut))
    smaller = BASE.then(cut).then(LoadWeights(load.file, strict=False))
    assert all(torch.equal(value, OTHER.state_dict()[name]) for name, value in values(smaller).items())


def test_a_fine_tuned_file_loads_after_the_head_was_swapped(file: Callable[..., Path]) -> None:
    tuned = BASE.then(SwapHead(3)).build()
    built = values(BASE.then(SwapHead(3)).then(LoadWeights(file(tuned.state_dict()))))
    assert all(torch.equal(value, built[name]) for name, value in tuned.state_dict().items())


def test_loading_is_only_what_was_asked_for(file: Callable[..., Path]) -> None:
    path = file(OTHER.state_dict())
    built = values(BASE.then(LoadWeights(path, strict=False, include=("features",), exclude=("features.0",))))
    plain, other = values(BASE), OTHER.state_dict()
    for name in plain:
        wanted = other if name.startswith("features") and not name.startswith("features.0.") else plain
        assert torch.equal(built[name], wanted[name]), name
    plan = LoadWeights(path, strict=False, include=("features",)).loading(structure_of(BASE))
    assert {row.name for row in plan.of("left out")} == {"classifier.1.weight", "classifier.1.bias"}


def test_names_are_changed_from_the_left(file: Callable[..., Path]) -> None:
    state = OTHER.state_dict()
    renamed = {f"trunk.body.{name.removeprefix('features.')}": value for name, value in state.items()}
    built = values(BASE.then(LoadWeights(file(renamed), strict=False, rename=(("trunk.body", "features."),))))
    assert torch.equal(built["features.0.weight"], state["features.0.weight"])
    bare = {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
    built = values(BASE.then(LoadWeights(file(bare, "bare.pth"), strict=False, rename=[("", "features")])))
    assert torch.equal(built["features.12.expand3x3.bias"], state["features.12.expand3x3.bias"])


def test_half_numbers_are_cast_and_said(file: Callable[..., Path]) -> None:
    load = LoadWeights(file({name: value.half() for name, value in OTHER.state_dict().items()}))
    assert load.loading(structure_of(BASE)).sentence == "52 of 52 tensors, 52 cast"
    built = values(BASE.then(load))
    assert all(torch.equal(built[name], value.half().float()) for name, value in OTHER.state_dict().items())


def test_missing_counters_are_not_missed(file: Callable[..., Path]) -> None:
    model = Recipe(Torchvision("resnet18", seed=3)).build()
    old = {name: value for name, value in model.state_dict().items() if "num_batches_tracked" not in name}
    built = values(Recipe(Torchvision("resnet18")).then(LoadWeights(file(old))))
    assert all(torch.equal(built[name], value) for name, value in old.items())


def test_class_rows_are_selected(file: Callable[..., Path]) -> None:
    load = LoadWeights(file(OTHER.state_dict()), mismatched="adapt", classes=(5, 2, 900))
    built = values(BASE.then(SwapHead(3)).then(load))
    assert torch.equal(built["classifier.1.bias"], OTHER.state_dict()["classifier.1.bias"][[5, 2, 900]])
    assert "3 of 1,000 class rows taken" in BASE.then(SwapHead(3)).then(load).changes()[1].notes[0]


@pytest.mark.parametrize(
    ("change", "keywords", "message"),
    [
        (
            lambda s: {"other.weight": torch.rand(3)},
            {},
            "Nothing in 'weights.pth' fits this model: none of its 1 tensors",
        ),
        (
            lambda s: s | {"extra": torch.rand(3)},
            {},
            "Strict loading needs the same names: `extra` is not in the model.",
        ),
        (
            lambda s: {n: v for n, v in s.items() if n != "classifier.1.bias"},
            {},
            "Strict loading needs the same names: `classifier.1.bias` is missing from the file.",
        ),
        (
            lambda s: s | {"classifier.1.bias": torch.rand(7)},
            {},
            "`classifier.1.bias` is (1000,) here and (7,) in the file: skip other shapes or adapt them",
        ),
        (
            lambda s: s | {"classifier.1.bias": torch.rand(7)},
            {"mismatched": "adapt"},
            "`classifier.1.bias` is (1000,) here and (7,) in the file: skip other shapes, or change the model first.",
        ),
        (dict, {"mismatched": "adopt"}, "No way with other shapes is called 'adopt'. Did you mean 'adapt'"),
        (dict, {"include": "featurs"}, "No module or tensor is called 'featurs'. Did you mean 'features'"),
        (dict, {"exclude": "classifer"}, "No module or tensor is called 'classifer'. Did you mean 'classifier'"),
        (
            dict,
            {"classes": (1, 2)},
            'Class rows are taken from a head of another size: choose mismatched="adapt", or le',
        ),
        (
            dict,
            {"classes": (1, 2), "mismatched": "adapt"},
            "No tensor of the file is a head from which these class row",
        ),
        (dict, {"classes": (1, 1)}, "Class rows are different whole numbers from 0 up"),
        (dict, {"classes": (-1,)}, "Class rows are different whole numbers from 0 up"),
        (dict, {"rename": (("features", "body"),)}, "Strict loading needs the same names"),
        (dict, {"at": "model"}, "No state_dict in this file is called 'model'. Its weights lie at the top"),
        (
            lambda s: s | {"classifier.1.bias": torch.empty(1000, device="meta")},
            {},
            "The values of `classifier.1.bias` cannot be read: it was saved from the meta device",
        ),
    ],
)
def test_refusals_leave_the_recipe_as_it_was(
    change: Callable[[dict[str, Tensor]], Any], keywords: dict[str, Any], message: str, file: Callable[..., Path]
) -> None:
    load = LoadWeights(file(change(dict(OTHER.state_dict()))), **keywords)
    with pytest.raises(EditError) as caught:
        BASE.then(load).check()
    assert message in str(caught.value)
    BASE.check()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"file": 5}, "A file is given by its path; got 5."),
        ({"include": None}, "This takes patterns of the model's tensors; got None."),
        ({"exclude": 3}, "This takes patterns of the model's tensors; got 3."),
        ({"classes": 5}, "This takes rows of the file's head, from 0; got 5."),
        ({"rename": ("fc", "head")}, "New names are pairs of an old and a new one, such as"),
        ({"rename": 5}, "New names are pairs of an old and a new one, such as"),
    ],
)
def test_fields_of_other_kinds_are_refused(keywords: dict[str, Any], message: str, file: Callable[..., Path]) -> None:
    with pytest.raises(EditError) as caught:
        LoadWeights(**{"file": file(OTHER.state_dict()), **keywords})
    assert str(caught.value).startswith(message)


def test_a_file_of_data_parallel_goes_into_its_own_view(file: Callable[..., Path]) -> None:
    saved = torch.nn.DataParallel(OTHER).state_dict()
    built = values(BASE.then(Prefix("module.")).then(LoadWeights(file(saved))))
    assert built.keys() == saved.keys()
    assert all(torch.equal(built[name], saved[name]) for name in saved)


def test_other_shapes_can_be_skipped(file: Callable[..., Path]) -> None:
    load = LoadWeights(file(dict(OTHER.state_dict()) | {"classifier.1.bias": torch.rand(7)}), mismatched="skip")
    built = values(BASE.then(load))
    assert torch.equal(built["classifier.1.bias"], values(BASE)["classifier.1.bias"])
    assert torch.equal(built["classifier.1.weight"], OTHER.state_dict()["classifier.1.weight"])


def test_what_would_work_is_offered(file: Callable[..., Path]) -> None:
    load = LoadWeights(file(dict(OTHER.state_dict()) | {"extra": torch.rand(3)}))
    (other,) = load.remedies(structure_of(BASE))
    BASE.then(other).check()
    assert other == LoadWeights(load.file, strict=False, mismatched="adapt")


def test_a_damaged_file_changes_nothing(file: Callable[..., Path]) -> None:
    path = file(OTHER.state_dict())
    content = bytearray(path.read_bytes())
    content[-200_000] ^= 1  # in the last storages
    path.write_bytes(content)
    model = BASE.build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    change = BASE.then(LoadWeights(path)).changes()[0]
    with pytest.raises(CheckpointError, match="is damaged: the values of"):
        change.apply(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_recipe_from_json_finds_only_files_that_were_given(file: Callable[..., Path], tmp_path: Path) -> None:
    recipe = BASE.then(LoadWeights(file(OTHER.state_dict())))
    text = recipe.to_json()
    assert str(tmp_path) not in text
    assert Recipe.from_json(text) == recipe
    digest = recipe.edits[0].file.sha256  # type: ignore[attr-defined]
    stranger = Recipe.from_json(text.replace(digest, "0" * 64))
    with pytest.raises(EditError, match="is not at hand"):
        stranger.check()
    for bad in ('"/etc/passwd"', '{"sha256": "x", "name": "y"}', '{"path": "/etc/passwd"}', "7"):
        written = text.replace(
            text[text.index("{", text.index('"file"')) : text.index("}", text.index('"file"')) + 1], bad
        )
        with pytest.raises(EditError, match=r"is not a file|64 hexadecimal digits"):
            Recipe.from_json(written)
