"""All values of the files that were given, checked in the background: a file once, whoever looks at it."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, RLock, Thread

import streamlit as st

from modelview.checkpoints.reading import Checkpoint
from modelview.checkpoints.values import State
from modelview.errors import CheckpointError, ModelviewError
from modelview.fields import FileRef
from modelview.render import text
from modelview.ui import parts

PATIENCE_S = 0.3
"""So long a page waits for a check that it began; most are done by then, and nothing has to be redrawn."""
MOST = 256
"""How many results are kept; the oldest goes first."""

_checks: "OrderedDict[str, Check]" = OrderedDict()
_lock = RLock()
_at_a_time = BoundedSemaphore(2)


@dataclass(eq=False)
class Check:
    """The check of one file. stated_bytes: of values that the file states a CRC for, out of `size_bytes`.

    states: of the files, as they were when it began. failure: what is wrong, once it is `done`; None where nothing is.
    """

    stated_bytes: int
    size_bytes: int
    states: Mapping[str, State]
    share: float = 0.0
    failure: ModelviewError | None = None
    done: Event = field(default_factory=Event)

    @property
    def sentence(self) -> str:
        """What came of it where nothing is wrong."""
        if not self.stated_bytes:
            return "This format stores no checksums; the values can be read."
        stated = text.size(self.stated_bytes)
        if self.stated_bytes < self.size_bytes:
            return (
                f"{stated} of {text.size(self.size_bytes)} of values are intact; the file has no checksum of the rest."
            )
        return f"All values are intact: {stated} have the CRC-32 that was stored with them."

    def run(self, ck: Checkpoint) -> None:
        """Read every value once, and say what came of it."""

        def progress(done: int, total: int) -> None:
            self.share = done / total if total else 1.0

        try:
            with _at_a_time:
                ck.verify(progress)
        except ModelviewError as error:
            self.failure = error
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            self.failure = CheckpointError(f"The values could not be checked: {str(error) or type(error).__name__}.")
        finally:
            self.done.set()


def draw(file: FileRef, ck: Checkpoint) -> None:
    """What the check of a file came to, or that it is under way; then this line alone looks again."""
    check = begun(file, ck)
    if check.done.is_set():
        _result(check)
    else:
        _waiting(check)


def begun(file: FileRef, ck: Checkpoint) -> Check:
    """The check of this file; one that failed is made again when the file is another one in its place."""
    with _lock:
        known = _checks.get(file.sha256)
        if known is not None and (known.failure is None or known.states == ck.states):
            return known
        stated = sum(span.nbytes for span in ck.spans if span.crc is not None)
        check = _checks[file.sha256] = Check(stated, sum(span.nbytes for span in ck.spans), ck.states)
        while len(_checks) > MOST:
            _checks.popitem(last=False)
    Thread(target=check.run, args=(ck,), name="check of values", daemon=True).start()
    check.done.wait(PATIENCE_S)
    return check


@st.fragment(run_every=1.0)
def _waiting(check: Check) -> None:
    if check.done.is_set():
        st.rerun()
    st.progress(check.share, "Checking values ...")


def _result(check: Check) -> None:
    if check.failure is not None:
        parts.refuse(check.failure)
    else:
        icon = ":material/verified:" if check.stated_bytes else ":material/info:"
        st.caption(f"{icon} {parts.plain(check.sentence)}")
