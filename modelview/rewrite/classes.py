"""A draft as a class that a person would write."""

from collections.abc import Iterable, Iterator

from torch import nn

from modelview.rewrite.drafting import Draft
from modelview.rewrite.holding import Holder, assignment, assignments, spelled
from modelview.rewrite.layout import broken
from modelview.rewrite.slicing import Slice
from modelview.rewrite.statements import Body
from modelview.rewrite.writing import Expressions
from modelview.script import Code

_TOKEN = "\0"  # stands for the block's name until it is known where it is first read


def class_code(
    draft: Draft, model: nn.Module, name: str, title: str, part: Slice | None, added: dict[str, Code], more: list[str]
) -> Code:
    """The class `name`, and the statement that makes `model` one.

    part: the shortened Sequential, where there is one. added: what makes the children that the model did not have.
    more: further lines of `__init__`.
    """
    block = _block(draft)

    def place(path: str) -> str:
        text = spelled(draft.kept, path, "self")
        return _TOKEN + text.removeprefix(block) if block and text.startswith(block) else text

    expressions = Expressions(place)
    body = Body(draft.graph, expressions, {"block"} if block else set())
    init = ["super().__init__()"]
    init += assignments(draft.holder, draft.kept, model, {part.path: part.text} if part else {})
    init += [assignment(draft.kept, child, code.statements[0]) for child, code in added.items()]
    inputs = "".join(f", {node.target}: Tensor" for node in body.inputs)
    lines = [
        f"class {name}(nn.Module):",
        f'    """{title}"""',
        "",
        "    def __init__(self, model: nn.Module) -> None:",
        *_indented([*init, *more]),
        "",
        f"    def forward(self{inputs}) -> Tensor:",
        *_indented(_with_block(body.lines, block)),
    ]
    imports = {"from torch import Tensor": None, **expressions.imports}
    imports.update(dict.fromkeys(line for code in added.values() for line in code.imports))
    if part and part.needs_ordered_dict:
        imports["from collections import OrderedDict"] = None
    return Code((f"model = {name}(model)",), ("\n".join(lines),), tuple(imports))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from broken(line, 8)


def _block(draft: Draft) -> str:
    """The innermost opened module that is read often enough to get a variable, "" if none is."""
    targets = [str(node.target) for node in draft.graph.nodes if node.op in ("call_module", "get_attr")]
    paths = [path for path in _paths(draft.holder) if sum(t.startswith(f"{path}.") for t in targets) > 2]
    path = max(paths, key=lambda path: path.count("."), default="")
    return spelled(draft.kept, path, "self") if "." in path else ""


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
