"""What the fields of a form stand for in the model: shapes of paths, counts of patterns."""

from collections.abc import Sequence

from modelview.names import matches
from modelview.render import text
from modelview.structure import Structure
from modelview.ui import parts
from modelview.wording import counted


def called(structure: Structure) -> dict[str, str]:
    """For each module path that is called, root first: its class and what it returns."""
    outputs = {call.path: call.outputs for call in structure.trace.calls}
    return {
        path: f"{type(module).__name__} → {text.shape(outputs[path])}"
        for path, module in structure.model.named_modules()
        if path in outputs
    }


def returned(structure: Structure) -> dict[str, str]:
    """For each module path that is called, without the root: the shape of what it returns."""
    outputs = {call.path: call.outputs for call in structure.trace.calls}
    return {path: text.shape(outputs[path]) for path, _ in structure.model.named_modules() if path and path in outputs}


def widths(structure: Structure, path: str) -> str:
    """What the module at `path` takes and gives, as Markdown."""
    calls = structure.calls(path)
    if not calls:
        return "is never called"
    more = f", {len(calls)} times" if len(calls) > 1 else ""
    return f"takes {parts.shape(calls[0].inputs)} and gives {parts.shape(calls[0].outputs)}{more}"


def told(structure: Structure, patterns: Sequence[str]) -> str:
    """How many modules and parameters the patterns match, as Markdown."""
    modules = [path for path, _ in structure.model.named_modules() if path]
    hits = {path for path in modules if any(matches(path, pattern) for pattern in patterns)}
    found = [
        parameter.numel()
        for name, parameter in structure.model.named_parameters()
        if name.rpartition(".")[0] in hits or any(matches(name, pattern) for pattern in patterns)
    ]
    return (
        f"matches {counted(len(hits), 'module')}, {counted(len(found), 'parameter tensor')} "
        f"with {text.short(sum(found))} values"
    )
