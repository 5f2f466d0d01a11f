"""Reading a checkpoint: what is in a file, without running it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from modelview.checkpoints import describing, graph, process, unwrap
from modelview.checkpoints.allowed import ALLOWED
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.modules import ModuleNode
from modelview.checkpoints.records import Span, TensorInfo
from modelview.checkpoints.unwrap import Candidate
from modelview.checkpoints.values import State, Values, state_of
from modelview.errors import CheckpointError
from modelview.meta import uncollected
from modelview.names import unknown

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds. Nothing in it was executed; values are read when they are asked for.

    format: "zip", "legacy", "safetensors", ... path: the dotted place of the state_dict in the file, "" at the top.
    tensors: by their saved names without `prefix`, which every name began with. extras: everything else at the top
    level, as short text. unsafe: every "module.name" that the file asks for outside of what weights_only allows.
    candidates: the state_dicts of the file, likeliest first; `at` chose one. module: the tree of a whole pickled
    module. notes: sentences to read.
    """

    format: str
    files: tuple[Path, ...]
    path: str
    prefix: str
    tensors: Mapping[str, TensorInfo]
    extras: Mapping[str, str]
    unsafe: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    spans: tuple[Span, ...] = field(repr=False)
    states: Mapping[str, State] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """Of the file, or of all files of the set."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def module(self) -> ModuleNode | None:
        """The module whose weights these are, where the file holds a whole one."""
        return self._chosen.module

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What torch keeps beside a state_dict: versions by module path."""
        return self._chosen.metadata

    def tensor(self, name: str) -> Tensor:
        """The values of one tensor, mapped from the file; tied ones share memory. Writing changes no file.

        Raises UnknownName, and CheckpointError where the values are damaged or cannot be read.
        """
        if name not in self.tensors:
            raise unknown("tensor", name, self.tensors)
        return self.values.tensor(name, self.tensors[name])

    def state_dict(self) -> "OrderedDict[str, Tensor]":
        """All tensors by name, as `torch.load` would give them but for the prefix; raises as `tensor` does."""
        return OrderedDict((name, self.tensor(name)) for name in self.tensors)

    def verify(self, progress: Progress | None = None) -> None:
        """Check all values against the file's CRCs. progress: (bytes done, bytes in all). Raises CheckpointError."""
        self.values.verify(progress)

    @cached_property
    def values(self) -> Values:
        """The storages that all tensors of the file lie in."""
        return Values(self.spans, self.states)

    @property
    def _chosen(self) -> Candidate:
        return next(each for each in self.candidates if each.path == self.path)


def read(
    path: str | Path | Sequence[str | Path],
    *,
    at: str | None = None,
    verify: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Checkpoint:
    """What is in a file, a folder of one set, or several files of a set, without running anything of it.

    at: the place of the state_dict, where the file has several; the likeliest by default. verify: check all values
    now, with `progress`. Raises CheckpointError with one sentence, UnknownName for `at`.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(each) for each in path]
    if not paths:
        raise CheckpointError("Name a file.")
    with uncollected():
        answer = process.ask(paths, limits or Limits.from_environment())
        root = graph.restored(answer.pop("tree"))
        spans = tuple(Span(answer["files"][file], *rest) for file, *rest in answer.pop("storages"))
    candidates = unwrap.candidates(root)
    if not candidates:
        raise CheckpointError(
            f"{paths[0].name!r} holds no tensors: it is {describing.text(root)}, so there are no weights to read."
        )
    places = [candidate.path for candidate in candidates]
    if at is not None and at not in places:
        error = unknown("state_dict in this file", at, places)
        if places == [""]:
            error.args = (f"{error} Its weights lie at the top of it: leave the place open.",)
        raise error
    chosen = candidates[0 if at is None else places.index(at)]
    prefix = unwrap.stripped(chosen.tensors)
    parallel = chosen.module.parallel_note if chosen.module is not None else ""
    tensors = {name[len(prefix) :]: info for name, info in chosen.tensors.items()}
    found = Checkpoint(
        format=answer["format"],
        files=tuple(map(Path, dict.fromkeys(span.file for span in spans))) or tuple(paths),
        path=chosen.path,
        prefix=prefix,
        tensors=_with_ties(tensors),
        extras={**describing.extras(root, chosen.path), **answer["extras"]},
        unsafe=tuple(name for name in answer["globals"] if name not in ALLOWED),
        candidates=tuple(candidates),
        notes=tuple(filter(None, [*answer["notes"], chosen.note, parallel])),
        spans=spans,
        states={file: state_of(file) for file in {span.file for span in spans}},
    )
    if verify:
        found.verify(progress)
    return found


def _with_ties(tensors: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
    """Which names mean the very same values."""
    first: dict[tuple[Any, ...], str] = {}
    found = {}
    for name, info in tensors.items():
        key = (info.storage, info.offset, info.shape, info.stride, info.dtype, info.parts, info.details)
        other = first.setdefault(key, name) if info.storage is not None and info.nbytes else name
        found[name] = info if other == name else replace(info, tied_to=other)
    return found
