"""Real weights: seeded where they are random, fetched once where they are not."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from modelview.errors import DownloadError
from modelview.sources.torchvision import Torchvision, weights_view


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that puts a state_dict where `member` is to be downloaded from; torch's cache is empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    (tmp_path / "www").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "www"))

    def publish(member: Any, content: Any) -> Path:
        file = tmp_path / "www" / "new.pth"
        torch.save(content, file)
        named = file.with_name(f"net-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth")
        url = f"http://127.0.0.1:{server.server_port}/{named.name}"
        monkeypatch.setattr(member.value, "url", url)
        return file.rename(named)

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield publish
        server.shutdown()


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(m == n and torch.equal(s, t) for (m, s), (n, t) in pairs)


def test_a_seed_makes_the_weights_and_nothing_else_changes() -> None:
    state = torch.random.get_rng_state()
    first = Torchvision("squeezenet1_1", seed=1).load()
    assert torch.equal(state, torch.random.get_rng_state())
    assert same(first, Torchvision("squeezenet1_1", seed=1).load())
    assert not same(first, Torchvision("squeezenet1_1", seed=2).load())
    assert not first.training
    assert all(p.device.type == "cpu" for p in first.parameters())


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "densenet121", "ssdlite320_mobilenet_v3_large", "lraspp_mobilenet_v3_large"]
)
def test_random_and_structure_agree(name: str) -> None:
    source = Torchvision(name)
    real, structure = source.load(), source.structure()
    assert str(real) == str(structure)
    assert [(n, p.shape, p.requires_grad) for n, p in real.named_parameters()] == [
        (n, p.shape, p.requires_grad) for n, p in structure.named_parameters()
    ]


@pytest.mark.parametrize(
    ("name", "member", "made"),
    [
        ("squeezenet1_1", models.SqueezeNet1_1_Weights.DEFAULT, {}),
        ("googlenet", models.GoogLeNet_Weights.DEFAULT, {"init_weights": False}),
        (
            "ssdlite320_mobilenet_v3_large",
            models.detection.SSDLite320_MobileNet_V3_Large_Weights.DEFAULT,
            {"weights_backbone": None},
        ),
    ],
)
def test_fetches_its_weights_once(published: Any, name: str, member: Any, made: dict[str, Any]) -> None:
    torch.manual_seed(5)
    trained = models.get_model(name, weights=None, **made)
    file = published(member, trained.state_dict())
    seen: list[tuple[int, int]] = []
    source = Torchvision(name, "DEFAULT")
    model = source.load(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (file.stat().st_size,) * 2
    wanted = trained.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in model.state_dict().items())
    assert str(model) == str(source.structure())
    file.unlink()
    assert same(model, source.load())
    assert not model.training


def test_a_backbone_may_have_weights(published: Any) -> None:
    trained = models.mobilenet_v3_large(weights=None)
    published(models.MobileNet_V3_Large_Weights.IMAGENET1K_V1, trained.state_dict())
    source = Torchvision("lraspp_mobilenet_v3_large", keywords=(("weights_backbone", "IMAGENET1K_V1"),))
    assert torch.equal(source.load().backbone["0"][0].weight, trained.features[0][0].weight)


@pytest.mark.parametrize(
    "content", [{"weight": torch.zeros(1)}, {}, [1, 2], nn.Linear], ids=["other", "empty", "list", "code"]
)
def test_a_file_that_does_not_fit(published: Any, content: Any) -> None:
    file = published(models.SqueezeNet1_1_Weights.DEFAULT, content)
    with pytest.raises(DownloadError) as caught:
        Torchvision("squeezenet1_1", "DEFAULT").load()
    assert f"{file.name} in {torch.hub.get_dir()}/checkpoints is damaged or holds something else" in str(caught.value)


def test_no_network_says_what_to_do(published: Any) -> None:
    published(models.SqueezeNet1_1_Weights.DEFAULT, {}).unlink()
    with pytest.raises(DownloadError, match=r"the server answered 404 .* by hand, or go on with random weights"):
        Torchvision("squeezenet1_1", "DEFAULT").load()


def test_what_comes_with_weights() -> None:
    view = weights_view(Torchvision("resnet50", "DEFAULT"))
    assert view is not None
    assert view.categories[:2] == ("tench", "goldfish")
    assert view.file == "resnet50-11ad3fa6.pth"
    assert view.transforms(torch.zeros(3, 500, 400)).shape == (3, 224, 224)
    assert "resized to resize_size=[232] using interpolation=bilinear" in view.preprocessing
    assert view.code.endswith("preprocess = models.ResNet50_Weights.IMAGENET1K_V2.transforms()")
    assert weights_view(Torchvision("resnet50")) is None
    swag = weights_view(Torchvision("vit_h_14", "DEFAULT"))
    assert swag is not None
    assert swag.licence.startswith("CC-BY-NC 4.0, not for commercial use: https://github.com/facebookresearch/SWAG")


@pytest.mark.parametrize("name", models.list_models())
def test_the_code_of_the_preprocessing_runs(name: str) -> None:
    view = weights_view(Torchvision(name, "DEFAULT"))
    assert view is not None
    names: dict[str, Any] = {}
    exec(view.code, names)
    assert str(names["preprocess"]) == str(view.transforms)
