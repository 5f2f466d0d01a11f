"""A model as a value: where it came from, and what was done to it since."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from modelview import document
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.closing import closed
from modelview.edits.out_channels import keeping_out_channels
from modelview.errors import EditError, ModelviewError
from modelview.meta import building, to_meta
from modelview.proof import Proof, Witness
from modelview.rewrite import constructed, merged
from modelview.script import Code, added, listed, script
from modelview.sources.base import Progress, Shape, Source
from modelview.structure import Structure
from modelview.trace.records import Totals, Trace, Tree

FORMAT = 1
"""The version of recipe.json."""


@dataclass(frozen=True)
class Recipe:
    """A source and the edits made to it, oldest first. Hashable, so it is its own cache key.

    >>> from modelview.edits.freeze import Freeze
    >>> from modelview.sources.torchvision import Torchvision
    >>> recipe = Recipe(Torchvision("resnet18")).then(Freeze("layer1"))
    >>> print(recipe.changes()[-1].code.statements[-1])
    model.layer1.requires_grad_(False)
    >>> recipe.undo() == Recipe(Torchvision("resnet18"))
    True
    """

    source: Source
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        for edit in self.edits:
            edit.require_plain()

    def then(self, edit: Edit) -> "Recipe":
        """With one more edit; nothing is planned yet. Raises EditError where a field is of another kind."""
        return replace(self, edits=(*self.edits, edit))

    def undo(self) -> "Recipe":
        """Without its last edit; a recipe with none is returned unchanged."""
        return replace(self, edits=self.edits[:-1])

    def without(self, number: int) -> "Recipe":
        """Without edit `number` (from 1). Raises EditError where a later edit needs it."""
        shorter = replace(self, edits=self.edits[: number - 1] + self.edits[number:])
        shorter.changes()
        shorter.check()
        return shorter

    def changes(self) -> tuple[Change, ...]:
        """What each edit comes to. Raises EditError for the first that cannot be planned."""
        found = []
        for number in range(1, len(self.edits) + 1):
            with self._naming(number):
                part = replace(self, edits=self.edits[:number])
                found.append(_planned(part, repr(part.edits[-1])))
        return tuple(found)

    @property
    def example(self) -> tuple[Shape, ...]:
        """The shape of each input of `forward`, with N = 1."""
        edited = (change.example for change in reversed(self.changes()))
        return next((shapes for shapes in edited if shapes is not None), self.source.example)

    def structure(self) -> nn.Module:
        """A new model on meta, in eval mode, the caller's to keep: no memory, no weights."""
        model = self.source.structure()
        for change in self.changes():
            with building():
                model = change.apply(model)
        return to_meta(model).eval()

    def check(self, *inputs: Tensor | Shape) -> "Check":
        """What the last edit changes, seen by one pass on meta before and after it.

        inputs: tensors or shapes (N, ...), one for each input of `forward`; the source's own by default.
        Raises EditError where an edit cannot be planned or the edited model cannot run.
        """
        same = self.undo().example == self.example  # other inputs cannot be given to both
        before, after = trace(self.undo(), *(inputs if same else ())), trace(self, *inputs)
        if after.failed is not None:
            raise EditError(after.failed.sentence)
        return Check(
            input=after.inputs,
            output=after.output,
            before=before.totals,
            after=after.totals,
            changes=_differences(before, after),
        )

    def build(self, device: str = "cpu", progress: Progress | None = None) -> nn.Module:
        """The model with weights, in eval mode, the caller's to keep; equal recipes give equal weights.

        progress: called with (bytes done, bytes in all) while weights are downloaded.
        Edits that promise to keep values prove it on the way, the first time in this process.
        Raises EditError naming the edit that failed, DownloadError where weights cannot be fetched.
        """
        changes = self.changes()
        model = self.source.load(progress)
        for number, change in enumerate(changes, start=1):
            part = replace(self, edits=self.edits[:number])
            with self._naming(number):
                model = _proven(part, change, model, getattr(self.source, "seed", 0) + number)
        return model.eval().to(device)

    def proofs(self) -> tuple[tuple[Proof, ...], ...]:
        """For each edit what was compared on real numbers; () where it promises nothing, or was not built yet."""
        return tuple(_PROOFS.get(replace(self, edits=self.edits[:n]), ()) for n in range(1, len(self.edits) + 1))

    def code(self) -> str:
        """Standalone Python with `build_model()`: the same model, its new weights random."""
        names, theirs = self.categories(), self.source.categories
        belongings = self.source.belongings(categories=bool(names) and names == theirs)
        chosen = Code(constants=(listed("CATEGORIES", names),)) if names and names != theirs else Code()
        return script(self._docstring(), [belongings, chosen, *self._parts()], _main(self.source))

    def last_step(self) -> Code:
        """What the script has of the last edit: the classes and statements that it had not without it."""
        return added(self.undo()._parts(), self._parts())

    def _parts(self) -> list[Code]:
        """What the source and the edits say in the script, brought together."""
        parts = [self.source.code(), *closed(self.source.structure, self.changes())]
        return constructed(merged(parts), self.source.subclassed)

    def categories(self) -> tuple[str, ...]:
        """Names of the classes it predicts, in order; () where they are unknown."""
        for change in reversed(self.changes()):
            if change.reclassed or change.categories is not None:
                return change.categories or ()
        return self.source.categories

    def to_json(self) -> str:
        """The recipe as recipe.json: what was meant, and nothing that could be run."""
        return json.dumps({"modelview": FORMAT, **self.document()}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The recipe that `to_json` wrote. Imports, opens and runs nothing. Raises EditError, UnknownName."""
        content = document.parse(text, FORMAT)
        try:
            return cls.revived(content)
        except RecursionError as error:
            raise EditError("This is not a recipe.json: its recipes stand in each other too deep.") from error

    def document(self) -> dict[str, Any]:
        """What `to_json` writes, but for the version."""
        edits = [{"edit": EDITS.name_of(type(edit)), **document.fields_of(edit)} for edit in self.edits]
        return {"source": self.source.document(), "edits": edits}

    @classmethod
    def revived(cls, content: Any) -> "Recipe":
        """The recipe that `document` wrote. Raises EditError, UnknownName."""
        source, edits = document.parts(content)
        found = (document.revive(EDITS, "edit", item, f"Edit {number}") for number, item in enumerate(edits, start=1))
        return cls(Source.revived(source), tuple(found))

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        """Say which edit failed, unless it is the last, which is the one in hand."""
        try:
            yield
        except ModelviewError as error:
            if number == len(self.edits):
                raise
            title = self.edits[number - 1].title
            raise type(error)(f"Edit {number} of {len(self.edits)} ({title}): {error}") from error

    def _docstring(self) -> str:
        lines = [f"{self.source.title} from {self.source.origin}, as built and edited with modelview."]
        for edit, change in zip(self.edits, self.changes(), strict=True):
            lines.append(f"- {edit.title}: {change.summary}")
            lines += [f"  Note: {note}" for note in change.notes]
        return lines[0] if len(lines) == 1 else "\n".join([lines[0], "", *lines[1:], ""])


@dataclass(frozen=True)
class ChangeRow:
    """One thing that the last edit changed: its value before and after."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Check:
    """A recipe that runs: what goes in, what comes out, and what its last edit changed."""

    input: Tree
    output: Tree
    before: Totals
    after: Totals
    changes: tuple[ChangeRow, ...]


@lru_cache(maxsize=64)
def structure_of(recipe: Recipe) -> Structure:
    """The recipe's structure and everything that was found out about it, shared and read-only."""
    changes = recipe.changes()
    heads = next((c.heads for c in reversed(changes) if c.heads is not None), None)
    untrained = next((not c.trained for c in reversed(changes) if c.reclassed or c.trained), False)
    model, names = recipe.structure(), recipe.categories()
    defined = tuple(text for change in changes for text in change.code.definitions)
    moved = tuple(change.moved for change in changes)
    return Structure(model, recipe.source, heads, recipe.example, names, defined, moved, untrained=untrained)


def trace(recipe: Recipe, *inputs: Tensor | Shape, train: bool = False) -> Trace:
    """One recorded pass of the recipe's structure; on the source's own example unless inputs are given."""
    structure = structure_of(recipe)
    if not inputs and not train:
        return structure.trace
    return structure.run(inputs or structure.example, train=train)


@lru_cache(maxsize=256)
def _planned(recipe: Recipe, written: str) -> Change:  # noqa: ARG001 - a key of the cache, as True == 1 == 1.0
    before = structure_of(recipe.undo())
    return keeping_out_channels(recipe.edits[-1].plan(before), before)


_PROOFS: dict["Recipe", tuple[Proof, ...]] = {}
_MOST_PROOFS = 512


def _proven(recipe: Recipe, change: Change, model: nn.Module, seed: int) -> nn.Module:
    """The model with the last change of `recipe`; what it promises is proved, unless that was done already."""
    witness = None
    if change.promise is not None and recipe not in _PROOFS:
        witness = Witness(change.promise, recipe.source, recipe.undo().example, recipe.example)
        witness.before(model)
    with _seeded(seed):
        model = change.apply(model)
    if witness is not None:
        if len(_PROOFS) >= _MOST_PROOFS:
            _PROOFS.pop(next(iter(_PROOFS)))
        _PROOFS[recipe] = witness.after(model)
    return model


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _differences(before: Trace, after: Trace) -> tuple[ChangeRow, ...]:
    keys_before, keys_after = list(before.model.state_dict()), list(after.model.state_dict())
    rows: list[tuple[str, Any, Any]] = [("output", before.output, after.output)]
    for name in ("n_parameters", "n_trainable", "size_bytes", "macs"):
        rows.append((name, getattr(before.totals, name), getattr(after.totals, name)))
    rows.append(("modules", sum(1 for _ in before.model.modules()), sum(1 for _ in after.model.modules())))
    gone, new = set(keys_before) - set(keys_after), set(keys_after) - set(keys_before)
    rows.append(("state_dict", tuple(k for k in keys_before if k in gone), tuple(k for k in keys_after if k in new)))
    return tuple(ChangeRow(*row) for row in rows)


def _main(source: Source) -> Sequence[str]:
    return (
        "model = build_model()",
        f'weights = torch.load("{source.title}_state_dict.pth", map_location="cpu", weights_only=True)',
        "model.load_state_dict(weights)",
        "model.eval()",
    )
