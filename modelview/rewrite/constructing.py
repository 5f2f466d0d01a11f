"""A subclass called outright, where the model was first made by a builder and then given the class."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from modelview.rewrite.merging import FORWARD, TURN, ParsedClass, classes_in
from modelview.script import Code

Constructor = Callable[[str, str], Code | None]
"""Given the name of a subclass and that of the class it stands on: what makes one of it as the source does."""


def constructed(parts: Iterable[Code], constructor: Constructor) -> list[Code]:
    """The parts of a script, where a class that only runs otherwise is made by its own constructor.

    parts: the source's is the first one with statements. Nothing changes where `constructor` gives None.
    """
    found = list(parts)
    at = next((number for number, part in enumerate(found) if part.statements), None)
    name = _last_of_the_first(found)
    classes = classes_in(found)
    if at is None or name is None:
        return found
    base = classes[name].base
    while base in classes:
        base = classes[base].base
    made = constructor(name, base)
    if made is None:
        return found
    kept = [replace(part, statements=tuple(line for line in part.statements if not _gives(line))) for part in found]
    rest = found[at].statements[1:]
    first = replace(
        found[at],
        statements=(*made.statements, *rest),
        imports=(*_without(found[at].imports, rest), *made.imports),
    )
    return [first if number == at else part for number, part in enumerate(kept)]


def _last_of_the_first(parts: list[Code]) -> str | None:
    """The last class of those that are given to the model before it becomes anything else."""
    classes = classes_in(parts)
    statements = [statement for part in parts for statement in part.statements][1:]
    turns = [match for line in statements for each in line.split("\n") if (match := TURN.match(each))]
    name: str | None = None
    for turn in turns:
        after = classes.get(turn["name"] or "")
        if not turn["same"] or after is None or not _only_runs_otherwise(after):
            return None
        if name is not None and after.base != name:
            return None
        name = after.name
    return name


def _only_runs_otherwise(kind: ParsedClass) -> bool:
    return [*kind.functions] == [FORWARD]


def _gives(line: str) -> bool:
    turn = TURN.match(line)
    return turn is not None and bool(turn["same"])


def _without(imports: tuple[str, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """The imports without that of torchvision's builders, where nothing but the first statement called one."""
    needed = any("models." in line for line in rest)
    return tuple(line for line in imports if needed or line != "from torchvision import models")
