"""A draft as a class that a person would write."""

import re
from collections.abc import Iterable, Iterator

from torch import nn

from modelview.rewrite.drafting import Draft
from modelview.rewrite.holding import Holder, assignment, assignments, spelled
from modelview.rewrite.layout import broken
from modelview.rewrite.slicing import Slice
from modelview.rewrite.statements import Body
from modelview.rewrite.writing import Expressions
from modelview.script import Code

ANY = "from typing import Any"
_TOKEN = "\0"  # stands for the block's name until it is known where it is first read


def class_code(
    draft: Draft,
    model: nn.Module,
    name: str,
    title: str,
    part: Slice | None,
    added: dict[str, Code],
    more: list[str],
    returns: str = "Tensor",
) -> Code:
    """The class `name`, and the statement that makes `model` one.

    part: the shortened Sequential, where there is one. added: what makes the children that the model did not have.
    more: further lines of `__init__`. returns: the annotation of what `forward` returns.
    """
    path = _block(draft)
    there = spelled(model, path) if path else ""
    forward, imports = forward_lines(draft, path, returns)
    takes = assignments(draft.holder, draft.kept, model, {part.path: part.text} if part else {})
    init = [*_with_block([_shortened(line, there) for line in takes], there)]
    init += [assignment(draft.kept, child, code.statements[0]) for child, code in added.items()]
    lines = [
        f"class {name}(nn.Module):",
        f'    """{title}"""',
        "",
        "    def __init__(self, model: Any) -> None:",
        *indented(["super().__init__()", *init, *more]),
        "",
        *forward,
    ]
    imports[ANY] = None
    imports.update(dict.fromkeys(line for code in added.values() for line in code.imports))
    if part and part.needs_ordered_dict:
        imports["from collections import OrderedDict"] = None
    return Code((f"model = {name}(model)",), ("\n".join(lines),), tuple(imports))


def forward_lines(draft: Draft, block: str, returns: str) -> tuple[list[str], dict[str, None]]:
    """The method `forward`, indented as in a class, and the imports that it needs.

    block: the path of a module that gets a variable, "" for none.
    """
    here = spelled(draft.kept, block, "self") if block else ""
    expressions = Expressions(lambda path: _shortened(spelled(draft.kept, path, "self"), here))
    body = Body(draft.graph, expressions, {"block"} if block else set())
    inputs = "".join(f", {node.target}: Tensor" for node in body.inputs)
    lines = [f"    def forward(self{inputs}) -> {returns}:", *indented(_with_block(body.lines, here))]
    imports = {"from torch import Tensor": None, **expressions.imports}
    return lines, imports | ({ANY: None} if "Any" in returns else {})


def indented(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a method's body, broken where they are too long."""
    for line in lines:
        yield from broken(line, 8)


def _block(draft: Draft) -> str:
    """The path of the innermost opened module that is worth a variable, "" where none is."""
    targets = [str(node.target) for node in draft.graph.nodes if node.op in ("call_module", "get_attr")]

    paths = [path for path in _paths(draft.holder) if "." in path]
    often = [path for path in paths if sum(target.startswith(f"{path}.") for target in targets) > 2]
    deep = [path for path in paths if path.count(".") > 3]
    return max(often or deep, key=lambda path: path.count("."), default="")


def _shortened(text: str, block: str) -> str:
    """The text with `_TOKEN` where it reads from inside the block."""
    return re.sub(rf"(?<![\w.\"]){re.escape(block)}(?=[.\[])", _TOKEN, text) if block else text


def _paths(holder: Holder) -> Iterator[str]:
    for child in holder.kept.values():
        if child is not None:
            yield child.path
            yield from _paths(child)


def _with_block(lines: list[str], block: str) -> Iterator[str]:
    first = next((number for number, line in enumerate(lines) if _TOKEN in line), None)
    for number, line in enumerate(lines):
        if number == first:
            yield f"block = {block}"
        yield line.replace(_TOKEN, "block")
