"""The reader as a process of its own: bounded, inert, and never more than a sentence when it dies."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelview.checkpoints.limits import Limits
from modelview.errors import CheckpointError
from modelview.names import short

# `import modelview` would import torch: the reader gets an empty package of that name, which only finds its parts.
_BOOT = (
    "import sys, types; package = types.ModuleType('modelview'); package.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['modelview'] = package; from modelview.checkpoints.worker import main; main()"
)
_PACKAGE = Path(__file__).parent.parent
_START_S = 10
"""How much longer than its own limit the reader may take to begin and to end."""


def ask(paths: Sequence[Path], limits: Limits) -> dict[str, Any]:
    """What the reader says of a file or of a set. Raises CheckpointError with its sentence, or for its death."""
    command = [sys.executable, "-I", "-S", "-c", _BOOT, str(_PACKAGE), json.dumps(asdict(limits))]
    names = short(paths[0].name) if len(paths) == 1 else f"{short(paths[0].name)} and {len(paths) - 1} more"
    try:
        done = subprocess.run(
            [*command, *(str(path.absolute()) for path in paths)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PYTHONIOENCODING": "utf-8:surrogatepass"},
            timeout=limits.seconds + _START_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(_too_long(names, limits)) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The reader of {names!r} could not be started: {error}.") from error
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise CheckpointError(_too_long(names, limits))
    try:
        answer = json.loads(done.stdout.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(_died(names, done.returncode, done.stderr, limits)) from error
    if "refused" in answer:
        raise CheckpointError(answer["refused"])
    return dict(answer)


def _too_long(names: str, limits: Limits) -> str:
    return f"Reading {names!r} took longer than the limit of {limits.seconds} s (MODELVIEW_READ_SECONDS)."


def _died(names: str, status: int, said: bytes, limits: Limits) -> str:
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if "MemoryError" in last:
        return f"Reading {names!r} takes more than the limit of {limits.memory_mb} MB (MODELVIEW_READ_MEMORY_MB)."
    why = f"signal {-status}" if status < 0 else short(last) or f"status {status}"
    return f"Reading {names!r} failed: the reader ended early ({why}). The file is damaged, or made to do that."
