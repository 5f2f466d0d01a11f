"""For each class that takes objects what may be given, as it stands in the form to be changed, and in the messages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_FPN = 'resnet_fpn_backbone(backbone_name="resnet18", weights=None)'
_DILATED = "models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])"
_LAYER4 = f'IntermediateLayerGetter({_DILATED}, {{"layer4": "out"}})'


def _listed(*calls: str) -> str:
    return "\n".join(["[", *(f"    {call}," for call in calls), "]"])


_MOBILENET_V3 = {
    "inverted_residual_setting": _listed(
        'InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1)',
        'InvertedResidualConfig(16, 3, 72, 24, False, "RE", 2, 1, 1)',
        'InvertedResidualConfig(24, 3, 88, 24, False, "RE", 1, 1, 1)',
        'InvertedResidualConfig(24, 5, 96, 40, True, "HS", 2, 1, 1)',
    ),
    "last_channel": 1024,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "ConvNeXt": {
            "block_setting": _listed(
                "CNBlockConfig(96, 192, 3)",
                "CNBlockConfig(192, 384, 3)",
                "CNBlockConfig(384, 768, 9)",
                "CNBlockConfig(768, None, 3)",
            )
        },
        "DeepLabV3": {"backbone": _LAYER4, "classifier": "DeepLabHead(2048, 21)"},
        "EfficientNet": {
            "inverted_residual_setting": _listed(
                "MBConvConfig(1, 3, 1, 32, 16, 1)",
                "MBConvConfig(6, 3, 2, 16, 24, 2)",
                "MBConvConfig(6, 5, 2, 24, 40, 2)",
                "MBConvConfig(6, 3, 2, 40, 80, 3)",
                "MBConvConfig(6, 5, 1, 80, 112, 3)",
                "MBConvConfig(6, 5, 2, 112, 192, 4)",
                "MBConvConfig(6, 3, 1, 192, 320, 1)",
            ),
            "dropout": 0.2,
        },
        "FCN": {"backbone": _LAYER4, "classifier": "FCNHead(2048, 21)"},
        "FCOS": {"backbone": _FPN, "num_classes": 91},
        "FasterRCNN": {"backbone": _FPN, "num_classes": 91},
        "KeypointRCNN": {"backbone": _FPN, "num_classes": 2},
        "LRASPP": {
            "backbone": (
                "IntermediateLayerGetter(models.mobilenet_v3_large(weights=None, dilated=True).features, "
                '{"4": "low", "16": "high"})'
            ),
            "low_channels": 40,
            "high_channels": 960,
            "num_classes": 21,
        },
        "MViT": {
            "spatial_size": (224, 224),
            "temporal_size": 16,
            "block_setting": _listed(
                "MSBlockConfig(1, 96, 192, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 8, 8])",
                "MSBlockConfig(2, 192, 384, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 4, 4])",
            ),
            "residual_pool": True,
            "residual_with_cls_embed": False,
            "rel_pos_embed": True,
            "proj_after_attn": True,
        },
        "MaskRCNN": {"backbone": _FPN, "num_classes": 91},
        "MobileNetV3": _MOBILENET_V3,
        "QuantizableMobileNetV3": _MOBILENET_V3,
        "RAFT": {
            "feature_encoder": (
                "FeatureEncoder(block=BottleneckBlock, layers=(32, 32, 64, 96, 128), norm_layer=nn.InstanceNorm2d)"
            ),
            "context_encoder": "FeatureEncoder(block=BottleneckBlock, layers=(32, 32, 64, 96, 160), norm_layer=None)",
            "corr_block": "CorrBlock(num_levels=4, radius=3)",
            "update_block": (
                "UpdateBlock(motion_encoder=MotionEncoder(in_channels_corr=196, corr_layers=(96,), "
                "flow_layers=(64, 32), out_channels=82), recurrent_block=RecurrentBlock(input_size=146, "
                "hidden_size=96, kernel_size=(3,), padding=(1,)), flow_head=FlowHead(in_channels=96, hidden_size=128))"
            ),
        },
        "RegNet": {
            "block_params": "BlockParams.from_init_params(depth=22, w_0=24, w_a=24.48, w_m=2.54, group_width=16)"
        },
        "RetinaNet": {
            "backbone": (
                'resnet_fpn_backbone(backbone_name="resnet18", weights=None, returned_layers=[2, 3, 4], '
                "extra_blocks=LastLevelP6P7(256, 256))"
            ),
            "num_classes": 91,
        },
        "SSD": {
            "backbone": "SSDFeatureExtractorVGG(models.vgg16(weights=None).features, highres=False)",
            "anchor_generator": (
                "DefaultBoxGenerator([[2], [2, 3], [2, 3], [2, 3], [2], [2]], "
                "scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05], steps=[8, 16, 32, 64, 100, 300])"
            ),
            "size": (300, 300),
            "num_classes": 91,
        },
        "VGG": {"features": 'make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"])'},
        "VideoResNet": {
            "block": "BasicBlock",
            "conv_makers": "[Conv3DSimple] * 4",
            "layers": (2, 2, 2, 2),
            "stem": "BasicStem",
        },
    }
)
