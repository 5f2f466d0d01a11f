"""Python that a person would have written: pieces of it, and how they make one script."""

from collections.abc import Iterable
from dataclasses import dataclass
from keyword import iskeyword

from torch import nn


@dataclass(frozen=True)
class Code:
    """What one source or edit adds to the exported script.

    statements: lines of the body of `build_model()`, not indented, that make or change `model`.
    definitions: whole classes or functions, placed above `build_model()`.
    imports: lines such as "from torch import nn".
    """

    statements: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


def script(title: str, parts: Iterable[Code], main: Iterable[str]) -> str:
    """A module with the docstring `title`, a function `build_model()`, and `main` run as a script."""
    parts = list(parts)
    definitions = dict.fromkeys(text.strip("\n") for part in parts for text in part.definitions)
    body = [line for part in parts for statement in part.statements for line in statement.split("\n")]
    function = "\n".join(["def build_model() -> nn.Module:", *_indented([*body, "return model"])])
    run = "\n".join(['if __name__ == "__main__":', *_indented(main)])
    head = f'"""{_docstring(title)}"""\n\n{_imports(parts)}'
    return "\n\n\n".join([head, *definitions, function, run]) + "\n"


def reference(model: nn.Module, path: str) -> str:
    """The module or parameter at `path` as Python that reads or assigns it.

    >>> reference(nn.Sequential(nn.ModuleDict({"a": nn.Linear(1, 1)})), "0.a.weight")
    'model[0]["a"].weight'
    """
    text, holder = "model", model
    for name in filter(None, path.split(".")):
        if isinstance(holder, (nn.Sequential, nn.ModuleList)) and name.isdigit():
            text += f"[{name}]"
        elif isinstance(holder, nn.ModuleDict):
            text += f"[{quoted(name)}]"
        elif name.isidentifier() and not iskeyword(name):
            text += f".{name}"
        else:
            text += f".get_submodule({quoted(name)})"
        holder = getattr(holder, name)
    return text


def quoted(text: str) -> str:
    """`text` as a Python string in double quotes, as formatters write it."""
    literal = repr(text)
    return literal if '"' in literal else f'"{literal[1:-1]}"'


def _docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'").replace("\r", " ")


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line.strip() else "" for line in lines]


def _imports(parts: Iterable[Code]) -> str:
    """Import lines as isort would put them: the standard library, then torch and torchvision."""
    lines = {line for part in parts for line in part.imports} | {"import torch", "from torch import nn"}
    standard = sorted(line for line in lines if not _package(line).startswith("torch"))
    others = sorted(lines - set(standard), key=lambda line: (not line.startswith("import"), _module(line)))
    return "\n\n".join("\n".join(group) for group in (standard, others) if group)


def _module(line: str) -> str:
    return line.split()[1]


def _package(line: str) -> str:
    return _module(line).partition(".")[0]
