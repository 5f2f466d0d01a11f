"""A whole model from a file of torch.save, rebuilt of torch's and torchvision's classes; nothing is unpickled."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelview import files
from modelview.checkpoints.modules import ModuleNode
from modelview.checkpoints.reading import Checkpoint, read
from modelview.checkpoints.records import TensorInfo
from modelview.errors import CheckpointError, EditError
from modelview.fields import FileRef
from modelview.names import short
from modelview.script import Code, quoted
from modelview.sources._rebuilding import foreign, rebuilt
from modelview.sources._writing import code as code_of
from modelview.sources.base import SOURCES, Progress, Shape, Source

IMAGE = 224
LENGTH = 16


@SOURCES.register("pickled")
@dataclass(frozen=True)
class Pickled(Source):
    """A model that was saved whole. at: its place in the file. input: the shape of its input, with N = 1.

    assumed: for a model of somebody's own class, whose forward is not in the file: its children, in the stored order,
    are taken to run one after the other. Raises EditError, CheckpointError where it cannot be rebuilt.
    """

    heads_by_output: ClassVar[bool] = True

    file: FileRef
    at: str = ""
    input: tuple[int, ...] = (1, 3, IMAGE, IMAGE)
    assumed: bool = False

    @property
    def title(self) -> str:
        return self.file.name.rpartition(".")[0] or self.file.name

    @property
    def origin(self) -> str:
        return f"{short(self.file.name, 60)} · {'its children in the stored order' if self.assumed else 'rebuilt'}"

    @property
    def example(self) -> tuple[Shape, ...]:
        return (self.input,)

    def structure(self) -> nn.Module:
        return rebuilt(self._node(), _on_meta)

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - it is on this disk
        values = self._checkpoint().values
        return rebuilt(self._node(), lambda info: values.tensor("a tensor of the model", info).clone())

    def code(self) -> Code:
        written = _code(self, files.state(self.file))
        if written is not None:
            return written
        if self.assumed:
            raise EditError(f"{self.title} has layers that no code makes: open it through a factory of your own.")
        file = quoted(ascii(self.file.name)[1:-1])
        comment = "# a whole pickled model: loading it runs what the file says, so only files you trust"
        return Code((comment, f'model = torch.load({file}, map_location="cpu", weights_only=False)'))

    def _checkpoint(self) -> Checkpoint:
        return _read(self.file, files.state(self.file), self.at)

    def _node(self) -> ModuleNode:
        node = whole(self._checkpoint())
        return in_stored_order(node) if self.assumed else node


def whole(ck: Checkpoint) -> ModuleNode:
    """The model of a file, out of DataParallel where it is in it. Raises CheckpointError where there is none."""
    node = ck.module
    if node is None:
        raise CheckpointError("The file holds weights, not a whole model.")
    while node.kind.rpartition(".")[2] in ("DataParallel", "DistributedDataParallel", "OptimizedModule"):
        inner = [child for child in node.children.values() if child is not None]
        if len(inner) != 1:
            break
        node = inner[0]
    return node


def in_stored_order(node: ModuleNode) -> ModuleNode:
    """A model of a foreign class as its children one after the other; foreign children likewise.

    Raises CheckpointError where a foreign module holds tensors of its own, which no order of children would use.
    """
    strangers = set(foreign(node))
    made: dict[int, ModuleNode] = {}

    def sequence(one: ModuleNode, path: str) -> ModuleNode:
        if id(one) in made or one.kind not in strangers:
            return made.get(id(one), one)
        own = [name for name, info in {**one.parameters, **one.buffers}.items() if info is not None]
        if own or not any(one.children.values()):
            what = f"holds {own[0]!r} itself" if own else "has no layers"
            raise CheckpointError(
                f"`{path or 'the model'}` of the class {short(one.kind, 80)} {what}, so the order of its children does "
                "not say how it runs: open it through a factory of your own."
            )
        children = {n: None if c is None else sequence(c, f"{path}.{n}".lstrip(".")) for n, c in one.children.items()}
        made[id(one)] = ModuleNode("torch.nn.modules.container.Sequential", children=children)
        return made[id(one)]

    return sequence(node, "")


def first_input(node: ModuleNode) -> tuple[int, ...]:
    """The input shape that the first layer with a width takes."""
    for _, inner in node.named():
        kind = inner.kind.rpartition(".")[2]
        if kind == "Linear" and isinstance(width := inner.attributes.get("in_features"), int):
            return (1, width)
        if kind in ("RNN", "LSTM", "GRU") and isinstance(width := inner.attributes.get("input_size"), int):
            return (1, LENGTH, width)
        if kind.startswith("Conv") and isinstance(width := inner.attributes.get("in_channels"), int):
            axes = int(kind[4]) if kind[4:5].isdigit() else 2
            return (1, width, *{1: (IMAGE,), 2: (IMAGE, IMAGE), 3: (16, 112, 112)}[axes])
    return (1, 3, IMAGE, IMAGE)


@lru_cache(maxsize=8)
def _read(file: FileRef, state: tuple[object, ...], at: str) -> Checkpoint:  # noqa: ARG001 - a key of the cache
    found = files.find(file)
    return read(found[0] if len(found) == 1 else found, at=at or None)


def _on_meta(info: TensorInfo) -> Tensor:
    return torch.empty(info.shape, dtype=getattr(torch, info.dtype), device="meta")


@lru_cache(maxsize=32)
def _code(source: Pickled, state: files.State) -> Code | None:  # noqa: ARG001 - a key of the cache
    return code_of(source.structure())
