"""The operator's own factories on the Open page, where MODELVIEW_FACTORIES names any."""

import ast
from typing import Any

import streamlit as st

from modelview.errors import EditError, ModelviewError
from modelview.names import short
from modelview.recipe import Recipe
from modelview.sources.factory import factory, operators
from modelview.ui import parts, places, state


def draw() -> None:
    """Choose one, give it keywords, open it; nothing where there are none."""
    specs = operators()
    if not specs:
        return
    with st.expander("A factory of this server", icon=":material/factory:", key="factories"):
        spec = st.selectbox("Factory", specs, key="factories.spec")
        typed = st.text_input("Keywords", key="factories.keywords", placeholder="num_classes=3, input=(1, 3, 64, 64)")
        if not st.button("Open", key="factories.open", type="primary", icon=":material/folder_open:"):
            return
        try:
            state.open_recipe(Recipe(factory(spec, **keywords(typed))))
        except ModelviewError as error:
            parts.refuse(error)
        else:
            st.switch_page(places.place("Layers"))


def keywords(typed: str) -> dict[str, Any]:
    """Keywords as they stand in a call, their values plain. Raises EditError.

    >>> keywords("num_classes=3, kind='big'")
    {'num_classes': 3, 'kind': 'big'}
    """
    try:
        call = ast.parse(f"f({typed.strip()})", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("not keywords alone")
        found = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        if None in found or len(found) < len(call.keywords):
            raise ValueError("not one value each")
        return {str(name): value for name, value in found.items()}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise EditError(
            f"Keywords are plain values with commas between, such as num_classes=3, kind='big'; got {short(typed)!r}."
        ) from error
