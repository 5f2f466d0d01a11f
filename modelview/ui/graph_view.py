"""The Graph page: how far it is unfolded, the picture, and the card of what is selected."""

from dataclasses import dataclass, replace

import streamlit as st

from modelview.export.base import named_after
from modelview.inspect import graph as graphs
from modelview.inspect.graph import Graph
from modelview.inspect.tints import BY, tints
from modelview.recipe import Recipe
from modelview.render import svg
from modelview.render.dot import DARK, LIGHT, dot
from modelview.ui import card, parts, state
from modelview.ui.rows import Inputs

_FOLDS, _FIND = "graph.folds", "graph.find"
AUTO = "auto"
LEGENDS = {
    "training": (("trainable", "trainable"), ("partly", "partly frozen"), ("frozen", "frozen"), ("none", "no weights")),
    "parameters": tuple((str(n), f"up to {(n + 1) * 20} %") for n in range(5)),
    "MACs": tuple((str(n), f"up to {(n + 1) * 20} %") for n in range(5)),
}


@dataclass(frozen=True)
class Folds:
    """What was unfolded and folded by hand, on top of a depth."""

    recipe: Recipe
    depth: int
    opened: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()


@st.fragment
def viewer(recipe: Recipe) -> None:
    """Controls above, the picture in the middle, the card of the selection on the right."""
    inputs = state.session().inputs
    depth, by = _controls(recipe, inputs)
    folds = _folds(recipe, depth)
    expanded = (graphs.unfolded(state.trace_of(recipe, inputs), depth) | folds.opened) - folds.closed
    left, right = st.columns([7, 3], gap="medium")
    with right, st.container(border=True, key="graph.card"):
        _fold_buttons(recipe, folds, expanded)
        card.draw(recipe, state.selected())
    with left:
        _picture(recipe, inputs, expanded, by)


def _controls(recipe: Recipe, inputs: Inputs) -> tuple[int, str]:
    trace = state.trace_of(recipe, inputs)
    paths = [call.path for call in trace.calls if call.path]
    now = state.selected()
    st.session_state[_FIND] = now if now in paths else None
    with st.container(horizontal=True, vertical_alignment="bottom", key="graph.bar"):
        st.selectbox(
            "Find",
            list(dict.fromkeys(paths)),
            index=None,
            key=_FIND,
            placeholder="module name",
            on_change=_found,
            width=280,
        )
        depths = [AUTO, *range(1, min(graphs.deepest(trace), 6) + 1)]
        depth = st.segmented_control(
            "Unfold", depths, default=AUTO, required=True, key="graph.depth", persist_state="session"
        )
        by = st.selectbox("Colour by", BY, key="graph.by", width=190, format_func=_named, persist_state="session")
    return depth if isinstance(depth, int) else _fitting(recipe, inputs), by


def _found() -> None:
    """Select the module that was searched for, and unfold what holds it, so that it is drawn."""
    path = st.session_state[_FIND] or ""
    state.select(path)
    folds = st.session_state.get(_FOLDS)
    if isinstance(folds, Folds):
        trace = state.trace_of(folds.recipe, state.session().inputs)
        around = _above(path.rpartition(".")[0]) & graphs.unfolded(trace, graphs.deepest(trace) + 1)
        _keep(replace(folds, opened=folds.opened | around, closed=folds.closed - around))


def _named(by: str) -> str:
    return "frozen / trainable" if by == "training" else by


def _folds(recipe: Recipe, depth: int) -> Folds:
    """What was done by hand; another depth or another model starts afresh."""
    found = st.session_state.get(_FOLDS)
    if not isinstance(found, Folds) or (found.recipe, found.depth) != (recipe, depth):
        found = st.session_state[_FOLDS] = Folds(recipe, depth)
    return found


