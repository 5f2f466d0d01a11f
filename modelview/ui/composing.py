"""The building part of the Open page: a U-Net or a class from a few fields, or a container from rows of layers."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from modelview.errors import EditError, ModelviewError
from modelview.names import short
from modelview.nested import as_source
from modelview.recipe import Recipe
from modelview.render import text
from modelview.sources.base import Shape, Source
from modelview.sources.composed import BLOCKS, Composed, Models, Rows, Step, steps
from modelview.sources.unet import UNet
from modelview.ui import classes, parts, places, state
from modelview.ui.asked import Unfilled
from modelview.ui.inputs import seed_field, shape_form

UNET = "U-Net"
CLASS = "torchvision class"
CONTAINERS = {"Sequential": "sequential", "ModuleList": "modulelist", "ModuleDict": "moduledict"}
FIRST = (
    ("conv1", "Conv2d(_, 32, 3, padding=1)"),
    ("relu1", "ReLU()"),
    ("pool", "AdaptiveAvgPool2d(1)"),
    ("flatten", "Flatten()"),
    ("fc", "Linear(_, 10)"),
)
_SKIPS = "`Up` also takes what the newest earlier row of twice the height and width leaves, or the row that it names:"
_ABOUT = {
    "sequential": ("`Up` takes a skip, which only a ModuleList or a ModuleDict can pass to it.",),
    "modulelist": (_SKIPS, "`Up(_, 64, skip=1)`.", "A ModuleList numbers its layers, from 0: it has no names."),
    "moduledict": (_SKIPS, '`Up(_, 64, skip="down1")`.'),
}
"""What else there is to know of the rows of each container."""
ROW_PX = 35
_ROWS, _BASE, _LAST = "build.rows", "build.rows.base", "build.rows.last"
"""Where the session holds the table's changes, what they are changes of, and the rows that were typed last."""


@st.fragment
def draw() -> None:
    """Choose what to build, fill it in, open it."""
    title = "Build a U-Net, Sequential, ModuleList, ModuleDict, or a class of torchvision"
    is_begun = st.session_state.get("build.kind", UNET) != UNET or _LAST in st.session_state
    with st.expander(title, icon=":material/construction:", key="build", expanded=is_begun):
        forms = {UNET: _unet, CLASS: classes.fill_in}
        forms |= {label: partial(_container, container) for label, container in CONTAINERS.items()}
        kind = st.pills(
            "What to build",
            [UNET, *CONTAINERS, CLASS],
            default=UNET,
            required=True,
            key="build.kind",
            persist_state="session",
        )
        try:
            _offer(*forms[str(kind)]())
        except Unfilled as error:
            st.info(parts.sentence(str(error)), icon=":material/edit_note:")
        except ModelviewError as error:
            parts.refuse(error)
        else:
            return
        st.button("Open", key="build.open", type="primary", disabled=True)


def _unet() -> tuple[Source, tuple[Shape, ...]]:
    """The U-Net that was filled in, and the shape of its input."""
    channels, classes, seed = st.columns(3, gap="small")
    n_channels = _number(channels, "Channels of the image", 3, "build.unet.n_channels")
    n_classes = _number(classes, "Classes", 2, "build.unet.n_classes")
    bilinear = st.toggle(
        "Bilinear up-sampling",
        key="build.unet.bilinear",
        help="Interpolation instead of transposed convolutions.",
        persist_state="session",
    )
    halved = not bilinear or st.toggle(
        "Half the width in the middle of each step up",
        True,
        key="build.unet.halved",
        help="As newer checkpoints have it: 17.3 M parameters for 3 channels and 1 class, 13.4 M without.",
        persist_state="session",
    )
    source = UNet(n_channels, n_classes, bilinear, halved, seed_field(seed, "build.seed"))
    st.markdown("Input")
    return source, shape_form(source.example, source.example, key="build.unet.input")


