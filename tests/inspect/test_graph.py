"""The graph is the quotient of the recorded pass: held against one by hand on small and real models."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import UnknownName
from modelview.inspect.graph import Graph, deepest, edited, fitting, graph, n_arrows, unfolded
from modelview.inspect.tints import tints
from modelview.opening import open_recipe
from modelview.recipe import trace
from modelview.trace.records import Trace
from modelview.trace.run import trace_module


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

    def forward(self, x: Tensor) -> Any:
        return self.relu(self.conv(self.relu(x)) + x)


class Net(nn.Module):
    """Residual, a module called twice, ops between modules, a module that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.blocks = nn.Sequential(Block(), Block())
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Any:
        x = self.blocks(self.stem(x))
        pooled = self.blocks[0](x).mean((2, 3))
        return self.head(torch.cat([pooled, x.amax((2, 3))], 1))


def net() -> Trace:
    return trace_module(Net(), torch.zeros(1, 3, 8, 8))


def real(name: str) -> Trace:
    return trace(open_recipe(name))


def by_hand(found: Trace, picture: Graph) -> set[tuple[str, str]]:
    """The arrows: an op belongs to the outermost folded call above it, or is its own; then the op's edges."""
    inside = {call.parent for call in found.calls}
    shown = {node.id for node in picture.nodes}

    def owner(index: int) -> str:
        chain, call = [], found.ops[index].call
        while call >= 0:
            chain.append(found.calls[call])
            call = chain[-1].parent
        for call_ in reversed(chain):
            if call_.parent >= 0 and not (call_.path in picture.expanded and call_.index in inside):
                return f"c{call_.index}"
        while f"o{index}" not in shown:  # in a run of ops that is one box, named after its first
            index -= 1
        return f"o{index}"

    pairs = {(owner(edge.source), owner(edge.target)) for edge in found.edges}
    return {(a, b) for a, b in pairs if a != b}


def ends(picture: Graph) -> set[tuple[str, str]]:
    return {(arrow.source, arrow.target) for arrow in picture.arrows}


@pytest.mark.parametrize("depth", range(1, 5))
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "swin_t", "deeplabv3_mobilenet_v3_large"])
def test_real_models_at_each_depth(name: str, depth: int) -> None:
    found = real(name)
    picture = graph(found, depth)
    assert ends(picture) == by_hand(found, picture)
    assert n_arrows(found, depth) == len(picture.arrows)


@settings(max_examples=40)
@given(st.sets(st.sampled_from(["", "stem", "blocks", "blocks.0", "blocks.1", "blocks.1.conv", "head"])))
def test_any_set_of_unfolded_paths(paths: set[str]) -> None:
    found = net()
    picture = graph(found, frozenset(paths))
    assert ends(picture) == by_hand(found, picture)
    held = {node.id for node in picture.clusters} | {""}
    assert {node.parent for node in (*picture.nodes, *picture.clusters)} <= held
    assert sum(node.role == "input" for node in picture.nodes) == 1


def test_arrows_run_forward_only() -> None:
    for name in ("densenet121", "maskrcnn_resnet50_fpn"):
        picture = graph(real(name), 2)
        order = {node.id: number for number, node in enumerate(picture.nodes)}
        assert all(order[arrow.source] < order[arrow.target] for arrow in picture.arrows)


def test_a_node_keeps_its_id_whatever_else_is_unfolded() -> None:
    found = net()
    one, two = graph(found, 1), graph(found, 2)
    names = {node.id: node.path for node in two.nodes}
    assert {node.id for node in one.nodes if node.path in ("stem", "head")} <= set(names)


def test_what_is_said_of_nodes() -> None:
    picture = graph(net(), 1)
    by_title = {node.title: node for node in picture.nodes}
    assert by_title["blocks"].detail == "2 × Block"
    assert by_title["blocks"].can_unfold
    assert not by_title["stem"].can_unfold
    assert by_title["stem"].detail == "Conv2d 3×3, 3 → 4"
    assert by_title["blocks.0"].call == by_title["blocks.0"].n_calls == 2
    assert "unused" not in by_title
    assert picture.holder("blocks.1.conv") == by_title["blocks"].id
    assert picture.holder("unused") == ""


def test_a_residual_is_an_arrow_around_and_shapes_stand_on_arrows() -> None:
    picture = graph(net(), frozenset({"blocks", "blocks.1"}))
    title = {node.id: node.title for node in picture.nodes}
    arrows = {(title[a.source], title[a.target]): a.shapes for a in picture.arrows}
    assert arrows["0", "add"] == ((1, 4, 6, 6),)
    assert arrows["conv", "add"] == ((1, 4, 6, 6),)


def test_many_ops_in_a_row_are_one_box() -> None:
    picture = graph(real("maskrcnn_resnet50_fpn"), 1)
    assert len([node for node in picture.nodes if node.role == "ops"]) < 4


@pytest.mark.parametrize("name", ["resnet152", "densenet201", "vit_b_16", "maskrcnn_resnet50_fpn"])
def test_the_depth_that_fits(name: str) -> None:
    found = real(name)
    depth = fitting(found, 25)
    assert depth == 1 or n_arrows(found, depth) <= 25
    assert depth == deepest(found) or n_arrows(found, depth + 1) > 25


def test_unfolded_at_a_depth() -> None:
    assert unfolded(net(), 1) == {""}
    assert unfolded(net(), 2) == {"", "blocks", "blocks.0"}


def test_a_pass_that_failed_shows_the_way_to_the_failure() -> None:
    found = trace_module(Net(), torch.zeros(1, 4, 8, 8))
    assert found.failed is not None
    picture = graph(found, 2)
    assert [node.path for node in picture.nodes if node.failed] in (["stem"], [])
    assert all(node.role != "output" for node in picture.nodes)


def test_edits_and_freezing_show() -> None:
    recipe = open_recipe("resnet18").then(SwapHead(7)).then(Freeze("*", except_=("fc", "layer4.1")))
    assert edited(recipe) == {"fc"}
    picture = graph(trace(recipe), 1, edited(recipe))
    assert [node.title for node in picture.nodes if node.edited] == ["fc"]
    training = {node.title: node.training for node in picture.nodes if node.role == "module"}
    assert (training["layer1"], training["layer4"], training["fc"], training["relu"]) == (
        "frozen", "partly", "trainable", "none",
    )  # fmt: skip
    assert edited(recipe.undo().undo()) == frozenset()


@pytest.mark.parametrize(("by", "most"), [("parameters", "layer4"), ("MACs", "layer2")])
def test_tints_are_steps_of_the_greatest(by: str, most: str) -> None:
    picture = graph(real("resnet50"), 1)
    found = {node.title: tints(picture, by).get(node.id) for node in picture.nodes}
    if by == "parameters":
        assert found[most] == "4"
    assert found["relu"] == "none"
    assert "4" in found.values()


def test_an_unknown_colouring_is_refused() -> None:
    with pytest.raises(UnknownName, match="No colouring is called 'size'"):
        tints(graph(net(), 1), "size")
