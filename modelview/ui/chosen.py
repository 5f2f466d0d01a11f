"""How the chosen model is to be opened: its weights, its keywords, its input."""

from typing import Any

import streamlit as st

from modelview import downloads
from modelview.errors import ModelviewError
from modelview.opening import open_recipe
from modelview.render import text
from modelview.sources.torchvision import ModelRow, Torchvision, WeightsView, keywords_of, weights_view
from modelview.ui import keywords, parts, places, state
from modelview.ui.catalogue import rows as models
from modelview.ui.inputs import seed_field, shape_form

RANDOM = "random"
WEIGHTS_WIDTH, SEED_WIDTH = 220, 76
"""In pixels: side by side on a wide page, one below the other on a narrow one."""


def draw(name: str) -> None:
    """The form for the model `name`, and the button that opens it."""
    row = next(row for row in models() if row.name == name)
    with st.container(border=True, key="chosen"):
        st.markdown(f"**{parts.plain(name)}** · {parts.plain(row.task)} · {text.short(row.n_parameters)} parameters")
        weights, seed = _weights(row)
        try:
            with st.expander("Builder keywords", key=f"open.{name}.keywords"):
                rows = keywords_of(name)
                if not rows:
                    st.caption("This builder takes none.")
                values = keywords.keyword_form(rows, f"open.{name}")
            example = Torchvision(name, weights, seed, tuple(values.items())).example
        except ModelviewError as error:
            parts.refuse(error)
            st.button("Open", key="open", type="primary", disabled=True)
            return
        st.markdown("Input")
        shapes = shape_form(example, example, key=f"open.{name}.input")
        if st.button("Open", key="open", type="primary", icon=":material/folder_open:"):
            _open(name, weights, seed, values, shapes)


def _weights(row: ModelRow) -> tuple[str | None, int]:
    """The name of the weights, None for random ones, and the seed of these."""
    options = [RANDOM, *row.weights]
    line = st.container(horizontal=True, gap="small", key="open.weights")
    weights = line.selectbox(
        "Weights", options, key=f"open.{row.name}.weights", filter_mode="contains", width=WEIGHTS_WIDTH
    )
    if weights == RANDOM:
        return None, seed_field(line, f"open.{row.name}.seed", width=SEED_WIDTH)
    view = weights_view(Torchvision(row.name, weights))
    if view is not None:
        _about(view)
    return weights, 0


def _about(view: WeightsView) -> None:
    """Where the weights are, and under what licence."""
    if (downloads.folder() / view.file).exists():
        st.caption(f"{parts.code(view.file)} is on this machine.")
    else:
        st.caption(
            f"{parts.code(view.file)} ({view.size_mb:,.0f} MB) is not on this machine. Opening needs no weights; "
            "Features and Export fetch the file when they need it, and say so where they cannot."
        )
    if view.licence:
        st.warning(f"Licence of these weights: {parts.plain(view.licence)}", icon=":material/gavel:")


def _open(
    name: str, weights: str | None, seed: int, values: dict[str, Any], shapes: tuple[tuple[int, ...], ...]
) -> None:
    try:
        state.open_recipe(open_recipe(name, weights=weights, seed=seed, **values), shapes)
    except ModelviewError as error:
        parts.refuse(error)
        return
    st.switch_page(places.place("Layers" if places.exists("Layers") else "Edit"))
