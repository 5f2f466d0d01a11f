"""The file half of the Open page: take a file, say what it is, show the plan, open it."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from modelview import files
from modelview.errors import CheckpointError, ModelviewError
from modelview.fields import FileRef
from modelview.identify.matching import Match
from modelview.inspect.stored_tree import stored_tree
from modelview.names import short
from modelview.recipe import structure_of
from modelview.recognised import Recognised, recognise
from modelview.render import frames
from modelview.render.terminal import plain
from modelview.ui import checking, drop, parts, places, server_files, state, tensor_view
from modelview.ui.uploads import Upload

CHOSEN, AT = "received.file", "received.at"


def draw() -> None:
    """The zone, and below it what the newest file is."""
    with st.container(border=True, key="received"):
        try:
            _take(drop.zone("drop"))
            picked = server_files.pick()
            if picked is not None:
                _remember(files.give(picked))
        except ModelviewError as error:
            parts.refuse(error)
        given = state.session().files
        if not given:
            return
        if len(given) > 1:
            file = st.selectbox("File", given, key=CHOSEN, format_func=lambda ref: plain(short(ref.name, 80)))
        else:
            file = given[0]
        _show(file)


def _take(arrived: Sequence[Upload]) -> None:
    """Let recipes use what arrived: one file, or the files of a set together."""
    if arrived:
        whole = arrived[0].sha256 if len(arrived) == 1 else ""
        name = arrived[0].name if len(arrived) == 1 else f"{arrived[0].name} and {len(arrived) - 1} more"
        _remember(files.give([upload.path for upload in arrived], name=name, sha256=whole))


def _remember(file: FileRef) -> None:
    state.add_file(file)
    st.session_state[CHOSEN] = file
    st.session_state.pop(AT, None)


def _show(file: FileRef) -> None:
    """What the file is, behind folds all there is about it, and the button."""
    title = f"**{parts.plain(short(file.name, 80))}**"
    try:
        with st.spinner("Reading it ..."):
            found = recognise(file)
        st.markdown(f"{title} · {found.checkpoint.size_bytes / 1e6:,.1f} MB")
        places_of = [candidate.path for candidate in found.checkpoint.candidates]
        if len(places_of) > 1:
            at = st.selectbox("Weights", places_of, key=AT, format_func=lambda path: plain(path or "(top)"))
            found = recognise(file, at)
        found = _as_chosen(found)
    except ModelviewError as error:
        st.markdown(title)
        parts.refuse(error)
        return
    st.markdown(parts.plain(found.sentence))
    checking.draw(file, found.checkpoint)
    for note in found.checkpoint.notes:
        st.info(parts.plain(note), icon=":material/info:")
    if found.checkpoint.unsafe:
        asks = ", ".join(parts.code(short(name, 60)) for name in found.checkpoint.unsafe[:4])
        more = f" and {len(found.checkpoint.unsafe) - 4:,} more" if len(found.checkpoint.unsafe) > 4 else ""
        st.warning(f"The file asks for {asks}{more}. None of it was imported or run.", icon=":material/shield:")
    _offer(found)
    _more(found)
    _tree(found)


def _as_chosen(found: Recognised) -> Recognised:
    """The same with the architecture first that is chosen, where it fits several; a whole module is what it is."""
    fitting = _fitting(found.matches)
    if len(fitting) < 2 or found.checkpoint.module is not None:
        return found
    names = {spec: f"{spec.partition(':')[2]} · {match.coverage:.0%}" for spec, match in fitting.items()}
    key = f"received.as.{found.file.sha256[:12]}.{found.checkpoint.path}"
    spec = st.selectbox("Architecture", [*fitting], key=key, format_func=names.__getitem__, persist_state="session")
    return replace(found, matches=(fitting[spec], *(match for match in found.matches if match.spec != spec)))


def _fitting(matches: Sequence[Match]) -> dict[str, Match]:
    """Every architecture that fits, best first, with those that no file tells apart from it beside it."""
    fitting: dict[str, Match] = {}
    for match in matches:
        same = (match.spec, *match.also)
        for spec in same:
            others = tuple(other for other in same if other != spec)
            fitting.setdefault(spec, replace(match, spec=spec, also=others))
    return fitting


def _offer(found: Recognised) -> None:
    """The plan in one line and as a table, and the button that carries it out."""
    try:
        plan, recipe = found.plan, found.recipe
        structure_of(recipe)
    except CheckpointError:
        return  # the sentence above says that nothing fits
    except ModelviewError as error:
        parts.refuse(error)
        return
    if st.button("Open", key="open_file", type="primary", icon=":material/folder_open:"):
        try:
            state.open_recipe(recipe)
        except ModelviewError as error:
            parts.refuse(error)
            return
        st.switch_page(places.place("Layers"))
    if plan is None:
        return
    with st.expander(f"What loading does: {plan.sentence}", icon=":material/checklist:", key="load_plan"):
        st.dataframe(frames.loading(plan), hide_index=True, key="load_plan.table")


def _more(found: Recognised) -> None:
    """Everything else in the file, and its tensors."""
    ck = found.checkpoint
    with st.expander(f"What is in it: {len(ck.tensors):,} tensors", icon=":material/inventory_2:", key="contents"):
        if ck.extras:
            st.dataframe(frames.extras(ck.extras), hide_index=True, key="contents.extras")
        tensor_view.draw(found)


def _tree(found: Recognised) -> None:
    """The modules of one that was saved whole."""
    if found.checkpoint.module is None:
        return
    try:
        rows = stored_tree(found.checkpoint.module)
    except ModelviewError as error:
        parts.refuse(error)
        return
    with st.expander(f"Its tree: {len(rows):,} modules", icon=":material/account_tree:", key="tree"):
        st.dataframe(frames.tree(rows), hide_index=True, key="tree.table")
