"""Weights of an ONNX model wherever they are: initializers, constants, and the bodies of If and Loop."""

from pathlib import Path

import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor

import modelview as mv
from modelview.checkpoints.limits import Limits
from modelview.errors import CheckpointError
from tests.checkpoints.making import onnx_constant

FLAG = helper.make_tensor_value_info("flag", onnx.TensorProto.BOOL, [])
Y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)


def value(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape or (2, 3), generator=torch.Generator().manual_seed(seed))


def graph(*nodes: onnx.NodeProto, kept: dict[str, Tensor] | None = None) -> onnx.GraphProto:
    values = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in (kept or {}).items()]
    return helper.make_graph(nodes, "g", [], [Y], values)


def branching(name: str, then: onnx.GraphProto, otherwise: onnx.GraphProto) -> onnx.NodeProto:
    """Which the library writes with the other branch first: its attributes are sorted."""
    return helper.make_node("If", ["flag"], [f"{name or 'if'}_y"], name, then_branch=then, else_branch=otherwise)


def saved(path: Path, *nodes: onnx.NodeProto, kept: dict[str, Tensor] | None = None) -> Path:
    outer = graph(*nodes, kept=kept)
    outer.input.append(FLAG)
    onnx.save(helper.make_model(outer), path)
    return path


def listed(path: Path) -> dict[str, Tensor]:
    ck = mv.read(path, verify=True)
    return {name: ck.tensor(name) for name in ck.tensors}


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_constants_have_the_name_of_what_they_put_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "m", onnx_constant("conv.weight", value(1)), onnx_constant("conv.bias", value(2, 4)))
    assert_same(listed(path), {"conv.weight": value(1), "conv.bias": value(2, 4)})
    assert mv.read(path).notes == (
        "An ONNX model: its initializers and constants are read, its graph is only counted.",
    )


def test_what_a_graph_computes_with_is_counted_and_not_listed(tmp_path: Path) -> None:
    small = [torch.tensor(1.5), torch.tensor(3), torch.tensor([1, -1, 4]), torch.tensor([True, False])]
    text = helper.make_node("Constant", [], ["t"], value=helper.make_tensor("", onnx.TensorProto.STRING, [1], [b"a"]))
    number = helper.make_node("Constant", [], ["n"], value_float=2.0)
    nodes = [onnx_constant(f"c{n}", tensor) for n, tensor in enumerate(small)]
    table = torch.arange(6).reshape(2, 3)
    path = saved(tmp_path / "m", *nodes, text, number, onnx_constant("table", table), kept={"axes": torch.tensor([1])})
    assert_same(listed(path), {"table": table, "axes": torch.tensor([1])})
    extras = mv.read(path).extras
    assert extras["constants not listed"] == "5: single numbers, texts and lists of whole numbers"
    assert extras["nodes"] == "7 Constant"


def test_the_bodies_of_if_and_loop_are_read_to_any_depth(tmp_path: Path) -> None:
    inner = branching("inner", graph(onnx_constant("deep", value(3))), graph(kept={"kept": value(4)}))
    body = helper.make_node("Loop", ["", "flag"], ["loop_y"], "loop", body=graph(onnx_constant("looped", value(5))))
    path = saved(tmp_path / "m", branching("outer", graph(inner), graph(body)), kept={"w": value(6)})
    wanted = {"w": value(6), "looped": value(5), "kept": value(4), "deep": value(3)}
    assert_same(listed(path), wanted)
    assert mv.read(path).extras["nodes"] == "2 If, 2 Constant, 1 Loop"


def test_a_name_that_is_taken_stands_behind_its_node(tmp_path: Path) -> None:
    both = [graph(onnx_constant("w", value(n))) for n in (2, 3)]
    path = saved(tmp_path / "m", branching("rate", *both), kept={"w": value(1)})
    wanted = {"w": value(1), "rate.else_branch.w": value(3), "rate.then_branch.w": value(2)}
    assert_same(listed(path), wanted)


def test_nodes_of_one_name_or_none_are_told_apart(tmp_path: Path) -> None:
    pairs = [[graph(onnx_constant("w", value(n))) for n in (first, first + 1)] for first in (2, 4, 6)]
    nodes = [branching(name, then, otherwise) for name, (otherwise, then) in zip(("a", "a", ""), pairs, strict=True)]
    names = ["w"]
    names += ["a.else_branch.w", "a.then_branch.w", "a.else_branch-2.w", "a.then_branch-2.w"]
    names += ["if_y.else_branch.w", "if_y.then_branch.w"]
    path = saved(tmp_path / "m", *nodes, kept={"w": value(1)})
    assert_same(listed(path), {name: value(n) for n, name in enumerate(names, start=1)})


def field(number: int, content: bytes) -> bytes:
    """One field with a length, as protocol buffers have it."""
    length, size = len(content), b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def nested(depth: int, innermost: bytes = b"") -> bytes:
    """A model whose graph has a node whose attribute has a graph, and so on."""
    content = innermost
    for _ in range(depth - 1):
        content = field(1, field(3, b"n") + field(4, b"If") + field(5, field(1, b"body") + field(6, content)))
    return b"\x08\x08" + field(7, content)


WEIGHT = field(5, b"\x08\x02\x10\x01" + field(8, b"w") + field(9, bytes(8)))


def test_depth_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(nested(500, WEIGHT))
    assert list(mv.read(path).tensors) == ["w"]
    path.write_bytes(nested(501, WEIGHT))
    with pytest.raises(CheckpointError) as caught:
        mv.read(path)
    sentence = "The graphs of the model are nested deeper than the limit of {} levels (MODELVIEW_READ_DEPTH)."
    assert str(caught.value).endswith(sentence.format(500))
    path.write_bytes(nested(20_000))
    with pytest.raises(CheckpointError, match="nested deeper"):
        mv.read(path)
    path.write_bytes(nested(4, WEIGHT))
    with pytest.raises(CheckpointError) as caught:
        mv.read(path, limits=Limits(depth=3))
    assert str(caught.value).endswith(sentence.format(3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nested(1, WEIGHT + WEIGHT), "The model has two tensors called 'w'."),
        (nested(2, WEIGHT + WEIGHT + WEIGHT), "The model has two tensors called 'n.body.w'."),
        (nested(3, WEIGHT[:-1]), "The model is truncated: a field goes on behind the end"),
        (nested(2, WEIGHT.replace(b"\x08\x02", b"\x08\x03")), "'w' of shape (3,) has 8 bytes, not 12."),
        (nested(1, field(1, field(4, b"Constant") + field(5, b"\x28\x01"))), "a field is of the wrong kind"),
        (nested(1, field(1, field(4, b"If") + field(5, b"\x30\x01"))), "a field is of the wrong kind"),
    ],
    ids=["twice", "twice inside", "cut", "too few bytes", "a number as a tensor", "a number as a graph"],
)
def test_what_is_broken_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        mv.read(tmp_path / "m")
    assert message in str(caught.value)


def test_many_graphs_at_the_bottom_stay_small(tmp_path: Path) -> None:
    branch = field(1, field(3, b"n" * 100) + field(5, field(6, b"")))
    (tmp_path / "m").write_bytes(nested(400, branch * 20_000 + WEIGHT))
    assert list(mv.read(tmp_path / "m", limits=Limits(memory_mb=300)).tensors) == ["w"]
