"""Imports point down, only the pages know streamlit, and nothing in the package runs a stranger's code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "modelview").rglob("*.py"))

FLOORS = [  # from the ground up: a module imports from its own floor and from those before it
    "errors",
    "names",
    "wording",
    "seeds",
    "registry",
    "fields",
    "layout",
    "script",
    "empties",
    "meta",
    "layers",
    "document",
    "downloads",
    "trace",
    "rewrite",
    "checkpoints",
    "files",
    "sources",
    "structure",
    "heads",
    "stems",
    "proof",
    "edits",
    "recipe",
    "nested",
    "identify",
    "recognised",
    "opening",
    "inspect",
    "export",
    "render",
    "__init__",
    "commands",
    "cli",
    "__main__",
    "ui",
]

UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
LOADERS = {"torch.load", "torch.hub.load_state_dict_from_url"}  # only with weights_only=True
EVALUATORS = {"eval", "exec", "builtins.eval", "builtins.exec"}
ALLOWED: dict[tuple[str, str], str] = {
    (
        "modelview/checkpoints/stubs.py",
        "pickle",
    ): "its Unpickler makes every class an inert one; runs in the reader process",
}  # (file, hazard): why it is safe there


def floor(module: str) -> str:
    """The floor of a module of the package; what is no module is a public name, so of the package itself.

    >>> floor("modelview.edits.freeze"), floor("modelview"), floor("modelview.trace.run.Trace")
    ('edits', '__init__', 'trace')
    """
    name = [*module.split("."), "__init__"][1]
    return name if name in FLOORS else "__init__"


def imported(tree: ast.Module, module: str) -> dict[str, str]:
    """What each name stands for that `module` imports, also inside functions: {"nn": "torch.nn"}."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            holder = ".".join([*above, *filter(None, [node.module])])
            found |= {alias.asname or alias.name: f"{holder}.{alias.name}" for alias in node.names}
    return found


def imports_from_above(text: str, module: str) -> list[str]:
    """What `module`, with this source text, imports from a floor above its own."""
    above = FLOORS[FLOORS.index(floor(module)) + 1 :]
    names = imported(ast.parse(text), module).values()
    return [name for name in names if name.split(".")[0] == "modelview" and floor(name) in above]


def hazards(text: str) -> set[str]:
    """The ways in this source text of running what a file or a text contains."""
    tree = ast.parse(text)
    names = imported(tree, "modelview.example")
    found = {name.split(".")[0] for name in names.values()} & UNPICKLERS
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        first, dot, rest = ast.unparse(call.func).partition(".")
        called = names.get(first, first) + dot + rest
        weights_only = {word.arg: ast.unparse(word.value) for word in call.keywords}.get("weights_only")
        if called in EVALUATORS or (called in LOADERS and weights_only != "True"):
            found.add(called)
    return found


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def test_every_module_has_a_floor() -> None:
    names = {file.relative_to(ROOT / "modelview").parts[0].removesuffix(".py") for file in FILES}
    assert names <= set(FLOORS)


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_imports_point_down(file: Path) -> None:
    assert not imports_from_above(file.read_text(), module_of(file))


@pytest.mark.parametrize("file", [f for f in FILES if floor(module_of(f)) != "ui"], ids=relative)
def test_only_the_ui_imports_streamlit(file: Path) -> None:
    names = imported(ast.parse(file.read_text()), module_of(file)).values()
    assert "streamlit" not in {name.split(".")[0] for name in names}


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_nothing_runs_what_a_file_contains(file: Path) -> None:
    assert {found for found in hazards(file.read_text()) if (relative(file), found) not in ALLOWED} == set()


def test_every_exception_is_still_needed() -> None:
    assert all(hazard in hazards((ROOT / file).read_text()) for file, hazard in ALLOWED)


@pytest.mark.parametrize(
    ("text", "module", "above"),
    [
        ("from modelview.recipe import Recipe", "modelview.edits.freeze", ["modelview.recipe.Recipe"]),
        ("import modelview.ui.state", "modelview.cli", ["modelview.ui.state"]),
        ("from modelview import recipe", "modelview.edits.base", ["modelview.recipe"]),
        ("from modelview import open", "modelview.render.tables", ["modelview.open"]),
        ("def f():\n    from modelview.ui import state", "modelview.export.base", ["modelview.ui.state"]),
        ("from ..recipe import Recipe", "modelview.edits.freeze", ["modelview.recipe.Recipe"]),
        ("from . import base", "modelview.edits.freeze", []),
        ("from modelview.edits.base import Edit", "modelview.recipe", []),
        ("import torch", "modelview.errors", []),
    ],
)
def test_an_import_from_above_is_seen(text: str, module: str, above: list[str]) -> None:
    assert imports_from_above(text, module) == above


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eval('1')", {"eval"}),
        ("import builtins\nbuiltins.exec('1')", {"builtins.exec"}),
        ("from pickle import loads", {"pickle"}),
        ("import torch\ntorch.load(f)", {"torch.load"}),
        ("import torch as t\nt.load(f, weights_only=False)", {"torch.load"}),
        ("from torch import load as read\nread(f, weights_only=flag)", {"torch.load"}),
        (
            "from torch.hub import load_state_dict_from_url as fetch\nfetch(u)",
            {"torch.hub.load_state_dict_from_url"},
        ),
        ("import torch\ntorch.load(f, weights_only=True)", set()),
        ("model.eval()\nimport pickletools\nself.load(f)", set()),
    ],
)
def test_a_hazard_is_seen(text: str, expected: set[str]) -> None:
    assert hazards(text) == expected
