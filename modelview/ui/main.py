"""The frame of every page: navigation above, the model in hand at the side, the page itself."""

from pathlib import Path

import streamlit as st

from modelview.ui import begun, places, sidebar, state, warm

warm.keep()
st.set_page_config(page_title="modelview", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
st.html(Path(__file__).with_name("style.css"))

page = st.navigation(places.pages(), position="top")
state.read_address()
sidebar.draw()
page.run()
state.write_address()
begun.arrived()
