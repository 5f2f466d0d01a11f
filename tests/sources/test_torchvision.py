"""torchvision as a source: one form for each value, refusals in a sentence, structures as weights shape them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models import ResNet50_Weights
from torchvision.ops import FrozenBatchNorm2d

from modelview.errors import EditError, UnknownName
from modelview.sources.torchvision import Torchvision, torchvision

DETECTION = "fasterrcnn_resnet50_fpn"
NOT_MORE = "It takes num_classes, zero_init_residual, groups, width_per_group, replace_stride_with_dilation."


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (torchvision("resnet50"), Torchvision("resnet50")),
        (torchvision("resnet50", weights="DEFAULT"), Torchvision("resnet50", "IMAGENET1K_V2")),
        (torchvision("resnet50", weights="ResNet50_Weights.IMAGENET1K_V1"), Torchvision("resnet50", "IMAGENET1K_V1")),
        (torchvision("resnet50", weights=ResNet50_Weights.DEFAULT), Torchvision("resnet50", "IMAGENET1K_V2")),
        (torchvision("quantized_resnet50", weights="DEFAULT"), Torchvision("quantized_resnet50", "IMAGENET1K_V2")),
        (torchvision("resnet50", weights="DEFAULT", num_classes=1000).weights, "IMAGENET1K_V2"),
        (torchvision("resnet18", num_classes=10, groups=1).keywords, (("groups", 1), ("num_classes", 10))),
        (
            torchvision("resnet50", replace_stride_with_dilation=[False, True, True]).keywords,
            (("replace_stride_with_dilation", (False, True, True)),),
        ),
        (Torchvision("resnet18", seed=7).origin, "torchvision · random weights, seed 7"),
        (Torchvision("resnet50", "DEFAULT").origin, "torchvision · IMAGENET1K_V2"),
    ],
)
def test_one_value_for_one_meaning(made: Any, value: Any) -> None:
    assert made == value
    assert hash(made) == hash(value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("resnet5", {}, "No torchvision model is called 'resnet5'. Did you mean 'resnet50' or 'resnet152'?"),
        ("ResNet50", {}, "No torchvision model is called 'ResNet50'. Did you mean"),
        ("", {}, "No torchvision model is called ''"),
        (
            "resnet50",
            {"weights": "IMAGENET"},
            "resnet50 has no weights called 'IMAGENET'. It has 'IMAGENET1K_V1' and 'IMAGENET1K_V2', or 'DEFAULT'.",
        ),
        ("resnet50", {"weights": "ResNet18_Weights.IMAGENET1K_V1"}, "has no weights called 'ResNet18_Weights.IMAG"),
        ("resnet50", {"weights": True}, "weights is a name such as 'DEFAULT', or None; got True."),
        (
            "resnet50",
            {"weights": "DEFAULT", "num_classes": 10},
            "IMAGENET1K_V2 of resnet50 has 1000 classes: open it with 1000, then SwapHead(num_classes=10).",
        ),
        ("resnet50", {"colour": 1}, f"resnet50 takes no keyword 'colour'. {NOT_MORE}"),
        ("resnet50", {"layers": (1, 1)}, f"resnet50 takes no keyword 'layers'. {NOT_MORE}"),
        ("deeplabv3_resnet50", {"colour": 1}, "'colour'. It takes num_classes, aux_loss, weights_backbone."),
        ("mobilenet_v3_small", {"colour": 1}, "'colour'. It takes width_mult, reduced_tail, dilated, num_classes"),
        ("raft_large", {"num_classes": 5}, "raft_large takes no keyword 'num_classes'."),
        ("resnet50", {"progress": False}, "'progress' is no keyword of resnet50: modelview sets it."),
        ("resnet50", {"pretrained": True}, "'pretrained' is no keyword of resnet50: modelview sets it."),
        ("resnet50", {"num_classes": 0}, "num_classes is a whole number from 1 up; got 0."),
        ("resnet50", {"num_classes": True}, "num_classes is a whole number from 1 up; got True."),
        ("resnet50", {"num_classes": "10"}, "num_classes is a whole number from 1 up; got '10'."),
        ("resnet50", {"num_classes": 10**12}, "would take 8,196,000 GB of weights; this machine has"),
        ("resnet50", {"num_classes": 10**30}, "torchvision cannot build resnet50(num_classes=1000000"),
        ("resnet50", {"groups": nn.Linear(1, 1)}, "resnet50 is opened with plain values; groups=Linear("),
        ("efficientnet_b0", {"dropout": float("nan")}, "opened with plain values; dropout=nan"),
        ("resnet18", {"groups": 2}, "torchvision cannot build resnet18(groups=2): BasicBlock only supports groups=1 a"),
        ("vit_b_16", {"image_size": 225}, "cannot build vit_b_16(image_size=225): Input shape indivisible by patch"),
        ("resnet50", {"groups": 0}, "torchvision cannot build resnet50(groups=0):"),
        ("resnet18", {"norm_layer": "BatchNorm2d"}, "(norm_layer='BatchNorm2d'): 'str' object is not callable."),
        (DETECTION, {"weights_backbone": "V9"}, "The backbone of fasterrcnn_resnet50_fpn has no weights called 'V9'."),
        (
            "vit_b_16",
            {"weights": "IMAGENET1K_SWAG_E2E_V1", "image_size": 224},
            "The parameter 'image_size' expected value 384 but got 224 instead.",
        ),
        ("quantized_resnet18", {"quantize": True}, "quantize=True packs the weights into integers"),
        ("resnet18", {"seed": -1}, "A seed is a whole number from 0 up; got -1."),
        ("resnet18", {"seed": 1.0}, "A seed is a whole number from 0 up; got 1.0."),
    ],
)
def test_refuses(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        torchvision(name, **given)
    assert message in str(caught.value)


def test_unknown_names_are_unknown_names() -> None:
    for name, weights in [("resnet5", None), ("resnet50", "V9")]:
        with pytest.raises(UnknownName):
            Torchvision(name, weights)


@pytest.mark.parametrize(
    ("name", "weights", "look", "expected"),
    [
        (DETECTION, "DEFAULT", lambda m: (type(m.backbone.body.bn1), m.backbone.body.bn1.eps), (FrozenBatchNorm2d, 0)),
        (DETECTION, None, lambda m: type(m.backbone.body.bn1), nn.BatchNorm2d),
        (DETECTION, "DEFAULT", lambda m: m.backbone.body.conv1.weight.requires_grad, False),
        ("keypointrcnn_resnet50_fpn", "COCO_LEGACY", lambda m: m.backbone.body.bn1.eps, 1e-5),
        ("deeplabv3_resnet50", "DEFAULT", lambda m: m.aux_classifier is None, False),
        ("deeplabv3_resnet50", None, lambda m: m.aux_classifier, None),
        ("googlenet", "DEFAULT", lambda m: (m.aux1, m.aux_logits, m.transform_input), (None, False, True)),
        ("googlenet", None, lambda m: (m.aux1 is None, m.aux_logits, m.transform_input), (False, True, False)),
        ("inception_v3", "DEFAULT", lambda m: (m.AuxLogits is None, m.transform_input), (False, True)),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", lambda m: m.image_size, 384),
    ],
)
def test_weights_decide_structure(name: str, weights: str | None, look: Any, expected: Any) -> None:
    assert look(Torchvision(name, weights).structure()) == expected


@pytest.mark.parametrize(
    ("name", "weights"), [("resnet50", None), ("resnet50", "DEFAULT"), ("deeplabv3_resnet50", "DEFAULT")]
)
def test_another_number_of_classes_keeps_what_weights_decide(name: str, weights: str | None) -> None:
    source = Torchvision(name, weights)
    old, new = source.structure(), source.with_classes(7).structure()
    assert list(old.state_dict()) == list(new.state_dict())
    shapes = {tuple(p.shape)[:1] for p in new.parameters()} - {tuple(p.shape)[:1] for p in old.parameters()}
    assert shapes == {(7,)}


@pytest.mark.parametrize(
    ("source", "num_classes", "message"),
    [
        (Torchvision("raft_large"), 5, "RAFT predicts optical flow; it has no classes."),
        (Torchvision("resnet18"), 0, "num_classes is a whole number from 1 up; got 0."),
        (Torchvision("resnet18", "DEFAULT"), "5", "num_classes is a whole number from 1 up; got '5'."),
    ],
)
def test_no_such_number_of_classes(source: Torchvision, num_classes: Any, message: str) -> None:
    with pytest.raises(EditError) as caught:
        source.with_classes(num_classes)
    assert str(caught.value) == message


def test_weights_for_other_classes_do_not_exist() -> None:
    with pytest.raises(EditError, match=r"IMAGENET1K_V1 has no weights for 7 classes; use SwapHead\."):
        Torchvision("resnet18", "DEFAULT").with_classes(7).load()


@pytest.mark.parametrize(
    ("source", "shapes"),
    [
        (Torchvision("resnet50"), ((1, 3, 224, 224),)),
        (Torchvision("inception_v3"), ((1, 3, 299, 299),)),
        (Torchvision("efficientnet_b7"), ((1, 3, 600, 600),)),
        (Torchvision("quantized_resnet18"), ((1, 3, 224, 224),)),
        (Torchvision("vit_h_14"), ((1, 3, 224, 224),)),
        (Torchvision("vit_h_14", "DEFAULT"), ((1, 3, 518, 518),)),
        (Torchvision("vit_b_16", keywords=(("image_size", 64),)), ((1, 3, 64, 64),)),
        (Torchvision("maxvit_t", keywords=(("input_size", (448, 448)),)), ((1, 3, 448, 448),)),
        (Torchvision("fcn_resnet50"), ((1, 3, 520, 520),)),
        (Torchvision(DETECTION), ((1, 3, 800, 800),)),
        (Torchvision(DETECTION, keywords=(("min_size", 128),)), ((1, 3, 128, 128),)),
        (Torchvision("fasterrcnn_mobilenet_v3_large_320_fpn"), ((1, 3, 320, 320),)),
        (Torchvision("ssd300_vgg16"), ((1, 3, 300, 300),)),
        (Torchvision("ssdlite320_mobilenet_v3_large"), ((1, 3, 320, 320),)),
        (Torchvision("r3d_18"), ((1, 3, 16, 112, 112),)),
        (Torchvision("s3d"), ((1, 3, 128, 224, 224),)),
        (Torchvision("mvit_v2_s"), ((1, 3, 16, 224, 224),)),
        (Torchvision("swin3d_t"), ((1, 3, 32, 224, 224),)),
        (Torchvision("raft_small"), ((1, 3, 520, 960),) * 2),
    ],
)
def test_example(source: Torchvision, shapes: Any) -> None:
    assert source.example == shapes


def runs(source: Torchvision) -> None:
    on_meta = not source.name.startswith(("faster", "mask", "keypoint", "fcos", "retina", "ssd"))
    model = source.structure() if on_meta else source.load()
    device = "meta" if on_meta else "cpu"
    with torch.no_grad():
        model(*source.arguments(*[torch.zeros(shape, device=device) for shape in source.example]))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        *[("resnet18", None), ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"), ("vit_h_14", None), ("maxvit_t", None)],
        *[("lraspp_mobilenet_v3_large", "DEFAULT"), ("raft_small", None), ("r3d_18", None), ("googlenet", "DEFAULT")],
        *[("mvit_v1_b", None), ("swin3d_t", None), ("quantized_shufflenet_v2_x0_5", None)],
        *[("ssdlite320_mobilenet_v3_large", None)],
    ],
)
def test_runs_on_its_example(name: str, weights: str | None) -> None:
    runs(Torchvision(name, weights))


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models())
def test_every_model_runs_on_its_example(name: str) -> None:
    runs(Torchvision(name))


def test_a_detection_model_takes_a_list_of_images() -> None:
    images = torch.zeros(2, 3, 8, 8)
    (listed,) = Torchvision(DETECTION).arguments(images)
    assert [tuple(image.shape) for image in listed] == [(3, 8, 8)] * 2
    assert Torchvision("resnet18").arguments(images) == (images,)


def test_another_thread_loads_real_weights_meanwhile() -> None:
    """The one function of torch that is replaced, `load_state_dict`, works for everybody else as before."""
    stop = threading.Event()

    def structures() -> None:
        while not stop.is_set():
            Torchvision("squeezenet1_1", "DEFAULT").structure()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(structures)
        for _ in range(20):
            model, other = nn.Linear(2, 2), nn.Linear(2, 2)
            model.load_state_dict(other.state_dict())
            assert torch.equal(model.weight, other.weight)
            with pytest.raises(RuntimeError, match="Missing key"):
                model.load_state_dict({})
        stop.set()
        running.result()
