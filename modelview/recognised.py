"""What a file turned out to be, and the recipe that opens it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from modelview import files
from modelview.checkpoints.reading import Checkpoint, read
from modelview.edits.adapt_input import AdaptInput
from modelview.edits.load_weights import LoadWeights
from modelview.edits.loading import LoadPlan
from modelview.errors import CheckpointError
from modelview.fields import FileRef
from modelview.identify import index, kept
from modelview.identify.matching import FIRST, Match, identify, nearest
from modelview.names import short
from modelview.recipe import Recipe, structure_of
from modelview.sources._rebuilding import foreign
from modelview.sources.base import Source
from modelview.sources.pickled import Pickled, first_input, in_stored_order, whole
from modelview.sources.timm import timm
from modelview.sources.torchvision_class import from_torchvision

_NAMED: dict[str, Callable[..., Source]] = {"torchvision": from_torchvision, "timm": timm}

_FORMATS = {
    "zip": "",
    "legacy": "in torch's format of before 1.6",
    "tar": "in torch's first format",
    "pickle": "as a plain pickle",
    "safetensors": "as safetensors",
    "sharded": "in several files",
    "torchscript": "as TorchScript",
    "pt2": "as an exported program (.pt2)",
    "dcp": "as a distributed checkpoint",
    "onnx": "as ONNX",
}
_TRAINING = ("optimizer", "optimizer_state_dict", "epoch", "global_step", "lr_schedulers", "optimizer_states")


@dataclass(frozen=True)
class Recognised:
    """A file that was given: what it holds, and the architectures it fits, best first."""

    file: FileRef
    checkpoint: Checkpoint
    matches: tuple[Match, ...]

    @cached_property
    def recipe(self) -> Recipe:
        """What opens the file: the architecture with its weights loaded, or the whole model that is in it.

        Raises CheckpointError where it is neither.
        """
        if self._whole is not None and not self._is_built_so:
            return Recipe(self._whole)
        if not self.matches:
            raise CheckpointError(f"{short(self.file.name)!r}: {self._unknown}")
        recipe, match = Recipe(self._built), self.matches[0]
        if match.spec.startswith(f"{FIRST}:") and match.in_channels not in (None, 3):
            recipe = recipe.then(AdaptInput(match.in_channels, weights="new"))
        return recipe.then(loading(self.file, match, self.at))

    @property
    def _whole(self) -> Pickled | None:
        """The model as it was saved whole, where its classes are torch's; as its children in order, where not."""
        return self._tried[0]

    @cached_property
    def _tried(self) -> tuple[Pickled | None, str]:
        """The whole model, or why it does not open: "" where the file holds none."""
        if self.checkpoint.module is None or self.checkpoint.format == "torchscript":
            return None, ""
        node = whole(self.checkpoint)
        assumed = bool(foreign(node))
        try:
            shape = first_input(in_stored_order(node) if assumed else node)
            source = Pickled(self.file, self.at, shape, assumed)
            source.structure()
        except CheckpointError as error:
            return None, str(error)
        return source, ""

    @property
    def _unknown(self) -> str:
        """What to say of a file that nothing opens."""
        why = self._tried[1]
        return f"{nearest(self.checkpoint)} {why}".rstrip()

    @property
    def _is_built_so(self) -> bool:
        """Whether a builder makes the very model that was saved whole, so that its name is enough."""
        if self._whole is None or not self.matches or self.matches[0].coverage < 1:
            return False
        return repr(self._built.structure()) == repr(self._whole.structure())

    @cached_property
    def _built(self) -> Source:
        source, _, name = self.matches[0].spec.partition(":")
        keywords: dict[str, Any] = dict(self.matches[0].opening)
        return _NAMED[source](name, **keywords)

    @property
    def at(self) -> str:
        """The place of the state_dict, where the file has another one that would be taken first."""
        first = self.checkpoint.candidates[0].path
        return self.checkpoint.path if self.checkpoint.path != first else ""

    @property
    def plan(self) -> LoadPlan | None:
        """What loading does, tensor by tensor; None for a whole model, which is as it is. Raises as `recipe` does."""
        edit = self.recipe.edits[-1] if self.recipe.edits else None
        return edit.loading(structure_of(self.recipe.undo())) if isinstance(edit, LoadWeights) else None

    @property
    def sentence(self) -> str:
        """What the file is, in one or two sentences."""
        ck = self.checkpoint
        parts = [self._kind]
        if ck.path and ck.module is None:
            parts.append(f"Its weights are at {short(ck.path, 60)!r}")
        if self._whole is not None and not self._is_built_so:
            assumed = "as its children in the stored order; that its forward runs them so is assumed"
            parts.append(f"It opens {assumed}" if self._whole.assumed else "It opens as it was saved, rebuilt")
        else:
            parts.append(
                f"It fits {self.matches[0].sentence.rstrip('.')}" if self.matches else self._unknown.rstrip(".")
            )
        if ck.prefix:
            parts.append(f"{short(ck.prefix, 60)!r} was taken off every name")
        note = index.load().note
        if note and not any(match.coverage == 1 for match in self.matches):
            parts.append(note.rstrip("."))
        return ". ".join(parts) + "."

    @property
    def _kind(self) -> str:
        ck = self.checkpoint
        if ck.module is not None:
            what = f"A whole module, {short(ck.module.kind, 80)}, whose class was not imported"
        elif any(name in ck.extras for name in _TRAINING):
            epoch = f", epoch {short(ck.extras['epoch'], 20)}" if "epoch" in ck.extras else ""
            what = f"A training checkpoint{epoch}"
        else:
            what = f"{len(ck.tensors):,} tensors"
        return " ".join(filter(None, [what, _FORMATS[ck.format]]))


def loading(file: FileRef, match: Match, at: str = "") -> LoadWeights:
    """The edit that loads a file into the architecture it was found to fit."""
    whole = not (match.missing or match.unexpected or match.mismatched or match.prefix)
    rename = dict.fromkeys(
        (f"{match.prefix}{old.partition('.')[0]}", new.partition(".")[0]) for old, new in match.renamed
    )
    if match.prefix and not rename:
        rename = {(match.prefix.rstrip("."), ""): None}
    mismatched = "skip" if match.mismatched else "refuse"
    return LoadWeights(file, strict=whole, rename=tuple(rename), mismatched=mismatched, at=at)


def recognise(file: FileRef, at: str = "") -> Recognised:
    """Read a file that was given and say what it fits. Raises EditError, CheckpointError, UnknownName for `at`."""
    return _recognised(file, files.state(file), kept.state(), at)


@lru_cache(maxsize=32)
def _recognised(file: FileRef, state: files.State, known: kept.State, at: str) -> Recognised:  # noqa: ARG001 - keys
    found = files.find(file)
    ck = read(found[0] if len(found) == 1 else found, at=at or None)
    return Recognised(file, ck, tuple(identify(ck)))
