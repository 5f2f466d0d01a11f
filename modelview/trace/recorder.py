"""Watches one forward pass: a torch-function mode sees the ops, hooks see the modules."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torch.overrides import TorchFunctionMode

from modelview.trace.macs import CHEAP, MACS
from modelview.trace.records import Op
from modelview.trace.rules import RULES
from modelview.trace.shapes import arguments_tree, skeleton, tensors, tree

MARK = "_op"
"""The attribute under which a tensor carries the number of the op that made it, while a pass is recorded."""
_FIRST = count(step=2**32)
"""From where each pass counts: a tensor that a module keeps otherwise than as a buffer still has its last number."""
_AXES = {"permute", "transpose"}


class _About:
    """What is to be known of a function, whatever it is called with.

    reads: .data, .T and the like give another name for the same values. is_known: whether its MACs are, or it has none.
    """

    __slots__ = ("formula", "is_known", "moves_axes", "name", "reads")

    def __init__(self, func: Any) -> None:
        name: str = func.__name__
        self.reads = name == "__get__"
        self.name = name.strip("_") if name.startswith("__") else name
        self.formula = MACS.get(func)
        self.is_known = self.formula is not None or self.name.removesuffix("_") in CHEAP
        self.moves_axes = self.name in _AXES


_ABOUT: dict[Any, _About] = {}


class Open:
    """A call that has begun."""

    __slots__ = (
        *("collection", "first", "index", "inputs", "last"),
        *("module", "outputs", "parent", "path", "result", "size"),
    )

    def __init__(self, index: int, path: str, parent: int, inputs: Any, module: nn.Module, first: int) -> None:
        self.index, self.path, self.parent, self.inputs = index, path, parent, inputs
        self.module, self.first, self.last = module, first, first
        self.outputs: Any = None
        self.collection: Any = None
        self.result: tuple[int, ...] = ()
        self.size = 0


class Recorder(TorchFunctionMode):
    """Numbers every op and remembers, on each tensor, the number of the op that made it."""

    def __init__(self, paths: dict[int, str], parameters: frozenset[int]) -> None:
        """paths: of the modules, by id. parameters: ids; `isinstance(_, nn.Parameter)` is slow."""
        super().__init__()
        self.paths, self.parameters = paths, parameters
        self.first = next(_FIRST)
        self.calls: list[Open] = []
        self.stack: list[Open] = []
        self.ops: list[Op] = []
        self.uncounted: dict[str, None] = {}
        self.used: dict[int, int] = {}
        self.allocated = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = None
        rule = RULES.get(func)
        if rule is not None and args and _on_meta(args[0]):
            try:
                result = rule(*args, **kwargs)
            except TypeError:  # a signature that the rule does not know
                result = None
        if result is None:
            result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._note(func, args, kwargs, (result,), result)
        elif isinstance(result, tuple | list):
            if found := [item for item in result if isinstance(item, Tensor)]:
                self._note(func, args, kwargs, found, result)
        elif result is None and func is Tensor.__setitem__:
            self._note(func, args, kwargs, (args[0],), args[0])
        return result

    def _note(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Iterable[Tensor], result: Any
    ) -> None:
        about = _ABOUT.get(func) or _ABOUT.setdefault(func, _About(func))
        sources: dict[int, None] = {}
        weights = False
        for tensor in _flat((*args, *kwargs.values()) if kwargs else args):
            source = self.made(tensor)
            if source is not None:
                sources[source] = None
            elif id(tensor) in self.parameters:
                self.used.setdefault(id(tensor), len(self.ops))
                weights = weights or tensor.dim() > 1
        if about.reads:
            for tensor in made:
                if sources and id(tensor) not in self.parameters:
                    tensor.__dict__[MARK] = self.first + next(iter(sources))
            return
        if weights and not about.is_known:
            self.uncounted[about.name] = None
        macs = about.formula(args, kwargs, result) if about.formula else 0
        axes = tuple(_integers(args[1:])) if about.moves_axes else ()
        self.append(about.name, tuple(sources), made, macs, axes)

    def append(
        self,
        name: str,
        sources: tuple[int, ...],
        made: Iterable[Tensor],
        macs: int = 0,
        axes: tuple[int, ...] = (),
    ) -> int:
        index = len(self.ops)
        call, path = (self.stack[-1].index, self.stack[-1].path) if self.stack else (-1, "")
        shapes = []
        for tensor in made:
            shapes.append(tuple(tensor.shape))
            if id(tensor) not in self.parameters:
                if self.made(tensor) is None:
                    self.allocated += tensor.nbytes
                tensor.__dict__[MARK] = self.first + index
        self.ops.append(Op(index, name, call, path, sources, tuple(shapes), macs, axes))
        return index

    def made(self, tensor: Tensor) -> int | None:
        """The number of the op of this pass that made the tensor; None where none did."""
        number: int | None = tensor.__dict__.get(MARK)
        return None if number is None or number < self.first else number - self.first

    def begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.stack[-1].index if self.stack else -1
        with DisableTorchFunction():
            inputs = arguments_tree(args, kwargs)
        call = Open(len(self.calls), self.paths[id(module)], parent, inputs, module, len(self.ops))
        self.calls.append(call)
        self.stack.append(call)

    def end(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        with DisableTorchFunction():
            call = self.stack[-1]
            found = [output] if isinstance(output, Tensor) else list(tensors(output))
            if not isinstance(output, Tensor):
                call.collection = skeleton(output)
            call.outputs = tree(output)
            call.size = sum([tensor.nbytes for tensor in found])
            made_by: dict[Any, None] = {self.made(tensor): None for tensor in found}
            if None in made_by:  # made where the mode cannot see, such as in a custom C++ op
                given = (self.made(t) for t in tensors((*args, *kwargs.values())))
                untold = [tensor for tensor in found if self.made(tensor) is None]
                self.append(type(module).__name__, tuple({s: None for s in given if s is not None}), untold)
                made_by = {made: None for t in found if (made := self.made(t)) is not None}
            call.result = tuple(made_by)
            call.last = len(self.ops)
            self.stack.pop()


def _on_meta(value: Any) -> bool:
    """Whether a function's first argument, a tensor or several, is on meta."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    return isinstance(value, Tensor) and value.is_meta


def _flat(values: Iterable[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)) and value and type(value[0]) is not int:
            found += _flat(value)
    return found


def _integers(values: Iterable[Any]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
        elif isinstance(value, tuple | list):
            yield from _integers(value)
