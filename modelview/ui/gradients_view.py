"""The gradient check on the Features page: one step, and what it moved."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from modelview.errors import DownloadError, ModelviewError
from modelview.export.base import named_after
from modelview.inspect.gradients import BATCH, STATISTICS, GradientRow, Step, one_step
from modelview.inspect.sift import sift
from modelview.recipe import Recipe
from modelview.render import frames, text
from modelview.render.terminal import plain
from modelview.sources.base import Shape
from modelview.ui import parts, state, weights

_RESULT, _UNFETCHED = "gradients.result", "gradients.unfetched"
COLUMNS: dict[str, Any] = {
    "Name": st.column_config.TextColumn(pinned=True, width="medium"),
    "Trainable": st.column_config.CheckboxColumn(),
    "Gradient": st.column_config.CheckboxColumn(),
    "Norm": st.column_config.NumberColumn(format="%.3g"),
    "Moved": st.column_config.CheckboxColumn(),
}
REASONS = """
- **frozen**: it is not to be trained, `requires_grad` is off.
- **detached**: it is used, but whatever comes after it is cut off from the loss, so no gradient gets there.
- **never used**: no op of this pass took it.
- **zero gradient**: one got there and is 0 everywhere. So it is behind a layer that begins with zeros (a new
  ViT's head), behind a ReLU that lets nothing through, and in detectors at a size that the one box is not of.

`y.detach()` gives a second handle on the same values, without the way back; `y` itself keeps its own. `y.detach_()`
takes the way back from `y` itself, for everybody who holds it: A can then not be trained through `y` either.
"""
EXAMPLE = """
y = A(x)
B(y.detach()).sum().backward()  # trains B alone
y.sum().backward()              # y still leads back to A: this trains A

y = A(x)
y.detach_()                     # y itself is cut off
B(y).sum().backward()           # trains B alone
assert not y.requires_grad      # and nothing trains A through y any more
"""


@dataclass(frozen=True)
class Result:
    """What was run, and what came of it."""

    recipe: Recipe
    asked: tuple[Shape, ...]
    step: Step


@st.fragment
def section(recipe: Recipe) -> None:
    """The button, the last step's table, and what the words in it mean."""
    st.subheader("Gradient check", divider="gray")
    st.caption(
        "One backward pass and one optimizer step in train mode, on a copy that is made for it: which parameters get a "
        "gradient, which of them move, and why the others do not. The model in hand stays as it is."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="gradients.bar"):
        pressed = st.button("Run one step", key="gradients.run", type="primary", icon=":material/play_arrow:")
        real = st.toggle(
            "With weights",
            value=True,
            key="gradients.real",
            help="Off: no weights are made or downloaded, and only which gradients there are is found out.",
        )
    asked = tuple((BATCH, *shape[1:]) for shape in state.session().inputs)
    if pressed:
        _run(recipe, asked, real=real)
    if st.session_state.get(_UNFETCHED) == recipe:
        weights.offer_random(recipe, key="gradients.random")
    _result(recipe, asked)
    with st.expander("What the reasons mean, and how detach() and detach_() differ", key="gradients.words"):
        st.markdown(REASONS)
        st.code(EXAMPLE.strip(), language="python")


def _run(recipe: Recipe, asked: tuple[Shape, ...], *, real: bool) -> None:
    place = st.empty()

    def progress(done: int, total: int) -> None:
        place.progress(
            min(done / total, 1.0) if total else 0.0,
            f"Downloading weights: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB",
        )

    for before in (_RESULT, _UNFETCHED):
        st.session_state.pop(before, None)
    try:
        with st.spinner("One step ..."):
            step = one_step(recipe, *asked, real=real, progress=progress)
    except DownloadError as error:
        weights.unfetched(recipe, error)
        st.session_state[_UNFETCHED] = recipe
        return
    except ModelviewError as error:
        parts.refuse(error)
        return
    finally:
        place.empty()
    st.session_state[_RESULT] = Result(recipe, asked, step)


def _result(recipe: Recipe, asked: tuple[Shape, ...]) -> None:
    last = st.session_state.get(_RESULT)
    if not isinstance(last, Result):
        return
    if (last.recipe, last.asked) != (recipe, asked):
        st.info("The model or its input has changed since the last step. Run it again.", icon=":material/refresh:")
        return
    step = last.step
    st.markdown(f"**{parts.plain(step.summary)}**")
    note = f"; {step.note}" if step.note else ""
    st.caption(parts.plain(f"Input {', '.join(map(text.shape, step.input))}{note}"))
    shown = _filtered(step.rows)
    st.caption(f"{len(shown):,} of {len(step.rows):,} rows shown")
    st.dataframe(
        _frame(shown), hide_index=True, height=420, column_config=COLUMNS, placeholder="", key="gradients.table"
    )
    st.download_button(
        "Download CSV",
        partial(frames.csv, shown),
        named_after(recipe, "_gradients.csv"),
        "text/csv",
        key="gradients.csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _filtered(rows: tuple[GradientRow, ...]) -> list[GradientRow]:
    """The rows that fit what is typed and have one of the outcomes that are marked, if any is."""
    outcomes = list(dict.fromkeys(map(_outcome, rows)))
    with st.container(horizontal=True, vertical_alignment="center", key="gradients.filters"):
        wanted = st.text_input(
            "Filter",
            key="gradients.filter",
            placeholder="layer3.* or BatchNorm2d",
            label_visibility="collapsed",
            icon=":material/search:",
            width=260,
        )
        marked = st.pills(
            "Outcome",
            outcomes,
            selection_mode="multi",
            key=f"gradients.outcomes.{'.'.join(outcomes)}",
            label_visibility="collapsed",
        )
    return [row for row in sift(rows, wanted) if not marked or _outcome(row) in marked]


def _outcome(row: GradientRow) -> str:
    if row.reason:
        return row.reason
    return "moved" if row.moved else "gets a gradient" if row.gradient else "not asked"


def _frame(rows: list[GradientRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Name": [plain(row.name) + (" (statistics)" if row.what == STATISTICS else "") for row in rows],
            "Layer": [plain(row.kind) for row in rows],
            "Shape": [text.shape(row.shape) for row in rows],
            "Trainable": [row.trainable for row in rows],
            "Gradient": [row.gradient for row in rows],
            "Norm": [row.norm for row in rows],
            "Moved": [row.moved for row in rows],
            "Why not": [row.reason for row in rows],
        }
    )
