"""Lines that are too long, broken as formatters break them."""

from collections.abc import Iterator
from itertools import pairwise

WIDTH = 110
"""Columns of the code that is written."""


def broken(text: str, indent: int) -> Iterator[str]:
    """The lines of a statement, indented by `indent` spaces; what is too long is broken at its commas."""
    for line in text.split("\n"):
        yield from _broken(" " * indent + line if line else "")


def _broken(line: str) -> Iterator[str]:
    found = list(_brackets(line)) if len(line) > WIDTH else []
    if not found:
        yield line
        return
    opening, commas, closing = found[-1]
    margin = " " * (len(line) - len(line.lstrip()))
    comma = "," if commas or line[opening] != "(" or _follows_name(line, opening) else ""
    yield line[: opening + 1]
    for start, end in pairwise([opening, *commas, closing]):
        if item := line[start + 1 : end].strip():
            yield from _broken(f"{margin}    {item}{comma}")
    yield from _broken(margin + line[closing:])


def _follows_name(line: str, index: int) -> bool:
    return index > 0 and (line[index - 1].isalnum() or line[index - 1] in "_])")


def _brackets(line: str) -> Iterator[tuple[int, list[int], int]]:
    """Where each outermost bracket opens, its commas, and where it closes; neither indices nor empty ones."""
    depth, quote, opening = 0, "", 0
    commas: list[int] = []
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote and line[index - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            if depth == 0:
                opening, commas = index, []
            depth += 1
        elif char in ")]}":
            depth -= 1
            is_index = line[opening] == "[" and _follows_name(line, opening)
            if depth == 0 and index > opening + 1 and not is_index:
                yield opening, commas, index
        elif char == "," and depth == 1:
            commas.append(index)
