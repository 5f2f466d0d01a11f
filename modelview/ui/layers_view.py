"""The Layers page: filters, the table, what is selected, and what can be done with it."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze, Unfreeze
from modelview.errors import ModelviewError
from modelview.export.base import named_after
from modelview.recipe import Recipe
from modelview.render import text
from modelview.trace.records import Trace
from modelview.ui import card, matching, parts, places, rows, state
from modelview.wording import counted

TABLE = "layers.table"
_OF, _BEFORE = "layers.table.of", "layers.table.before"
_FILTERED = "layers.filter.of"
_NOTHING: dict[str, Any] = {"selection": {"rows": [], "columns": [], "cells": []}}
DEPTHS = (1, 2, 3, 4)

COLUMNS = {
    "Parameters": st.column_config.NumberColumn(format="localized"),
    "Trainable": st.column_config.NumberColumn(format="localized"),
    "Share": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0, width="small"),
    "MACs (M)": st.column_config.NumberColumn(format="%.1f"),
    "Activations": st.column_config.NumberColumn(format="bytes"),
}
PARAMETER_COLUMNS = {
    "Elements": st.column_config.NumberColumn(format="localized"),
    "Bytes": st.column_config.NumberColumn(format="bytes"),
    "Trainable": st.column_config.CheckboxColumn(),
}


@st.fragment
def explorer(recipe: Recipe, trace: Trace) -> None:
    """Filters above, the table on the left, the card of what is selected on the right."""
    kind, wanted, depth, containers = _filters(recipe)
    asked = (recipe, state.session().inputs, kind, wanted, depth, containers)
    found = rows.chosen(*asked)
    paths = [row.path for row in found]
    marked = _marked(paths, asked) or _clicked(paths, kind)
    left, right = st.columns([7, 3], gap="medium")
    with right, st.container(border=True, key="layers.card"):  # first, since it is what a click waits for
        _actions(recipe, marked)
        card.draw(recipe, state.selected())
    with left:
        # above the table, where its own toolbar appears on the right and would cover other things
        st.caption(f"{len(found):,} of {_all(recipe, kind):,} {kind.lower()} shown")
        _table(rows.frame(*asked), paths, kind)
        _totals(recipe, trace)
        st.download_button(
            "Download CSV",
            partial(rows.csv, *asked),
            named_after(recipe, f"_{kind.lower()}.csv"),
            "text/csv",
            key="layers.csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _filters(recipe: Recipe) -> tuple[str, str, int | None, bool]:
    if st.session_state.get(_FILTERED) != recipe.source:  # a filter is for the model that it was typed for
        st.session_state[_FILTERED], st.session_state["layers.filter"] = recipe.source, ""
    with st.container(horizontal=True, vertical_alignment="center", key="layers.bar"):
        wanted = st.text_input(
            "Filter",
            key="layers.filter",
            placeholder="layer3.* or Conv2d",
            label_visibility="collapsed",
            icon=":material/search:",
            width=260,
            on_change=_clear,
            persist_state="session",
        )
        kind = st.segmented_control(
            "Rows",
            rows.KINDS,
            default=rows.KINDS[0],
            required=True,
            key="layers.kind",
            label_visibility="collapsed",
            on_change=_clear,
            persist_state="session",
        )
        depth = st.segmented_control(
            "Depth",
            [*DEPTHS, "all"],
            default="all",
            required=True,
            key="layers.depth",
            label_visibility="collapsed",
            on_change=_clear,
            persist_state="session",
        )
        containers = st.toggle(
            "Containers",
            value=True,
            key="layers.containers",
            help="Show modules that hold others.",
            on_change=_clear,
            persist_state="session",
        )
    return str(kind), wanted, depth if isinstance(depth, int) else None, containers


def _all(recipe: Recipe, kind: str) -> int:
    if kind == "Modules":
        return len(rows.modules(recipe, state.session().inputs))
    return len(rows.tensors(recipe)[rows.KINDS.index(kind) - 1])


def _clear() -> None:
    """Row numbers mean nothing any more once the table shows other rows."""
    st.session_state[TABLE], st.session_state[_BEFORE] = _NOTHING, []


def _marked(paths: list[str], asked: tuple[Any, ...]) -> list[str]:
    """The paths of the rows that are marked; none once the table shows other rows."""
    if st.session_state.get(_OF, asked) != asked:
        _clear()
    st.session_state[_OF] = asked
    return [paths[row] for row in _selection()["rows"] if row < len(paths)]


def _clicked(paths: list[str], kind: str) -> list[str]:
    """The parameter or buffer whose cell was clicked; none for a module, which is the one selected everywhere."""
    rows = [] if kind == "Modules" else [cell[0] for cell in _selection().get("cells", ())]
    return [paths[row] for row in rows if row < len(paths)]


def _table(frame: pd.DataFrame, paths: list[str], kind: str) -> None:
    st.dataframe(
        frame,
        hide_index=True,
        height=560,
        column_config=_columns(kind, paths),
        key=TABLE,
        on_select=partial(_picked, paths, kind),
        selection_mode=["multi-row", "single-cell"],
        placeholder="",
    )


def _columns(kind: str, paths: list[str]) -> dict[str, Any]:
    """The columns, the first as wide as the longest path, within reason."""
    width = min(max(7 * max(map(len, paths), default=0) + 24, 130), 330)
    first = st.column_config.TextColumn(pinned=True, width=width)
    return {**COLUMNS, "Module": first} if kind == "Modules" else {**PARAMETER_COLUMNS, "Name": first}


def _selection() -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.get(TABLE, _NOTHING)["selection"]
    return found


def _picked(paths: list[str], kind: str) -> None:
    """Select, on every page, the module whose row was clicked last."""
    now = _selection()
    before = st.session_state.get(_BEFORE, [])
    st.session_state[_BEFORE] = now["rows"]
    new = [row for row in now["rows"] if row not in before]
    clicked = new or ([cell[0] for cell in now.get("cells", ())] if now["rows"] == before else [])
    if clicked and clicked[0] < len(paths):
        path = paths[clicked[0]]
        state.select(path if kind == "Modules" else path.rpartition(".")[0])


def _actions(recipe: Recipe, marked: list[str]) -> None:
    """What can be done with the marked rows, or else with the module on the card."""
    chosen = marked or [state.selected()]
    several = len(chosen) > 1
    patterns = tuple(path or "*" for path in chosen)
    with st.container(horizontal=True, gap="small"):
        which = f" these {len(chosen)}" if several else f" {marked[0].rpartition('.')[2]}" if marked else ""
        label = parts.plain(f"Freeze{which}")
        if st.button(label, key="layers.freeze", icon=":material/ac_unit:"):
            _commit(recipe, Freeze(*patterns))
        if st.button(parts.plain(f"Unfreeze{which}"), key="layers.unfreeze"):
            _commit(recipe, Unfreeze(*patterns))
        if several:
            _with_several(chosen)
            return
        path = state.selected()
        if not path:
            return
        if st.button("Truncate here", key="layers.truncate", icon=":material/content_cut:"):
            _propose("truncate", path=path)
        if st.button("Replace", key="layers.replace", icon=":material/swap_horiz:"):
            _propose("replace_layer", path=path)
        if places.exists("Graph") and st.button("Show in graph", key="layers.graph"):
            st.switch_page(places.place("Graph"))


def _with_several(chosen: list[str]) -> None:
    """What takes the outputs of several modules; nothing where fewer of what is marked have one."""
    outputs = matching.returned(state.structure())
    paths = tuple(path for path in chosen if path in outputs)
    if len(paths) < 2:
        return
    if st.button("Fuse as stages", key="layers.fuse", icon=":material/merge:"):
        _propose("fuse_stages", paths=paths)
    if st.button("Add as outputs", key="layers.outputs", icon=":material/output:"):
        _propose("add_outputs", paths=paths)


def _commit(recipe: Recipe, edit: Edit) -> None:
    edited = recipe.then(edit)
    try:
        edited.check(*state.session().inputs)
        summary = edited.changes()[-1].summary
    except ModelviewError as error:
        parts.refuse(error)
        return
    state.commit(edited)
    st.toast(f"{parts.plain(edit.title)}: {parts.plain(summary)}")
    st.rerun()


def _propose(kind: str, **values: Any) -> None:
    state.propose(kind, **values)
    st.switch_page(places.place("Edit"))


def failed(trace: Trace) -> None:
    """Where the pass ended, if it did not reach the end."""
    if trace.failed is not None:
        where = parts.code(trace.failed.path) or "the model"
        st.error(
            f"The pass failed in {where}, given {parts.shape(trace.failed.inputs)}. "
            f"{parts.sentence(trace.failed.sentence)} The calls up to there are below.",
            icon=":material/block:",
        )


def _totals(recipe: Recipe, trace: Trace) -> None:
    """One line: what it all comes to, what is not counted, and where the figures are from."""
    sums = trace.totals
    found = rows.modules(recipe, state.session().inputs)
    without = f"not counted: {', '.join(sums.uncounted)}" if sums.uncounted else "everything counted"
    note = f", {trace.note}" if trace.note else ""
    words = [
        counted(len(found), "module"),
        f"{sums.n_parameters:,} unique parameters, {sums.n_trainable:,} trainable",
        text.size(sums.size_bytes),
        f"{text.short(sums.macs)} MACs, {without}",
        f"from one pass on {trace.device}, input {text.shape(trace.inputs)}{note}",
    ]
    st.caption(parts.plain(" · ".join(words)))
