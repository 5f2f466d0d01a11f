"""One class where an edit gave a class that an earlier edit had written another forward."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from modelview.rewrite.continuing import continued
from modelview.rewrite.drafting import camel, class_name
from modelview.rewrite.overriding import without_overridden
from modelview.rewrite.pieces import FORWARD, INIT, ParsedClass, classes_in, definitions, lines, without_unused
from modelview.rewrite.taking import taken_directly
from modelview.script import Code

TURN = re.compile(r"model(?P<same>\.__class__)? = (?P<name>\w+)?(?P<holds>\(model\)$)?")
"""A statement that makes the model another one."""
_CUT_TWICE = re.compile(r"(?P<kind>.+?),? up to `(?P<before>[^`]+)`, up to `(?P<path>[^`]+)`\.")
_IGNORED = "  # type: ignore[override]"


def merged(parts: Iterable[Code]) -> list[Code]:
    """The parts of a script, where of two classes that follow each other one is enough.

    A class that only gives another of them a new forward becomes one with it: it gives its name and its forward, the
    earlier one all else. One that takes what it needs from the model, and does not call the model itself, needs no
    forward that the model had; nor the class before it, where the model itself has all of that. Both classes stay where
    something else of the earlier one is needed. Nor is a layer made that another replaces before anything reads it.
    """
    found = given = list(parts)
    while (step := next(_steps(found), None)) is not None:
        found = _taken(found, step)
    return without_unused(without_overridden(found), given)


@dataclass(frozen=True)
class _Step:
    """Two classes, what stands for them, and the statement that goes with one of them."""

    before: ParsedClass
    after: ParsedClass
    made: ParsedClass
    dropped: str


def _steps(parts: list[Code]) -> Iterator[_Step]:
    classes = classes_in(parts)
    turns = [(number, found) for number, line in enumerate(lines(parts)) if (found := TURN.match(line))]
    for (number, first), (next_number, second) in pairwise(turns):
        before, after = classes.get(first["name"]), classes.get(second["name"])
        if before is None or after is None or not _needed_by(parts, before, after):
            continue
        if second["same"] and after.base == before.name and _only_runs_otherwise(before, after):
            of_an_edit = bool(first["same"] or first["holds"])
            if of_an_edit or _needs_all(before, after):
                title = _title(before, after) if of_an_edit else f"{after.title}\n\n{before.title}"
                yield _Step(before, after, _joined(classes, before, after, title), second[0])
        elif first["same"] and second["holds"] and [*before.functions] == [FORWARD] and _calls_no_model(after):
            yield _Step(before, after, replace(after, title=_title(before, after)), first[0])
        elif first["holds"] and second["holds"] and next_number == number + 1:
            made = taken_directly(before, after)
            if made is not None:
                made = replace(made, title=_title(before, after))
                yield _Step(before, after, _cut_once(classes, before, made), first[0])


def _needed_by(parts: list[Code], before: ParsedClass, after: ParsedClass) -> bool:
    """Whether nothing says the earlier class but its one statement and the later class."""
    own = (f"class {before.name}(", f"class {after.name}(")
    others = (text for text in definitions(parts) if not text.startswith(own))
    said = [*others, *lines(parts), before.body, after.body, *(line for part in parts for line in part.constants)]
    return sum(_says(before.name, text) for text in said) == 1


def _only_runs_otherwise(before: ParsedClass, after: ParsedClass) -> bool:
    if FORWARD not in before.functions or [*after.functions] != [FORWARD]:
        return False
    forward = after.functions[FORWARD]
    return "super()" not in forward or continued(before.functions[FORWARD], forward) is not None


def _needs_all(before: ParsedClass, after: ParsedClass) -> bool:
    """Whether the later forward reads all that the earlier class sets, so that no argument becomes idle."""
    own = re.findall(r"\bself\.(\w+)(?:: [^=]+)? = ", before.functions.get(INIT, ""))
    return all(re.search(rf"\bself\.{name}\b", after.functions[FORWARD]) for name in own)


def _calls_no_model(after: ParsedClass) -> bool:
    """Whether all that it does with the model is to hold it and to read what is inside."""
    head, _, init = after.functions.get(INIT, "").partition("\n")
    name = re.search(r"\(self, (\w+): Any\)", head)
    if name is None:
        return False
    held = rf"\b{name[1]}\b(?![.\[])"
    others = (text for function, text in after.functions.items() if function != INIT)
    return not re.search(held, init.replace(f"self.{name[1]} = {name[1]}\n", "")) and not any(
        re.search(rf"\bself\.{held}", text) for text in others
    )


def _says(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _joined(classes: Mapping[str, ParsedClass], before: ParsedClass, after: ParsedClass, title: str) -> ParsedClass:
    """The earlier class with the later one's name and forward."""
    functions = {**before.functions, FORWARD: _forward(classes, before, after)}
    return ParsedClass(after.name, before.base, title, {**before.annotations, **after.annotations}, functions)


