"""A small model of each of torchvision's classes."""

from typing import Any

from modelview.sources.torchvision_class import EXAMPLES

SIDE = {"min_size": 128, "max_size": 128}
BOTTLENECKS = '[InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 1)]'
LAYER1 = 'IntermediateLayerGetter(models.resnet18(), {"layer1": "out"})'
SMALL: dict[str, dict[str, Any]] = {
    "AlexNet": {"num_classes": 3},
    "ConvNeXt": {"block_setting": "[CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)]"},
    "DeepLabV3": {"backbone": LAYER1, "classifier": "DeepLabHead(64, 4)"},
    "DenseNet": {"growth_rate": 8, "block_config": (2, 2, 2, 2)},
    "EfficientNet": {"inverted_residual_setting": ["MBConvConfig(1, 3, 1, 32, 16, 1)"]},
    "FCN": {"backbone": LAYER1, "classifier": "FCNHead(64, 4)", "aux_classifier": None},
    "FCOS": SIDE,
    "FasterRCNN": SIDE,
    "GoogLeNet": {"aux_logits": False, "num_classes": 4},
    "Inception3": {"aux_logits": False, "num_classes": 4},
    "KeypointRCNN": {**SIDE, "box_detections_per_img": 5},
    "MNASNet": {"alpha": 0.5},
    "MViT": {
        "spatial_size": (32, 32),
        "temporal_size": 4,
        "block_setting": ["MSBlockConfig(1, 96, 96, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2])"] * 2,
    },
    "MaskRCNN": {**SIDE, "box_detections_per_img": 5},
    "MaxVit": {
        "input_size": (64, 64),
        "stem_channels": 16,
        "partition_size": 2,
        "block_channels": [16, 32],
        "block_layers": [1, 1],
        "head_dim": 8,
        "stochastic_depth_prob": 0.1,
    },
    "MobileNetV2": {"inverted_residual_setting": [[1, 16, 1, 1], [6, 24, 2, 2]]},
    "QuantizableGoogLeNet": {"aux_logits": False},
    "QuantizableInception3": {"aux_logits": False},
    "QuantizableMobileNetV2": {"width_mult": 0.25},
    "QuantizableMobileNetV3": {"inverted_residual_setting": BOTTLENECKS, "last_channel": 32},
    "QuantizableResNet": {"block": "QuantizableBasicBlock", "layers": [1, 1, 1, 1]},
    "QuantizableShuffleNetV2": {"stages_repeats": [1, 1, 1], "stages_out_channels": [24, 48, 96, 192, 512]},
    "RegNet": {"block_params": "BlockParams([1, 1], [16, 32], [8, 8], [1.0, 1.0], [2, 2], se_ratio=0.25)"},
    "ResNet": {"block": "BasicBlock", "layers": [1, 2, 1, 1], "norm_layer": "InstanceNorm2d"},
    "RetinaNet": SIDE,
    "ShuffleNetV2": {"stages_repeats": [2, 2, 2], "stages_out_channels": [24, 48, 96, 192, 512]},
    "SqueezeNet": {"version": "1_1"},
    "SwinTransformer": {
        "patch_size": [4, 4],
        "embed_dim": 24,
        "depths": [2, 2],
        "num_heads": [2, 4],
        "window_size": [7, 7],
        "block": "SwinTransformerBlockV2",
        "downsample_layer": "PatchMergingV2",
    },
    "SwinTransformer3d": {
        "patch_size": [2, 4, 4],
        "embed_dim": 24,
        "depths": [1, 1],
        "num_heads": [2, 4],
        "window_size": [2, 7, 7],
        "norm_layer": "partial(nn.LayerNorm, eps=1e-05)",
    },
    "VGG": {"features": "make_layers([16, 'M', 512, 'M'], batch_norm=True)", "dropout": 0.1},
    "VideoResNet": {
        "layers": [1, 1, 1, 1],
        "conv_makers": ["Conv2Plus1D", "Conv3DSimple", "Conv3DSimple", "Conv3DNoTemporal"],
    },
    "VisionTransformer": {
        "image_size": 32,
        "patch_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
        "norm_layer": "LayerNorm",
    },
}


def arguments(name: str) -> dict[str, Any]:
    """Arguments of a small model of that class: those of the form's example where there is one."""
    return {**EXAMPLES.get(name, {}), **SMALL.get(name, {})}
