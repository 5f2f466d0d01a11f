"""The drop zone: files from the browser to this server, streamed beside Streamlit's own traffic."""

from pathlib import Path

import streamlit as st

from modelview.ui import state
from modelview.ui.origins import browser_of
from modelview.ui.uploads import Upload, uploads

_HERE = Path(__file__).parent
_HTML = """
<div class="zone" role="button" tabindex="0" aria-label="Choose a file">
  <div class="say"><b>Drop a file here</b>, or press to choose. Any checkpoint: .pth, .pt, .ckpt, .bin, .pkl,
  .safetensors, shards with their index, ONNX. Nothing in it is run.</div>
  <div class="going" hidden><div class="what"></div><progress max="1" value="0"></progress>
  <button type="button" class="cancel">Cancel</button></div>
  <div class="error" role="alert" hidden></div>
  <input type="file" multiple hidden>
</div>
"""


def zone(key: str) -> tuple[Upload, ...]:
    """Draw the zone; the files of the drop that has just arrived, each drop once, () otherwise."""
    session = state.token()
    kept = f"{key}.link"
    token = st.session_state.get(kept, "")
    if not uploads.is_open(token, session):
        token = st.session_state[kept] = uploads.link(session, browser_of(st.context.cookies))
    base = st.get_option("server.baseUrlPath").strip("/")
    viewer = st.components.v2.component(
        "drop_zone", html=_HTML, css=(_HERE / "drop.css").read_text(), js=(_HERE / "drop.js").read_text()
    )
    data = {"address": f"/{base}/upload/" if base else "/upload/", "token": token, "most": uploads.allowance.file}
    result = viewer(key=key, data=data, on_arrived_change=lambda: None)
    sent = result.arrived
    return uploads.arrived(str(sent["token"]), session) if sent else ()
