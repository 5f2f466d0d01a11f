"""Keep clicks quick: import early, and keep the garbage collector away from what stays.

Streamlit collects all generations after every run of a script or fragment. With torch imported and a few
structures cached that takes longer than all the rest of a click, so what is there to stay is frozen.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from modelview.edits.base import EDITS
from modelview.opening import open_recipe
from modelview.recipe import structure_of

IDLE_S = 60.0
"""So long after the last freeze, a moment is taken to find what has become garbage among the frozen."""

_frozen_at: float | None = None


def up() -> None:
    """Import torch, torchvision and every edit, and trace one small model, before anybody asks."""
    list(EDITS)
    _ = structure_of(open_recipe("resnet18")).trace
    tidy()


def keep() -> None:
    """Leave everything that is there now out of the next collections. Takes no time."""
    global _frozen_at
    gc.freeze()
    _frozen_at = time.monotonic()


def tidy() -> None:
    """Collect for once also what was kept. Takes a second."""
    global _frozen_at
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _frozen_at = None


@asynccontextmanager
async def tidying() -> AsyncIterator[None]:
    """While the server runs: tidy up whenever nobody has clicked for a while."""
    task = asyncio.create_task(_tidy_when_idle())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tidy_when_idle() -> None:
    while True:
        await asyncio.sleep(IDLE_S / 2)
        if _frozen_at is not None and time.monotonic() - _frozen_at > IDLE_S:
            tidy()
