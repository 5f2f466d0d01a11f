"""A recorded pass as boxes and arrows: the ops, put together by the modules that are not unfolded."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Literal

from torch import nn

from modelview.inspect.brief import brief, contents
from modelview.inspect.nodes import Arrow as Arrow, Graph as Graph, Node as Node
from modelview.inspect.tables import modules
from modelview.recipe import Recipe, structure_of
from modelview.trace.records import Call, Op, Shape, Trace

MOST_EDGES = 22
"""What fits on a screen; unfolding goes on by itself as long as there are no more."""
MOST_EDGES_EVER = 1200
"""Layout time goes with the edges: above this nobody waits for it, and nobody could read it."""
LONGEST_RUN = 3
"""Functional ops in a row that are shown one by one; more become one box."""


def graph(trace: Trace, expanded: frozenset[str] | int, edited: frozenset[str] = frozenset()) -> Graph:
    """The pass with the modules at the `expanded` paths unfolded, or all calls nested less deep than a number.

    The whole model is always unfolded. edited: paths that are shown as changed.
    """
    if isinstance(expanded, int):
        expanded = unfolded(trace, expanded)
    return _Quotient(trace, expanded | {""}).graph(edited)


def unfolded(trace: Trace, depth: int) -> frozenset[str]:
    """Paths of the modules that are unfolded at a depth: 1 shows what the model itself calls."""
    levels = _levels(trace)
    inside = {call.parent for call in trace.calls}
    return frozenset(c.path for c in trace.calls if c.index in inside and levels[c.index] < depth)


def deepest(trace: Trace) -> int:
    """The depth from which on nothing more unfolds."""
    return max(_levels(trace), default=1)


def n_arrows(trace: Trace, expanded: frozenset[str] | int) -> int:
    """How many arrows `graph` would have, for a tenth of the time."""
    if isinstance(expanded, int):
        expanded = unfolded(trace, expanded)
    return len(_Quotient(trace, expanded | {""}).arrows())


def fitting(trace: Trace, most_edges: int = MOST_EDGES) -> int:
    """The greatest depth whose picture has no more than `most_edges` arrows; at least 1."""
    depth = 1
    while depth < deepest(trace) and n_arrows(trace, depth + 1) <= most_edges:
        depth += 1
    return depth


def edited(recipe: Recipe) -> frozenset[str]:
    """Paths of modules that the edits brought in or altered; freezing alters none."""
    if not recipe.edits:
        return frozenset()
    before = _signatures(structure_of(Recipe(recipe.source)).model)
    after = _signatures(structure_of(recipe).model)
    return frozenset(path for path, signature in after.items() if before.get(path) != signature)


def _signatures(model: nn.Module) -> dict[str, tuple[str, str]]:
    return {
        path: (type(module).__name__, module.extra_repr())
        for path, module in model.named_modules(remove_duplicate=False)
        if path and next(module.children(), None) is None
    }


def _levels(trace: Trace) -> list[int]:
    levels: list[int] = []
    for call in trace.calls:
        levels.append(levels[call.parent] + 1 if call.parent >= 0 else 0)
    return levels


class _Quotient:
    """The map from ops to nodes, and what follows from it."""

    def __init__(self, trace: Trace, expanded: frozenset[str]) -> None:
        self.trace, self.expanded = trace, expanded
        self.inside = {call.parent for call in trace.calls}
        self.folded: list[int] = []
        """For each call, the outermost folded one that it is or runs in; -1 where all are unfolded."""
        for call in trace.calls:
            outer = self.folded[call.parent] if call.parent >= 0 else -1
            opened = call.path in expanded and (call.index in self.inside or call.parent < 0)
            self.folded.append(outer if outer >= 0 or opened else call.index)
        self.owner, self.groups = self._groups()

    def _groups(self) -> tuple[list[int], list[tuple[int, list[Op]]]]:
        """The number of each op's group; the groups, each with its folded call or -1."""
        owner = [0] * len(self.trace.ops)
        groups: list[tuple[int, list[Op]]] = []
        calls: dict[int, int] = {}
        for folded, run in self._runs():
            for part in [run] if folded >= 0 or len(run) > LONGEST_RUN else [[op] for op in run]:
                number = calls.setdefault(folded, len(groups)) if folded >= 0 else len(groups)
                if number == len(groups):
                    groups.append((folded, part))
                for op in part:
                    owner[op.index] = number
        return owner, groups

    def _runs(self) -> Iterator[tuple[int, list[Op]]]:
        """Ops that ran one after the other in the same folded call, or loose in the same unfolded one."""
        run: list[Op] = []
        key: tuple[int, int] = (-2, -2)
        for op in self.trace.ops:
            folded = self.folded[op.call] if op.call >= 0 else -1
            new = (folded, op.call if folded < 0 else -1)
            if new != key or op.name in ("input", "output"):
                if run:
                    yield key[0], run
                run, key = [], new
            run.append(op)
        if run:
            yield key[0], run

    def arrows(self) -> dict[tuple[int, int], dict[Shape, None]]:
        """The shapes that go from one group to another."""
        found: dict[tuple[int, int], dict[Shape, None]] = defaultdict(dict)
        for edge in self.trace.edges:
            source, target = self.owner[edge.source], self.owner[edge.target]
            if source != target:
                found[source, target][edge.shape] = None
        return found

    def graph(self, edited: frozenset[str]) -> Graph:
        """The groups as nodes, described."""
        describe = _Describer(self.trace, edited)
        nodes = [describe.call(self.trace.calls[call]) if call >= 0 else describe.ops(ops) for call, ops in self.groups]
        arrows = tuple(
            Arrow(nodes[source].id, nodes[target].id, tuple(shapes))
            for (source, target), shapes in self.arrows().items()
        )
        linked = {end for arrow in arrows for end in (arrow.source, arrow.target)}
        kept = tuple(node for node in nodes if node.role != "ops" or node.id in linked)
        opened = (c for c in self.trace.calls if self.folded[c.index] < 0 and c.parent >= 0)
        return Graph(kept, tuple(map(describe.call, opened)), arrows, self.expanded)


