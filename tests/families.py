"""Which edit works on which family of torchvision's models, tried on each model: the cells of docs/edits.md."""

import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torchvision import models

from modelview import files
from modelview.edits.adapt_input import AdaptInput
from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.append import Append
from modelview.edits.base import Edit
from modelview.edits.delete_layer import DeleteLayer
from modelview.edits.detach import Detach
from modelview.edits.first_children import FirstChildren
from modelview.edits.freeze import Freeze, Unfreeze
from modelview.edits.fuse_stages import FuseStages
from modelview.edits.insert_layer import InsertLayer
from modelview.edits.learning_rates import LearningRates
from modelview.edits.load_weights import LoadWeights
from modelview.edits.prefix import Prefix
from modelview.edits.rename import Rename
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.select_classes import SelectClasses
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.fields import FileRef
from modelview.layers import Layer, widths
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from modelview.trace.records import Trace
from modelview.trace.shapes import is_shape
from tests.zoo import ALL

WORKS = "✓"
FURTHER = (("extra", Layer("ReLU()")),)


def family(name: str) -> str:
    """The class that the builder makes, and the kind of model."""
    kind = type(structure_of(Recipe(Torchvision(name))).model).__name__
    return kind.removeprefix("Quantizable")


def tried(name: str) -> dict[str, str]:
    """For each edit ✓, or the reason why it cannot be made, without the model's own names and numbers."""
    recipe = Recipe(Torchvision(name))
    with TemporaryDirectory() as folder:
        edits = edits_of(recipe, Path(folder))
        trains = _runs_in_training(recipe)
        return {label: _outcome(recipe.then(edit), trains=trains) for label, edit in edits.items()}


