"""From names and shapes to the architectures they fit, best first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from modelview.checkpoints.records import TensorInfo
from modelview.identify import candidates, index
from modelview.identify.index import Entry, Growth, Shape
from modelview.identify.measuring import measured
from modelview.identify.shapes import UNCOUNTED, own_number
from modelview.names import short

Keywords = tuple[tuple[str, object], ...]

LEAST_COVERAGE = 0.5
"""An architecture that covers no more than this is not named."""
FIRST = "torchvision"
"""Whose architectures come before others' that fit as well."""
NUM_CLASSES = 1000
"""Of torchvision's classes where none is said."""
IMAGE_SIZE = {"torchvision": "image_size", "timm": "img_size"}
CHANNELS = {"timm": "in_chans"}
"""What sources call these numbers, where they can be asked for."""
_MOST_NAMED = 6


class HasTensors(Protocol):
    """A checkpoint, or whatever else has tensors by name."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]: ...


@dataclass(frozen=True)
class Match:
    """An architecture that a file fits, and how.

    spec, keywords: what `mv.open` takes. num_classes, in_channels: as the file has them; None where it has no head or
    stem. coverage: matched tensors over the larger of the file's number and the architecture's, from 0 to 1, batch
    counters left out. missing: names of the architecture that the file lacks. unexpected: names of the file that the
    architecture lacks. mismatched: (name, shape in the file, shape in the architecture). renamed: (name in the file,
    name in the architecture) where they differ. also: other specs with the same names and shapes. prefix: what stands
    before every name, where the architecture is a part of a larger model. ways: (spec, keywords) of it and of `also`.
    """

    spec: str
    keywords: tuple[tuple[str, object], ...]
    num_classes: int | None
    in_channels: int | None
    coverage: float
    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...]
    renamed: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    prefix: str = ""
    ways: tuple[tuple[str, Keywords], ...] = ()

    @property
    def opening(self) -> Keywords:
        """The keywords of `spec`, also where it took the place of another with the same names and shapes."""
        return dict(self.ways).get(self.spec, self.keywords)

    @property
    def sentence(self) -> str:
        """What the file is, and what differs, for the screen."""
        where = f" below {short(self.prefix.rstrip('.'))!r}" if self.prefix else ""
        classes = f" with {self.num_classes:,} classes" if self.num_classes is not None else ""
        channels = f" and {self.in_channels} input channels" if self.in_channels not in (None, 3) else ""
        total = self.matched + len(self.missing) + len(self.mismatched)
        told = ", ".join(f"{key} {value}" for key, value in self.keywords if key != "num_classes")
        name = self.spec.replace(":", " ", 1) + (f" ({short(told, 120)})" if told else "")
        said = f"{name}{classes}{channels}{where}; {self.matched:,} of {total:,} tensors match"
        if self.renamed:
            said += ", under other names"
        parts = [
            *(
                f"{name} is {_text(theirs)} where its own is {_text(ours)}"
                for name, theirs, ours in self.mismatched[:2]
            ),
            _listed(self.missing, "missing"),
            _listed(self.unexpected, "not in it"),
            f"Equal in names and shapes: {_counted(tuple(map(_bare, self.also)), _MOST_NAMED)}" if self.also else "",
        ]
        return ". ".join([said, *filter(None, parts)]) + "."


def identify(ck: HasTensors) -> list[Match]:
    """The architectures that a checkpoint fits, best first; [] where none covers more than half of it."""
    shapes = _shapes(ck)
    found = [match for match in _matches(shapes) if match.coverage > LEAST_COVERAGE]
    return found if any(match.coverage == 1 for match in found) else [*_measured(shapes), *found]


def nearest(ck: HasTensors) -> str:
    """The sentence for a checkpoint that fits nothing: the nearest three, and how much of it they cover."""
    found = list(_matches(_shapes(ck)))[:3]
    listed = ", ".join(f"{_bare(match.spec)} ({match.coverage:.0%})" for match in found if match.matched)
    return f"No known architecture fits these {len(ck.tensors):,} tensors." + (
        f" The nearest are {listed}." if listed else ""
    )


def _measured(shapes: dict[str, Shape]) -> Iterator[Match]:
    """Classes that have these very tensors once they are called with what the shapes say."""
    for name, keywords in measured(shapes):
        classes = dict(keywords).get("num_classes", NUM_CLASSES)
        yield Match(f"{FIRST}:{name}", keywords, classes, 3, 1.0, len(shapes), (), (), ())


def _shapes(ck: HasTensors) -> dict[str, Shape]:
    return {name: info.shape for name, info in ck.tensors.items() if not name.endswith(UNCOUNTED)}


def _matches(shapes: dict[str, Shape]) -> list[Match]:
    """Every comparison worth making, best first, equals put together."""
    known = index.load()
    found: dict[str, tuple[Match, Entry]] = {}
    votes, numbered = candidates.likely(shapes, known), candidates.numbered(shapes)
    below = {prefix: _below(shapes, prefix) for prefix in dict.fromkeys([*(prefix for prefix, _ in votes), *numbered])}
    for prefix, entry in votes:
        _keep(found, _compare(entry, below[prefix], prefix), entry)
    for prefix in numbered:
        for entry in candidates.cut(below[prefix], known):
            names = candidates.renamed(entry, below[prefix])
            moved = {names.get(name, name): shape for name, shape in below[prefix].items()}
            _keep(found, _compare(entry, moved, prefix, names), entry)
    return _grouped(sorted(found.values(), key=lambda pair: _rank(pair[0])))


def _rank(match: Match) -> tuple[float, bool, int, int, str]:
    """What explains more of the file comes before a part of it.

    Of equals torchvision's, then what needs the fewest keywords, then the shortest name.
    """
    others = not match.spec.startswith(f"{FIRST}:")
    return -round(match.coverage * match.matched, 6), others, len(match.keywords), len(match.spec), match.spec


def _below(shapes: dict[str, Shape], prefix: str) -> dict[str, Shape]:
    return {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}


def _keep(found: dict[str, tuple[Match, Entry]], match: Match, entry: Entry) -> None:
    best = found.get(match.spec)
    if best is None or _rank(match) < _rank(best[0]):
        found[match.spec] = match, entry


def _compare(entry: Entry, shapes: dict[str, Shape], prefix: str, names: Mapping[str, str] | None = None) -> Match:
    """How far names and shapes are the architecture's, with the classes and channels that most of them tell."""
    classes, channels = _told(entry, entry.heads, shapes), _told(entry, entry.stems, shapes)
    grids = {n: grid.size(shapes[n], entry.tensors[n]) for n, grid in entry.grids.items() if n in shapes}
    sizes = {n: size for n, size in grids.items() if size}
    missing = [name for name in entry.tensors if name not in shapes]
    present = [(name, shapes[name], own) for name, own in entry.tensors.items() if name in shapes]
    mismatched = [row for row in present if row[0] not in sizes and not _fits(entry, *row, classes, channels)]
    matched = len(present) - len(mismatched)
    unexpected = [name for name in shapes if name not in entry.tensors]
    whole = max(len(shapes), len(entry.tensors))
    renamed = tuple((old, new) for old, new in names.items() if old != new) if names else ()
    return Match(
        entry.spec,
        _keywords(entry, classes, channels, next(iter(sizes.values()), None)),
        classes,
        channels,
        matched / whole if whole else 0.0,
        matched,
        tuple(missing),
        tuple(unexpected),
        tuple(mismatched),
        renamed,
        prefix=prefix,
    )


