"""The app that `streamlit run app.py` serves: the pages, and the route that downloads come from."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.routing import Route

from modelview.ui import transfers, warm


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Warm up, then take all that was imported out of the garbage collector's sight.

    A full collection over the objects of torch takes longer than a click may.
    """
    warm.up()
    gc.collect()
    gc.freeze()
    async with transfers.lifespan(app):
        yield


app = st.App(
    "modelview/ui/main.py",
    routes=[Route("/transfer/{token}", transfers.send, methods=["GET", "HEAD"])],
    lifespan=lifespan,
)