def _forward(classes: Mapping[str, ParsedClass], before: ParsedClass, after: ParsedClass) -> str:
    """The later forward, marked for type checkers where the base's takes or returns something else.

    They know nothing of what is imported from elsewhere, and ask nothing of what stands on nn.Module itself.
    """
    known = before.base in classes or (before.base.startswith("nn.") and before.base != "nn.Module")
    both = before.functions[FORWARD] + after.functions[FORWARD]
    own = continued(before.functions[FORWARD], after.functions[FORWARD]) or after.functions[FORWARD]
    head, *lines = own.replace(_IGNORED, "").split("\n")
    return "\n".join([head + _IGNORED * (known and _IGNORED in both), *lines])


def _title(before: ParsedClass, after: ParsedClass) -> str:
    """What both say: the later one says what it does to the earlier."""
    said = before.title.partition("\n\n")[0].rstrip(".")
    return f"{said},{after.title.removeprefix(before.name)}" if after.title.startswith(before.name) else after.title


def _cut_once(classes: Mapping[str, ParsedClass], before: ParsedClass, made: ParsedClass) -> ParsedClass:
    """The class without a word of where it was cut before, where it was."""
    said = _CUT_TWICE.fullmatch(made.title)
    if said is None:
        return made
    comma = "," if " " in said["kind"] else ""
    made = replace(made, title=f"{said['kind']}{comma} up to `{said['path']}`.")
    kind = before.name.removesuffix(f"To{camel(said['before'])}")
    call = re.search(r"Call\d+$", made.name)
    name = class_name(f"{kind}To{camel(said['path'])}{call[0] if call else ''}", kind)
    free = kind != before.name and (name == before.name or name not in classes)
    return replace(made, name=name) if free else made


def _taken(parts: list[Code], step: _Step) -> list[Code]:
    """The parts with the one class for the two."""
    done = [_with(part, step) for part in parts]
    read = "\n".join([*step.made.functions.values(), *lines(done)])
    needed = {
        name: line for name, line in step.made.annotations.items() if re.search(rf"\b(self|model)\.{name}\b", read)
    }
    last = replace(step.made, annotations=needed)
    return [
        replace(part, definitions=tuple(last.text if text == step.made.text else text for text in part.definitions))
        for part in done
    ]


def _with(part: Code, step: _Step) -> Code:
    before, after = (f"class {each.name}(" for each in (step.before, step.after))
    definitions = [
        step.made.text if text.startswith(after) else text for text in part.definitions if not text.startswith(before)
    ]
    statements = [
        re.sub(rf"\b{step.before.name}\b", step.made.name, line) for line in part.statements if line != step.dropped
    ]
    if step.made.name != step.after.name:  # what stands on it is called after it
        called = partial(re.sub, rf"\b{step.after.name}", step.made.name)
        definitions, statements = list(map(called, definitions)), list(map(called, statements))
    return replace(part, definitions=tuple(definitions), statements=tuple(statements))
