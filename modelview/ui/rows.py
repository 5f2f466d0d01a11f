"""Rows and tables of the recipe in hand, found once and shared between reruns and sessions."""

import pandas as pd
import streamlit as st

from modelview.inspect import tables
from modelview.inspect.sift import sift
from modelview.inspect.statistics import Histogram, Statistics, histogram, statistics
from modelview.inspect.tables import ModuleRow, TensorRow
from modelview.recipe import Recipe, structure_of
from modelview.render import frames
from modelview.sources.base import Shape
from modelview.ui import state, weights

KINDS = ("Modules", "Parameters", "Buffers")
Inputs = tuple[Shape, ...]


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr})
def modules(recipe: Recipe, inputs: Inputs) -> list[ModuleRow]:
    """A row for each module."""
    return tables.modules(state.trace_of(recipe, inputs))


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Recipe: repr})
def tensors(recipe: Recipe) -> tuple[list[TensorRow], list[TensorRow]]:
    """A row for each parameter, and for each buffer."""
    return tables.parameters(recipe), tables.buffers(recipe)


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs={Recipe: repr})
def chosen(
    recipe: Recipe, inputs: Inputs, kind: str, text: str, depth: int | None, containers: bool
) -> list[ModuleRow] | list[TensorRow]:
    """The rows of one of `KINDS` that the filters leave."""
    if kind == "Modules":
        rows = modules(recipe, inputs)
        if not containers:
            held = {path.rpartition(".")[0] for path in (row.path for row in rows) if path}
            rows = [row for row in rows if row.path not in held]
        return sift(rows, text, depth)
    return sift(tensors(recipe)[KINDS.index(kind) - 1], text, depth)


@st.cache_resource(max_entries=128, show_spinner=False, hash_funcs={Recipe: repr})
def frame(recipe: Recipe, inputs: Inputs, kind: str, text: str, depth: int | None, containers: bool) -> pd.DataFrame:
    """The same as a data frame; read it, never change it."""
    rows = chosen(recipe, inputs, kind, text, depth, containers)
    if kind == "Modules":
        return frames.modules(rows, modules(recipe, inputs)[0].n_parameters)  # type: ignore[arg-type]
    return frames.tensors(rows)  # type: ignore[arg-type]


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Recipe: repr})
def csv(recipe: Recipe, inputs: Inputs, kind: str, text: str, depth: int | None, containers: bool) -> str:
    """The same as a CSV file, with the rows' own field names."""
    return frames.csv(chosen(recipe, inputs, kind, text, depth, containers))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Recipe: repr})
def printed(recipe: Recipe) -> str:
    """What `print(model)` would say."""
    return str(structure_of(recipe).model)


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs={Recipe: repr})
def values(recipe: Recipe, name: str) -> tuple[Statistics, Histogram | None]:
    """The figures and the histogram of a parameter or buffer; the weights must be at hand."""
    model = weights.build(recipe)
    path, _, own = name.rpartition(".")
    tensor = getattr(model.get_submodule(path), own)
    return statistics(tensor), histogram(tensor)
