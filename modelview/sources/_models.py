"""Models that rows of a container call by name: which names they may have, and the functions that make them."""

import re

from modelview.errors import EditError
from modelview.layers import KNOWN
from modelview.names import is_name, short
from modelview.script import Code, function
from modelview.sources._parts import BLOCKS, Models
from modelview.sources.base import Source

TAKEN = frozenset(
    {"F", "OrderedDict", "Tensor", "build_model", "make_optimizer", "model", "models", "nn", "ops", "torch"}
)
"""What a script calls something else."""


def require_models(models: Models) -> None:
    """Raises EditError for a name that no row could call, or that is something else, and for what is no model."""
    for name, model in models:
        if not is_name(name):
            raise EditError(f"A model that rows call has a Python name, such as backbone; got {short(repr(name))}.")
        if name in KNOWN or name in BLOCKS or name in TAKEN or name == "_":
            raise EditError(f"{name!r} is something else already; call the model otherwise, such as backbone.")
        if not isinstance(model, Source):
            raise EditError(f"{name!r} stands for a model that was opened; got {short(repr(model))}.")
    names = [name for name, _ in models]
    if twice := [name for name in names if names.count(name) > 1]:
        raise EditError(f"Two models are called {twice[0]!r}: give one of them another name.")


def defining(models: Models) -> Code:
    """A function for each model, below the classes that it needs, and what they import."""
    definitions: dict[str, str] = {}
    imports: list[str] = []
    for name, model in models:
        code = _apart(model.code(), name, definitions)
        for text in code.definitions:
            definitions.setdefault(_defined(text), text)
        said = short(f"{model.title}, {model.origin}", 90)
        definitions[name] = function(name, code.statements, said, code.definitions)
        imports += [*code.imports, *["from typing import Any"] * ("model: Any" in definitions[name])]
    return Code(definitions=tuple(definitions.values()), imports=tuple(imports))


def _apart(code: Code, name: str, known: dict[str, str]) -> Code:
    """The code with classes that are called as other ones of `known` renamed after the model."""
    for text in code.definitions:
        own = _defined(text)
        if known.get(own, text) == text:
            continue
        word, new = re.compile(rf"\b{own}\b"), f"{own}Of{name.title().replace('_', '')}"
        code = Code(
            tuple(word.sub(new, line) for line in code.statements),
            tuple(word.sub(new, each) for each in code.definitions),
            code.imports,
        )
    return code


def _defined(text: str) -> str:
    """The name of the class or function that a definition makes."""
    found = re.search(r"^(?:class|def) (\w+)", text, re.MULTILINE)
    assert found is not None
    return found.group(1)
