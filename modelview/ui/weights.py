"""Real weights: made once, when something needs them, and shared read-only between all sessions."""

from collections import OrderedDict
from dataclasses import replace
from threading import RLock
from typing import Any

import streamlit as st
from torch import nn

from modelview.errors import DownloadError
from modelview.recipe import Recipe
from modelview.ui import parts, state

MOST = 2
"""How many built models are kept; the one longest not asked for goes first."""
MOST_UNFETCHED = 16

_built: OrderedDict[Recipe, nn.Module] = OrderedDict()
_unfetched: OrderedDict[Recipe, DownloadError] = OrderedDict()
_making = RLock()


def made(recipe: Recipe) -> nn.Module | None:
    """The built model if it is at hand; read it, never change it."""
    return _built.get(recipe)


def unfetched(recipe: Recipe, error: DownloadError) -> None:
    """Remember why the weights are not there: `offer_random` says so on each run, so that its button stays."""
    _unfetched[recipe] = error
    while len(_unfetched) > MOST_UNFETCHED:
        _unfetched.popitem(last=False)


def offer_random(recipe: Recipe, key: str) -> None:
    """Where the weights could not be fetched: why, and a button that goes on without them."""
    error = _unfetched.get(recipe)
    if error is None:
        return
    parts.refuse(error)
    if st.button("Go on with random weights", key=key, icon=":material/casino:"):
        state.commit(without_weights(recipe))
        st.rerun()


def without_weights(recipe: Recipe) -> Recipe:
    """The same edits on the same source with random weights."""
    source: Any = recipe.source
    return replace(recipe, source=replace(source, weights=None))


def build(recipe: Recipe) -> nn.Module:
    """The built model on the CPU; read it, never change it. Shows progress while it is made.

    Raises EditError, and DownloadError where the weights cannot be fetched.
    """
    with _making:
        if recipe in _built:
            _built.move_to_end(recipe)
            return _built[recipe]
        place = st.empty()
        bar = place.progress(0.0, "Making the weights ...")

        def progress(done: int, total: int) -> None:
            bar.progress(
                min(done / total, 1.0) if total else 0.0,
                f"Downloading weights: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB",
            )

        try:
            model = recipe.build(progress=progress)
        finally:
            place.empty()
        _built[recipe] = model
        _unfetched.pop(recipe, None)
        while len(_built) > MOST:
            _built.popitem(last=False)
        return model
