"""One class where an edit gave a class that an earlier edit had written another forward."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from modelview.rewrite.classes import titled, wrapped
from modelview.script import Code

_HEAD = re.compile(r"class (\w+)\((.+)\):\n")
TURN = re.compile(r"model(?P<same>\.__class__)? = (?P<name>\w+)?(?P<holds>\(model\)$)?")
"""A statement that makes the model another one."""
_IGNORED = "  # type: ignore[override]"
FORWARD = "forward"


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


def merged(parts: Iterable[Code]) -> list[Code]:
    """The parts of a script, where of two classes that follow each other one is enough.

    A class that only gives another of them a new forward becomes one with it: it gives its name and its forward, the
    earlier one all else. One that takes what it needs from the model, and does not call the model itself, needs no
    forward that the model had. Both classes stay where something else of the earlier one is needed.
    """
    found = list(parts)
    while (step := next(_steps(found), None)) is not None:
        found = _taken(found, step)
    return found


@dataclass(frozen=True)
class _Step:
    """made: what stands for the two. dropped: the statement that goes with one of them."""

    before: ParsedClass
    made: ParsedClass
    dropped: str


def _steps(parts: list[Code]) -> Iterator[_Step]:
    classes = classes_in(parts)
    turns = [found for line in _lines(parts) if (found := TURN.match(line))]
    for first, second in pairwise(turns):
        before, after = classes.get(first["name"]), classes.get(second["name"])
        if before is None or after is None or not _needed_by(parts, before, after):
            continue
        if second["same"] and after.base == before.name and _only_runs_otherwise(before, after):
            of_an_edit = bool(first["same"] or first["holds"])
            if of_an_edit or _needs_all(before, after):
                title = _title(before, after) if of_an_edit else f"{after.title}\n\n{before.title}"
                yield _Step(before, _joined(classes, before, after, title), second[0])
        elif first["same"] and second["holds"] and [*before.functions] == [FORWARD] and _calls_no_model(after):
            yield _Step(before, replace(after, title=_title(before, after)), first[0])


def classes_in(parts: Iterable[Code]) -> dict[str, ParsedClass]:
    """The classes that the parts define, by their names."""
    return {text[6 : text.index("(")]: _parsed(text) for text in _definitions(parts) if _HEAD.match(text)}


def _needed_by(parts: list[Code], before: ParsedClass, after: ParsedClass) -> bool:
    """Whether nothing says the earlier class but its one statement and the later class."""
    own = (f"class {before.name}(", f"class {after.name}(")
    others = (text for text in _definitions(parts) if not text.startswith(own))
    said = [*others, *_lines(parts), before.body, after.body, *(line for part in parts for line in part.constants)]
    return sum(_says(before.name, text) for text in said) == 1


def _only_runs_otherwise(before: ParsedClass, after: ParsedClass) -> bool:
    return FORWARD in before.functions and [*after.functions] == [FORWARD] and "super()" not in after.body


def _needs_all(before: ParsedClass, after: ParsedClass) -> bool:
    """Whether the later forward reads all that the earlier class sets, so that no argument becomes idle."""
    own = re.findall(r"\bself\.(\w+)(?:: [^=]+)? = ", before.functions.get("__init__", ""))
    return all(re.search(rf"\bself\.{name}\b", after.functions[FORWARD]) for name in own)


def _calls_no_model(after: ParsedClass) -> bool:
    """Whether all that it does with the model is to hold it and to read what is inside."""
    head, _, init = after.functions.get("__init__", "").partition("\n")
    name = re.search(r"\(self, (\w+): Any\)", head)
    if name is None:
        return False
    held = rf"\b{name[1]}\b(?![.\[])"
    others = (text for function, text in after.functions.items() if function != "__init__")
    return not re.search(held, init.replace(f"self.{name[1]} = {name[1]}\n", "")) and not any(
        re.search(rf"\bself\.{held}", text) for text in others
    )


def _definitions(parts: Iterable[Code]) -> list[str]:
    return [text for part in parts for text in part.definitions]


def _lines(parts: list[Code]) -> list[str]:
    return [line for part in parts for statement in part.statements for line in statement.split("\n")]


def _says(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _parsed(text: str) -> ParsedClass:
    found, lines = ast.parse(text).body[0], text.split("\n")
    assert isinstance(found, ast.ClassDef)
    annotations, functions = {}, {}
    for each in found.body[1:]:
        start = min([each.lineno, *(mark.lineno for mark in getattr(each, "decorator_list", ()))])
        code = "\n".join(lines[start - 1 : each.end_lineno])
        if isinstance(each, ast.AnnAssign):
            annotations[ast.unparse(each.target)] = code
        else:
            functions[getattr(each, "name", code)] = code
    return ParsedClass(found.name, ast.unparse(found.bases[0]), ast.get_docstring(found) or "", annotations, functions)


def _joined(classes: Mapping[str, ParsedClass], before: ParsedClass, after: ParsedClass, title: str) -> ParsedClass:
    """The earlier class with the later one's name and forward."""
    functions = {**before.functions, FORWARD: _forward(classes, before, after)}
    return ParsedClass(after.name, before.base, title, {**before.annotations, **after.annotations}, functions)


