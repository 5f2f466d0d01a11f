"""What is found in a file: values without torch, so that the reader process can make them."""

from dataclasses import dataclass, field
from typing import Any

from modelview.errors import ModelviewError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Span:
    """The bytes of one storage in a file; values are read from there and nowhere else.

    start, nbytes: in bytes. crc: the CRC-32 that the file states for them, None where it states none.
    device: where the tensors were when they were saved, such as "cuda:3". coding: "latin-1" where the bytes are spelt
    as text, a character each, in UTF-8.
    """

    file: str
    start: int
    nbytes: int
    crc: int | None = None
    device: str = "cpu"
    coding: str = ""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file, its values unread.

    dtype: torch's name without "torch.", such as "bfloat16". nbytes: of its own elements.
    tied_to: the first name with the very same view of the same storage; None for that one itself.
    storage: number of its `Span` in the listing; None where the values cannot be read without the file's
        own code, and `note` says why.
    offset, stride: in elements. storage_nbytes: what saving it costs, which for a view may be far more.
    layout: "strided", "sparse_coo", "sparse_csr", "quantized", ...; `parts` are then the tensors it is made of
        and `details` the rest (a scale, a zero point, a dense shape), as plain values.
    """

    shape: Shape
    dtype: str
    nbytes: int
    tied_to: str | None = None
    storage: int | None = None
    offset: int = 0
    stride: Shape = ()
    storage_nbytes: int = 0
    device: str = "cpu"
    layout: str = "strided"
    requires_grad: bool = False
    parameter: bool = False
    parts: "tuple[tuple[str, TensorInfo], ...]" = ()
    details: tuple[tuple[str, Any], ...] = ()
    note: str = ""

    def __setstate__(self, _: Any) -> None:
        raise Refused("The pickle sets attributes of a tensor.")  # what was checked stays as it was


@dataclass(eq=False, repr=False)
class Stub:
    """An object whose class was not imported: its class's name, and what the file says it is made of.

    name: "package.module.Class". arguments: what it was to be called or made with. state: what would have been
    given to `__setstate__`, None where nothing was. items: what was appended, extended or set by key.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.name}>"  # of what is in it nothing, which may unfold without end

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """What was set by key, of an object that was a dict of a class of its own."""
        return [item for item in self.items if isinstance(item, tuple) and len(item) == 2]


@dataclass(frozen=True)
class Global:
    """A class or function that the file names; nothing was imported."""

    name: str


@dataclass
class Content:
    """What a format's reader makes of a file.

    root: dict, list, tuple, str, bytes, int, float, complex, bool, None, TensorInfo, Stub and Global, nested as in
        the file. A dict keeps the file's order.
    storages: the spans that the tensors' `storage` numbers mean.
    globals: every "module.name" that the file asks for, in order, each once; whether it is harmless is decided later.
    extras: short texts of what lies beside the root: versions, metadata, names of other records.
    notes: sentences that the person at the screen should read.
    """

    format: str
    root: Any
    storages: list[Span]
    globals: tuple[str, ...] = ()
    extras: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Refused(ModelviewError):
    """Raised inside the reader: why a file is not read, in one sentence. Outside it is a CheckpointError."""
