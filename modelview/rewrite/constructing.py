"""A subclass called outright, where the model was first made by a builder and then given the class."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from modelview.rewrite.merging import TURN
from modelview.rewrite.pieces import FORWARD, ParsedClass, classes_in
from modelview.script import Code

Constructor = Callable[[str, str], Code | None]
"""Given the name of a subclass and that of the class it stands on: what makes one of it as the source does."""


def constructed(parts: Iterable[Code], constructor: Constructor) -> list[Code]:
    """The parts of a script, where a class that only runs otherwise is made by its own constructor.

    parts: the source's is the first one with statements. Nothing changes where `constructor` gives None.
    """
    found = list(parts)
    at = next((number for number, part in enumerate(found) if part.statements), None)
    given = _given_first(found)
    if at is None or not given:
        return found
    made = constructor(given[-1].name, given[0].base)
    if made is None:
        return found
    said = {f"model.__class__ = {kind.name}" for kind in given}
    kept = [replace(part, statements=tuple(line for line in part.statements if line not in said)) for part in found]
    rest = found[at].statements[1:]
    first = replace(
        found[at],
        statements=(*made.statements, *rest),
        imports=(*_without(found[at].imports, rest), *made.imports),
    )
    return [first if number == at else part for number, part in enumerate(kept)]


def _given_first(parts: list[Code]) -> list[ParsedClass]:
    """The classes that the model is given before it becomes anything else, each standing on the one before.

    They only run otherwise: each has a forward, and nothing that its constructor would have to know.
    """
    classes = classes_in(parts)
    statements = [statement for part in parts for statement in part.statements][1:]
    turns = (match for line in statements for each in line.split("\n") if (match := TURN.match(each)))
    found: list[ParsedClass] = []
    for turn in turns:
        after = classes.get(turn["name"] or "")
        if not turn["same"] or after is None or [*after.functions] != [FORWARD]:
            break
        if found and after.base != found[-1].name:
            break
        found.append(after)
    return found


def _without(imports: tuple[str, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """The imports without that of torchvision's builders, where nothing but the first statement called one."""
    needed = any("models." in line for line in rest)
    return tuple(line for line in imports if needed or line != "from torchvision import models")
