"""The form for a model class of torchvision: a ResNet of any blocks and layers, a ViT of any size."""

import streamlit as st

from modelview.sources.base import Shape, Source
from modelview.sources.torchvision_class import TorchvisionClass, keywords_of_class, names
from modelview.ui.asked import Unfilled
from modelview.ui.inputs import seed_field, shape_form
from modelview.ui.keywords import keyword_form

FIRST = "ResNet"


def fill_in() -> tuple[Source, tuple[Shape, ...]]:
    """The class with the arguments that were filled in, and the shape of its input.

    Raises Unfilled while one that has no default is missing, EditError for what the class cannot take.
    """
    left, right = st.columns([2, 1], gap="small")
    name = left.selectbox(
        "Class", names(), names().index(FIRST), key="build.class", filter_mode="contains", persist_state="session"
    )
    seed = seed_field(right, "build.seed")
    rows = keywords_of_class(name)
    needed = [row for row in rows if row.required or row.example is not None]
    values = keyword_form(needed, f"build.{name}")
    with st.expander("More arguments", key=f"build.{name}.more"):
        values |= keyword_form([row for row in rows if row not in needed], f"build.{name}", n_columns=3)
    if missing := [row.name for row in needed if row.required and row.name not in values]:
        listed = " and ".join(f"`{each}`" for each in missing)
        raise Unfilled(f"{name} needs {listed}: fill {'it' if len(missing) == 1 else 'them'} in to see the model.")
    source = TorchvisionClass(name, tuple(values.items()), seed)
    st.markdown("Input")
    return source, shape_form(source.example, source.example, key=f"build.{name}.input")
