"""A draft as a class that a person would write."""

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap

from torch import fx, nn

from modelview.layout import WIDTH, laid_out
from modelview.rewrite.drafting import Draft
from modelview.rewrite.holding import Holder, assignment, assignments, spelled
from modelview.rewrite.slicing import Slice
from modelview.rewrite.statements import Body
from modelview.rewrite.writing import Expressions
from modelview.script import Code, quoted

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
    graph = draft.written()
    path = _block(draft, graph)
    there = spelled(model, path) if path else ""
    forward, imports = forward_lines(graph, draft.kept, path, returns)
    takes = assignments(draft.holder, draft.kept, model, {part.path: part.text} if part else {})
    init = [*_with_block([_shortened(line, there) for line in takes], there)]
    init += [assignment(draft.kept, child, code.statements[0]) for child, code in added.items()]
    body = [*indented(["super().__init__()", *init, *more]), "", *forward]
    lines = [
        f"class {name}(nn.Module):",
        *titled(title),
        "",
        *_opened(body),
        "    def __init__(self, model: Any) -> None:",
        *_with_any(body),
    ]
    imports[ANY] = None
    imports.update(dict.fromkeys(line for code in added.values() for line in code.imports))
    if part and part.needs_ordered_dict:
        imports["from collections import OrderedDict"] = None
    return Code((f"model = {name}(model)",), ("\n".join(lines),), tuple(imports))


def forward_lines(
    graph: fx.Graph, kept: nn.Module, block: str, returns: str, takes: str = "Tensor"
) -> tuple[list[str], dict[str, None]]:
    """The method `forward` of a class that holds what `kept` does, indented, and the imports that it needs.

    graph: what it does, as it is written. block: the path of a module that gets a variable, "" for none. takes: the
    annotation of each argument.
    """
    here = spelled(kept, block, "self") if block else ""
    expressions = Expressions(lambda path: _shortened(_read(kept, path), here))
    reserved = {f"row{number}" for number in range(len(kept._modules))} | ({"block"} if block else set())
    body = Body(graph, expressions, reserved)
    inputs = "".join(f", {_said(node, takes)}" for node in body.inputs)
    inner = [by_name(line) for line in _with_block(_with_rows(body.lines, kept), here)]
    lines = [*laid_out([f"def forward(self{inputs}) -> {returns}:"], 4), *indented(inner)]
    tensors: dict[str, None] = {"from torch import Tensor": None} if "Tensor" in returns + takes else {}
    imports = {**tensors, **expressions.imports}
    is_any = "Any" in returns + takes + inputs or any(": Any = " in line for line in inner)
    return lines, imports | ({ANY: None} if is_any else {})


def _with_rows(lines: list[str], kept: nn.Module) -> list[str]:
    """The lines with a variable for each numbered row of a Sequential in which something is read.

    Of a row, a type checker does not know that it has rows.
    """
    if not isinstance(kept, nn.Sequential):
        return lines
    names = list(kept._modules)
    found: dict[str, None] = {}

    def variable(row: re.Match[str]) -> str:
        number = row[2] or str(names.index(row[1]))
        found[f"row{number}: Any = self[{number}]"] = None
        return f"row{number}"

    inside = re.compile(r'self\.get_submodule\("(\d+)"\)(?=[.\[])|self\[(\d+)\](?=[.\[])')
    changed = [inside.sub(variable, line) for line in lines]
    return [*found, *changed]


def _said(placeholder: fx.Node, takes: str) -> str:
    """An argument of `forward`, with its default where it has one."""
    if not placeholder.args:
        return f"{placeholder.target}: {takes}"
    (default,) = placeholder.args
    kind = type(default).__name__ if isinstance(default, bool | int | float | str) else "Any"
    return f"{placeholder.target}: {kind} = {quoted(default) if isinstance(default, str) else repr(default)}"


def _read(kept: nn.Module, path: str) -> str:
    """What is at `path`, read from `self`: a row of a Sequential by its number, unless something inside it is meant."""
    if isinstance(kept, nn.Sequential) and "." in path:
        name = path.partition(".")[0]
        inner = spelled(kept.get_submodule(name), path.partition(".")[2], "")
        return f"self.get_submodule({quoted(name)}){inner}" if name.isdigit() else f"self.{name}{inner}"
    return spelled(kept, path, "self")


def titled(title: str) -> list[str]:
    """The docstring of a class, in lines of a readable width."""
    if len(title) <= WIDTH - 10:
        return [f'    """{title}"""']
    return [*wrapped(f'"""{title}', 4), '    """']


def wrapped(text: str, indent: int) -> list[str]:
    """A text in lines of a readable width; a word that is longer has a line of its own."""
    margin = " " * indent
    return wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def by_name(line: str) -> str:
    """The line with children of `self` that have no Python name read so that they may be anything."""
    return line.replace("self.get_submodule(", "getattr(self, ")


def declared(base: str, lines: Iterable[str], new: Iterable[str]) -> list[str]:
    """Annotations in a subclass of `base` for the attributes that the lines read and a type checker does not know.

    new: attributes that are set from outside. nn.Module, and a class above, say of others what can be called.
    """
    text = "\n".join(lines)
    names = dict.fromkeys(re.findall(r"\bself\.(?!get_submodule\b|training\b)(\w+)", text))
    deep = set(re.findall(r"\bself\.(\w+)(?:\[|\.(?!detach\b))", text)) | set(new)
    unknown = [name for name in names if base.startswith("nn.") or name in deep]
    return [*(f"    {name}: Any" for name in unknown), *[""] * bool(unknown)]


def _opened(lines: list[str]) -> list[str]:
    """Annotations for what the lines of `__init__` add to the class by a call."""
    added = (re.match(r'        self\.add_module\("(\w+)", nn\.Module(Dict)?\(\)\)', line) for line in lines)
    names = [f"    {found[1]}: Any" for found in added if found and not found[1].isdigit()]
    return [*names, *[""] * bool(names)]


def _with_any(lines: list[str]) -> list[str]:
    """The lines with modules that are made here as Any, where what they hold is read: they have no type for it."""
    text = "\n".join(lines)
    found = []
    for line in lines:
        made = re.match(r"        self\.(\w+) = nn\.Module(Dict)?\(", line)
        deep = made and re.search(rf"\bself\.{made[1]}(\[[^\]]*\](\.|\[)|\[[^\]]*\] = nn\.|\.)", text)
        found.append(line.replace(" = ", ": Any = ", 1) if deep else line)
    return found


def indented(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a method's body, broken where they are too long."""
    yield from laid_out(lines, 8)


def _block(draft: Draft, graph: fx.Graph) -> str:
    """The path of the innermost opened module that is worth a variable, "" where none is."""
    targets = [str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")]
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
