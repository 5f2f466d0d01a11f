"""The operator's factories on the Open page: offered where the operator named some, opened with plain keywords."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from modelview.errors import EditError
from modelview.sources.factory import Factory
from modelview.ui.factories import keywords
from tests.pages.app import errors, session, start

NETS = """
from torch import nn

def build(num_classes=2):
    return nn.Sequential(nn.Linear(4, num_classes))
"""


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    (tmp_path / "servernets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MODELVIEW_FACTORIES", "servernets:build, servernets:missing")
    yield start()
    sys.modules.pop("servernets", None)


def opened(at: AppTest, typed: str, spec: str = "servernets:build") -> AppTest:
    at.selectbox(key="factories.spec").select(spec)
    at.text_input(key="factories.keywords").input(typed)
    return at.button(key="factories.open").click().run()


def test_nothing_is_offered_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELVIEW_FACTORIES", raising=False)
    at = start()
    assert not at.exception
    assert "factories.spec" not in [box.key for box in at.selectbox]


def test_one_is_opened_with_its_keywords(offered: AppTest) -> None:
    assert offered.selectbox(key="factories.spec").options == ["servernets:build", "servernets:missing"]
    at = opened(offered, "num_classes=5, seed=2, input=(1, 4)")
    assert errors(at) == ""
    source = Factory("servernets:build", (("num_classes", 5),), ((1, 4),), 2)
    assert session(at).recipe is not None
    assert session(at).recipe.source == source  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("typed", "spec", "message"),
    [
        ("num_clases=5", "servernets:build", "No keyword of servernets:build is called 'num_clases'."),
        ("5", "servernets:build", "Keywords are plain values with commas between, such as num_classes=3"),
        ("", "servernets:missing", "No function of servernets is called 'missing'. Did you mean 'build'"),
        ("input=(1, 5)", "servernets:build", "`0` gets 1 × 5, so 5 features, but takes 4"),
    ],
)
def test_what_does_not_open_says_so(offered: AppTest, typed: str, spec: str, message: str) -> None:
    at = opened(offered, typed, spec)
    assert message.replace("`", "") in errors(at).replace("`", "")
    assert session(at).recipe is None


@pytest.mark.parametrize(
    "typed", ["a=print(1)", "**{}", "1)(2", "a=1) or f(", "a", "a=b", "a=1, a=2", "a=", "(" * 5000, "a={[]: 1}"]
)
def test_what_is_no_list_of_plain_keywords_is_refused(typed: str) -> None:
    with pytest.raises(EditError, match="Keywords are plain values with commas between"):
        keywords(typed)


def test_no_keywords_are_none() -> None:
    assert keywords(" ") == {}
