"""Python that a person would have written: pieces of it, and how they make one script."""

import re
import sys
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from textwrap import fill

from torch import nn

from modelview.layout import WIDTH as WIDTH, laid_out
from modelview.names import is_name


@dataclass(frozen=True)
class Code:
    """What one source or edit adds to the exported script.

    statements: lines of the body of `build_model()`, not indented, that make or change `model`.
    definitions: whole classes or functions, placed above `build_model()`.
    imports: lines such as "from torch import nn".
    constants: assignments, and comments on them, at the top of the module, below the imports.
    """

    statements: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()


def together(codes: Iterable[Code]) -> Code:
    """What all of them add, in turn."""
    codes = list(codes)
    return Code(
        tuple(line for code in codes for line in code.statements),
        tuple(text for code in codes for text in code.definitions),
        tuple(line for code in codes for line in code.imports),
        tuple(line for code in codes for line in code.constants),
    )


def added(before: Iterable[Code], after: Iterable[Code]) -> Code:
    """The definitions and statements that the parts of a script have more than those before."""
    old, new = together(before), together(after)
    definitions, statements = Counter(old.definitions), Counter(old.statements)
    return Code(
        tuple(line for line in new.statements if not _taken(line, statements)),
        tuple(text for text in new.definitions if not _taken(text, definitions)),
    )


def _taken(text: str, left: Counter[str]) -> bool:
    """Whether there is one more of it, which is then gone."""
    left[text] -= 1
    return left[text] >= 0


def script(title: str, parts: Iterable[Code], main: Iterable[str]) -> str:
    """A module with the docstring `title`, a function `build_model()`, and `main` run as a script."""
    parts = list(parts)
    definitions = _definitions(text.strip("\n") for part in parts for text in part.definitions)
    statements = [statement for part in parts for statement in part.statements]
    build = function("build_model", statements, definitions=definitions)
    if "model: Any" in build:
        parts.append(Code(imports=("from typing import Any",)))
    run = "\n".join(['if __name__ == "__main__":', *_indented(main)])
    constants = laid_out([line for part in parts for line in part.constants], 0)
    head = "\n\n".join(filter(None, [f'"""{_docstring(title)}"""', _imports(parts), "\n".join(constants)]))
    return "\n\n\n".join([head, *definitions, build, run]) + "\n"


def function(name: str, statements: Iterable[str], said: str = "", definitions: Iterable[str] = ()) -> str:
    """A function `name` that returns what the statements leave in `model`; `said` is its docstring.

    definitions: the classes that stand beside it.
    """
    body = [line for statement in statements for line in statement.split("\n")]
    first = next((number for number, line in enumerate(body) if line.startswith("model = ")), None)
    if first is not None and _needs_any(body[first:], _untyped(definitions)):
        body[first] = body[first].replace("model = ", "model: Any = ", 1)
    title = [f'    """{_docstring(said)}"""'] if said else []
    return "\n".join([f"def {name}() -> nn.Module:", *title, *_indented([*body, "return model"])])


_INSIDE = re.compile(r"\bmodel(\[|\.(?!__class__\b|(requires_grad_|add_module|set_submodule|get_parameter)\())")
"""What reads or sets something inside the model, whose type nn.Module does not know."""


def _untyped(definitions: Iterable[str]) -> set[str]:
    """The classes that stand on torchvision's, which have no types: what is one of them may be anything."""
    heads = [re.match(r"class (\w+)\(([\w.]+)", text) for text in definitions]
    bases = {head[1]: head[2] for head in heads if head}

    def root(name: str) -> str:
        return root(bases[name]) if name in bases else name

    return {name for name in bases if not root(name).startswith("nn.")}


def _needs_any(body: list[str], untyped: Container[str]) -> bool:
    """Whether a type checker would refuse a line, unless the model may be anything.

    What torchvision's functions return may: they have no types. It may not once it is put into something else. What is
    of a class on torchvision's has anything inside, but cannot become something else.
    """
    made = body[0].removeprefix("model = ").partition("(")[0]
    typed = not made.startswith("models.")
    again = any(line.startswith("model = ") for line in body[1:])
    inside = any(_INSIDE.search(line) for line in body[1:])
    unknown = inside and (again or (typed and made not in untyped))
    return unknown or (typed and again) or any(line.startswith("model.out_channels = ") for line in body)


