"""Weights from a file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from modelview import files
from modelview.checkpoints.reading import Checkpoint, read
from modelview.edits.adapting import Adaptation, adaptation
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.loading import LOADED, LoadPlan, plan
from modelview.edits.naming import as_pairs, several
from modelview.errors import EditError
from modelview.fields import Ask, FileRef, Pattern
from modelview.names import select, short, unknown
from modelview.script import Code
from modelview.stems import stems
from modelview.structure import Structure

MISMATCHES = ("refuse", "skip", "adapt")

Pairs = tuple[tuple[str, str], ...]


@EDITS.register("load_weights")
@dataclass(frozen=True, init=False)
class LoadWeights(Edit):
    """Give the model's tensors the values that a file has under their names.

    file: a path, which counts as given, or how a recipe refers to a file that was. strict: refuse where the model has
    a tensor that the file lacks, or the file one that the model lacks. include, exclude: patterns of the model's
    tensors; what is left out stays as it is and is not missed. rename: (old, new) parts of the file's names from the
    left, the first that fits; ("", "net") puts a part in front. mismatched: "refuse", "skip", or "adapt" other shapes
    where that has one meaning. classes: rows of the stored head for this model's classes. at: the place of the
    state_dict in a file that has several; the likeliest where empty. Nothing is touched unless everything loads.
    """

    title: ClassVar[str] = "Load weights"
    keeps: ClassVar = "keys"

    file: Annotated[FileRef, Ask("File", "One that was dropped on the Open page.")]
    strict: Annotated[bool, Ask("Strict", "Refuse when a name is missing or unexpected.")] = True
    include: Annotated[tuple[Pattern, ...], Ask("Only", "Patterns of the model's tensors; empty is all.")] = ()
    exclude: Annotated[tuple[Pattern, ...], Ask("Except", "Patterns of tensors that stay as they are.")] = ()
    rename: Annotated[Pairs, Ask("Rename", "old = new, with commas between: encoder = backbone.", rare=True)] = ()
    mismatched: Annotated[str, Ask("Other shapes", choices=MISMATCHES)] = "refuse"
    classes: Annotated[tuple[int, ...], Ask("Class rows", "Rows of the file's head to keep.", rare=True)] = ()
    at: Annotated[str, Ask("Place", "Of the state_dict in the file; empty is the likeliest.", rare=True)] = ""

    def __init__(
        self,
        file: FileRef | str | Path,
        strict: bool = True,
        include: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
        rename: Iterable[tuple[str, str]] = (),
        mismatched: str = "refuse",
        classes: Iterable[int] = (),
        at: str = "",
    ) -> None:
        if not isinstance(file, FileRef | str | Path) or file == "":
            raise EditError(f"A file is given by its path; got {short(repr(file))}.")
        values = {
            "file": file if isinstance(file, FileRef) else files.give(file),
            "strict": strict,
            "include": (include,) if isinstance(include, str) else several(include, "patterns of the model's tensors"),
            "exclude": (exclude,) if isinstance(exclude, str) else several(exclude, "patterns of the model's tensors"),
            "rename": as_pairs(rename),
            "mismatched": mismatched,
            "classes": several(classes, "rows of the file's head, from 0"),
            "at": at,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def checkpoint(self) -> Checkpoint:
        """The file, read without running it. Raises EditError where it was not given, CheckpointError."""
        paths = files.find(self.file)
        return read(paths[0] if len(paths) == 1 else paths, at=self.at or None)

    def loading(self, before: Structure) -> LoadPlan:
        """What becomes of every tensor. Raises UnknownName for patterns, EditError for other fields."""
        if self.mismatched not in MISMATCHES:
            raise unknown("way with other shapes", self.mismatched, MISMATCHES)
        if any(type(row) is not int or row < 0 for row in self.classes) or len(set(self.classes)) != len(self.classes):
            raise EditError(f"Class rows are different whole numbers from 0 up; got {self.classes}.")
        names = [*before.model.state_dict(keep_vars=True)]
        included = set(_select(before.model, names, self.include)) if self.include else set(names)
        chosen = included - set(_select(before.model, names, self.exclude))
        seeing = {f"{stem.path}.weight" for stem in stems(before).stems}

        def adapt(name: str, theirs: tuple[int, ...], ours: tuple[int, ...]) -> Adaptation | None:
            if self.mismatched != "adapt":
                return None
            return adaptation(name, theirs, ours, stem=name in seeing, classes=self.classes)

        file = self.checkpoint()
        return plan(before.model, file.tensors, self._names(file, set(names)), chosen.__contains__, adapt)

    def plan(self, before: Structure) -> Change:
        loading = self.loading(before)
        self._require(loading)
        if self.classes and not any(found.takes_rows for found in loading.adaptations.values()):
            raise EditError(self._idle_rows())
        stored = {row.name: row.stored for row in loading.of(*LOADED) if row.stored}

        def apply(model: nn.Module) -> nn.Module:
            targets = model.state_dict(keep_vars=True)
            if not any(targets[name].is_meta for name in stored):
                _copy(self.checkpoint(), stored, targets, loading)
            return model

        summary = f"{short(self.file.name, 60)}: {loading.sentence}"
        comment = f"# here the weights of {short(ascii(self.file.name), 70)} went in: {loading.sentence}"
        notes = tuple(f"{row.name}: {row.note}." for row in loading.of("adapted"))
        return Change(summary, apply, Code((comment,)), notes, reclassed=bool(before.source.categories), trained=True)

    def _idle_rows(self) -> str:
        """Why the class rows choose nothing."""
        if self.mismatched != "adapt":
            return 'Class rows are taken from a head of another size: choose mismatched="adapt", or leave them out.'
        return "No tensor of the file is a head from which these class rows could be taken: leave them out."

    def remedies(self, before: Structure) -> tuple[Edit, ...]:  # noqa: ARG002 - the same for every model
        """Loading what fits, where a strict load is refused."""
        mismatched = "adapt" if self.mismatched == "refuse" else "skip"
        other = LoadWeights(
            self.file, False, self.include, self.exclude, self.rename, mismatched, self.classes, self.at
        )
        return (other,) if other != self else ()

    def _names(self, file: Checkpoint, ours: set[str]) -> Callable[[str], str]:
        """From the file's names to the model's, which may have the prefix that the file was read without."""
        renamed = [self._renamed(name) for name in file.tensors]
        if ours.isdisjoint(renamed) and any(file.prefix + name in ours for name in renamed):
            return lambda name: file.prefix + self._renamed(name)
        return self._renamed

    def _renamed(self, name: str) -> str:
        for old, new in self.rename:
            old, new = old.rstrip("."), new.rstrip(".")
            if not old or name == old or name.startswith(f"{old}."):
                rest = name[len(old) :].lstrip(".")
                return ".".join(filter(None, [new, rest]))
        return name

    def _require(self, loading: LoadPlan) -> None:
        """Refuse what would not load, with the names and what can be done."""
        if not loading.loaded:
            count = len(loading.of("unexpected", "shape differs"))
            raise EditError(
                f"Nothing in {short(self.file.name)!r} fits this model: none of its {count:,} tensors has a name "
                "and shape of it. Rename its names, or open the file by itself to see what it is."
            )
        if unread := [row for row in loading.of("matches", "renamed", "dtype differs") if row.note]:
            raise EditError(f"The values of `{unread[0].stored}` cannot be read: {unread[0].note}.")
        if self.mismatched != "skip" and (rows := loading.of("shape differs")):
            row = rows[0]
            more = f" ({len(rows) - 1:,} more likewise)" if len(rows) > 1 else ""
            raise EditError(
                f"`{row.name}` is {row.ours} here and {row.theirs} in the file{more}: skip other shapes"
                f"{' or adapt them' if self.mismatched == 'refuse' else ''}, or change the model first."
            )
        if self.strict and (loading.missing or loading.of("unexpected")):
            missing = _counted(loading.missing, "missing from the file")
            unexpected = _counted([row.name for row in loading.of("unexpected")], "not in the model")
            raise EditError(
                f"Strict loading needs the same names: {' and '.join(filter(None, [missing, unexpected]))}. "
                "Load with strict off to take what fits."
            )


def _copy(file: Checkpoint, stored: dict[str, str], targets: dict[str, Tensor], loading: LoadPlan) -> None:
    """All values are read, checked and adapted before the first is copied, so a bad file changes nothing."""
    values = {name: file.tensor(inner) for name, inner in stored.items()}
    for name, adapt in loading.adaptations.items():
        values[name] = adapt.apply(values[name].float()).to(values[name].dtype)
    with torch.no_grad():
        for name, value in values.items():
            targets[name].detach().copy_(value)


def _select(model: nn.Module, names: list[str], patterns: tuple[str, ...]) -> list[str]:
    modules = [path for path, _ in model.named_modules(remove_duplicate=False) if path]
    found = set(select("module or tensor", [*modules, *names], patterns))
    return [name for name in names if name in found or name.rpartition(".")[0] in found]


def _counted(names: Iterable[str], what: str) -> str:
    names = list(names)
    shown = ", ".join(f"`{short(name)}`" for name in names[:3])
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'} {what}" if names else ""
