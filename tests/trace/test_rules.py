"""Every shape rule answers as torch does, on all models and where the arguments are wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from modelview.sources.torchvision import Torchvision
from modelview.structure import Structure
from modelview.trace import record, recorder
from tests.zoo import PLAIN


@pytest.mark.zoo
@pytest.mark.parametrize("name", PLAIN)
def test_all_models_trace_alike_with_and_without_rules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Torchvision(name)
    structure = Structure(source.structure(), source)
    ours = structure.trace
    assert ours.failed is None
    assert ours.device == "meta"
    assert not ours.totals.uncounted
    with monkeypatch.context() as patched:
        patched.setattr(recorder, "RULES", {})
        theirs = structure.run(source.example)
    assert [(op.name, op.path, op.inputs, op.shapes, op.macs) for op in ours.ops] == [
        (op.name, op.path, op.inputs, op.shapes, op.macs) for op in theirs.ops
    ]
    assert ours.output == theirs.output
    assert [(c.path, c.inputs, c.outputs) for c in ours.calls] == [(c.path, c.inputs, c.outputs) for c in theirs.calls]


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "densenet121", "googlenet", "inception_v3", "efficientnet_b0", "mobilenet_v3_small", "vit_b_32"),
        *("swin_v2_t", "maxvit_t", "mvit_v1_b", "convnext_tiny", "shufflenet_v2_x0_5", "alexnet", "swin3d_t", "s3d"),
        *("deeplabv3_mobilenet_v3_large", "raft_small"),
    ],
)
def test_models_run_alike_in_train_mode_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Torchvision(name)
    structure = Structure(source.structure(), source)
    two = [(2, *shape[1:]) for shape in source.example]
    ours = structure.run(two, train=True)
    monkeypatch.setattr(recorder, "RULES", {})
    theirs = structure.run(two, train=True)
    assert ours.failed is None
    assert (ours.calls, ours.output, ours.totals) == (theirs.calls, theirs.output, theirs.totals)


@pytest.mark.zoo
@pytest.mark.parametrize("name", PLAIN)
def test_macs_are_those_of_the_flop_counter(name: str) -> None:
    source = Torchvision(name)
    structure = Structure(source.structure(), source)
    tensors = [torch.empty(shape, device="meta") for shape in source.example]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        structure.model(*source.arguments(*tensors))
    assert structure.trace.totals.macs * 2 == counter.get_total_flops()


M = torch.empty(2, 4, 8, 8, device="meta")
W = torch.empty(6, 4, 3, 3, device="meta")
V = torch.empty(4, device="meta")
X = torch.empty(2, 5, 16, device="meta")
A = torch.empty(48, 16, device="meta")
O = torch.empty(16, 16, device="meta")  # noqa: E741


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.batch_norm(M, V, V),
        lambda: F.batch_norm(M, V, V, V, V, False, 0.1, 1e-3),
        lambda: F.batch_norm(M, None, None, training=True),
        lambda: F.batch_norm(M, V, V, V, V, True),
        lambda: F.batch_norm(M, V, V, torch.empty(5, device="meta"), V, True),
        lambda: F.batch_norm(M[:1, :, :1, :1], V, V, training=True),
        lambda: F.batch_norm(M, None, None),
        lambda: F.batch_norm(M, torch.empty(5, device="meta"), V),
        lambda: F.layer_norm(X, (16,), torch.empty(16, device="meta")),
        lambda: F.layer_norm(X, (15,)),
        lambda: F.layer_norm(X, [5, 16]),
        lambda: F.conv2d(M, W),
        lambda: F.conv2d(M, W, None, 2, 1, 2),
        lambda: F.conv2d(M, W, padding="same"),
        lambda: F.conv2d(M, W, torch.empty(5, device="meta")),
        lambda: F.conv2d(M, W, groups=2),
        lambda: F.conv2d(M[0], W),
        lambda: F.conv2d(M[:, :, :2], W),
        lambda: F.conv2d(M.half(), W),
        lambda: F.linear(X, torch.empty(3, 16, device="meta")),
        lambda: F.linear(X, torch.empty(3, 15, device="meta")),
        lambda: F.linear(X, torch.empty(16, device="meta")),
        lambda: F.linear(X, torch.empty(3, 16, device="meta"), torch.empty(4, device="meta")),
        lambda: F.relu(M),
        lambda: F.relu(M, True),
        lambda: F.hardtanh(M, 0.0, 6.0, True),
        lambda: F.gelu(M, approximate="tanh"),
        lambda: F.gelu(M, approximate="nonsense"),
        lambda: F.leaky_relu(M, 0.1, True),
        lambda: F.softmax(X, dim=-1),
        lambda: F.softmax(X, dim=3),
        lambda: F.softmax(X, dim=1, dtype=torch.float64),
        lambda: F.dropout(M, 0.5, False),
        lambda: F.dropout(M, 1.5, False),
        lambda: F.dropout(M),
        lambda: F.dropout(M.permute(0, 2, 3, 1), 0.5, True, True),
        lambda: F.dropout(M.permute(0, 2, 3, 1)[:, 1:], 1.0),
        lambda: F.dropout(M, 1.5),
        lambda: F.dropout(M.int()),
        lambda: M + M,
        lambda: M + V.view(4, 1, 1),
        lambda: M + M[:, :3],
        lambda: M + 1,
        lambda: M + M.half(),
        lambda: torch.add(M, M, alpha=2),
        lambda: M.add_(M),
        lambda: M.add_(M[:, :3]),
        lambda: M * M,
        lambda: M * M[:, :, :1, :1].contiguous(),
        lambda: M[:1, :1].contiguous() * M[:, :, :1, :1].contiguous(),
        lambda: M.add_(torch.empty(2, 4, 8, 1, device="meta")),
        lambda: torch.empty(2, 4, 8, 1, device="meta").add_(M),
        lambda: M.transpose(1, 2) + M.transpose(1, 2),
        lambda: M.permute(0, 2, 3, 1) * V,
        lambda: M.permute(0, 2, 3, 1) * torch.empty(7, device="meta"),
        lambda: V.view(4, 1, 1) * M.permute(0, 1, 3, 2),
        lambda: M[:, :, ::2] + 1.5,
        lambda: torch.sigmoid(M.permute(0, 2, 3, 1)[:, :, 1:]),
        lambda: torch.sigmoid(M[:, :, ::2, :1]),
        lambda: torch.sigmoid(M.as_strided((2, 3, 4), (1, 1, 8))),
        lambda: torch.sigmoid(M.expand(3, 2, 4, 8, 8)),
        lambda: 1 - M,
        lambda: M / 2,
        lambda: M / M.int(),
        lambda: M.int() / 2,
        lambda: M.int() + M.int(),
        lambda: M - V,
        lambda: M.expand(3, 2, 4, 8, 8) + M,
        lambda: torch.cat([M, M], 1),
        lambda: torch.cat([M, M[:, :3].contiguous()], dim=1),
        lambda: torch.cat((M, M[:, :3].contiguous()), dim=2),
        lambda: torch.cat([M, M], 4),
        lambda: torch.cat([M, M.half()], 0),
        lambda: torch.cat([]),
        lambda: torch.clamp(M, max=2.0),
        lambda: torch.clamp(M),
        lambda: F.normalize(X, dim=-1),
        lambda: F.normalize(X, dim=3),
        lambda: torch.roll(M, shifts=(1, 2), dims=(2, 3)),
        lambda: torch.roll(M, shifts=(1, 2), dims=(2, 4)),
        lambda: torch.roll(M, shifts=(1,), dims=(2, 3)),
        lambda: torch.roll(M, 3),
        lambda: F.interpolate(M, size=(5, 6), mode="bilinear", align_corners=False),
        lambda: F.interpolate(M, size=5),
        lambda: F.interpolate(M, size=5, mode="bilinear", antialias=True),
        lambda: F.interpolate(M, size=5, mode="nearest", antialias=True),
        lambda: F.interpolate(M, size=5, recompute_scale_factor=True),
        lambda: F.interpolate(M, size=(5, 6, 7), mode="bilinear"),
        lambda: F.interpolate(M, size=(5, 6), mode="nonsense"),
        lambda: F.interpolate(M, size=(5, 6), mode="nearest", align_corners=True),
        lambda: F.interpolate(M, size=(0, 6)),
        lambda: F.interpolate(M, scale_factor=2),
        lambda: F.grid_sample(M, torch.empty(2, 3, 5, 2, device="meta"), align_corners=True),
        lambda: F.grid_sample(M, torch.empty(1, 3, 5, 2, device="meta"), align_corners=True),
        lambda: F.grid_sample(M, torch.empty(2, 3, 5, 3, device="meta"), align_corners=True),
        lambda: F.instance_norm(M),
        lambda: F.instance_norm(M[:, :, :1, :1].contiguous()),
        lambda: F.instance_norm(M, weight=V),
        lambda: F.conv1d(X, torch.empty(7, 5, 3, device="meta"), padding=1),
        lambda: F.conv1d(X, torch.empty(7, 6, 3, device="meta")),
        lambda: F.conv3d(M[None].contiguous(), torch.empty(6, 2, 3, 3, 3, device="meta"), None, (1, 2, 2), (1, 1, 1)),
        lambda: F.conv3d(M[None].contiguous(), torch.empty(6, 3, 3, 3, 3, device="meta")),
        lambda: F.max_pool2d(M, 3, 2, 1),
        lambda: F.max_pool2d(M, (2, 3)),
        lambda: F.max_pool2d(M, 3, 3, 1, ceil_mode=True),
        lambda: F.max_pool2d(M, 2, 5, 1, ceil_mode=True),
        lambda: F.max_pool2d(M, 3, dilation=2),
        lambda: F.max_pool2d(M, 3, padding=2),
        lambda: F.max_pool2d(M, 9),
        lambda: F.max_pool2d(M, 2, 0),
        lambda: F.max_pool2d(M, 2.5),
        lambda: F.max_pool2d(M[0], 2),
        lambda: F.max_pool2d(M.transpose(1, 3), 2),
        lambda: F.max_pool2d(M, 2, return_indices=True)[1],
        lambda: torch.max_pool2d(M, 2, []),
        lambda: F.avg_pool2d(M, 3, 2, 1, count_include_pad=False),
        lambda: F.avg_pool2d(M, 3, 2, ceil_mode=True),
        lambda: F.avg_pool2d(M, 2, divisor_override=3),
        lambda: F.avg_pool2d(M, 2, divisor_override=0),
        lambda: F.avg_pool2d(M, 9),
        lambda: F.adaptive_avg_pool2d(M, 1),
        lambda: F.adaptive_avg_pool2d(M, (3, None)),
        lambda: F.adaptive_avg_pool2d(M, -1),
        lambda: F.adaptive_avg_pool2d(M[0], (2, 2)),
        lambda: torch.sigmoid(M, out=torch.empty_like(M)),
        lambda: F.multi_head_attention_forward(
            X, X, X, 16, 4, A, A[:, 0], None, None, False, 0.0, O, O[0], training=False, need_weights=False
        )[0],
        lambda: F.multi_head_attention_forward(
            X, X, X, 15, 4, A, A[:, 0], None, None, False, 0.0, O, O[0], training=False, need_weights=False
        )[0],
        lambda: F.multi_head_attention_forward(
            X, X, X, 16, 3, A, A[:, 0], None, None, False, 0.0, O, O[0], training=False, need_weights=False
        )[0],
    ],
)
def test_a_rule_answers_and_refuses_as_torch_does(call: Callable[[], torch.Tensor]) -> None:
    seen: list[Any] = []

    class Asks(nn.Module):
        def forward(self, _: Any) -> torch.Tensor:
            result = call()
            seen.append((tuple(result.shape), result.stride(), result.dtype))
            return result

    try:
        wanted: Any = (tuple(call().shape), call().stride(), call().dtype)
    except Exception as error:  # noqa: BLE001
        wanted = error
    trace = record.record(Asks(), (torch.empty(1, device="meta"),))
    if isinstance(wanted, Exception):
        assert trace.failed is not None
        assert trace.failed.error == str(wanted)
    else:
        assert trace.failed is None
        assert seen == [wanted]
