"""Rows of a Sequential that are called one after the other, as one call of a slice."""

import copy
import re
from collections.abc import Iterator
from itertools import pairwise

from torch import fx, nn


def rolled(graph: fx.Graph, kept: nn.Module) -> fx.Graph:
    """A copy of the graph to be written, with one call where numbered rows of a Sequential in `kept` make a chain.

    Such a call is a node whose target is the Sequential's path and whose meta has "rows", as the ends of a slice; a
    call of all rows is one of the Sequential. Rows with names of their own, and those of `kept` itself, whose slices
    would be of its own class, are called one by one.
    """
    found = copy.deepcopy(graph)
    for run in list(_runs(list(found.nodes), kept)):
        _join(found, run, kept)
    return found


def _runs(nodes: list[fx.Node], kept: nn.Module) -> Iterator[list[fx.Node]]:
    run = nodes[:1]
    for before, node in pairwise(nodes):
        if _follows(before, node, kept):
            run.append(node)
            continue
        if len(run) > 1:
            yield run
        run = [node]


def _follows(before: fx.Node, node: fx.Node, kept: nn.Module) -> bool:
    """Whether the one is the next numbered row, and takes nothing but what the other made for it alone."""
    if before.op != "call_module" or node.op != "call_module" or list(before.users) != [node]:
        return False
    if node.args != (before,) or node.kwargs or len(before.args) != 1 or before.kwargs:
        return False
    (path, name), (next_path, next_name) = _split(before), _split(node)
    if not path or path != next_path or _numbered(next_name) != _numbered(name, 1):
        return False
    holder = kept.get_submodule(path)
    return type(holder) is nn.Sequential and (name, next_name) in pairwise(holder._modules)


def _split(node: fx.Node) -> tuple[str, str]:
    path, _, name = str(node.target).rpartition(".")
    return path, name


def _numbered(name: str, more: int = 0) -> tuple[str, int] | str:
    """A name with a number at its end as both, the number `more` larger; the name alone where it has none."""
    found = re.fullmatch(r"(.*?)(\d+)", name)
    return (found[1], int(found[2]) + more) if found else name


def _join(graph: fx.Graph, run: list[fx.Node], kept: nn.Module) -> None:
    path = _split(run[0])[0]
    names = list(kept.get_submodule(path)._modules)
    first, end = (names.index(_split(node)[1]) for node in (run[0], run[-1]))
    with graph.inserting_before(run[0]):
        whole = graph.call_module(path, run[0].args)
    if (first, end) != (0, len(names) - 1):
        whole.meta["rows"] = (first or None, end + 1 if end + 1 < len(names) else None)
    if hint := run[-1].meta.get("hint"):
        whole.meta["hint"] = hint
    run[-1].replace_all_uses_with(whole)
    for node in reversed(run):
        graph.erase_node(node)
