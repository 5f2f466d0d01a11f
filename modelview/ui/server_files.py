"""Files that are on the server already, below the folders that its operator named."""

import os
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from modelview.errors import EditError
from modelview.names import short
from modelview.render.terminal import plain

SETTING = "MODELVIEW_FILES"
MOST_SHOWN = 500
_MOST_LOOKED_AT = 50_000


def folders() -> tuple[Path, ...]:
    """What the operator named in MODELVIEW_FILES, as it really lies."""
    named = os.environ.get(SETTING, "").split(os.pathsep)
    return tuple(Path(os.path.realpath(name)) for name in named if name and Path(name).is_dir())


def within(path: Path) -> Path:
    """The file or folder as it really lies. Raises EditError where that is outside of what was named."""
    real = Path(os.path.realpath(path))
    if not any(real == folder or folder in real.parents for folder in folders()):
        raise EditError(f"{short(str(path))!r} lies outside the folders that this server shows ({SETTING}).")
    return real


def listed(query: str) -> list[Path]:
    """Files below the folders whose path has all words of `query`, and the folders that hold them as one set."""
    words = query.lower().split()
    found: list[Path] = []
    for folder in folders():
        for path in _below(folder):
            if all(word in str(path.relative_to(folder)).lower() for word in words):
                found.append(path)
            if len(found) >= MOST_SHOWN:
                return found
    return found


def _below(folder: Path) -> Iterator[Path]:
    looked_at = 0
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if ".metadata" in names or any(name.endswith(".index.json") for name in names):
            yield Path(place)
        for name in sorted(names):
            looked_at += 1
            if looked_at > _MOST_LOOKED_AT:
                return
            path = Path(place, name)
            if not name.startswith(".") and _is_inside(path):
                yield path


def _is_inside(path: Path) -> bool:
    try:
        return within(path).is_file()
    except EditError:
        return False


def pick() -> Path | None:
    """Draw the picker where there is something to pick from; the file that was just chosen."""
    if not folders():
        return None
    with st.expander("A file on this server", icon=":material/dns:", key="server_files"):
        query = st.text_input("Search", key="server_files.query", placeholder="part of a path")
        paths = listed(query)
        chosen = st.selectbox("File", paths, None, key="server_files.chosen", format_func=lambda path: plain(str(path)))
        if len(paths) >= MOST_SHOWN:
            st.caption(f"The first {MOST_SHOWN:,}; search for more.")
        if st.button("Look at it", key="server_files.look", disabled=chosen is None) and chosen is not None:
            return within(chosen)
    return None
