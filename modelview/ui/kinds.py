"""The kinds of edit, in groups by what one wants to change."""

import streamlit as st

from modelview.edits.base import EDITS

KIND = "kind"
"""Where the session holds the kind that is chosen."""

GROUPS = {
    "Head & classes": ("swap_head", "append", "select_classes", "fuse_stages"),
    "Layers & names": (
        "truncate",
        "replace_layer",
        "insert_layer",
        "delete_layer",
        "first_children",
        "rename",
        "prefix",
    ),
    "Inputs & outputs": ("adapt_input", "add_input", "add_outputs"),
    "Training & weights": ("freeze", "unfreeze", "learning_rates", "detach", "load_weights"),
}
OTHER = "Other"


def groups() -> dict[str, list[str]]:
    """Every kind of edit under its group; those that no group names come last, under "Other"."""
    found = {group: [kind for kind in kinds if kind in EDITS] for group, kinds in GROUPS.items()}
    named = {kind for kinds in found.values() for kind in kinds}
    rest = [kind for kind in EDITS if kind not in named]
    return {**found, OTHER: rest} if rest else found


def choose() -> str:
    """Draw the kinds of edit; the one that is chosen."""
    chosen = str(st.session_state.setdefault(KIND, next(iter(groups().values()))[0]))
    with st.container(key="kinds", gap="small"):
        for number, (group, kinds) in enumerate(groups().items()):
            key = f"{KIND}.{number}"
            st.session_state[key] = chosen if chosen in kinds else None
            st.pills(
                group,
                kinds,
                required=True,
                format_func=lambda kind: EDITS[kind].title,
                key=key,
                wrap=True,
                on_change=_choose,
                args=(key,),
            )
    return chosen


def _choose(key: str) -> None:
    st.session_state[KIND] = st.session_state[key] or st.session_state[KIND]