def _container(container: str) -> tuple[Source, tuple[Shape, ...]]:
    """The container of the rows that were filled in. Raises EditError for rows that cannot stand in it."""
    left, right = st.columns([2, 1], gap="small")
    typed = left.text_input(
        "Input", "1, 3, 224, 224", key="build.input", help="The shape, N = 1 first.", persist_state="session"
    )
    seed = seed_field(right, "build.seed")
    own = _own()
    left, right = st.columns([3, 2], gap="small")
    with left:
        table = _editor()
    st.caption(
        f"`_` is the width that comes in. Rows are torch.nn classes, or {', '.join(map(parts.code, BLOCKS))}. "
        + " ".join(_ABOUT[container])
    )
    rows = tuple((name if container != "modulelist" else "", layer) for name, layer in table if name or layer)
    input = _shape(typed)
    with right:
        _outcomes(table, iter(steps(rows, input, own, container)))
    source = Composed(container, rows, input, seed, own)
    source.structure()
    st.markdown(parts.sentence(source.running))
    return source, source.example


def _own() -> Models:
    """The model in hand, under the name by which rows may call it."""
    recipe = state.session().recipe
    if recipe is None:
        return ()
    name = st.text_input(
        "The open model in a row",
        "backbone",
        key="build.own",
        persist_state="session",
        help=f"A row that says backbone() is {short(recipe.source.title, 40)} with its edits and weights.",
    )
    return ((name, as_source(recipe)),) if name else ()


def _editor() -> Rows:
    """Draw the rows to be filled in; what stands in them, empty ones included."""
    if _ROWS not in st.session_state:  # drawn for the first time, or again after a while
        st.session_state[_BASE] = st.session_state.get(_LAST, FIRST)
    edited = st.data_editor(
        pd.DataFrame(st.session_state[_BASE], columns=["Name", "Layer"]),
        key=_ROWS,
        num_rows="dynamic",
        hide_index=True,
        row_height=ROW_PX,
        placeholder="",
        column_config={
            "Name": st.column_config.TextColumn(width="small"),
            "Layer": st.column_config.TextColumn(help="A class called with plain values, such as Conv2d(_, 64, 7)."),
        },
    )
    found = tuple((_cell(name), _cell(layer)) for name, layer in edited.itertuples(index=False))
    if found != FIRST:
        st.session_state[_LAST] = found
    return found


def _cell(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _outcomes(table: Rows, found: Iterator[Step]) -> None:
    """Beside each row what comes out of it, or why it cannot run; nothing below one that cannot."""
    shown = []
    for row in table:
        step = next(found, None) if any(row) else None
        shown.append("" if step is None else step.refused or text.shape(step.output))
    st.dataframe(pd.DataFrame({"What comes out": shown}), key="build.outcomes", hide_index=True, row_height=ROW_PX)


def _offer(source: Source, shapes: tuple[Shape, ...]) -> None:
    """What the model comes to, in a line, and the button that opens it. Raises EditError where it cannot run."""
    recipe = Recipe(source)
    run = state.trace_of(recipe, shapes if shapes != recipe.example else ())
    if run.failed is not None:
        raise EditError(run.failed.sentence)
    count = f"{text.exact(run.totals.n_parameters)} parameters"
    st.markdown(f"{count} · {parts.shape(run.inputs)} → {parts.shape(run.output)}")
    if st.button("Open", key="build.open", type="primary", icon=":material/folder_open:"):
        state.open_recipe(recipe, shapes)
        st.switch_page(places.place("Layers"))


def _number(place: Any, label: str, default: int, key: str) -> int:
    return int(place.number_input(label, value=default, step=1, key=key, persist_state="session") or 0)


def _shape(typed: str) -> Shape:
    try:
        return tuple(int(size) for size in typed.replace("×", ",").split(","))
    except ValueError as error:
        raise EditError(
            f"A shape is whole numbers with commas between, such as 1, 3, 224, 224; got {short(typed)!r}."
        ) from error
