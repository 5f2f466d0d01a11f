"""What the pieces of a script say: its classes, its lines, the imports that it needs."""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from modelview.rewrite.classes import titled, wrapped
from modelview.script import Code

FORWARD = "forward"
INIT = "__init__"
_HEAD = re.compile(r"class (\w+)\((.+)\):\n")


@dataclass(frozen=True)
class ParsedClass:
    """A class in a script. annotations, functions: the lines of each, by its name."""

    name: str
    base: str
    title: str
    annotations: Mapping[str, str]
    functions: Mapping[str, str]

    @property
    def body(self) -> str:
        return "\n\n".join(["\n".join(self.annotations.values()), *self.functions.values()]).lstrip("\n")

    @property
    def text(self) -> str:
        return "\n".join([f"class {self.name}({self.base}):", *_docstring(self.title), "", self.body])


def classes_in(parts: Iterable[Code]) -> dict[str, ParsedClass]:
    """The classes that the parts define, by their names."""
    return {text[6 : text.index("(")]: _parsed(text) for text in definitions(parts) if _HEAD.match(text)}


def definitions(parts: Iterable[Code]) -> list[str]:
    """The classes and functions of all the parts, in turn."""
    return [text for part in parts for text in part.definitions]


def lines(parts: Iterable[Code]) -> list[str]:
    """The lines of all statements, in turn."""
    return [line for part in parts for statement in part.statements for line in statement.split("\n")]


def without_unused(parts: Sequence[Code], before: Sequence[Code]) -> list[Code]:
    """The parts; those that are others than `before`, without imports of what no part says any more."""
    constants = (line for part in parts for line in part.constants)
    whole = ast.parse("\n".join([*definitions(parts), *lines(parts), *constants]))
    names = {node.id for node in ast.walk(whole) if isinstance(node, ast.Name)}

    def kept(part: Code) -> Code:
        return replace(part, imports=tuple(line for line in part.imports if names & _bound(line)))

    return [part if part == old else kept(part) for part, old in zip(parts, before, strict=True)]


def _bound(line: str) -> set[str]:
    """The names that an import sets."""
    names = line.removeprefix("import ").split(" import ")[-1].split(", ")
    return {name.split(" as ")[-1].partition(".")[0] for name in names}


def _parsed(text: str) -> ParsedClass:
    found, rows = ast.parse(text).body[0], text.split("\n")
    assert isinstance(found, ast.ClassDef)
    annotations, functions = {}, {}
    for each in found.body[1:]:
        start = min([each.lineno, *(mark.lineno for mark in getattr(each, "decorator_list", ()))])
        code = "\n".join(rows[start - 1 : each.end_lineno])
        if isinstance(each, ast.AnnAssign):
            annotations[ast.unparse(each.target)] = code
        else:
            functions[getattr(each, "name", code)] = code
    return ParsedClass(found.name, ast.unparse(found.bases[0]), ast.get_docstring(found) or "", annotations, functions)


def _docstring(title: str) -> list[str]:
    first, *others = title.split("\n\n")
    if not others:
        return titled(first)
    more = [line for text in others for line in ("", *wrapped(text, 4))]
    return [*wrapped(f'"""{first}', 4), *more, '    """']
