"""Names and shapes of every known architecture: made on meta, kept in files, each loaded once."""

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from itertools import accumulate, pairwise
from math import isqrt
from pathlib import Path
from typing import Any, Generic, TypeVar

from modelview.identify import kept
from modelview.meta import uncollected

Shape = tuple[int, ...]
Item = tuple[str, Shape]
"""A tensor's name and shape."""

T = TypeVar("T")

FILE = Path(__file__).with_name("index.json.gz")
FORMAT = 2
DAMAGE = (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a damaged file may raise."""


@dataclass(frozen=True)
class Growth:
    """How a tensor follows a number, of classes or channels: size in dimension `dim` is slope * number + intercept."""

    dim: int
    slope: int
    intercept: int

    def number(self, shape: Shape, own: Shape) -> int | None:
        """The number for which a tensor of shape `own` has `shape`; None where none gives it."""
        if len(shape) != len(own) or any(
            a != b for n, (a, b) in enumerate(zip(shape, own, strict=True)) if n != self.dim
        ):
            return None
        count, rest = divmod(shape[self.dim] - self.intercept, self.slope)
        return count if not rest and count > 0 else None


@dataclass(frozen=True)
class Grid:
    """How a position embedding (1, extra + side², D) follows the image size, which is side * patch."""

    patch: int
    extra: int

    def size(self, shape: Shape, own: Shape) -> int | None:
        """The image size for which one of shape `own` has `shape`; None where it is `own` itself, or none gives it."""
        if shape == own or len(shape) != 3 or shape[::2] != own[::2]:
            return None
        side = isqrt(max(shape[1] - self.extra, 0))
        return side * self.patch if side and side**2 + self.extra == shape[1] else None


@dataclass(frozen=True, eq=False)
class Entry:
    """One architecture. spec: what `mv.open` takes, with `keywords`. num_classes: of the shapes; None without.

    items: its tensors, batch counters left out. heads: how those that follow the classes do; stems: likewise for the
    input channels, and grids for the image size. children: of the model, in order, for `Sequential(*children)`.
    """

    spec: str
    keywords: tuple[tuple[str, object], ...]
    num_classes: int | None
    items: tuple[Item, ...]
    heads: dict[str, Growth]
    stems: dict[str, Growth]
    grids: dict[str, Grid]
    children: tuple[str, ...]

    @cached_property
    def tensors(self) -> dict[str, Shape]:
        return dict(self.items)

    @cached_property
    def signature(self) -> frozenset[tuple[str, object]]:
        """The same for architectures that no state_dict can tell apart, whatever its number of classes."""
        return frozenset((name, self._like(name, shape)) for name, shape in self.items)

    def _like(self, name: str, shape: Shape) -> object:
        growth = self.heads.get(name)
        return shape if growth is None else (growth, shape[: growth.dim], shape[growth.dim + 1 :])


@dataclass(frozen=True, eq=False)
class Part:
    """The entries of one file, and the numbers of those that have a tensor, which count on from the part before.

    made_with: the version of each package. Numbers, and in tuples, as the garbage collector passes over those.
    """

    entries: tuple[Entry, ...]
    exact: dict[Item, tuple[int, ...]]
    made_with: dict[str, str]

    @property
    def note(self) -> str:
        """What to say where it was made with other versions than are installed; "" where it fits."""
        stale = [
            f"{name} {was} ({version(name)} is installed)"
            for name, was in self.made_with.items()
            if was != version(name)
        ]
        return f"The index of architectures was made with {', '.join(stale)}: run make index." if stale else ""

    @cached_property
    def children(self) -> dict[int, set[str]]:
        """What the children of a model are called, by their number."""
        found = defaultdict(set)
        for entry in self.entries:
            for number, child in enumerate(entry.children):
                found[number].add(child)
        return dict(found)


@dataclass(frozen=True, eq=False)
class Index:
    """Every part that there is. note: what to say of a part that there could be, and of those that do not fit."""

    parts: tuple[Part, ...]
    note: str

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """By their number."""
        return tuple(entry for part in self.parts for entry in part.entries)


def written(entries: Iterable[Entry], made_with: dict[str, str]) -> bytes:
    """A part as it is kept, with each name, shape and tensor once; the same entries give the same bytes."""
    names, shapes, items = _Numbers[str](), _Numbers[Shape](), _Numbers[tuple[int, int]]()
    rows = []
    for entry in entries:
        numbers = [items.of((names.of(name), shapes.of(shape))) for name, shape in entry.items]
        rules = {name: {k: asdict(v) for k, v in getattr(entry, name).items()} for name in ("heads", "stems", "grids")}
        plain = {name: getattr(entry, name) for name in ("spec", "keywords", "num_classes", "children")}
        rows.append(plain | rules | {"items": _steps(numbers)})
    content = {"format": FORMAT, "made_with": made_with, "entries": rows, "names": names.known, "shapes": shapes.known}
    content["items"] = [_steps(name for name, _ in items.known), [shape for _, shape in items.known]]
    return gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0)


class _Numbers(Generic[T]):
    """Numbers in the order of asking, the same for the same."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}

    def of(self, value: T) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def known(self) -> list[T]:
        return list(self._numbers)


def _steps(numbers: Iterable[int]) -> list[int]:
    """From each to the next, mostly 1, so that they pack well; `accumulate` makes the numbers of them again."""
    return [after - before for before, after in pairwise([0, *numbers])]


def read(data: bytes, first: int = 0) -> Part:
    """What `written` wrote, its entries numbered from `first`. Raises one of `DAMAGE` for whatever else."""
    with uncollected():
        content = json.loads(gzip.decompress(data))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        names, shapes = content["names"], [tuple(shape) for shape in content["shapes"]]
        steps, of_shapes = content["items"]
        named = map(names.__getitem__, accumulate(steps))
        items = list(zip(named, map(shapes.__getitem__, of_shapes), strict=True))
        holders: list[list[int]] = [[] for _ in items]
        entries = []
        for number, row in enumerate(content["entries"], first):
            own = list(accumulate(row["items"]))
            entries.append(_entry(row, tuple(map(items.__getitem__, own))))
            for item in own:
                holders[item].append(number)
        exact = dict(zip(items, map(tuple, holders), strict=True))
        return Part(tuple(entries), exact, {**content["made_with"]})


def _entry(row: dict[str, Any], items: tuple[Item, ...]) -> Entry:
    return Entry(
        row["spec"],
        tuple((name, value) for name, value in row["keywords"]),
        row["num_classes"],
        items,
        {name: Growth(**growth) for name, growth in row["heads"].items()},
        {name: Growth(**growth) for name, growth in row["stems"].items()},
        {name: Grid(**grid) for name, grid in row["grids"].items()},
        tuple(row["children"]),
    )


def load() -> Index:
    """The index that goes with this version, and timm's beside it where it is there and fits."""
    return _loaded(kept.state())


@lru_cache(maxsize=1)
def _loaded(timm: kept.State) -> Index:
    own = _own()
    part, note = _beside(timm, len(own.entries))
    return Index((own, part) if part else (own,), " ".join(filter(None, [own.note, note])))


@lru_cache(maxsize=1)
def _own() -> Part:
    return read(FILE.read_bytes())


def _beside(timm: kept.State, first: int) -> tuple[Part | None, str]:
    """The part of timm's models, numbered from `first`, or what to say of it."""
    if timm.installed is None or timm.stamp is None:
        return None, timm.missing
    try:
        part = read(timm.path.read_bytes(), first)
        was = part.made_with["timm"]
    except DAMAGE:
        return None, kept.damaged(timm.path)
    return (part, "") if was == timm.installed else (None, kept.stale(was, timm.installed))
