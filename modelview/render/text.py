"""Numbers and shapes as people read them."""

from typing import Any

from modelview.trace import shapes

THIN = "\u2009"
_STEPS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_BYTES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def short(number: int) -> str:
    """Three digits and a unit, for cards.

    >>> short(23_528_522), short(20_490), short(4_089_184_256), short(0), short(999_999)
    ('23.5 M', '20.5 k', '4.09 G', '0', '1 M')
    """
    return _scaled(number, _STEPS) or str(number)


def size(size_bytes: int) -> str:
    """Bytes with a decimal unit.

    >>> size(102_228_128), size(512)
    ('102 MB', '512 B')
    """
    return _scaled(size_bytes, _BYTES) or f"{size_bytes} B"


def exact(number: int) -> str:
    """Every digit, thousands apart, for tables.

    >>> exact(25557032)
    '25,557,032'
    """
    return f"{number:,}"


def shape(tree: Any) -> str:
    """A tree of shapes on one line, with thin spaces.

    >>> shape((1, 64, 56, 56)).replace("\u2009", "_")
    '1_×_64_×_56_×_56'
    """
    return shapes.text(tree).replace(" × ", f"{THIN}×{THIN}")


def _scaled(number: int, steps: tuple[tuple[int, str], ...]) -> str:
    for step, unit in steps:
        if abs(number) >= step * 0.9995:
            value = number / step
            digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
            text = f"{value:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    return ""
