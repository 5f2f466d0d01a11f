"""What loading a file into a model would do, tensor by tensor, before anything is touched."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from modelview.checkpoints.records import TensorInfo
from modelview.edits.adapting import Adaptation
from modelview.names import short

Shape = tuple[int, ...]
Fate = Literal[
    "matches", "renamed", "dtype differs", "adapted", "shape differs", "missing", "tied", "left out", "unexpected"
]

LOADED: tuple[Fate, ...] = ("matches", "renamed", "dtype differs", "adapted", "tied")


@dataclass(frozen=True)
class LoadRow:
    """One tensor of the model, of the file, or of both.

    name: in the model, or the file's where the model has none. stored: its name in the file, "" where the file has
    none. ours, theirs: the shapes; dtypes likewise.
    """

    name: str
    fate: Fate
    stored: str = ""
    ours: Shape | None = None
    theirs: Shape | None = None
    our_dtype: str = ""
    their_dtype: str = ""
    note: str = ""


@dataclass(frozen=True)
class LoadPlan:
    """What becomes of every tensor, in the model's order and then the file's.

    adaptations: by the model's name, how the stored values become those of another shape.
    """

    rows: tuple[LoadRow, ...]
    adaptations: Mapping[str, Adaptation]

    def of(self, *fates: Fate) -> tuple[LoadRow, ...]:
        """The rows of these fates."""
        return tuple(row for row in self.rows if row.fate in fates)

    @property
    def wanted(self) -> int:
        """Tensors of the model that a file is expected to hold: counters of batches are not missed."""
        return sum(1 for row in self.rows if row.ours is not None and not _is_counter(row.name))

    @property
    def loaded(self) -> int:
        """Of those, the ones that get their values."""
        return sum(1 for row in self.of(*LOADED) if not _is_counter(row.name))

    @property
    def coverage(self) -> float:
        """The share of the model's tensors that get their values, from 0 to 1."""
        return self.loaded / self.wanted if self.wanted else 0.0

    @property
    def missing(self) -> tuple[str, ...]:
        """Names that the file does not have and a strict load would miss."""
        return tuple(row.name for row in self.of("missing") if not _is_counter(row.name))

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        parts = [f"{self.loaded:,} of {self.wanted:,} tensors"]
        counts = {
            "renamed": len(self.of("renamed")),
            "cast": len(self.of("dtype differs")),
            "adapted": len(self.of("adapted")),
            "of another shape": len(self.of("shape differs")),
            "missing": len(self.missing),
            "left out": len(self.of("left out")),
            "unexpected": len(self.of("unexpected")),
        }
        return ", ".join(parts + [f"{number:,} {what}" for what, number in counts.items() if number])


def plan(
    model: nn.Module,
    stored: Mapping[str, TensorInfo],
    rename: Callable[[str], str],
    chosen: Callable[[str], bool],
    adapt: Callable[[str, Shape, Shape], Adaptation | None],
) -> LoadPlan:
    """Which tensor of the file goes where.

    stored: what the file holds, by name. rename: from a stored name to the model's. chosen: whether a tensor of the
    model is to be loaded. adapt: (name, their shape, our shape) to how one becomes the other, None where it cannot.
    """
    targets = {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if isinstance(tensor, Tensor)}
    sources = {rename(name): name for name in stored}
    adaptations: dict[str, Adaptation] = {}
    rows = []
    for name, target in targets.items():
        row = _row(name, target, sources.get(name, ""), stored)
        if not chosen(name):
            row = _as(row, "left out")
        elif row.fate == "shape differs" and row.theirs is not None and row.ours is not None:
            found = adapt(name, row.theirs, row.ours)
            if found is not None:
                adaptations[name] = found
                row = _as(row, "adapted", found.note)
        rows.append(row)
    rows = list(_with_ties(rows, targets))
    rows += [_unexpected(name, stored[name]) for final, name in sources.items() if final not in targets]
    return LoadPlan(tuple(rows), adaptations)


def _row(name: str, target: Tensor, stored: str, infos: Mapping[str, TensorInfo]) -> LoadRow:
    ours, our_dtype = tuple(target.shape), str(target.dtype).removeprefix("torch.")
    if not stored:
        return LoadRow(name, "missing", "", ours, None, our_dtype)
    info = infos[stored]
    fate: Fate = "matches"
    if info.shape != ours:
        fate = "shape differs"
    elif info.dtype != our_dtype:
        fate = "dtype differs"
    elif stored != name:
        fate = "renamed"
    return LoadRow(name, fate, stored, ours, info.shape, our_dtype, info.dtype, info.note)


def _as(row: LoadRow, fate: Fate, note: str = "") -> LoadRow:
    return LoadRow(row.name, fate, row.stored, row.ours, row.theirs, row.our_dtype, row.their_dtype, note or row.note)


def _with_ties(rows: list[LoadRow], targets: Mapping[str, Tensor]) -> Iterator[LoadRow]:
    """A missing tensor that is the same one under another name, which is loaded, is not missing."""
    loaded = {id(targets[row.name]): row.name for row in rows if row.fate in LOADED}
    for row in rows:
        other = loaded.get(id(targets[row.name]))
        yield _as(row, "tied", f"the same tensor as {short(other)}") if row.fate == "missing" and other else row


def _unexpected(name: str, info: TensorInfo) -> LoadRow:
    return LoadRow(name, "unexpected", name, None, info.shape, "", info.dtype, info.note)


def _is_counter(name: str) -> bool:
    """Batch counters, which files of before 2018 do not hold and `load_state_dict` does not ask for."""
    return name.endswith("num_batches_tracked")
