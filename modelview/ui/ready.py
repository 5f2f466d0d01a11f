"""Ways to begin that need no choosing: an example, and recipes that were saved."""

import streamlit as st

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.errors import EditError, ModelviewError
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.ui import parts, places, state


def example() -> None:
    """One click to a model with two edits, for somebody who has never been here."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="example"):
        st.markdown("**New here?** See a model opened, its head swapped and the rest frozen, ready to export.")
        if st.button("Try it: resnet50, 10 classes, the rest frozen", key="try_it", icon=":material/bolt:"):
            recipe = open_recipe("resnet50").then(SwapHead(10)).then(Freeze("*", except_="fc"))
            state.open_recipe(recipe)
            st.switch_page(places.place("Edit"))


def saved() -> None:
    """Open a recipe.json, uploaded or pasted."""
    with st.expander("Open a recipe", icon=":material/data_object:", key="saved"):
        file = st.file_uploader("recipe.json", type="json", key="recipe_file")
        said = "The file is opened; remove it to paste another." if file else '{"modelview": 1, "source": …}'
        pasted = st.text_area("or paste it", key="recipe_text", placeholder=said, disabled=file is not None)
        if st.button("Open recipe", key="open_recipe", disabled=not (file or pasted.strip())):
            try:
                recipe = Recipe.from_json(_decoded(file.getvalue()) if file else pasted)
                state.open_recipe(recipe)
            except ModelviewError as error:
                parts.refuse(error)
            else:
                st.switch_page(places.place("Edit"))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EditError("This file is not text, so it is no recipe.json.") from error
