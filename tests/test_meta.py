"""Building on meta: every torchvision model, exactly the real one's shapes, and nothing else touched."""

import inspect
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack
from torchvision import models

from modelview.meta import building, to_meta


def build(name: str) -> nn.Module:
    builder = models.get_model_builder(name)
    takes_backbone = "weights_backbone" in inspect.signature(builder).parameters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # googlenet and inception announce another initialisation
        return builder(**({"weights_backbone": None} if takes_backbone else {}))


def layout(model: nn.Module) -> list[object]:
    tensors = [*model.named_parameters(), *model.named_buffers()]
    shapes = [(name, tuple(t.shape), t.dtype, t.requires_grad) for name, t in tensors]
    return [str(model), list(model.state_dict()), shapes]


@pytest.mark.parametrize("letter", sorted({name[0] for name in models.list_models()}))
def test_every_torchvision_model_builds_without_memory_or_random_numbers(letter):
    state = torch.random.get_rng_state()
    for name in (name for name in models.list_models() if name.startswith(letter)):
        with building():
            model = build(name)
        assert all(p.is_meta and isinstance(p, nn.Parameter) for p in model.parameters()), name
        to_meta(model)
        assert all(t.is_meta for t in [*model.parameters(), *model.buffers()]), name
        assert sum(p.numel() for p in model.parameters()) > 900_000
    assert torch.equal(state, torch.random.get_rng_state())
    assert not _get_current_function_mode_stack()


@pytest.mark.parametrize(
    "name",
    [
        *["alexnet", "densenet121", "regnet_y_400mf", "vit_b_32", "swin_v2_t", "raft_small", "googlenet"],
        *["mobilenet_v3_small", "ssdlite320_mobilenet_v3_large", "maskrcnn_resnet50_fpn"],
    ],
)
def test_the_structure_is_the_real_models(name):
    with building():
        model = build(name)
    assert layout(to_meta(model)) == layout(build(name))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(2, 3),
        lambda: torch.zeros((2, 3)),
        lambda: torch.ones(2, 3, dtype=torch.int64),
        lambda: torch.full((2, 3), 1.5),
        lambda: torch.rand(2, 3, generator=torch.Generator()),
        lambda: torch.randn(size=(2, 3)),
        lambda: torch.normal(0.0, 1.0, (2, 3)),
        lambda: torch.normal(mean=0.0, std=1.0, size=(2, 3)),
        lambda: torch.empty(2, 3).normal_().clamp_(0, 1),
    ],
)
def test_factories_give_what_they_would_but_on_meta(make):
    with building():
        empty = make()
    real = make()
    assert empty.is_meta
    assert (empty.shape, empty.dtype) == (real.shape, real.dtype)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor([1.0, 2.0]),
        lambda: torch.arange(3),
        lambda: torch.linspace(0, 1, 5),
        lambda: torch.zeros(2, device="cpu"),
        lambda: torch.normal(torch.tensor([0.0]), torch.tensor([0.0])),
        lambda: nn.init.ones_(torch.tensor([3.0])),
        lambda: torch.relu(torch.tensor([-1.0])),
        lambda: nn.functional.relu(torch.tensor([-1.0])),
    ],
)
def test_what_a_constructor_computes_with_keeps_its_values(make):
    with building():
        inside = make()
    assert inside.device.type == "cpu"
    assert torch.equal(inside, make())


def test_to_meta_keeps_ties_flags_and_identity():
    model = nn.Module()
    model.a, model.b = nn.Linear(2, 2), nn.Linear(2, 2)
    model.b.weight = model.a.weight
    model.a.bias.requires_grad_(False)
    model.register_buffer("one", torch.ones(2), persistent=False)
    model.register_buffer("none", None)
    assert to_meta(model) is model
    assert model.a.weight is model.b.weight
    assert not model.a.bias.requires_grad
    assert model.b.bias.requires_grad
    assert model.one.is_meta
    assert list(model.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]


def test_another_thread_builds_real_models_meanwhile():
    inside, done = threading.Event(), threading.Event()

    def real() -> nn.Module:
        inside.wait(10)
        model = nn.Linear(3, 3)
        done.set()
        return model

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(real)
        with building():
            inside.set()
            assert done.wait(10)
            assert nn.Linear(1, 1).weight.is_meta
        model = future.result()
    assert model.weight.device.type == "cpu"
    assert model.weight.abs().sum() > 0


def test_an_error_inside_leaves_nothing_behind():
    with pytest.raises(RuntimeError, match="negative dimension"), building():
        nn.Linear(-1, 1)
    assert nn.Linear(1, 1).weight.device.type == "cpu"


@pytest.mark.bench
def test_faster_than_the_device_context():
    def best(context) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            with context():
                build("vit_h_14")
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(building) < best(lambda: torch.device("meta")) / 2


def test_only_a_large_grid_of_coordinates_goes_to_meta():
    with building():
        small, large = (torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")[0] for n in (7, 20))
    assert torch.equal(small[:, 0], torch.arange(7))
    assert large.is_meta
    assert large.shape == (20, 20)
