"""Pickles read with inert classes: nothing that a file names is imported, and nothing it asks for is called."""

import io
import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from modelview.checkpoints import rebuilding
from modelview.checkpoints.records import Global, Refused, Stub, TensorInfo
from modelview.names import short

Place = Callable[[Any], Any]
Known = Mapping[str, Callable[..., Any]]
"""What a persistent id of the pickle stands for; for torch's that is a `tensors.Storage`."""


class Named(type):
    """The class of the stand-ins: each is called what the file calls it."""

    name: str
    known: Callable[..., Any] | None
    """What makes a record of a call; None, or NotImplemented from it, leaves a stub."""


class Ordered(dict[Any, Any]):
    """An OrderedDict, a defaultdict or a Counter; `state` is what else was set on it, such as _metadata."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _StandIn(Stub, metaclass=Named):
    """What stands in for every class and function: called, made or filled, it only writes down with what."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Any:
        if cls.known is not None:
            made = cls.known(*arguments, **keywords)
            if made is not NotImplemented:
                return made
        stub = object.__new__(cls)
        if keywords:
            arguments = (*arguments, keywords)
        Stub.__init__(stub, cls.name, arguments, None, [])
        return stub

    def __init__(self, *_: Any, **__: Any) -> None:
        """Everything is written down by then."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        self.items.append(item)

    def extend(self, items: Any) -> None:
        self.items.extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def add(self, item: Any) -> None:
        self.items.append(item)


def name_of(value: Any) -> str:
    """The "module.name" of a class or function that stands as a value; "" for everything else."""
    return value.name if isinstance(value, (Named, Global)) else ""


class Reader(pickle.Unpickler):
    """An unpickler that makes records. `asked` has every "module.name" that the file named, in order."""

    def __init__(self, file: BinaryIO, place: Place | None, more: Known) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self.asked: dict[str, Named] = {}
        self._place, self._known = place, _KNOWN | dict(more)

    def find_class(self, module: str, name: str) -> Any:
        full = f"{_RENAMED.get(module, module)}.{name}"
        if full not in self.asked:
            self.asked[full] = Named("StandIn", (_StandIn,), {"name": full, "known": self._known.get(full)})
        return self.asked[full]

    def persistent_load(self, pid: Any) -> Any:
        if self._place is None:
            raise Refused("The pickle refers to something outside of it, which this kind of file has not.")
        return self._place(pid)


def read(file: BinaryIO, place: Place | None = None, more: Known = MappingProxyType({})) -> tuple[Any, tuple[str, ...]]:
    """The object at this place of `file`, and every "module.name" it asks for. Raises Refused.

    more: functions that make records, by the name that the file calls them, beside those that are always known. The
    object is of plain values, `Ordered`, `Stub`, `TensorInfo` and stand-in classes (see `name_of`).
    """
    reader = Reader(file, place, more)
    try:
        return reader.load(), tuple(reader.asked)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused(
            "Reading the pickle takes more memory than the limit allows (MODELVIEW_READ_MEMORY_MB)."
        ) from error
    except Exception as error:  # a broken pickle may raise anything
        raise Refused(f"The pickle in the file is broken: {short(str(error) or type(error).__name__)}.") from error


def read_bytes(content: bytes, place: Place | None = None) -> tuple[Any, tuple[str, ...]]:
    """As `read`, of a pickle in memory."""
    return read(io.BytesIO(content), place)


def _call(function: Any, *arguments: Any) -> Any:
    """What a stand-in comes to when it is called: the one way in which a file "calls" something."""
    return function(*arguments) if isinstance(function, Named) else NotImplemented


def _rebuilt(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    """`torch._tensor._rebuild_from_type_v2`: a tensor of a subclass, or with attributes."""
    made = _call(function, *arguments) if isinstance(arguments, tuple) else NotImplemented
    return made if isinstance(made, TensorInfo) else NotImplemented


def _reconstructed(cls: Any, base: Any = None, value: Any = None) -> Any:
    """`copyreg._reconstructor`: an object of a class, with a value where the class is one of numbers or texts."""
    return _call(cls) if name_of(base) in ("", "builtins.object") else _call(cls, value)


def _encoded(text: Any, encoding: Any = "utf-8") -> Any:
    """`_codecs.encode`, which protocol 2 spells bytes with."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        return NotImplemented
    return text.encode(encoding)


def _dict(*arguments: Any) -> Any:
    """OrderedDict([...]), defaultdict(factory, ...), Counter({...})."""
    pairs = next((argument for argument in reversed(arguments) if isinstance(argument, (list, dict))), ())
    return Ordered(pairs)


def _sequence(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def made(items: Any = ()) -> Any:
        return kind(items) if isinstance(items, (list, tuple, set, frozenset, bytes)) else NotImplemented

    return made


def _complex(real: Any = 0.0, imaginary: Any = 0.0) -> Any:
    numbers = isinstance(real, (int, float)) and isinstance(imaginary, (int, float))
    return complex(real, imaginary) if numbers else NotImplemented


_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_KNOWN: dict[str, Callable[..., Any]] = {
    **rebuilding.REBUILT,
    "torch._tensor._rebuild_from_type_v2": _rebuilt,
    "copyreg._reconstructor": _reconstructed,
    "copyreg.__newobj__": _call,
    "_codecs.encode": _encoded,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _dict,
    "collections.Counter": _dict,
    "builtins.dict": _dict,
    "builtins.set": _sequence(set),
    "builtins.frozenset": _sequence(frozenset),
    "builtins.list": _sequence(list),
    "builtins.tuple": _sequence(tuple),
    "builtins.bytearray": _sequence(bytes),
    "builtins.bytes": _sequence(bytes),
    "builtins.complex": _complex,
    "torch.Size": _sequence(tuple),
}
