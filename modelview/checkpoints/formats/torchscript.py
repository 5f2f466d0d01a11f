"""TorchScript: tensors and the tree of modules from its pickle; its code stays text."""

import ast
import re
from typing import Any, ClassVar

from modelview.checkpoints import stubs
from modelview.checkpoints.formats._archive import Archive
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.formats.zip import saved
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Stub, TensorInfo
from modelview.checkpoints.tensors import Storages
from modelview.names import short

PACKAGE = "__torch__."
CONSTANTS = "CONSTANTS"
"""What the code calls the tensors that are no module's, as all are of a frozen model."""
_CLASS = re.compile(r"^class (\w+)\((?:Module|Interface)?\):", re.MULTILINE)
_LISTS = re.compile(r"^  (__parameters__|__buffers__) = (\[[^\]]*\])", re.MULTILINE)

Declared = dict[str, tuple[frozenset[str], frozenset[str]]]
"""Names of parameters and buffers, by class."""


@FORMATS.register("torchscript")
class TorchScript(Format):
    """`torch.jit.save(...)`. Never opened by torch.jit, which runs what it loads."""

    rank: ClassVar[int] = 30

    @classmethod
    def fits(cls, start: Start) -> bool:
        names = {name.partition("/")[2] for name in start.names}
        return {"data.pkl", "constants.pkl"} <= names

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        archive = Archive(start.paths[0], limits, directory=start.directory)
        content = saved(archive)
        declared = _declared(archive)
        _as_modules(content.root, declared)
        if isinstance(content.root, Stub) and isinstance(content.root.state, dict):
            content.root.state[CONSTANTS] = _constants(archive, content)
        note = "A TorchScript archive: its tensors and tree of modules are read, its code is not run."
        extras = {**content.extras, "classes": f"{len(declared):,}, as text below code/"}
        return Content("torchscript", content.root, content.storages, content.globals, extras, (note,))


def _constants(archive: Archive, content: Content) -> dict[str, TensorInfo]:
    """The constants by the names that the code has for them; their storages join those of the modules."""
    root = archive.root("constants.pkl")
    storages = Storages(lambda key, _, device: archive.span(f"{root}constants/{key}", device), len(content.storages))
    value, asked = stubs.read_bytes(archive.read(f"{root}constants.pkl"), storages)
    content.storages.extend(storages.spans)
    content.globals = tuple(dict.fromkeys([*content.globals, *asked]))
    listed = value if isinstance(value, tuple) else ()
    return {f"c{number}": each for number, each in enumerate(listed) if isinstance(each, TensorInfo)}


def _declared(archive: Archive) -> Declared:
    """What the code says of each class, read as text."""
    found: Declared = {}
    for name in archive:
        folder, _, path = name.partition("/code/")
        if not folder or not path.endswith(".py"):
            continue
        text = archive.read(name).decode("utf-8", "replace")
        module = path.removesuffix(".py").replace("/", ".")
        pieces = _CLASS.split(text)
        for own, body in zip(pieces[1::2], pieces[2::2], strict=True):
            lists = {kind: _names(written) for kind, written in _LISTS.findall(body)}
            none: frozenset[str] = frozenset()
            found[f"{module}.{own}"] = lists.get("__parameters__", none), lists.get("__buffers__", none)
    return found


def _names(written: str) -> frozenset[str]:
    try:
        return frozenset(map(str, ast.literal_eval(written)))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return frozenset()


def _as_modules(root: Any, declared: Declared) -> None:
    """Sort the attributes of each scripted module as torch.nn.Module keeps them, in place."""
    waiting, seen = [root], {id(root)}
    while waiting:
        stub = waiting.pop()
        if not isinstance(stub, Stub) or not isinstance(stub.state, dict):
            continue
        state = {str(name): value for name, value in stub.state.items()}
        parameters, buffers = declared.get(stub.name, (frozenset(), frozenset()))
        tensors = {name: value for name, value in state.items() if isinstance(value, TensorInfo)}
        modules = {n: v for n, v in state.items() if isinstance(v, Stub) and v.name.startswith(PACKAGE)}
        held = {name: value for name, value in tensors.items() if name in parameters | buffers}
        rest = {name: value for name, value in state.items() if name not in modules and name not in held}
        stub.state = {
            **rest,
            "_parameters": {name: value for name, value in held.items() if name in parameters},
            "_buffers": {name: value for name, value in held.items() if name not in parameters},
            "_modules": modules,
        }
        stub.name = short(stub.name.removeprefix(PACKAGE), 200)
        for child in modules.values():
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
