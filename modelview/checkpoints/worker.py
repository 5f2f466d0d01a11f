"""The reader process: reads one file, answers one JSON document. Imports neither torch nor anything the file names."""

import gc
import json
import sys
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from modelview.checkpoints import graph, sniff
from modelview.checkpoints.formats.base import FORMATS
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span

SPAN = attrgetter(*(field.name for field in fields(Span) if field.name != "file"))

_TOO_MUCH = "What the file holds takes more than the limit of {} MB to describe (MODELVIEW_READ_ANSWER_MB)."


def main() -> None:
    """Read the files named on the command line (limits as JSON, then paths) and answer on stdout."""
    limits = Limits(**json.loads(sys.argv[1]))
    list(FORMATS)  # all code is there before memory is bounded
    bound(limits)
    gc.disable()  # what is read is kept until the end
    try:
        answer = described([Path(path) for path in sys.argv[2:]], limits)
    except Refused as error:
        answer = {"refused": str(error)}
    except OSError as error:
        answer = {"refused": f"The file cannot be read: {error.strerror or error}."}
    except MemoryError:
        answer = {
            "refused": f"Reading it takes more than the limit of {limits.memory_mb} MB (MODELVIEW_READ_MEMORY_MB)."
        }
    text = json.dumps(answer, separators=(",", ":"))
    if len(text) > limits.answer_mb * 1_000_000:
        text = json.dumps({"refused": _TOO_MUCH.format(limits.answer_mb)})
    sys.stdout.write(text)


def described(paths: list[Path], limits: Limits) -> dict[str, Any]:
    """Everything that is found in the files, as JSON can hold it. Raises Refused."""
    start = sniff.start_of(paths)
    content = sniff.format_of(start).read(start, limits)
    _require_declared(content, limits)
    graph.require(content.root, limits)
    numbers = {file: number for number, file in enumerate(dict.fromkeys(span.file for span in content.storages))}
    return {
        "format": content.format,
        "tree": graph.table(content.root),
        "files": [*numbers],
        "storages": [(numbers[span.file], *SPAN(span)) for span in content.storages],
        "globals": content.globals,
        "extras": content.extras,
        "notes": content.notes,
    }


def bound(limits: Limits) -> None:
    """Let the system hold this process to its limits; where it cannot, the parent still watches the clock."""
    try:
        import resource
    except ImportError:
        return
    most = limits.memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file, only its answer


def _require_declared(content: Content, limits: Limits) -> None:
    declared = sum(span.nbytes for span in content.storages)
    if declared > limits.declared_gb * 10**9:
        raise Refused(
            f"The file declares {declared / 1e9:,.0f} GB of values, more than the limit of {limits.declared_gb:,} GB "
            "(MODELVIEW_READ_DECLARED_GB)."
        )
