"""What a graph is made of, as plain values."""

from dataclasses import dataclass
from typing import Literal

from modelview.trace.records import Shape

Training = Literal["none", "trainable", "frozen", "partly"]


@dataclass(frozen=True)
class Node:
    """A module call that is folded, some functional ops, or an end; as a cluster, a call that is unfolded.

    id: the same whatever else is unfolded. title: its name, without the cluster's. detail: what it is in few words.
    parent: id of the cluster that holds it; "" at the top. call: from 1. edited: it, or something in it.
    """

    id: str
    role: Literal["module", "ops", "input", "output"]
    title: str
    detail: str = ""
    path: str = ""
    kind: str = ""
    parent: str = ""
    call: int = 1
    n_calls: int = 1
    n_parameters: int = 0
    n_trainable: int = 0
    macs: int = 0
    can_unfold: bool = False
    edited: bool = False
    failed: bool = False

    @property
    def training(self) -> Training:
        """Whether its parameters train."""
        if not self.n_parameters:
            return "none"
        if not self.n_trainable:
            return "frozen"
        return "trainable" if self.n_trainable == self.n_parameters else "partly"


@dataclass(frozen=True)
class Arrow:
    """Tensors that go from one node to another: their different shapes."""

    source: str
    target: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in the order in which they ran, the clusters that hold them (outer first), and the arrows."""

    nodes: tuple[Node, ...]
    clusters: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    expanded: frozenset[str]

    def holder(self, path: str) -> str:
        """Id of the first box that shows `path`, or that it is folded into; "" where none does."""
        while True:
            for node in (*self.nodes, *self.clusters):
                if node.path == path and node.role == "module":
                    return node.id
            if not path:
                return ""
            path = path.rpartition(".")[0]
