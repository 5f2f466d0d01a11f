"""What a recorded pass says, and that recording leaves everything as it was."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from modelview.errors import EditError
from modelview.inspect.tables import modules, parameters
from modelview.inspect.tracing import trace
from modelview.opening import open_recipe
from modelview.trace.run import trace_module


def snapshot(model: nn.Module) -> dict[str, Any]:
    return {
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": [p.grad for p in model.parameters()],
        "attributes": [sorted(vars(t)) for t in (*model.parameters(), *model.buffers())],
        "rng": torch.get_rng_state(),
        "grad": torch.is_grad_enabled(),
    }


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert torch.equal(before.pop("rng"), after.pop("rng"))
    values, others = before.pop("values"), after.pop("values")
    assert all(torch.equal(value, others[name]) for name, value in values.items())
    assert before == after


class Breaks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.never = nn.Linear(3, 4), nn.Linear(5, 6), nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())  # type: ignore[no-any-return]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: models.squeezenet1_1(), (2, 3, 64, 64)),
        (lambda: models.mobilenet_v3_small(), (2, 3, 64, 64)),
        (Breaks, (2, 3)),
    ],
    ids=["dropout", "batch norm", "breaks"],
)
def test_looking_changes_nothing(make: Callable[[], nn.Module], shape: tuple[int, ...], train: bool) -> None:
    model = make()
    for number, module in enumerate(model.modules()):
        module.training = number % 3 == 0
    x = torch.rand(shape)
    before = snapshot(model)
    trace(model, x, train=train)
    assert_unchanged(before, snapshot(model))
    assert not vars(x)


def test_a_failure_keeps_every_call_up_to_it_and_says_why() -> None:
    found = trace(Breaks(), torch.rand(2, 3))
    assert found.failed is not None
    assert (found.failed.path, found.failed.kind, found.failed.inputs) == ("second", "Linear", (2, 4))
    assert found.failed.sentence == (
        "`second` gets 2 × 4, so 4 features, but takes 5: "
        "replace it with Linear(4, 6), or put a Linear(4, 5) before it."
    )
    assert [call.path for call in found.calls] == ["", "first", "second"]
    assert {row.path: row.note for row in modules(found)} == {"": "", "first": "", "second": "", "never": "not reached"}


class Odd(nn.Module):
    """Shares a module and a weight, calls one twice, never calls another, and uses weights without their module."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.alias = self.a
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.a.weight
        self.held = nn.Linear(4, 4)
        self.never = nn.Linear(4, 4)
        self.rows = nn.ModuleList([nn.ReLU()])
        self.memory = nn.LSTM(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.rows[0](self.tied(self.alias(self.a(x))))
        return self.memory(nn.functional.linear(x, self.held.weight))[0]  # type: ignore[no-any-return]


def test_what_is_unusual_is_said_in_words() -> None:
    found = trace(Odd(), torch.rand(3, 2, 4))
    rows = {row.path: row for row in modules(found)}
    assert {path: row.note for path, row in rows.items()} == {
        "": "",
        "a": "called 2 times",
        "alias": "called 2 times",
        "tied": "",
        "held": "parameters used, module not called",
        "never": "never called",
        "rows": "container",
        "rows.0": "",
        "memory": "",
    }
    assert rows["alias"].alias_of == "a"
    assert rows[""].n_parameters == 20 + 20 + 20 + 160  # a with tied, held, never, memory
    assert found.totals.uncounted == ("lstm",)
    assert {row.path: row.tied_to for row in parameters(found.model) if row.tied_to} == {
        "alias.weight": "a.weight",
        "alias.bias": "a.bias",
        "tied.weight": "a.weight",
    }


def test_attention_that_never_calls_its_projection_is_told_from_what_is_unused() -> None:
    rows = modules(trace(open_recipe("vit_b_32")))
    silent = [row for row in rows if row.path.endswith("self_attention.out_proj")]
    assert len(silent) == 12
    assert {row.note for row in silent} == {"parameters used, module not called"}


def test_edges_follow_values_through_views_and_in_place_ops() -> None:
    class Adds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y[:, 0] = 1
            y += x
            return y.view(-1)

    found = trace(Adds(), torch.rand(2, 3))
    names = [op.name for op in found.ops]
    pairs = {(names[edge.source], names[edge.target]) for edge in found.edges}
    assert {("input", "mul"), ("mul", "setitem"), ("input", "add_"), ("setitem", "add_"), ("view", "output")} <= pairs


def test_training_takes_other_paths() -> None:
    recipe = open_recipe("googlenet")
    assert trace(recipe).output == (1, 1000)
    assert trace(recipe, (2, 3, 224, 224), train=True).output == ((2, 1000),) * 3


def test_detection_runs_small_on_the_cpu_and_says_so() -> None:
    found = trace(open_recipe("ssdlite320_mobilenet_v3_large"))
    assert (found.device, found.failed) == ("cpu", None)
    assert found.note == "run on the CPU, since its forward needs values; 10 candidates a level"
    assert all(parameter.is_meta for parameter in found.model.parameters())


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), "A module by itself has no known input: give a tensor or a shape, such as (1, 3, 224, 224)."),
        (((1, 0, 3),), "An input shape is whole numbers from 1 up, N first, such as 1,3,224,224; got (1, 0, 3)."),
        (((10**10, 10**10),), "No tensor can have the shape (10000000000, 10000000000): it is too large."),
    ],
)
def test_inputs_that_cannot_be(inputs: tuple[Any, ...], message: str) -> None:
    with pytest.raises(EditError) as caught:
        trace(nn.Linear(1, 1), *inputs)
    assert str(caught.value) == message


class Remembers(nn.Module):
    """Keeps a tensor that is neither parameter nor buffer, as an anchor generator does."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.n_more = [torch.zeros(1, 4, device="meta")], 5

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.n_more):
            x = x + 1
        self.kept = [value.to(x.dtype) for value in self.kept]
        return x + self.kept[0]


def test_a_pass_does_not_take_over_the_numbers_of_the_last() -> None:
    model = Remembers()
    trace_module(model, torch.empty(1, 4, device="meta"))
    model.n_more = 0
    again = trace_module(model, torch.empty(1, 4, device="meta"))
    assert again.failed is None
    assert again.edges == trace_module(model, torch.empty(1, 4, device="meta")).edges
    assert max(edge.source for edge in again.edges) < len(again.ops)
