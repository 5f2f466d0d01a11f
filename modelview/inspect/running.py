"""Which module was running when a forward raised."""

from typing import Any

from torch import nn

from modelview.trace.explain import sentence
from modelview.trace.shapes import arguments_tree


def failure(model: nn.Module, error: Exception) -> str:
    """One sentence: the innermost module of `model` that was running, what it was given, and why it failed.

    It is read off the traceback's frames, so nothing needs to be attached to the modules.
    """
    paths = {id(module): path for path, module in model.named_modules()}
    running: tuple[nn.Module, Any] | None = None
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "_call_impl" and id(frame.f_locals.get("self")) in paths:
            given = arguments_tree(frame.f_locals.get("args", ()), frame.f_locals.get("kwargs", {}))
            running = frame.f_locals["self"], given
        trace = trace.tb_next
    if running is None:
        return f"The model could not be run: {error}"
    module, given = running
    return sentence(paths[id(module)], module, given, error)