def _docstring(title: str) -> list[str]:
    first, *others = title.split("\n\n")
    if not others:
        return titled(first)
    more = [line for text in others for line in ("", *wrapped(text, 4))]
    return [*wrapped(f'"""{first}', 4), *more, '    """']


def _forward(classes: Mapping[str, ParsedClass], before: ParsedClass, after: ParsedClass) -> str:
    """The later forward, marked for type checkers where the base's takes or returns something else.

    They know nothing of what is imported from elsewhere, and ask nothing of what stands on nn.Module itself.
    """
    known = before.base in classes or (before.base.startswith("nn.") and before.base != "nn.Module")
    both = before.functions[FORWARD] + after.functions[FORWARD]
    head, *lines = after.functions[FORWARD].replace(_IGNORED, "").split("\n")
    return "\n".join([head + _IGNORED * (known and _IGNORED in both), *lines])


def _title(before: ParsedClass, after: ParsedClass) -> str:
    """What both say: the later one says what it does to the earlier."""
    said = before.title.partition("\n\n")[0].rstrip(".")
    return f"{said},{after.title.removeprefix(before.name)}" if after.title.startswith(before.name) else after.title


def _taken(parts: list[Code], step: _Step) -> list[Code]:
    """The parts with the one class for the two, without what nothing says any more."""
    done = [_with(part, step) for part in parts]
    read = "\n".join([*step.made.functions.values(), *_lines(done)])
    needed = {
        name: line for name, line in step.made.annotations.items() if re.search(rf"\b(self|model)\.{name}\b", read)
    }
    last = replace(step.made, annotations=needed)
    done = [
        replace(part, definitions=tuple(last.text if text == step.made.text else text for text in part.definitions))
        for part in done
    ]
    return [_without_unused(part, done) if part != old else part for part, old in zip(done, parts, strict=True)]


def _with(part: Code, step: _Step) -> Code:
    before, after = (f"class {each.name}(" for each in (step.before, step.made))
    definitions = [
        step.made.text if text.startswith(after) else text for text in part.definitions if not text.startswith(before)
    ]
    statements = [
        re.sub(rf"\b{step.before.name}\b", step.made.name, line) for line in part.statements if line != step.dropped
    ]
    return replace(part, definitions=tuple(definitions), statements=tuple(statements))


def _without_unused(part: Code, parts: list[Code]) -> Code:
    """The part without imports of what no part says any more."""
    constants = (line for each in parts for line in each.constants)
    whole = ast.parse("\n".join([*_definitions(parts), *_lines(parts), *constants]))
    names = {node.id for node in ast.walk(whole) if isinstance(node, ast.Name)}
    kept = [line for line in part.imports if names & _bound(line)]
    return replace(part, imports=tuple(kept))


def _bound(line: str) -> set[str]:
    """The names that an import sets."""
    names = line.removeprefix("import ").split(" import ")[-1].split(", ")
    return {name.split(" as ")[-1].partition(".")[0] for name in names}
