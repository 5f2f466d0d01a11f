"""torchvision's models as a table to search, filter and choose from."""

from typing import Any

import pandas as pd
import streamlit as st

from modelview.render import text
from modelview.sources.torchvision import ModelRow, catalogue

FIRST = "resnet50"
ALL = "all"
ROW_PX = 35
_CHOSEN = "open.chosen"


def choose(names: list[str]) -> str | None:
    """The table of the models called `names`, and the one of them that is chosen; None for an empty table."""
    if not names:
        return None
    before = st.session_state.get(_CHOSEN, FIRST)
    key = "models" if len(names) == len(rows()) else f"models.{hash(tuple(names))}"
    event = st.dataframe(
        _frame().loc[names],
        key=key,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [names.index(before) if before in names else 0]}},
        hide_index=True,
        height=min(len(names) + 1, 15) * ROW_PX + 2,
        column_config=_columns(names),
        placeholder="–",
    )
    chosen: list[int] = event.selection.rows
    name = names[chosen[0]] if chosen and chosen[0] < len(names) else names[0]
    st.session_state[_CHOSEN] = name
    return name


def _columns(names: list[str]) -> dict[str, Any]:
    """As wide as what stands in them, so that the last one is in sight."""
    for_frames = 26 if all(len(row.input[0]) > 4 for row in rows() if row.name in names) else 0
    return {
        "Model": st.column_config.TextColumn(width=184 - for_frames),
        "Task": st.column_config.TextColumn(width=88),
        "Parameters": st.column_config.NumberColumn(
            "Params",
            format="%.1f M",
            width=60,
            help="of the newest weights; without weights some models have no auxiliary head, or one more",
        ),
        "Input": st.column_config.TextColumn(
            width=70 + for_frames, help="height and width; frames before them for video"
        ),
        "Accuracy": st.column_config.NumberColumn(
            "Score", format="%.1f", width=48, help="of the newest weights, as published"
        ),
        "Metric": st.column_config.TextColumn(width=56, help="epe is an error in pixels: less is better"),
        "Size": st.column_config.NumberColumn("MB", format="%.0f", width=38, help="of the file of these weights"),
    }


def search() -> list[str]:
    """Draw the search and the filter; the names of the models that are left: what was typed, then by the alphabet."""
    search = st.text_input(
        "Search",
        key="search",
        live="150ms",
        type="search",
        placeholder="resnet, detection, …",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    tasks = dict.fromkeys([ALL, *(row.task for row in rows())])
    task = st.pills("Task", tasks, default=ALL, required=True, key="task", wrap=True, label_visibility="collapsed")
    typed = search.strip().lower()
    words = typed.split()
    found = [
        row.name
        for row in rows()
        if task in (ALL, row.task) and all(word in f"{row.name} {row.task}".lower() for word in words)
    ]
    first = typed or FIRST
    return sorted(found, key=lambda name: (name != first, not name.startswith(typed)))


@st.cache_data(show_spinner=False)
def _frame() -> pd.DataFrame:
    table = [
        {
            "Model": row.name,
            "Task": row.task,
            "Parameters": row.n_parameters / 1e6,
            "Input": text.shape(row.input[0][2:]),
            "Accuracy": row.accuracy,
            "Metric": row.metric,
            "Size": row.size_mb,
        }
        for row in rows()
    ]
    return pd.DataFrame(table, index=[row.name for row in rows()])


def rows() -> tuple[ModelRow, ...]:
    """Every model of the catalogue."""
    return catalogue()
