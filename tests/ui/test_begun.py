"""What a widget begins with is given again until a run came to its end."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from modelview.ui import begun

    begun.begin("classes", 10)
    found = st.number_input("Classes", value=None, step=1, key="classes")
    if st.toggle("Cut short", key="cut"):
        st.stop()
    begun.arrived()
    st.write(found)


def _run(*, cut: bool) -> AppTest:
    at = AppTest.from_function(script)
    at.session_state["cut"] = cut
    return at.run()


@pytest.mark.parametrize(
    ("cut", "said", "wanted"),
    [(True, None, 10), (True, 12, 12), (False, None, None), (False, 12, 12)],
    ids=["lost", "changed at once", "emptied", "changed"],
)
def test_only_what_was_lost_is_given_again(*, cut: bool, said: Any, wanted: Any) -> None:
    at = _run(cut=cut)
    at.number_input(key="classes").set_value(said).run()
    assert at.number_input(key="classes").value == wanted


def test_what_is_shown_replaces_what_stands_there() -> None:
    def showing() -> None:
        import streamlit as st

        from modelview.ui import begun

        begun.begin("classes", 10)
        st.number_input("Classes", value=None, step=1, key="classes")
        st.button("Show", key="show", on_click=begun.show, args=("classes", 3))
        begun.arrived()

    at = AppTest.from_function(showing).run()
    at.number_input(key="classes").set_value(7).run()
    assert at.number_input(key="classes").value == 7
    at.button(key="show").click().run()
    assert at.number_input(key="classes").value == 3
