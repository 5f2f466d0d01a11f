"""Looking changes nothing, and says what was there at the time."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview.errors import EditError, ForwardError, ModelviewError, UnknownName
from modelview.inspect.features import Features, features
from modelview.opening import open_recipe


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Any:
        return self.relu(self.first(x)) + self.relu(x)


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.split = nn.Identity()
        self.two = Two()

    def forward(self, x: Tensor) -> Any:
        return self.two(self.split(x))["a"]


class Two(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return {"a": x / 0, "b": (x, None)}


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 2))

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


def state(model: nn.Module) -> Any:
    return (
        [module.training for module in model.modules()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        [tensor.clone() for tensor in model.state_dict().values()],
        torch.get_rng_state(),
        torch.is_grad_enabled(),
        [p.grad for p in model.parameters()],
    )


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_looking_changes_nothing() -> None:
    model = open_recipe("resnet18").build()
    model.layer1[0].train()
    before = state(model)
    features(model, (2, 3, 64, 64), paths=("layer1", "fc"))
    assert same(state(model), before)


def test_looking_changes_nothing_when_forward_raises() -> None:
    model = Broken().train()
    before = state(model)
    with pytest.raises(ForwardError, match=r"`body\.1` gets 1 × 4, so 4 features, but takes 5"):
        features(model, (1, 4))
    assert same(state(model), before)


def test_values_are_those_of_the_moment() -> None:
    torch.manual_seed(0)
    model, x = InPlace(), torch.randn(2, 3, 5, 5)
    given = x.clone()
    found = features(model, x, paths="first")
    with torch.no_grad():
        expected = model.first(given)
    assert expected.min() < 0
    values = found.values(found.rows[0])
    assert values is not None
    assert torch.equal(values, expected[:1])
    assert found.rows[0].min == expected.min().item()
    assert torch.equal(x, given)


def test_rows_say_call_output_and_what_is_not_finite() -> None:
    found = features(Several(), torch.tensor([[0.0, 1.0, -1.0, 2.0]]), paths=("two", "split"))
    assert [(row.path, row.output) for row in found.rows] == [("split", ""), ("two", "a"), ("two", "b.0")]
    broken = found.rows[1]
    assert (broken.n_nan, broken.n_inf, broken.mean) == (1, 3, None)
    assert found.rows[2].zeros == 0.25


def test_every_call_has_a_row() -> None:
    found = features(open_recipe("resnet18"), (1, 3, 64, 64), paths="layer1.0.relu")
    assert [row.call for row in found.rows] == [0, 1]
    found = features(open_recipe("resnet18"), (1, 3, 64, 64))
    leaves = [p for p, m in open_recipe("resnet18").structure().named_modules() if not list(m.children())]
    assert {row.path for row in found.rows} == set(leaves)


def test_a_path_is_that_module_and_a_pattern_all_it_fits() -> None:
    recipe = open_recipe("resnet18")
    assert [row.path for row in _rows(recipe, "layer1")] == ["layer1"]
    assert [row.path for row in _rows(recipe, "layer*.0.conv1")] == [f"layer{n}.0.conv1" for n in range(1, 5)]


def _rows(recipe: Any, paths: str) -> Any:
    return features(recipe, (1, 3, 32, 32), paths=paths).rows


def test_the_same_seed_gives_the_same() -> None:
    recipe = open_recipe("resnet18")
    one, two, other = (features(recipe, (1, 3, 32, 32), seed=s, paths="fc") for s in (0, 0, 1))
    assert one.rows == two.rows != other.rows


def test_channels_are_last_where_the_model_has_them_last() -> None:
    found = features(open_recipe("swin_t"), paths=("features.1", "avgpool"))
    assert [row.channels for row in found.rows] == [3, 1]


def test_what_does_not_fit_is_not_kept_but_counted() -> None:
    found = features(open_recipe("resnet18"), (1, 3, 32, 32), paths=("conv1", "fc"), most_bytes=8_000)
    assert [row.kept for row in found.rows] == [False, True]
    assert found.values(found.rows[0]) is None
    assert found.rows[0].std is not None


def test_a_built_model_is_used_as_it_is() -> None:
    recipe = open_recipe("resnet18")
    model = recipe.build()
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.fill_(3.0)
    found = features(recipe, (1, 3, 32, 32), paths="fc", model=model)
    assert found.rows[0].mean == 3.0


def test_detection_runs_too() -> None:
    recipe = open_recipe("ssdlite320_mobilenet_v3_large")
    found: Features = features(recipe, paths=("backbone", "head"))
    assert {row.path for row in found.rows} == {"backbone", "head"}
    assert isinstance(found.output, list)


@pytest.mark.parametrize(
    ("arguments", "keywords", "kind", "message"),
    [
        (((1, 3, 32, 32),), {"paths": "layer9"}, UnknownName, "Did you mean 'layer4'"),
        (((1, 3, 32, 32),), {"paths": ""}, UnknownName, "No module is called ''"),
        (((1, 3, 32, 32),), {"device": "cuda:7"}, EditError, "no device 'cuda:7' on this machine; it has cpu"),
        (((1, 3, 32, 32), (1, 3, 32, 32)), {}, EditError, "takes 1 input, not 2"),
        (((1, 3, 0, 32),), {}, EditError, "whole numbers from 1 up"),
        (((1, 3, 10**7, 10**7),), {}, EditError, "does not fit: this machine has"),
        (((1, 4, 32, 32),), {}, ForwardError, "`conv1` gets 4 channels but takes 3"),
        ((torch.zeros(3, 3),), {}, ForwardError, "takes 4 dimensions"),
    ],
)
def test_refusals(arguments: Any, keywords: Any, kind: type[ModelviewError], message: str) -> None:
    recipe = open_recipe("resnet18")
    with pytest.raises(kind) as caught:
        features(recipe, *arguments, **keywords)
    assert message in str(caught.value)


def test_a_module_needs_an_input() -> None:
    with pytest.raises(EditError, match="has no known input"):
        features(nn.Linear(2, 2))