class _Describer:
    """What is to be said of each call and op."""

    def __init__(self, trace: Trace, edited: frozenset[str]) -> None:
        self.trace, self.edited = trace, edited
        self.inside = {call.parent for call in trace.calls}
        self.rows = {row.path: row for row in modules(trace)}
        self.modules = dict(trace.model.named_modules(remove_duplicate=False))
        seen: Counter[str] = Counter()
        self.numbers: list[int] = []
        for call in trace.calls:
            seen[call.path] += 1
            self.numbers.append(seen[call.path])

    def _cluster(self, index: int) -> str:
        """Id of the cluster that call `index` is when unfolded; the whole model is none."""
        return f"c{index}" if index >= 0 and self.trace.calls[index].parent >= 0 else ""

    def call(self, call: Call) -> Node:
        row = self.rows[call.path]
        holder = self.trace.calls[call.parent].path if call.parent >= 0 else ""
        inner = call.index in self.inside
        module = self.modules[call.path]
        failure = self.trace.failed
        return Node(
            id=f"c{call.index}",
            role="module",
            title=call.path.removeprefix(f"{holder}.") if holder else call.path,
            detail=contents(module) if inner else brief(module),
            path=call.path,
            kind=row.kind,
            parent=self._cluster(call.parent),
            call=self.numbers[call.index],
            n_calls=row.n_calls,
            n_parameters=row.n_parameters,
            n_trainable=row.n_trainable,
            macs=sum(self.trace.ops[i].macs for i in call.ops),
            can_unfold=inner,
            edited=any(p == call.path or p.startswith(f"{call.path}.") for p in self.edited),
            failed=failure is not None and f"{failure.path}.".startswith(f"{call.path}."),
        )

    def ops(self, group: list[Op]) -> Node:
        first = group[0]
        if first.name in ("input", "output") and first.call < 0:
            role: Literal["input", "output"] = "input" if first.name == "input" else "output"
            return Node(f"o{first.index}", role, role)
        names = list(dict.fromkeys(op.name for op in group))
        title = " · ".join(names[:3]) + (" …" if len(names) > 3 else "")
        return Node(
            id=f"o{first.index}",
            role="ops",
            title=title,
            detail=f"{len(group)} ops" if len(group) > 1 else "",
            path=first.path,
            parent=self._cluster(first.call),
            macs=sum(op.macs for op in group),
        )
