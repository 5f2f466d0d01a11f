"""Which architectures are worth a comparison: chosen by a count of equal tensors."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import nlargest

from modelview.identify.index import Entry, Index, Shape

LOOKED_AT = 48
"""How many architectures are compared in full."""
_MOST_PREFIXES = 6
_SAMPLE = 12
"""Tensors by which architectures are chosen for a comparison under other names."""


def likely(shapes: Mapping[str, Shape], known: Index) -> list[tuple[str, Entry]]:
    """The likeliest (prefix, entry): those that explain most by equal names and shapes, wherever these stand."""
    sizes: Counter[str] = Counter()
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for name, shape in shapes.items():
        at = 0
        while True:
            sizes[name[:at]] += 1
            for part in known.parts:
                if holders := part.exact.get((name[at:], shape)):
                    counts[name[:at]].update(holders)
            at = name.find(".", at) + 1
            if not at:
                break
    found = (
        (count**2 / max(sizes[prefix], len(known.entries[number].items)), prefix, number)
        for prefix, each in counts.items()
        for number, count in each.items()
    )
    best = nlargest(LOOKED_AT, found, key=lambda row: row[0])
    return [(prefix, known.entries[number]) for _, prefix, number in best]


def numbered(shapes: Iterable[str]) -> list[str]:
    """The prefixes after which numbers follow for the most part: what `Sequential(*children)` makes of names."""
    counts: Counter[str] = Counter()
    for name in shapes:
        parts = name.split(".")
        for depth, part in enumerate(parts[:-1]):
            if part.isdecimal():
                counts[".".join([*parts[:depth], ""]) if depth else ""] += 1
                break
    return [prefix for prefix, count in counts.most_common(_MOST_PREFIXES) if count > 4]


def cut(shapes: Mapping[str, Shape], known: Index) -> list[Entry]:
    """The likeliest of which these are the children in order: by half of a few tensors at least."""
    some = list(shapes)[:: max(1, len(shapes) // _SAMPLE)]
    votes: Counter[Entry] = Counter()
    for name in some:
        first, _, rest = name.partition(".")
        number = _number(first)
        for part in known.parts:
            for child in part.children.get(number, ()):
                holders = part.exact.get((f"{child}.{rest}", shapes[name]), ())
                entries = map(known.entries.__getitem__, holders)
                votes.update(entry for entry in entries if _child_at(entry, number) == child)
    enough = [e for e, count in votes.items() if 2 * count >= len(some) and len(shapes) <= 2 * len(e.items)]
    return nlargest(LOOKED_AT, enough, key=lambda e: (votes[e], -abs(len(e.items) - len(shapes))))


def renamed(entry: Entry, names: Iterable[str]) -> dict[str, str]:
    """The architecture's names for those that begin with the number of a child."""
    found = {}
    for name in names:
        first, _, rest = name.partition(".")
        child = _child_at(entry, _number(first))
        if rest and child is not None:
            found[name] = f"{child}.{rest}"
    return found


def _child_at(entry: Entry, number: int) -> str | None:
    return entry.children[number] if 0 <= number < len(entry.children) else None


def _number(text: str) -> int:
    """The number of a child; -1 where it is none."""
    return int(text) if text.isdecimal() and len(text) < 5 else -1
