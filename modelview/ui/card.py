"""All there is about one module, as the card beside the table and the graph."""

import altair as alt
import pandas as pd
import streamlit as st
from torch import nn

from modelview.errors import DownloadError, ModelviewError
from modelview.inspect.statistics import Histogram, Statistics
from modelview.inspect.tables import ModuleRow, TensorRow
from modelview.layers import describe
from modelview.recipe import Recipe, structure_of
from modelview.render import text
from modelview.ui import parts, rows, state, weights

MOST_CALLS = 4
MOST_TENSORS = 8


def draw(recipe: Recipe, path: str) -> None:
    """The card of the module at `path`; "" is the whole model."""
    inputs = state.session().inputs
    every = rows.modules(recipe, inputs)
    row = next(row for row in every if row.path == path)
    module = structure_of(recipe).model.get_submodule(path)
    st.markdown(f"**{parts.code(path) or parts.plain(recipe.source.title)}**")
    if note := _note(row):
        st.info(parts.plain(note), icon=":material/info:")
    _constructor(module)
    own = [t for found in rows.tensors(recipe) for t in found if t.module == path]
    first, *rest = ([f":small[{cell}]" for cell in line] for line in (*_facts(row, every, path), *_tensor_lines(own)))
    parts.table(first, rest)
    if own:
        _values(recipe, own)


def _constructor(module: nn.Module) -> None:
    if next(module.children(), None) is None:
        st.code(describe(module), language="python", wrap_lines=True)
        return
    written = str(module)
    st.code(written, language=None, height=220 if written.count("\n") > 9 else "content")


def _note(row: ModuleRow) -> str:
    sentences = {
        "never called": "Never called in this pass.",
        "parameters used, module not called": "Its parameters are used, but the module itself is not called.",
        "container": "It only holds other modules; it is not called itself.",
        "not reached": "Not reached: the pass failed before it.",
    }
    said = [sentences.get(row.note, f"{row.note.capitalize()}." if row.note else "")]
    if row.alias_of is not None:
        said.append(f"The same module as {row.alias_of}.")
    return " ".join(filter(None, said))


def _facts(row: ModuleRow, every: list[ModuleRow], path: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    calls = list(zip(row.input_shapes, row.output_shapes, strict=True))
    for number, (given, returned) in enumerate(calls[:MOST_CALLS], start=1):
        which = f" {number}" if len(calls) > 1 else ""
        lines += [(f"Input{which}", parts.shape(given)), (f"Output{which}", parts.shape(returned))]
    if len(calls) > MOST_CALLS:
        lines.append(("", f"and {len(calls) - MOST_CALLS} more calls"))
    if row.n_calls:
        lines.append(("Called", "once" if row.n_calls == 1 else f"{row.n_calls} times"))
    lines.append(("Parameters", _parameters(row)))
    if row.macs:
        lines.append(("MACs", text.short(row.macs)))
    if path:
        holder = path.rpartition(".")[0]
        kind = next((other.kind for other in every if other.path == holder), "")
        lines.append(("Held by", f"{parts.code(holder) or 'the model'} {parts.plain(kind)}"))
    if others := [other.path for other in every if other.alias_of == path and other.path != path]:
        lines.append(("Also at", parts.listing(others)))
    return lines


def _parameters(row: ModuleRow) -> str:
    if not row.n_parameters:
        return "none"
    some = row.n_trainable not in (0, row.n_parameters)
    training = "trainable" if row.n_trainable else "frozen"
    return f"{row.n_parameters:,}, " + (f"{row.n_trainable:,} trainable" if some else training)


def _tensor_lines(own: list[TensorRow]) -> list[tuple[str, str]]:
    lines = []
    for tensor in own[:MOST_TENSORS]:
        name = tensor.path.rpartition(".")[2]
        if tensor.kind == "parameter":
            extra = "trainable" if tensor.trainable else "frozen"
        else:
            extra = "buffer" if tensor.persistent else "buffer, not in the state\\_dict"
        tie = f", tied to {parts.code(tensor.tied_to)}" if tensor.tied_to else ""
        facts = f"{parts.shape(tensor.shape)} {tensor.dtype}, {text.size(tensor.size_bytes)}, {extra}{tie}"
        lines.append((parts.code(name), facts))
    if len(own) > MOST_TENSORS:
        lines.append(("", f"and {len(own) - MOST_TENSORS} more"))
    return lines


def _values(recipe: Recipe, own: list[TensorRow]) -> None:
    """Statistics and a histogram where the weights are at hand, else the button that makes them."""
    if weights.made(recipe) is None:
        place = st.empty()
        asked = place.button("Make the weights", key="card.make", help="To see values: builds the model for real.")
        if asked:
            _make(recipe)
        if weights.made(recipe) is None:
            weights.offer_random(recipe, key="card.random")
            if not asked:
                st.caption("Values are shown once the weights are made.")
            return
        place.empty()
    names = [tensor.path for tensor in own]
    name = names[0]
    if len(names) > 1:
        name = st.selectbox(
            "Values of", names, format_func=lambda n: n.rpartition(".")[2], key=f"card.values.{names[0]}"
        )
    found, bins = rows.values(recipe, name)
    if bins is not None and found.n_elements > 1:
        chart(bins, name.rpartition(".")[2], key=f"card.histogram.{name}")
    st.caption(parts.plain(figures(found)))


def _make(recipe: Recipe) -> None:
    try:
        weights.build(recipe)
    except DownloadError as error:
        weights.unfetched(recipe, error)
    except ModelviewError as error:
        parts.refuse(error)


def figures(found: Statistics) -> str:
    """Statistics on one line."""
    if found.mean is None:
        words = ["no finite value"]
    else:
        words = [f"{label} {number(getattr(found, label))}" for label in ("mean", "std", "min", "max")]
        words.append(f"{found.zeros:.1%} zeros")
    words += [f"{found.n_nan:,} NaN"] if found.n_nan else []
    words += [f"{found.n_inf:,} infinite"] if found.n_inf else []
    words += [] if found.n_nan or found.n_inf else ["no NaN"]
    return " · ".join(words)


def number(value: float | None) -> str:
    """A value with three digits, and a true minus."""
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


def chart(bins: Histogram, name: str, *, key: str) -> None:
    """A histogram as bars; `name` is below it."""
    table = pd.DataFrame({"low": bins.edges[:-1], "high": bins.edges[1:], "count": bins.counts})
    drawn = (
        alt.Chart(table)
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title=name, axis=alt.Axis(tickCount=6)),
            x2="high:Q",
            y=alt.Y("count:Q", title=None, axis=alt.Axis(tickCount=3)),
        )
        .properties(height=130)
    )
    st.altair_chart(drawn, key=key)
