"""Look things up by name, and say what was meant when the name is wrong."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from keyword import iskeyword

from modelview.errors import UnknownName

_MOST_BYTES = 160
"""Of a file's name, which has 255 on most disks and needs some for its suffix."""


_FEW = 5
"""So many names are all told where none is near."""


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a `what` called `name`, or named by a pattern, that is not one of `known`.

    >>> print(unknown("module", "layer5.0", ["layer1.0", "layer4.0", "fc"]))
    No module is called 'layer5.0'. Did you mean 'layer4.0' or 'layer1.0'?
    >>> print(unknown("module", "layr1.*", ["layer1", "layer1.0", "layer4", "fc"]))
    No module is called 'layr1.*'. Did you mean 'layer1' or 'layer1.0'?
    >>> print(unknown("module", "fc", [""]))
    No module is called 'fc'.
    >>> print(unknown("module", "head", [f"layer{n}" for n in range(9)]))
    No module is called 'head'. There are 9, such as 'layer0', 'layer1' and 'layer2'.
    """
    known = list(filter(None, known))  # what has no name cannot have been meant
    near = get_close_matches(name.partition("*")[0].rstrip(".") or name, known, n=2)
    error = UnknownName(f"No {what} is called {short(name)!r}.{_hint(near, known)}")
    error.wanted, error.nearest = name, tuple(near)
    return error


def is_name(name: object) -> bool:
    """Whether it can be an attribute or a variable.

    >>> is_name("conv1"), is_name("0"), is_name("class"), is_name(None)
    (True, False, False, False)
    """
    return isinstance(name, str) and name.isidentifier() and not iskeyword(name)


def _hint(near: list[str], known: list[str]) -> str:
    if near or len(known) <= _FEW:
        meant = " or ".join(repr(short(each)) for each in near or known)
        return f" Did you mean {meant}?" if meant else ""
    some = [repr(short(each)) for each in known[:3]]
    return f" There are {len(known):,}, such as {some[0]}, {some[1]} and {some[2]}."


def short(text: str, length: int = 120) -> str:
    """`text`, cut in the middle when it is longer than `length` characters.

    >>> short("a" * 10, 7)
    'aaa…aaa'
    """
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def reason(error: Exception, length: int = 300) -> str:
    """What an error says, on one line without its full stop, and without the C++ that torch lists below it.

    >>> reason(RuntimeError("too large\\n  Exception raised from a.cpp:1")), reason(KeyError())
    ('too large', 'KeyError')
    >>> reason(RecursionError("maximum recursion depth exceeded"))
    'it goes round in a circle, as when a list holds itself or a module calls itself'
    """
    text = " ".join(str(error).partition("Exception raised from")[0].split())
    if "Overflow when unpacking" in text:
        return "a number is too large"
    if isinstance(error, RecursionError):
        return "it goes round in a circle, as when a list holds itself or a module calls itself"
    if isinstance(error, IndexError) and text in ("list index out of range", "tuple index out of range"):
        return "a list in it is too short"
    return short(text, length).rstrip(".! ") or type(error).__name__


def for_file(text: str, also: str = "") -> str:
    """What a file may be called after `text`: no path, not hidden, not too long; "" where nothing is left.

    also: what may stay beside letters, digits, dots, dashes and underlines.

    >>> for_file("../a<b>.pth"), for_file("tuned net"), for_file("tuned net", also=" "), for_file("..")
    ('_a_b_.pth', 'tuned_net', 'tuned net', '')
    """
    harmless = "".join(c if c.isalnum() or c in f"-_.{also}" else "_" for c in text).lstrip(". ").rstrip()
    length = _MOST_BYTES
    while len(short(harmless, length).encode()) > _MOST_BYTES:
        length -= 1
    return short(harmless, length)


def matches(path: str, pattern: str) -> bool:
    """Whether `pattern` names `path`: equal, a dotted prefix of it, or an fnmatch pattern (`*` crosses dots).

    >>> matches("layer3.0.conv1", "layer3"), matches("layer3.0.conv1", "*.conv1"), matches("layer31", "layer3")
    (True, True, False)
    """
    return path == pattern or path.startswith(f"{pattern}.") or fnmatchcase(path, pattern)


def select(what: str, paths: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The `paths` that any of `patterns` matches, in their own order.

    Raises UnknownName for a pattern that matches nothing, with the nearest names.
    """
    paths, patterns = list(paths), list(patterns)
    for pattern in patterns:
        if not any(matches(path, pattern) for path in paths):
            ancestors = {".".join(path.split(".")[:n]) for path in paths for n in range(1, path.count(".") + 2)}
            raise unknown(what, pattern, sorted(ancestors))
    return [path for path in paths if any(matches(path, pattern) for pattern in patterns)]
