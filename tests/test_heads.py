"""Which layers follow the number of classes: in all of torchvision's models that have one."""

from functools import cached_property

import pytest
from torch import nn
from torchvision import models

from modelview.errors import EditError
from modelview.heads import head_sites
from modelview.sources.torchvision import Torchvision

BOX = ("roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred")
LEVELS = tuple(f"head.classification_head.module_list.{n}" for n in range(6))
COUNTED = ("fcos", "retinanet", "ssd")


@pytest.mark.parametrize(
    ("name", "weights", "paths"),
    [
        ("resnet50", None, ("fc",)),
        ("resnet50", "DEFAULT", ("fc",)),
        ("alexnet", None, ("classifier.6",)),
        ("densenet121", None, ("classifier",)),
        ("squeezenet1_1", None, ("classifier.1",)),
        ("vit_b_32", None, ("heads.head",)),
        ("googlenet", None, ("aux1.fc2", "aux2.fc2", "fc")),
        ("googlenet", "DEFAULT", ("fc",)),
        ("inception_v3", "DEFAULT", ("AuxLogits.fc", "fc")),
        ("fcn_resnet50", None, ("classifier.4",)),
        ("fcn_resnet50", "DEFAULT", ("classifier.4", "aux_classifier.4")),
        ("lraspp_mobilenet_v3_large", None, ("classifier.low_classifier", "classifier.high_classifier")),
        ("maskrcnn_resnet50_fpn", "DEFAULT", (*BOX, "roi_heads.mask_predictor.mask_fcn_logits")),
        ("keypointrcnn_resnet50_fpn", None, BOX),
        ("retinanet_resnet50_fpn", "DEFAULT", ("head.classification_head.cls_logits",)),
        ("ssd300_vgg16", None, LEVELS),
        ("ssdlite320_mobilenet_v3_large", "DEFAULT", tuple(f"{path}.1" for path in LEVELS)),
        ("s3d", None, ("classifier.1",)),
    ],
)
def test_layers(name: str, weights: str | None, paths: tuple[str, ...]) -> None:
    assert tuple(path for path, _, _ in head_sites(Torchvision(name, weights), 7).layers) == paths


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("resnet50", ()),
        ("swin_t", (("", "num_classes", 7),)),
        ("fcos_resnet50_fpn", (("head.classification_head", "num_classes", 7),)),
        ("retinanet_resnet50_fpn_v2", (("head.classification_head", "num_classes", 7),)),
        ("ssd300_vgg16", (("head.classification_head", "num_columns", 7),)),
    ],
)
def test_numbers_beside_the_layers(name: str, attributes: tuple[tuple[str, str, int], ...]) -> None:
    assert head_sites(Torchvision(name), 7).attributes == attributes


@pytest.mark.parametrize(("name", "present"), [("resnet18", 1000), ("retinanet_resnet50_fpn", 91)])
def test_the_number_it_has_already_finds_the_same(name: str, present: int) -> None:
    source = Torchvision(name)
    same, other = head_sites(source, present), head_sites(source, present + 1)
    assert [path for path, _, _ in same.layers] == [path for path, _, _ in other.layers]
    assert all(str(old) == str(new) for _, old, new in same.layers)
    assert [value for _, _, value in same.attributes] == [present] * len(other.attributes)


class Once(Torchvision):
    """A source that builds its structures once, so that a test can look at what `head_sites` was given."""

    @cached_property
    def built(self) -> nn.Module:
        return super().structure()

    @cached_property
    def other(self) -> "Once":
        return Once(self.name, keywords=(("num_classes", 7),))

    def structure(self) -> nn.Module:
        return self.built

    def with_classes(self, num_classes: int) -> "Once":
        assert num_classes == 7
        return self.other


@pytest.mark.zoo
@pytest.mark.parametrize("letter", sorted({name[0] for name in models.list_models()}))
def test_putting_the_layers_in_gives_the_model_with_other_classes(letter: str) -> None:
    for name in (n for n in models.list_models() if n.startswith(letter) and not n.startswith("raft")):
        source = Once(name)
        sites = head_sites(source, 7)
        model, wanted = source.structure(), source.with_classes(7).structure()
        assert all(isinstance(new, nn.Linear | nn.Conv2d | nn.Conv3d) for _, _, new in sites.layers), name
        assert str(model) != str(wanted)
        for path, _, new in sites.layers:
            model.set_submodule(path, new)
        for path, attribute, value in sites.attributes:
            setattr(model.get_submodule(path), attribute, value)
        assert str(model) == str(wanted), name
        assert shapes(model) == shapes(wanted), name
        inside = any(path == "head.classification_head" for path, _, _ in sites.attributes)
        assert inside == name.startswith(COUNTED)


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("source", "num_classes", "message"),
    [
        (Torchvision("raft_small"), 5, "RAFT predicts optical flow; it has no classes."),
        (Torchvision("resnet18"), 0, "num_classes is a whole number from 1 up; got 0."),
        (Torchvision("resnet18", "DEFAULT"), -1, "num_classes is a whole number from 1 up; got -1."),
    ],
)
def test_refuses(source: Torchvision, num_classes: int, message: str) -> None:
    with pytest.raises(EditError) as caught:
        head_sites(source, num_classes)
    assert str(caught.value) == message
