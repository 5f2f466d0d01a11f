"""Runs exported code in a process where modelview cannot be imported; one process serves many tests.

As a script: reads one JSON request a line, {"code", "weights", "inputs", "answer"}, and writes the answer with
torch.save: state_dict names, requires_grad, training flags, outputs.
"""

import atexit
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch


def serve() -> None:
    class Blocked:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] in ("modelview", "streamlit"):
                raise ImportError(f"{name} cannot be imported here")

    sys.meta_path.insert(0, Blocked())  # type: ignore[arg-type]
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = run(request)
        except Exception as error:  # noqa: BLE001 - reported to the test
            answer = {"error": f"{type(error).__name__}: {error}"}
        torch.save(answer, request["answer"])
        sys.stdout.write("done\n")
        sys.stdout.flush()


def run(request: dict[str, str]) -> dict[str, Any]:
    if "module" in request:
        model = torch.load(request["module"], weights_only=False)
    else:
        scope: dict[str, Any] = {"__name__": "exported"}
        exec(compile(request["code"], "model.py", "exec"), scope)
        model = scope["build_model"]()
        model.load_state_dict(torch.load(request["weights"], weights_only=True))
    answer: dict[str, Any] = {
        "keys": list(model.state_dict()),
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "modules": [(name, type(m).__name__) for name, m in model.named_modules()],
        "out_channels": getattr(model, "out_channels", None),
    }
    if request.get("inputs"):
        model.eval()
        with torch.no_grad():
            answer["outputs"] = model(*torch.load(request["inputs"], weights_only=True))
    return answer


class Runner:
    """The process, and what it is asked."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="modelview-runner-")
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.close)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, *, inputs: tuple[Any, ...] = (), **request: str) -> dict[str, Any]:
        folder = Path(self.folder.name)
        if inputs:
            torch.save(inputs, folder / "inputs.pt")
            request["inputs"] = str(folder / "inputs.pt")
        request["answer"] = str(folder / "answer.pt")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", "the runner died"
        answer: dict[str, Any] = torch.load(folder / "answer.pt", weights_only=False)
        assert "error" not in answer, answer["error"] + "\n" + request.get("code", "")
        return answer

    def finds(self, folder: Path) -> None:
        """From now on the process finds modules of somebody's own that are in `folder`."""
        torch.save({}, folder / "none.pth")
        path = f"import sys\nfrom torch import nn\nsys.path.insert(0, {str(folder)!r})\nbuild_model = nn.Identity"
        self.ask(code=path, weights=str(folder / "none.pth"))


@cache
def runner() -> Runner:
    """The one of this test process."""
    return Runner()


if __name__ == "__main__":
    serve()
