"""The app that `streamlit run app.py` serves: the pages, and the routes that files come and go by."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.routing import Route

from modelview.ui import transfers, uploads, warm


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Warm up before the first visitor, and tidy up behind the last."""
    warm.up()
    async with warm.tidying(), transfers.lifespan(app):
        yield


def unforeseen(error: Exception) -> bool:
    """Say that something broke, without a traceback; that goes to the log of the server."""
    logging.getLogger("modelview").error("A page failed.", exc_info=error)
    st.error("modelview itself made a mistake here. Your model is as it was; the server's log says more.")
    return True


app = st.App(
    "modelview/ui/main.py",
    on_script_error=unforeseen,
    routes=[
        Route("/transfer/{token}", transfers.send, methods=["GET", "HEAD"]),
        Route("/upload/{token}", uploads.receive, methods=["PUT"]),
    ],
    lifespan=lifespan,
)
