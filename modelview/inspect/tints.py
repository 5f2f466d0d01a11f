"""Which colour each box of a graph stands for."""

from modelview.inspect.graph import Graph, Node
from modelview.names import unknown

BY = ("training", "parameters", "MACs")
N_STEPS = 5
"""Steps from little to much."""


def tints(graph: Graph, by: str = "training") -> dict[str, str]:
    """The name of a colour for each module node: "trainable" "frozen" "partly" "none", or a step "0" to "4".

    A step is the fifth in which the node's share lies, of the greatest node's. Raises UnknownName.
    """
    if by not in BY:
        raise unknown("colouring", by, BY)
    found = [node for node in graph.nodes if node.role == "module"]
    if by == "training":
        return {node.id: node.training for node in found}
    most = max((_amount(node, by) for node in found), default=0)
    return {node.id: _step(_amount(node, by), most) for node in found}


def _amount(node: Node, by: str) -> int:
    return node.n_parameters if by == "parameters" else node.macs


def _step(amount: int, most: int) -> str:
    if not amount:
        return "none"
    return str(min(amount * N_STEPS // most, N_STEPS - 1))