def _keywords(entry: Entry, classes: int | None, channels: int | None, size: int | None) -> Keywords:
    """What the source is asked for: the entry's own keywords, and the numbers in which the file differs from it."""
    source = entry.spec.partition(":")[0]
    keywords = dict(entry.keywords)
    if classes is not None and classes != entry.num_classes:
        keywords["num_classes"] = classes
    if source in CHANNELS and channels not in (None, own_number(entry.tensors, entry.stems)):
        keywords[CHANNELS[source]] = channels
    if size is not None:
        keywords[IMAGE_SIZE[source]] = size
    return tuple(sorted(keywords.items()))


def _fits(entry: Entry, name: str, shape: Shape, own: Shape, classes: int | None, channels: int | None) -> bool:
    """Whether a tensor has the shape that the architecture gives it for these numbers of classes and channels."""
    for growths, number in ((entry.heads, classes), (entry.stems, channels)):
        if name in growths:
            return number is not None and growths[name].number(shape, own) == number
    return shape == own


def _told(entry: Entry, growths: Mapping[str, Growth], shapes: Mapping[str, Shape]) -> int | None:
    """The number that most tensors say; the smaller of equals, for a number that is the same either way."""
    said = (growth.number(shapes[n], entry.tensors[n]) for n, growth in growths.items() if n in shapes)
    counts = Counter(number for number in said if number is not None)
    return min(counts, key=lambda number: (-counts[number], number)) if counts else None


def _grouped(ordered: list[tuple[Match, Entry]]) -> list[Match]:
    """Architectures with the same names and shapes as one, the shortest name first."""
    groups: dict[tuple[object, ...], list[Match]] = defaultdict(list)
    for match, entry in ordered:
        groups[entry.signature, match.prefix, match.renamed].append(match)
    return [_with_others(same) for same in groups.values()]


def _with_others(same: list[Match]) -> Match:
    first, *others = same
    if not others:
        return first
    ways = tuple((match.spec, match.keywords) for match in same)
    return replace(first, also=tuple(other.spec for other in others), ways=ways)


def _bare(spec: str) -> str:
    """As people call it: without torchvision's name, which goes without saying."""
    return spec.removeprefix(f"{FIRST}:").replace(":", " ", 1)


def _text(shape: Shape) -> str:
    return " × ".join(map(str, shape)) or "a number"


def _listed(names: tuple[str, ...], what: str) -> str:
    return f"{_counted(names, 3)} {'is' if len(names) == 1 else 'are'} {what}" if names else ""


def _counted(names: tuple[str, ...], most: int) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(short(name, 60) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
