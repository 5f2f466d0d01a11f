"""What widgets begin with.

A value that a script gives a widget travels once, with the run that gave it. When the next click cuts that run short,
the widget appears empty, and says so to the next run. So what was given is given again until a run has come to its end.
"""

from typing import Any

import streamlit as st

_GIVEN = "begun"
"""Where the session holds what was given to widgets in runs that have not come to their end."""
_LEFT = "left"
"""Where it holds what stood in widgets that may not be on the page any more: Streamlit forgets these."""


def begin(key: str, value: Any) -> None:
    """Have the widget called `key` begin with `value`. Called in each run, before the widget is drawn."""
    if key not in st.session_state:
        show(key, _left().get(key, value))
    elif key in _given() and _is_lost(st.session_state[key], _given()[key]):
        st.session_state[key] = _given()[key]


def remember(key: str) -> None:
    """Have the widget called `key` begin with what stands in it now, whenever it is drawn again after a while."""
    _left()[key] = st.session_state[key]


def forget() -> None:
    """Have every widget begin anew, such as for another model."""
    _left().clear()


def show(key: str, value: Any) -> None:
    """Have the widget called `key` show `value`, whatever stands in it, when it is drawn next."""
    st.session_state[key] = _given()[key] = value


def arrived() -> None:
    """Say that this run, or fragment, came to its end: what it gave has been sent."""
    _given().clear()


def _left() -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.setdefault(_LEFT, {})
    return found


def _given() -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.setdefault(_GIVEN, {})
    return found


def _is_lost(held: Any, given: Any) -> bool:
    """Whether nobody has put another value there since."""
    return held is None or held in ("", []) or held == given
