"""The Features page: the input on the left, what the layers make of it on the right."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from modelview.errors import DownloadError, EditError, ModelviewError
from modelview.inspect import pictures
from modelview.inspect.features import FeatureRow, Features, devices, features, require_room
from modelview.inspect.predictions import caveat, class_names, top
from modelview.inspect.statistics import Statistics
from modelview.names import select
from modelview.recipe import Recipe
from modelview.render import tiles
from modelview.ui import card, parts, rows, state, weights
from modelview.wording import counted

_RESULT, _UPLOADER, _PICTURE = "features.result", "features.picture", "features.picture.kept"
RANDOM, PICTURE = "Random", "A picture"
KINDS = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"]
N_TILES = 8
MOST_STRIPS = 40
MOST_DEFAULT = 8


@dataclass(frozen=True)
class Result:
    """What was run, and what came of it."""

    recipe: Recipe
    what: str
    found: Features


@st.fragment
def form(recipe: Recipe) -> None:
    """Input, layers, device, and Run."""
    with st.container(border=True, key="features.form"):
        st.markdown("**Input**")
        kind = st.segmented_control(
            "Input", (RANDOM, PICTURE), default=RANDOM, required=True, key="features.input",
            label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        seed, picture = (_seed(), None) if kind == RANDOM else (0, _picture())
        try:
            given, what = _given(recipe, seed, picture)
        except ModelviewError as error:
            parts.refuse(error)
            given, what = None, ""
        st.markdown("**Layers to watch**")
        patterns = _layers(recipe)
        device = st.selectbox("Device", devices(), key="features.device", persist_state="session")
        if st.button(
            "Run",
            key="features.run",
            type="primary",
            icon=":material/play_arrow:",
            disabled=given is None or (kind == PICTURE and picture is None) or not patterns,
        ):
            _run(recipe, given or (), seed, what, patterns, device)
        weights.offer_random(recipe, key="features.random")


def _seed() -> int:
    seed = st.number_input(
        "Seed", min_value=0, max_value=2**31, value=0, step=1, key="features.seed", persist_state="session"
    )
    st.caption("Normal noise, " + ", ".join(parts.shape(shape) for shape in state.inputs()))
    return int(seed)


def _picture() -> bytes | None:
    """The file that was uploaded; it stays when another page is looked at, which empties the uploader."""
    uploaded = st.file_uploader("Picture", type=KINDS, key=_UPLOADER, on_change=_keep_picture)
    kept: tuple[str, bytes] | None = st.session_state.get(_PICTURE)
    if kept is None:
        return None
    name, data = kept
    if uploaded is None:
        with st.container(horizontal=True, vertical_alignment="center", key="features.kept"):
            st.caption(parts.code(name))
            st.button("Remove", key="features.remove", type="tertiary", on_click=_keep_picture)
    return data


def _keep_picture() -> None:
    """Hold what stands in the uploader now, nothing where that is empty."""
    uploaded = st.session_state.get(_UPLOADER)
    st.session_state[_PICTURE] = (uploaded.name, uploaded.getvalue()) if uploaded is not None else None


def _given(recipe: Recipe, seed: int, data: bytes | None) -> tuple[tuple[Any, ...], str]:
    """The inputs, shapes for noise, and what they are in words; the picture is shown as the model sees it.

    Raises EditError for a file that is no picture, and for noise that this machine's memory is too small for.
    """
    if data is None:
        require_room(state.trace())
        return state.inputs(), f"random input, seed {seed}"
    made = pictures.prepared(recipe, pictures.read(data), state.inputs())
    st.image(made.shown, caption="As the model sees it")
    st.caption(parts.plain(made.how))
    return (made.tensor,), "the picture"


def _layers(recipe: Recipe) -> list[str]:
    every = rows.modules(recipe, state.session().inputs)
    called = [row.path for row in every if row.n_calls and row.path]
    direct = [row.path for row in every if row.path in called and "." not in row.path and row.n_parameters]
    chosen = st.multiselect(
        "Modules",
        called,
        default=direct[:MOST_DEFAULT],
        key=f"features.paths.{hash((recipe, state.session().inputs))}",
        placeholder="module paths",
        label_visibility="collapsed",
        persist_state="session",
    )
    typed = st.text_input(
        "and patterns", key="features.patterns", placeholder="layer*.0.conv2, *.relu", persist_state="session"
    )
    patterns = [word for word in typed.replace(",", " ").split() if word]
    try:
        n_found = len(set(chosen) | set(select("module", called, patterns)))
    except ModelviewError as error:
        parts.refuse(error)
        return []
    if n_found:
        st.caption(counted(n_found, "module"))
    return [*chosen, *patterns]


def _run(recipe: Recipe, given: tuple[Any, ...], seed: int, what: str, patterns: list[str], device: str) -> None:
    place = st.empty()
    try:
        with place.status("Running ...", expanded=True) as progress:
            model = weights.build(recipe)
            progress.update(label=f"One pass on {device} ...")
            found = features(recipe, *given, paths=tuple(patterns), device=device, model=model, seed=seed)
    except DownloadError as error:
        place.empty()
        weights.unfetched(recipe, error)
        return
    except ModelviewError as error:
        place.empty()
        parts.refuse(error)
        return
    st.session_state[_RESULT] = Result(recipe, what, found)
    st.rerun()


def result(recipe: Recipe) -> None:
    """The last run's prediction and strips; nothing of another model's."""
    last = st.session_state.get(_RESULT)
    if not isinstance(last, Result):
        st.info("Choose an input and layers, then Run.", icon=":material/play_arrow:")
        return
    if last.recipe != recipe:
        st.info("The model has changed since the last run. Run again.", icon=":material/refresh:")
        return
    _prediction(recipe, last)
    if not last.found.rows:
        st.warning("None of these modules was called in this pass.")
    for number, row in enumerate(last.found.rows[:MOST_STRIPS]):
        _strip(last.found, row, number)
    if len(last.found.rows) > MOST_STRIPS:
        st.caption(f"{MOST_STRIPS} of {len(last.found.rows):,} are shown; choose fewer layers to see others.")


def _prediction(recipe: Recipe, last: Result) -> None:
    best = top(last.found.output, class_names(recipe))
    origin = f"{last.what}, on {last.found.device}"
    if not best:
        st.caption(parts.plain(origin[:1].upper() + origin[1:]))
        return
    with st.container(border=True, key="features.prediction"):
        st.markdown(f"**Prediction** :gray[{parts.plain(origin)}]")
        if doubt := caveat(recipe):
            st.caption(doubt)
        lines = [(parts.plain(p.name) or f"class {p.index}", f"{p.probability:.1%}", f":gray[{p.index}]") for p in best]
        parts.table(("Class", "Probability", "Index"), lines)


@st.fragment
def _strip(found: Features, row: FeatureRow, number: int) -> None:
    """One layer: shape, figures, a row of maps, and on request all of them."""
    with st.container(border=True, key=f"features.strip.{number}"):
        which = f" · call {row.call + 1}" if row.call or _again(found, row) else ""
        output = f" · output {parts.code(row.output)}" if row.output else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{parts.code(row.path) or 'the model'}**{which}{output} {parts.shape(row.shape)}")
            values = found.values(row)
            pictured = pictures.maps(values, row.channels, N_TILES) if values is not None else None
            if (
                pictured is not None
                and pictured.size
                and st.button("Enlarge", key=f"features.enlarge.{number}", icon=":material/zoom_in:", type="tertiary")
            ):
                _enlarged(found, row)
        st.caption(parts.plain(card.figures(_statistics(row))))
        if pictured is not None and pictured.size:
            st.image(tiles.strip(pictured, N_TILES), width="stretch" if len(pictured) >= N_TILES else "content")
        elif values is None:
            st.caption("The values were not kept: there are too many layers. Choose fewer to see maps.")


def _again(found: Features, row: FeatureRow) -> bool:
    return any(other.path == row.path and other.call for other in found.rows)


def _statistics(row: FeatureRow) -> Statistics:
    return Statistics(0, row.mean, row.std, row.min, row.max, row.zeros, row.n_nan, row.n_inf)


@st.dialog("Activation maps", width="large")
def _enlarged(found: Features, row: FeatureRow) -> None:
    values = found.values(row)
    if values is None:
        raise EditError("The values of this layer were not kept.")
    pictured = pictures.maps(values, row.channels)
    st.markdown(f"{parts.code(row.path)} {parts.shape(row.shape)}")
    if len(pictured) > 1:
        every = ["all", *range(len(pictured))]
        channel = st.selectbox("Channel", every, key="features.channel")
    else:
        channel = 0
    most = 240
    if channel == "all":
        st.image(tiles.sheet(pictured[:most]), width="stretch")
        if len(pictured) > most:
            st.caption(f"The first {most} of {len(pictured):,} channels.")
    else:
        st.image(tiles.single(pictured[int(channel)]), width="stretch")
