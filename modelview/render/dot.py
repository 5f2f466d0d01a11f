"""A graph in the DOT language. Names come from strangers' files: none is ever more than text."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from modelview.inspect.graph import Arrow, Graph, Node
from modelview.names import short as cut
from modelview.render.terminal import plain
from modelview.render.text import short
from modelview.trace.shapes import text as shape_text

MOST_LABELS = 150
"""With more arrows than these, shapes would only cover each other."""
MOST_LETTERS = 48
MOST_TOOLTIP = 300
_FONT = 'fontname="Helvetica,Arial,sans-serif"'


@dataclass(frozen=True)
class Palette:
    """Colours of a picture. fills: by the names that `tints` gives."""

    text: str = "#1c2230"
    quiet: str = "#66707f"
    line: str = "#98a1b3"
    border: str = "#b9c1d6"
    cluster: str = "#f6f7fa"
    edited: str = "#d9480f"
    found: str = "#3b5bdb"
    failed: str = "#c92a2a"
    fills: Mapping[str, str] = field(
        default_factory=lambda: {
            "none": "#ffffff", "trainable": "#e7f5ea", "partly": "#fff3d6", "frozen": "#e3eefc",
            "0": "#f1ecfb", "1": "#ddd0f5", "2": "#c4aeed", "3": "#aa8be3", "4": "#9069d8",
        }
    )  # fmt: skip


LIGHT = Palette()
DARK = Palette(
    text="#e7eaf0", quiet="#a2abbb", line="#6f7a90", border="#47506a", cluster="#171b24",
    edited="#ff922b", found="#91a7ff", failed="#ff8787",
    fills={
        "none": "#1f2430", "trainable": "#1d3a2a", "partly": "#43381a", "frozen": "#1c3354",
        "0": "#2a2540", "1": "#392f5c", "2": "#4a3b7a", "3": "#5b4799", "4": "#6c53b8",
    },
)  # fmt: skip


def dot(
    graph: Graph, tints: Mapping[str, str], found: Iterable[str] = (), palette: Palette = LIGHT, name: str = "model"
) -> str:
    """The picture's source. tints: a colour's name by node id. found: ids that are to stand out."""
    inside: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        inside[node.parent].append(node)
    opened: dict[str, list[Node]] = defaultdict(list)
    for cluster in graph.clusters:
        opened[cluster.parent].append(cluster)
    draw = _Drawing(palette, tints, frozenset(found))
    lines = [
        f"digraph {_bounded(name)} {{",
        f'  graph [bgcolor="transparent", nodesep=0.3, ranksep=0.35, {_FONT}, fontsize=12]',
        f'  node [shape=box, style="rounded,filled", {_FONT}, fontsize=12, fontcolor="{palette.text}", '
        'margin="0.16,0.07", height=0.3]',
        f'  edge [{_FONT}, fontsize=10, color="{palette.line}", fontcolor="{palette.quiet}", arrowsize=0.7]',
        *draw.level("", inside, opened, "  "),
        *draw.arrows(graph.arrows),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    r"""`value` as a DOT string that shows it literally: no escapes, entities, ports or records come of it.

    >>> print(quoted('a"b\\N&lt;\n'))
    "a\"b\\N&amp;lt;\\n"
    """
    visible = plain(value).replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"')
    return f'"{visible}"'


def _label(*lines: str) -> str:
    return '"' + "\\n".join(quoted(cut(line, MOST_LETTERS))[1:-1] for line in lines if line) + '"'


def _bounded(words: str) -> str:
    return quoted(cut(words, MOST_TOOLTIP))


class _Drawing:
    def __init__(self, palette: Palette, tints: Mapping[str, str], found: frozenset[str]) -> None:
        self.palette, self.tints, self.found = palette, tints, found

    def level(
        self, parent: str, inside: Mapping[str, list[Node]], opened: Mapping[str, list[Node]], indent: str
    ) -> Iterator[str]:
        """The nodes and clusters that `parent` holds."""
        for node in inside.get(parent, ()):
            yield f"{indent}{node.id} [{self.node(node)}]"
        for cluster in opened.get(parent, ()):
            yield f"{indent}subgraph cluster_{cluster.id} {{"
            yield f"{indent}  graph [{self.cluster(cluster)}]"
            yield from self.level(cluster.id, inside, opened, indent + "  ")
            yield f"{indent}}}"

    def cluster(self, node: Node) -> str:
        number = f"call {node.call} of {node.n_calls}" if node.n_calls > 1 else ""
        label = _label(" · ".join(filter(None, (node.title, node.detail, number))))
        return (
            f"id={quoted(node.id)}, label={label}, tooltip={_bounded(node.path)}, labeljust=l, margin=10, "
            f'style="rounded,filled", fillcolor="{self.palette.cluster}", fontcolor="{self.palette.quiet}", '
            + self._border(node)
        )

    def node(self, node: Node) -> str:
        if node.role in ("input", "output"):
            fill = self.palette.fills["none"]
            return (
                f"id={quoted(node.id)}, label={_label(node.title)}, shape=ellipse, "
                f'style=filled, fillcolor="{fill}", color="{self.palette.border}"'
            )
        if node.role == "ops":
            return (
                f"id={quoted(node.id)}, label={_label(node.title, node.detail)}, fontsize=10, height=0.2, "
                f'margin="0.08,0.04", fontcolor="{self.palette.quiet}", fillcolor="{self.palette.cluster}", '
                f'color="{self.palette.border}", tooltip={_bounded(node.title)}'
            )
        fill = self.palette.fills[self.tints.get(node.id, "none")]
        edges = ", peripheries=2" if node.can_unfold else ""
        label = _label(node.title, node.detail, _figures(node))
        return (
            f"id={quoted(node.id)}, label={label}, tooltip={_bounded(node.path)}, "
            f'fillcolor="{fill}"{edges}, ' + self._border(node)
        )

    def _border(self, node: Node) -> str:
        if node.id in self.found:
            return f'color="{self.palette.found}", penwidth=2.5'
        if node.failed:
            return f'color="{self.palette.failed}", penwidth=2'
        if node.edited:
            return f'color="{self.palette.edited}", penwidth=1.6'
        return f'color="{self.palette.border}"'

    def arrows(self, arrows: tuple[Arrow, ...]) -> Iterator[str]:
        """All arrows; with their shapes while there are few."""
        for arrow in arrows:
            label = f" [label={_label(' ' + _shapes(arrow))}]" if len(arrows) <= MOST_LABELS else ""
            yield f"  {arrow.source} -> {arrow.target}{label}"


def _shapes(arrow: Arrow) -> str:
    first = shape_text(arrow.shapes[0]).replace(" × ", "×") if arrow.shapes else ""
    return f"{first} +{len(arrow.shapes) - 1}" if len(arrow.shapes) > 1 else first


def _figures(node: Node) -> str:
    figures = [f"call {node.call} of {node.n_calls}"] if node.n_calls > 1 else []
    figures += [f"{short(node.n_parameters)} params"] if node.n_parameters else []
    figures += [f"{short(node.macs)} MACs"] if node.macs else []
    return " · ".join(figures)
