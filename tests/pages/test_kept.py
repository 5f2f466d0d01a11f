"""A reload brings the session back; two tabs with one address stay apart."""

from streamlit.testing.v1 import AppTest

from modelview.opening import open_recipe
from modelview.ui import state
from modelview.ui.kept import Kept
from tests.pages.app import ROOT, session, start


def reloaded(token: str) -> AppTest:
    """A new session at the address of a kept one."""
    other = AppTest.from_file(str(ROOT / "modelview/ui/main.py"), default_timeout=60)
    other.query_params[state.TOKEN] = token
    return other.run()


def token(at: AppTest) -> str:
    """The token in the address that a session shows."""
    shown = at.query_params[state.TOKEN]
    return shown if isinstance(shown, str) else shown[0]


def test_a_reload_brings_the_history_back_and_the_tabs_stay_apart() -> None:
    at = start("4_Edit", "squeezenet1_1")
    at.number_input(key="swap_head.num_classes").set_value(7).run()
    at.button(key="apply").click().run()
    again = reloaded(token(at))
    assert session(again) == session(at)
    assert token(again) != token(at)
    again.button(key="undo").click().run()
    assert session(again).recipe == open_recipe("squeezenet1_1")
    assert session(at).recipe != session(again).recipe


def test_an_unknown_token_is_an_empty_session() -> None:
    assert session(reloaded("no-such-token")).recipe is None


def test_the_oldest_makes_room() -> None:
    kept: Kept[int] = Kept(most=2)
    for number in range(3):
        kept.put(str(number), number)
    assert [kept.get(str(number)) for number in range(3)] == [None, 1, 2]
    assert kept.get(None) is None
