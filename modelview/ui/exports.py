"""The cards of the Export page."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import streamlit as st

from modelview.errors import DownloadError, ModelviewError
from modelview.export.base import EXPORTS, Export, TextExport, export, filename, made
from modelview.recipe import Recipe, trace
from modelview.ui import link, parts, transfers, weights

MOST = 16
LOOK_S = 0.2
"""How often it is looked how far the writing is."""


@dataclass(frozen=True)
class Prepared:
    """A file that is ready: where it lies, its size and what reading it back showed."""

    path: Path
    size_bytes: int
    proof: str


_prepared: OrderedDict[tuple[Recipe, Export], Prepared] = OrderedDict()


@st.fragment
def card(recipe: Recipe, name: str) -> None:
    """One format: what it is, its size, what loads it, and the download."""
    file = filename(recipe, name)
    with st.container(border=True):
        st.subheader(EXPORTS[name].title)
        st.write(EXPORTS[name].about)
        try:
            form = made(name, _options(name))
        except ModelviewError as error:
            parts.refuse(error)
            return
        if reason := form.refusal(recipe):
            st.warning(parts.sentence(reason), icon=":material/block:")
            return
        if needs := form.needs(recipe):
            st.warning(parts.sentence(needs), icon=":material/attach_file:")
        st.code(form.loading(recipe, file), language="python", wrap_lines=True)
        if isinstance(form, TextExport):
            _download_of_text(recipe, name, form, file)
        else:
            _download_of_weights(recipe, name, form, file)


def _options(name: str) -> dict[str, object]:
    """Draw what the format lets one choose, behind a fold; {} where there is nothing."""
    cls: Any = EXPORTS[name]
    hints = get_type_hints(cls, include_extras=True)
    asked = [(field, get_args(hints[field.name])[1]) for field in fields(cls)]
    values: dict[str, object] = {}
    if asked:
        with st.expander("Options", icon=":material/tune:", key=f"{name}.options"):
            for (field, ask), column in zip(asked, st.columns(len(asked)), strict=True):
                key, help_ = f"{name}.{field.name}", ask.help or None
                with column:
                    values[field.name] = (
                        st.selectbox(ask.label, ask.choices, key=key, help=help_)
                        if ask.choices
                        else st.text_input(ask.label, field.default, key=key, help=help_)
                    )
    return values


def _download_of_text(recipe: Recipe, name: str, form: TextExport, file: str) -> None:
    text = form.text(recipe)
    st.caption(f"`{file}` · {len(text.encode()):,} bytes")
    st.download_button(f"Download {file}", text, file_name=file, key=f"download_{name}", icon=":material/download:")


def _download_of_weights(recipe: Recipe, name: str, form: Export, file: str) -> None:
    ready = _found(recipe, form)
    if ready is None:
        place = st.empty()
        with place.container():
            st.caption(f"`{file}` · about {trace(recipe).totals.size_bytes / 1e6:,.1f} MB")
            if st.button("Prepare", key=f"prepare_{name}", icon=":material/build:"):
                ready = _prepare(recipe, name, form, file)
            if ready is None:
                weights.offer_random(recipe, key=f"random_{name}")
        if ready is None:
            return
        place.empty()
    st.caption(f"`{file}` · {ready.size_bytes / 1e6:,.1f} MB" + (f" · {ready.proof}" if ready.proof else ""))
    link.draw(ready.path, file, key=f"link_{name}")


def _found(recipe: Recipe, form: Export) -> Prepared | None:
    ready = _prepared.get((recipe, form))
    return ready if ready is not None and ready.path.exists() else None


def _prepare(recipe: Recipe, name: str, form: Export, file: str) -> Prepared | None:
    before = recipe.proofs()
    try:
        model = weights.build(recipe)
        place = transfers.spool.place(file)
        options = asdict(cast(Any, form))
        _followed(lambda: export(recipe, name, place, model=model, **options), place, trace(recipe).totals.size_bytes)
        with st.spinner(f"Reading {file} back ..."):
            proof = form.proof(recipe, model, place)
    except DownloadError as error:
        weights.unfetched(recipe, error)
        return None
    except ModelviewError as error:
        parts.refuse(error)
        return None
    ready = Prepared(place, place.stat().st_size, proof)
    _prepared[recipe, form] = ready
    while len(_prepared) > MOST:
        _prepared.popitem(last=False)
    if recipe.proofs() != before:  # the cards beside, and recipe.json, say what was proved
        st.rerun()
    return ready


def _followed(write: Callable[[], object], place: Path, size_bytes: int) -> None:
    """Write in another thread, and show meanwhile how much of the file, of about that size, is there.

    Raises what `write` raises.
    """
    bar = st.progress(0.0, f"Writing {place.name} ...")
    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(write)
        while not wait([done], timeout=LOOK_S).done:
            so_far = sum(part.stat().st_size for part in place.parent.glob("*.part"))
            bar.progress(min(so_far / max(size_bytes, 1), 1.0), f"Writing {place.name}: {so_far / 1e6:,.0f} MB")
    bar.empty()
    done.result()


def belongings(recipe: Recipe) -> None:
    """What goes with the weights: preprocessing, class names and licence."""
    view = getattr(recipe.source, "view", None)
    if view is None:
        return
    st.subheader("What belongs to these weights")
    if view.licence:
        st.info(parts.plain(f"Licence: {view.licence}"), icon=":material/copyright:")
    st.markdown(f"Preprocessing, in `model.py` as `preprocess`: {parts.plain(view.preprocessing)}")
    names = recipe.categories()
    if names:
        with st.expander(f"{len(names):,} class names, in model.py as CATEGORIES", key="categories"):
            st.dataframe({"class": list(range(len(names))), "name": list(names)}, hide_index=True)
    elif recipe.source.categories:
        st.caption("The class names of the weights do not go along: the edits changed what is predicted.")
