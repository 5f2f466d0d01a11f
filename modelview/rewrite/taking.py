"""A class that takes its parts from the model itself, not from what an earlier class made of the model."""

import ast
import re
from collections.abc import Mapping
from dataclasses import replace

from modelview.rewrite.pieces import FORWARD, INIT, ParsedClass

_TAKES = re.compile(r"    def __init__\(self, (\w+): Any\) -> None:\n")
_ASSIGNED = re.compile(r"        self\.([\w.]+)(?:: Any)? = (.+)")
_HALF = re.compile(r"(.+)\[:\d+\]")
"""A Sequential without its last rows: the others have the numbers that they had."""


def taken_directly(before: ParsedClass, after: ParsedClass) -> ParsedClass | None:
    """The later class made of what the earlier one is made of; None where it needs the earlier one.

    It does where it runs what the earlier one holds as a whole, or reads what that does not simply hold.
    """
    if {before.base, after.base} != {"nn.Module"} or {*before.functions} != {INIT, FORWARD}:
        return None
    head, first = _TAKES.match(after.functions.get(INIT, "")), _TAKES.match(before.functions[INIT])
    if head is None or first is None:
        return None
    given = _given(before.functions[INIT], first[1], head[1])
    taken = _Taken(given, head[1])
    reads = rf"(?<![\w.\"]){head[1]}\b((?:\.[a-zA-Z_]\w*)*)(\[)?"
    init = re.sub(reads, taken.read, after.functions[INIT][head.end() :])
    return replace(after, functions={**after.functions, INIT: head[0] + init}) if taken.all_there else None


class _Taken:
    """What a class read from `name`, an earlier class's model, read from what that was `given`.

    all_there: whether that had all of it; of a layer that was made for the earlier class, there is no part to read, and
    no second one.
    """

    def __init__(self, given: Mapping[str, str], name: str) -> None:
        self.given, self.name = given, name
        self.all_there = True
        self._made: set[str] = set()

    def read(self, found: re.Match[str]) -> str:
        path, following = found[1].lstrip("."), found[2] or ""
        held = next((part for part in _ends(path) if part in self.given), None)
        if held is None:
            self.all_there = False
            return found[0]
        value, rest = self.given[held], path[len(held) :] + following
        if not self._is_read(value):
            self.all_there &= not rest and held not in self._made
            self._made.add(held)
        half = _HALF.fullmatch(value)
        return (half[1] if half and rest else value) + rest

    def _is_read(self, value: str) -> bool:
        """Whether it is the model or something inside it, not a layer made for the class."""
        return re.fullmatch(rf"{self.name}(\.\w+|\[:?\d+\])*", value) is not None


def _ends(path: str) -> list[str]:
    """The path and what holds it, the longest first."""
    names = path.split(".")
    return [".".join(names[:n]) for n in range(len(names), 0, -1)]


def _given(init: str, name: str, called: str) -> dict[str, str]:
    """What the class assigns to which path, where one line says it; its argument `name` is written `called`."""
    found = {}
    for path, value in _ASSIGNED.findall(init):
        try:
            names = {node.id for node in ast.walk(ast.parse(value)) if isinstance(node, ast.Name)}
        except SyntaxError:  # it goes on in the next line
            continue
        if "block" not in names:
            found[path] = re.sub(rf"(?<![\w.\"]){name}\b(?!\")", called, value)
    return found
