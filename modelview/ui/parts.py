"""Small pieces that several pages draw. Text from models and files stays text: nothing in it is Markdown."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from modelview.errors import ModelviewError
from modelview.recipe import Recipe
from modelview.render import text

_MARKS = re.compile(r"([\\`*_{}\[\]<>#~$:|!&+-])")


def plain(words: str) -> str:
    """`words` so that Markdown shows them as they are.

    >>> plain("a_b [c](d) :red[e]")
    'a\\\\_b \\\\[c\\\\](d) \\\\:red\\\\[e\\\\]'
    """
    return _MARKS.sub(r"\\\1", _one_line(words))


def code(words: str) -> str:
    """`words` in monospace, whatever backticks they hold.

    >>> code("layer1.0"), code("a`b")
    ('`layer1.0`', '`` a`b ``')
    """
    words = _one_line(words)
    if not words:
        return ""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {words} {fence}" if longest else f"`{words}`"


def sentence(words: str) -> str:
    """A message of the core as Markdown: what stands between backticks is code, the rest is plain.

    >>> sentence("`layer1.0` has no *")
    '`layer1.0` has no \\\\*'
    """
    pieces = words.split("`")
    if len(pieces) % 2 == 0:
        return plain(words)
    shown = [code(piece) if number % 2 else _spaced(piece) for number, piece in enumerate(pieces)]
    return "".join(shown)


def _one_line(words: str) -> str:
    """On one line; thin spaces stay."""
    return re.sub(r"[ \t\r\n\v\f\x85\u2028\u2029]+", " ", words).strip(" ")


def _spaced(piece: str) -> str:
    left, right = " " * (piece[:1] == " "), " " * (piece[-1:] == " " and len(piece) > 1)
    return f"{left}{plain(piece)}{right}"


def shape(tree: Any) -> str:
    """A tree of shapes in monospace, as Markdown."""
    return code(text.shape(tree))


def refuse(error: Exception) -> None:
    """Why something could not be done, in its own words."""
    st.error(sentence(str(error)), icon=":material/block:")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table of Markdown cells."""
    lines = [head, ["---"] * len(head), *rows]
    st.markdown("\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines))


def _cell(cell: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", cell)


def listing(names: Sequence[str], most: int = 4) -> str:
    """Names in monospace, gathered under their parents as `parent.*` until there are at most `most`.

    >>> listing(("fc.weight", "fc.bias", "scale")), listing([f"layer4.{n}.conv1.weight" for n in range(9)])
    ('`fc.*` `scale`', '`layer4.*`')
    """
    shown: list[str] = []
    for depth in range(max((name.count(".") for name in names), default=0), 0, -1):
        shown = _gathered(names, depth)
        if len(shown) <= most:
            break
    shown = shown or list(names)
    rest = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return " ".join(code(name) for name in shown[:most]) + rest


def _gathered(names: Iterable[str], depth: int) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[:depth]), []).append(name)
    return [f"{parent}.*" if len(inner) > 1 else inner[0] for parent, inner in groups.items()]


def whole(recipe: Recipe) -> None:
    """All of a recipe, behind folds: as Python and as recipe.json."""
    try:
        written = recipe.code()
    except ModelviewError as error:
        refuse(error)
        return
    with st.expander("The whole model as Python", icon=":material/code:", key="whole_code"):
        st.code(written, language="python")
    with st.expander("recipe.json", icon=":material/data_object:", key="whole_json"):
        st.code(recipe.to_json(), language="json")
