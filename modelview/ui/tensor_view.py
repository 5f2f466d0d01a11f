"""The tensors of a file as a table, and the values of the one that is chosen in it."""

import streamlit as st

from modelview.checkpoints.reading import Checkpoint
from modelview.errors import ModelviewError
from modelview.inspect.statistics import Statistics
from modelview.inspect.stored import StoredRow, stored
from modelview.names import short
from modelview.recognised import Recognised
from modelview.render import frames
from modelview.ui import card, parts

HEAD = ("Values", "Mean", "Std", "Min", "Max", "Zeros", "NaN", "Infinite")


@st.fragment
def draw(found: Recognised) -> None:
    """The table; choosing a row redraws this and nothing else."""
    ck = found.checkpoint
    event = st.dataframe(
        frames.stored(ck.tensors),
        key=table_key(found),
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        column_config={"Bytes": st.column_config.NumberColumn(format="bytes")},
    )
    chosen: list[int] = event.selection.rows
    if chosen and chosen[0] < len(ck.tensors):
        _draw_values(found, [*ck.tensors][chosen[0]])
    else:
        st.caption("Choose a row to see what the values of that tensor are like.")


def table_key(found: Recognised) -> str:
    """The key of the table: another file's is another table, with nothing chosen."""
    return f"contents.tensors.{found.file.sha256[:12]}.{found.checkpoint.path}"


def _draw_values(found: Recognised, name: str) -> None:
    info = found.checkpoint.tensors[name]
    st.markdown(f"**{parts.code(short(name))}** {parts.shape(info.shape)} {parts.plain(info.dtype)}")
    try:
        row = _row(found.checkpoint, found.file.sha256, found.checkpoint.path, name)
    except ModelviewError as error:
        parts.refuse(error)
        return
    parts.table(HEAD, [_cells(row.statistics)])
    if row.histogram is not None and row.statistics.n_elements > 1:
        card.chart(row.histogram, short(name.rpartition(".")[2], 60), key="contents.histogram")
    if row.note:
        st.caption(parts.plain(row.note))


@st.cache_resource(max_entries=256, show_spinner="Reading the values ...")
def _row(_ck: Checkpoint, sha256: str, at: str, name: str) -> StoredRow:  # noqa: ARG001 - keys of the cache
    return stored(_ck, name)


def _cells(found: Statistics) -> tuple[str, ...]:
    figures = (card.number(figure) for figure in (found.mean, found.std, found.min, found.max))
    zeros = "–" if found.zeros is None else f"{found.zeros:.1%}"
    return f"{found.n_elements:,}", *figures, zeros, f"{found.n_nan:,}", f"{found.n_inf:,}"