def _definitions(texts: Iterable[str]) -> list[str]:
    """Each class and function once; of functions with one name the last, which is the one that counts."""
    found: dict[str, None] = {}
    for text in texts:
        if text.startswith("def "):
            name = text.partition("(")[0]
            found = {other: None for other in found if other.partition("(")[0] != name}
        found[text] = None
    return list(found)


def reference(model: nn.Module, path: str) -> str:
    """The module or parameter at `path` as Python that reads or assigns it.

    >>> reference(nn.Sequential(nn.ModuleDict({"a": nn.Linear(1, 1)})), "0.a.weight")
    'model[0]["a"].weight'
    """
    text, holder = "model", model
    for name in filter(None, path.split(".")):
        if isinstance(holder, nn.Sequential) and name.isdigit():
            text += f"[{list(holder._modules).index(name)}]"  # its place, which other rows may have moved
        elif isinstance(holder, nn.ModuleList) and name.isdigit():
            text += f"[{name}]"
        elif isinstance(holder, nn.ModuleDict):
            text += f"[{quoted(name)}]"
        elif is_name(name):
            text += f".{name}"
        else:
            text += f".get_submodule({quoted(name)})"
        holder = getattr(holder, name)
    return text


def quoted(text: str) -> str:
    """`text` as a Python string in double quotes, as formatters write it."""
    literal = repr(text)
    return literal if '"' in literal else f'"{literal[1:-1]}"'


def listed(name: str, items: Iterable[object]) -> str:
    """The assignment of a list to `name`, in lines of a readable width.

    >>> listed("kept", [3, 17]), listed("CATEGORIES", ["great white shark"])
    ('kept = [3, 17]', 'CATEGORIES = ["great white shark"]')
    """
    texts = [quoted(item) if isinstance(item, str) else repr(item) for item in items]
    line = f"{name} = [{', '.join(texts)}]"
    if len(line) <= WIDTH - 4:
        return line
    whole = ", ".join(text.replace(" ", "\0") for text in texts)  # no line ends inside a name
    wrapped = fill(
        f"{whole},",
        WIDTH - 4,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([f"{name} = [", wrapped.replace("\0", " "), "]"])


def _docstring(text: str) -> str:
    """Text that cannot end a docstring, in lines of a readable width, the quotes around it included."""
    first, *others = text.replace("\\", "\\\\").replace('"', "'").replace("\r", " ").split("\n")
    lines = [_filled(f'"""{first}', WIDTH - 3 * (not others))[3:], *(_filled(line, WIDTH) for line in others)]
    return "\n".join(lines)


def _filled(line: str, width: int) -> str:
    return fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _indented(lines: Iterable[str]) -> list[str]:
    return list(laid_out(lines, 4))


def _imports(parts: Iterable[Code]) -> str:
    """Import lines as isort would put them: the standard library, then torch and what builds on it."""
    lines = {line for part in parts for line in part.imports} | {"import torch", "from torch import nn"}
    plain = sorted(line for line in lines if line.startswith("import "))
    names: dict[str, set[str]] = {}
    for line in lines - set(plain):
        module, _, imported = line.removeprefix("from ").partition(" import ")
        names.setdefault(module, set()).update(imported.split(", "))
    merged = [_from(module, sorted(names[module], key=_rank)) for module in sorted(names)]
    standard = [line for line in (*plain, *merged) if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in (*plain, *merged) if line not in standard]
    return "\n\n".join("\n".join(group) for group in (standard, others) if group)


def _from(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    opening = f"from {module} import ("
    return "\n".join([opening + "  # noqa: E501" * (len(opening) > WIDTH), *(f"    {name}," for name in names), ")"])


def _rank(name: str) -> tuple[int, str]:
    """The order of isort: constants, classes, the rest; `a as b` by what is imported."""
    own = name.partition(" ")[0]
    return (0 if own.isupper() and len(own) > 1 else 1 if own[:1].isupper() else 2), own