def edits_of(recipe: Recipe, folder: Path) -> dict[str, Edit]:
    """Each edit, with a file in `folder`, at modules a third and two thirds of the way through the forward."""
    trace = structure_of(recipe).trace
    inner = _inner(trace)
    early, late = inner[len(inner) // 3], inner[2 * len(inner) // 3]
    child = next(name for name, _ in trace.model.named_children())
    feature_map = next(call.outputs for call in trace.calls if call.path == early)[1:]
    widening = _widening(trace)
    return {
        "SwapHead": SwapHead(7),
        "SelectClasses": SelectClasses((0, 1, 2)),
        "Truncate": Truncate(early),
        "FirstChildren": FirstChildren(1),
        "Append": Append(FURTHER),
        "AdaptInput": AdaptInput(4),
        "AdaptInput size": AdaptInput(size=tuple(2 * side for side in recipe.example[0][-2:])),
        "AddInput": AddInput(num_outputs=5),
        "AddInput inside": AddInput(at=early, size=2),
        "AddInput map": AddInput(at=early, size=feature_map),
        "AddInput before the head": AddInput(where="before"),
        "AddOutputs": AddOutputs((early, late)),
        "AddOutputs alone": AddOutputs((early, late), names=("a", "b"), form="dict", keep_final=False),
        "FuseStages": FuseStages((early, late), 7),
        "Detach": Detach(early),
        "InsertLayer": InsertLayer(early, Layer("Identity()")),
        "DeleteLayer": DeleteLayer(_activation(trace)),
        "DeleteLayer next": DeleteLayer(widening, adapt="next"),
        "DeleteLayer 1x1": DeleteLayer(widening, adapt="1x1"),
        "ReplaceLayer": ReplaceLayer(_activation(trace), Layer("Softplus()")),
        "Freeze": Freeze(child),
        "Unfreeze": Unfreeze(child),
        "LearningRates": LearningRates(),
        "Rename": Rename(((child, "renamed"),)),
        "Rename inside": Rename(((early, "renamed"),)),
        "Prefix": Prefix("module."),
        "LoadWeights": LoadWeights(_saved(recipe, folder / "weights.pth")),
    }


def _saved(recipe: Recipe, path: Path) -> FileRef:
    """A file with every tensor of the model, saved under DataParallel; all elements of one are the same stored one."""
    tensors = {
        f"module.{name}": torch.zeros((), dtype=value.dtype).expand(value.shape)
        for name, value in structure_of(recipe).model.state_dict().items()
    }
    torch.save(tensors, path)
    return files.give(path)


def _inner(trace: Trace) -> list[str]:
    """Modules that are called once, with one tensor in and out, of as many items as there are inputs."""
    called = [call.path for call in trace.calls]
    paths = []
    for call in trace.calls:
        tensors = is_shape(call.outputs) and is_shape(call.inputs) and len(call.outputs) > 1 and call.result
        if call.path and tensors and called.count(call.path) == 1 and call.outputs[0] == call.inputs[0] == 1:
            paths.append(call.path)
    return list(dict.fromkeys(paths))


def _activation(trace: Trace) -> str:
    """The first activation, which a model can do without; its last module where it has none."""
    modules = dict(trace.model.named_modules(remove_duplicate=False))
    kinds = ("ReLU", "ReLU6", "SiLU", "GELU", "Hardswish")
    found = (call.path for call in trace.calls if type(modules[call.path]).__name__ in kinds)
    return next(found, _inner(trace)[-1])


def _widening(trace: Trace) -> str:
    """A layer in the middle that makes another number of channels than it gets."""
    modules = dict(trace.model.named_modules(remove_duplicate=False))
    layers = [path for path in _inner(trace) if isinstance(modules[path], nn.Linear | nn.Conv2d | nn.Conv3d)]
    widening = [path for path in layers if len(set(widths(modules[path]))) == 2]
    return widening[len(widening) // 2]


def _runs_in_training(recipe: Recipe) -> bool:
    """Whether the model runs in train mode on two inputs without targets; on meta, as no values are needed."""
    structure = structure_of(recipe)
    shapes = [(2, *shape[1:]) for shape in recipe.example]
    return structure.trace.device == "meta" and structure.run(shapes, train=True).failed is None


def _outcome(recipe: Recipe, *, trains: bool) -> str:
    try:
        recipe.check()
    except EditError as error:
        return general(str(error))
    if trains and not _runs_in_training(recipe):
        return "It works, but not in train mode."
    return WORKS


def general(reason: str) -> str:
    """A refusal's first sentence without what is one model's own.

    >>> general("`a.b` is called 5 times; an input is joined before a module called once. Choose another.")
    '`…` is called … times; an input is joined before a module called once.'
    """
    first = re.split(r"(?<=[.:])\s", re.sub(r"returns .*?;", "returns …;", reason))[0]
    first = re.sub(r"`[^`]*`", "`…`", first)
    first = re.sub(r"\(?(?:\b\d[\d,]*|–)(?: ?[×,] ?(?:\d[\d,]*|–))*\)?", "…", first)
    first = re.sub(r"\([^()]*…[^()]*\)", "(…)", first)
    for name in sorted(ALL, key=len, reverse=True):
        first = first.replace(name, "this model")
    return first


def table() -> str:
    """Every family with its cells, and the reasons below."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    members: dict[str, list[str]] = {}
    for name in models.list_models():
        kind = family(name)
        members.setdefault(kind, []).append(name)
        for label, outcome in tried(name).items():
            found.setdefault(kind, {}).setdefault(label, {})[outcome] = None
    labels = list(next(iter(found.values())))
    reasons = sorted({o for row in found.values() for cell in row.values() for o in cell} - {WORKS})
    numbers = {reason: number for number, reason in enumerate(reasons, start=1)} | {WORKS: 0}
    lines = [f"| family | models | {' | '.join(labels)} |", "|---" * (len(labels) + 2) + "|"]
    for kind in sorted(found):
        cells = [_cell(found[kind][label], numbers) for label in labels]
        lines.append(f"| `{kind}` | {len(members[kind])} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in numbers.items() if number)])


def _cell(outcomes: Iterable[str], numbers: dict[str, int]) -> str:
    return " ".join(str(numbers[outcome] or WORKS) for outcome in sorted(outcomes, key=numbers.__getitem__))


def read(text: str) -> dict[str, dict[str, set[str]]]:
    """The table as it stands in the document: by family and edit, the outcomes."""
    reasons = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    header, _, *rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {
        row[0].strip("`"): {
            label: {WORKS if mark == WORKS else reasons[mark] for mark in cell.split()}
            for label, cell in zip(header[2:], row[2:], strict=True)
        }
        for row in rows
    }
