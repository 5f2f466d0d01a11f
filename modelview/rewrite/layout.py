"""Lines that are too long, broken as formatters break them."""

from collections.abc import Iterator
from itertools import pairwise

WIDTH = 110


def broken(text: str, indent: int) -> Iterator[str]:
    """The lines of a statement, indented by `indent` spaces; what is too long is broken at its commas."""
    for line in text.split("\n"):
        yield from _broken(" " * indent + line)


def _broken(line: str) -> Iterator[str]:
    found = _brackets(line) if len(line) > WIDTH else None
    if not found:
        yield line
        return
    opening, commas, closing = found
    margin = " " * (len(line) - len(line.lstrip()))
    ends = [opening, *commas, closing]
    follows = opening > 0 and (line[opening - 1].isalnum() or line[opening - 1] in "_])")
    is_list = bool(commas) or follows == (line[opening] == "(")  # not a subscript, not mere parentheses
    yield line[: opening + 1]
    for start, end in pairwise(ends):
        if item := line[start + 1 : end].strip():
            yield from _broken(f"{margin}    {item}{',' * is_list}")
    yield from _broken(margin + line[closing:])


def _brackets(line: str) -> tuple[int, list[int], int] | None:
    """Where the last outermost bracket opens, its commas, and where it closes."""
    depth, quote, opening = 0, "", 0
    commas: list[int] = []
    found = None
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
            if depth == 0 and index > opening + 1:
                found = opening, commas, index
        elif char == "," and depth == 1:
            commas.append(index)
    return found
