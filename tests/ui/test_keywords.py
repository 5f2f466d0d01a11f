"""The form of every builder and class of torchvision: it is drawn, and says nothing where nothing was changed."""

import pytest
from streamlit.testing.v1 import AppTest
from torchvision import models

from modelview.sources.torchvision_class import EXAMPLES, names


def form(spec: str) -> None:
    import streamlit as st

    from modelview.sources.torchvision import keywords_of
    from modelview.sources.torchvision_class import keywords_of_class
    from modelview.ui.keywords import keyword_form

    rows = keywords_of(spec) if spec[0].islower() else keywords_of_class(spec)
    st.session_state["given"] = keyword_form(rows, "test", n_columns=3)


def drawn(spec: str) -> AppTest:
    return AppTest.from_function(form, args=(spec,), default_timeout=30).run()


@pytest.mark.long
@pytest.mark.parametrize("name", models.list_models())
def test_the_form_of_a_builder(name: str) -> None:
    at = drawn(name)
    assert not at.exception, at.exception[0].message
    assert at.session_state["given"] == {}


@pytest.mark.parametrize("name", names())
def test_the_form_of_a_class(name: str) -> None:
    at = drawn(name)
    assert not at.exception, at.exception[0].message
    assert at.session_state["given"].keys() >= EXAMPLES.get(name, {}).keys()


def test_a_number_with_a_whole_default_takes_fractions() -> None:
    at = drawn("densenet121")
    at.number_input(key="test.drop_rate").set_value(0.25).run()
    assert at.session_state["given"] == {"drop_rate": 0.25}
