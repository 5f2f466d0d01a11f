"""Values while a forward is recorded: what fx's own do, and what a faithful copy needs besides."""

import dis
import operator
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from torch import fx, nn
from torch.fx.proxy import Attribute, Proxy


class Untraceable(Exception):
    """The forward cannot be recorded as a graph that means the same."""


def is_size(node: fx.Node) -> bool:
    """Whether the value is an int, or a tuple of ints, that came from a shape, or a number that a module keeps."""
    if node.op == "get_attr":
        return bool(node.meta.get("number"))
    if node.target is getattr:
        return bool(node.args[1] in ("shape", "ndim"))
    if node.op == "call_method" and node.target in ("size", "dim", "numel"):
        return True
    if node.op == "call_function" and getattr(node.target, "__module__", "") == "_operator":
        operands = [arg for arg in node.args if isinstance(arg, fx.Node)]
        return bool(operands) and is_size(operands[0]) and all(map(is_size, operands))
    return False


def is_shape(node: fx.Node) -> bool:
    """Whether the value is the sizes of a tensor, all together."""
    whole = node.op == "call_method" and node.target == "size" and len(node.args) + len(node.kwargs) == 1
    return bool(whole or (node.target is getattr and node.args[1] == "shape"))


def _is_machinery(frame: Any) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name in ("torch", "modelview.meta") or name.startswith(("torch.", "modelview.rewrite."))


def _foreign_frame() -> Any:
    """The innermost frame that runs code of a model, not of torch's machinery or of this module."""
    frame: Any = sys._getframe(1)
    while frame is not None and _is_machinery(frame):
        frame = frame.f_back
    return frame


def _instructions(frame: Any) -> Iterator[dis.Instruction]:
    """The instruction that runs in `frame`, and those after it.

    `f_lasti` is its offset, or once it calls a Python function, that of the last of the caches behind it.
    """
    every = list(dis.get_instructions(frame.f_code))
    return iter(every[bisect_right(every, frame.f_lasti, key=lambda i: i.offset) - 1 :])


def assigned_name() -> str | None:
    """The variable of the model's own code that the value being made will be assigned to, if any."""
    frame = _foreign_frame()
    owner = frame.f_locals.get("self") if frame is not None else None
    return _stored(frame) if isinstance(owner, nn.Module) and "__name__" in frame.f_globals else None


def written_again() -> tuple[fx.GraphModule, str] | None:
    """The graph module whose forward makes the value, and the name of the node that its running line is for."""
    frame = _foreign_frame()
    owner = frame.f_locals.get("self") if frame is not None else None
    name = _stored(frame) if isinstance(owner, fx.GraphModule) else None
    return (owner, name) if isinstance(owner, fx.GraphModule) and name else None


def _stored(frame: Any) -> str | None:
    """The variable that what the frame is running will be assigned to, if any."""
    instructions = _instructions(frame)
    next(instructions, None)
    following = next(instructions, None)
    return str(following.argval) if following and following.opname == "STORE_FAST" else None


class _Recording:
    """What a recorded value does that fx's own does not: in-place operators, item assignment, honesty."""

    tracer: Any
    node: fx.Node

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Asked by isinstance: what a recorded value will be is unknown, so code that asks is not recorded."""
        asker = sys._getframe(1)
        name = asker.f_globals.get("__name__", "")
        if name.startswith("torch.nn.modules.") or not _is_machinery(asker):
            raise Untraceable(f"{name} asks for a type")
        return type(self)

    def __str__(self) -> str:
        """In messages of the model's own checks, which are written before there is a value."""
        return "something else"

    def __format__(self, spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Any:
        return _Attribute(self, name)  # type: ignore[arg-type]

    def __iter__(self) -> Any:
        running, *following = _instructions(sys._getframe(1))
        if running.opname != "UNPACK_SEQUENCE":
            return self.tracer.iter(self)
        stores = following[: running.argval]
        names = [str(i.argval) if i.opname == "STORE_FAST" else None for i in stores]
        self.node.meta["unpacked"] = names
        return (self[i] for i in range(running.argval))  # type: ignore[index]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_method", "__setitem__", (self, key, value), {})


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    # As a method call, since that is what survives pickling; fx would record `x += y` as `x + y`.
    plain = getattr(operator, name.replace("__i", "__"))

    def method(self: Any, other: Any) -> Any:
        if is_size(self.node):
            return plain(self, other)
        return self.tracer.create_proxy("call_method", name, (self, other), {})

    return method


IN_PLACE = {
    "__iadd__": "+=",
    "__isub__": "-=",
    "__imul__": "*=",
    "__itruediv__": "/=",
    "__ifloordiv__": "//=",
    "__imod__": "%=",
    "__ipow__": "**=",
    "__iand__": "&=",
    "__ior__": "|=",
    "__ixor__": "^=",
}
for _name in IN_PLACE:
    setattr(_Recording, _name, _in_place(_name))


class Value(_Recording, Proxy):
    """A value while recording, as fx's Proxy."""


class _Attribute(_Recording, Attribute):
    pass