def _fold_buttons(recipe: Recipe, folds: Folds, expanded: frozenset[str]) -> None:
    path = state.selected()
    trace = state.trace_of(recipe, state.session().inputs)
    foldable = graphs.unfolded(trace, graphs.deepest(trace) + 1)
    wanted = _above(path) & foldable
    around = max(wanted & expanded, key=len, default="")
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Unfold",
            key="graph.unfold",
            icon=":material/unfold_more:",
            disabled=wanted <= expanded,
            on_click=_keep,
            args=(replace(folds, opened=folds.opened | wanted, closed=folds.closed - wanted),),
        )
        st.button(
            "Fold" if around == path else "Fold around it",
            key="graph.fold",
            icon=":material/unfold_less:",
            disabled=not around,
            on_click=_keep,
            args=(replace(folds, opened=folds.opened - {around}, closed=folds.closed | {around}),),
        )


def _above(path: str) -> frozenset[str]:
    """The path and everything that holds it."""
    names = path.split(".") if path else []
    return frozenset(".".join(names[: n + 1]) for n in range(len(names)))


def _keep(folds: Folds) -> None:
    st.session_state[_FOLDS] = folds


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr})
def _fitting(recipe: Recipe, inputs: Inputs) -> int:
    return graphs.fitting(state.trace_of(recipe, inputs))


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr, frozenset: sorted})
def _graph(recipe: Recipe, inputs: Inputs, expanded: frozenset[str]) -> Graph:
    return graphs.graph(state.trace_of(recipe, inputs), expanded, graphs.edited(recipe))


@st.cache_resource(max_entries=64, show_spinner="Drawing the graph ...")
def _drawn(source: str) -> str | None:
    return svg.svg(source)


def _picture(recipe: Recipe, inputs: Inputs, expanded: frozenset[str], by: str) -> None:
    trace = state.trace_of(recipe, inputs)
    n_arrows = graphs.n_arrows(trace, expanded)
    if n_arrows > graphs.MOST_EDGES_EVER:
        st.warning(
            f"Unfolded so far, the graph has {n_arrows:,} arrows, which nobody could read. Choose a smaller depth, "
            "and unfold single modules from there.",
            icon=":material/unfold_less:",
        )
        return
    found = _graph(recipe, inputs, expanded)
    dark = st.context.theme.type == "dark"
    marked = {found.holder(state.selected())} if state.selected() else set()
    source = dot(found, tints(found, by), marked, DARK if dark else LIGHT, recipe.source.title)
    picture = _drawn(source)
    _legend(found, by, dark=dark)
    if picture is None:
        st.graphviz_chart(source)
    else:
        st.html(svg.image(picture, f"Graph of {recipe.source.title}"))
    _downloads(recipe, found, by, picture is not None)


def _legend(graph: Graph, by: str, *, dark: bool) -> None:
    palette = DARK if dark else LIGHT
    names = tints(graph, by)
    shown = [(key, words) for key, words in LEGENDS[by] if key in names.values()]
    swatches = [svg.swatch(palette.fills[key], palette.border, words) for key, words in shown]
    if any(node.edited for node in graph.nodes):
        swatches.append(svg.swatch(palette.fills["none"], palette.edited, "edited"))
    st.html(svg.legend(swatches))


def _downloads(recipe: Recipe, graph: Graph, by: str, drawable: bool) -> None:
    source = dot(graph, tints(graph, by), (), LIGHT, recipe.source.title)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(graph.nodes):,} boxes, {len(graph.arrows):,} arrows. A double border can be unfolded.")
        st.download_button(
            "SVG",
            lambda: _drawn(source) or "",
            named_after(recipe, ".svg"),
            "image/svg+xml",
            key="graph.svg",
            icon=":material/download:",
            disabled=not drawable,
            on_click="ignore",
        )
        st.download_button(
            "DOT",
            source,
            named_after(recipe, ".dot"),
            "text/vnd.graphviz",
            key="graph.dot",
            icon=":material/download:",
            on_click="ignore",
        )


def failed(recipe: Recipe) -> None:
    """That the picture ends where the pass did."""
    trace = state.trace_of(recipe, state.session().inputs)
    if trace.failed is not None:
        st.error(f"{parts.sentence(trace.failed.sentence)} The graph shows the calls up to there.")
