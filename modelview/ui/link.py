"""A link that downloads a file, and is another one as soon as it was used."""

from pathlib import Path

import streamlit as st

from modelview.ui import state, transfers
from modelview.ui.origins import browser_of

_HTML = '<a class="mv-download"></a>'
_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
  const link = parentElement.querySelector("a");
  link.href = data.address;
  link.download = data.name;
  link.textContent = `Download ${data.name}`;
  link.onclick = () => setTimeout(() => setTriggerValue("used", true), 1000);
}
"""


def draw(path: Path, name: str, key: str) -> None:
    """The link, good for one download by this session; a click fetches the file and brings the next link."""
    base = st.get_option("server.baseUrlPath").strip("/")
    token = transfers.spool.offer(path, name, state.token(), browser_of(st.context.cookies))
    address = f"/{base}/transfer/{token}" if base else f"/transfer/{token}"
    show = st.components.v2.component("download_link", html=_HTML, js=_JS, isolate_styles=False)
    show(key=key, data={"address": address, "name": name}, on_used_change=lambda: None)
