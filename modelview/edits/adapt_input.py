"""Another number of input channels, or pictures of another size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from statistics import fmean
from typing import Annotated, Any, ClassVar

from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from modelview.edits.adapting import (
    Adaptation,
    first_channels,
    kept_with_copies,
    kept_with_zeros,
    positions,
    spread,
)
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.refitting import refit
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.layers import require_memory
from modelview.names import short, unknown
from modelview.proof import Promise
from modelview.rewrite import remember
from modelview.script import Code, reference
from modelview.sources.base import Shape
from modelview.stems import Stem, Stems, stems
from modelview.structure import Structure
from modelview.trace.shapes import text
from modelview.wording import counted

WEIGHTS = ("copy", "mean", "zero", "new")


@dataclass(frozen=True)
class Step:
    """One part of the change: what it does to a model, the statements that do the same, and what to know of it.

    harmless: whether what the old channels come to stays as it was, where new ones weigh nothing.
    """

    apply: Callable[[nn.Module], object]
    statements: tuple[str, ...]
    note: str
    harmless: bool = True


@EDITS.register("adapt_input")
@dataclass(frozen=True)
class AdaptInput(Edit):
    """Take `channels` input channels, pictures of `size` (height, width), or both; trained weights are kept.

    weights: "copy" keeps the channels there are, further ones begin as copies of them in turn; "mean" gives every
    channel their mean, scaled so that the response stays; "zero" keeps them, further ones weigh nothing at first, so
    that the output stays exactly as it was; "new" starts the convolution anew. Fewer channels are the first ones;
    a single one is all of them added up, which gives on grey pictures what equal channels gave.
    size: one number for squares. Position embeddings of vision transformers are interpolated.
    Raises EditError for a model whose input no convolution sees, and for numbers that cannot be.
    """

    title: ClassVar[str] = "Adapt input"
    keeps: ClassVar = "keys"

    channels: Annotated[int | None, Ask("Channels", "How many the input has; empty leaves them.")] = None
    size: Annotated[
        tuple[int, ...] | int | None, Ask("Size", "Height and width, such as 384, 384; empty leaves it.")
    ] = None
    weights: Annotated[str, Ask("Weights of the channels", choices=WEIGHTS)] = "copy"

    def __post_init__(self) -> None:
        given: Any = self.size
        if type(given) is int:
            object.__setattr__(self, "size", (given, given))
        if isinstance(given, list):
            object.__setattr__(self, "size", tuple(given))

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        return {"4 channels": cls(4), "Grey": cls(1)}

    def plan(self, before: Structure) -> Change:
        self._validate()
        if before.trace.failed is not None:
            raise EditError(f"The model does not run, so its input is unknown: {before.trace.failed.sentence}")
        example, summary = before.example, []
        steps: list[Step] = []
        if self.channels is not None:
            found = _adaptable_stems(before, self.channels)
            steps += _channel_steps(before, found, self.channels, self.weights)
            example = _with_channels(example, found, self.channels)
            paths, now = ", ".join(stem.path for stem in found.stems), _width(before, found.stems[0])
            summary.append(f"{paths}: {now} → {counted(self.channels, 'channel')}")
        if self.size is not None:
            steps += _size_steps(before, self._sides)
            example = tuple((*shape[:-2], *self._sides) if len(shape) > 3 else shape for shape in example)
            summary.append(f"{text(_sides_now(before))} → {text(self._sides)}")

        def apply(model: nn.Module) -> nn.Module:
            for step in steps:
                step.apply(model)
            return model

        code = Code(tuple(line for step in steps for line in step.statements))
        notes = tuple(step.note for step in steps)
        promise = _unchanged(before.example, example) if self._keeps_values and all(s.harmless for s in steps) else None
        return Change(" · ".join(summary), apply, code, notes, example=example, promise=promise)

    @property
    def _keeps_values(self) -> bool:
        """Whether further channels weigh nothing, so that the output is as it was."""
        return self.weights == "zero" and self.channels is not None and self.size is None

    @property
    def _sides(self) -> tuple[int, int]:
        assert isinstance(self.size, tuple)  # as `_validate` found
        return self.size[0], self.size[1]

    def _validate(self) -> None:
        if self.channels is None and self.size is None:
            raise EditError("Say how many channels the input has, or the size of the pictures, or both.")
        if self.channels is not None and (type(self.channels) is not int or self.channels < 1):
            raise EditError(f"The number of channels is a whole number from 1 up; got {short(repr(self.channels))}.")
        if self.weights not in WEIGHTS:
            raise unknown("way to make the weights", str(self.weights), WEIGHTS)
        if self.size is None:
            return
        sizes = self.size if isinstance(self.size, tuple) else ()
        if len(sizes) != 2 or any(type(side) is not int or side < 1 for side in sizes):
            raise EditError(
                f"A size is a height and a width from 1 up, such as (384, 384); got {short(repr(self.size))}."
            )


def _adaptable_stems(before: Structure, channels: int) -> Stems:
    """What sees the input, all of which can be made for another number of channels. Raises EditError otherwise."""
    found = stems(before)
    own = range(len(before.source.example))  # an input that an edit added has channels of its own
    found = replace(found, stems=tuple(stem for stem in found.stems if stem.inputs[0] in own))
    if not found.stems and found.others:
        other = found.others[0]
        kind = f" ({type(before.module(other)).__name__})" if other else ""
        raise EditError(f"No convolution sees the input: `{other}`{kind} takes it. Replace that layer by hand.")
    if not found.stems:
        raise EditError("No convolution sees the input, so there is no layer to adapt.")
    for stem in found.stems:
        _require_adaptable(before, stem, channels)
    return found


def _require_adaptable(before: Structure, stem: Stem, channels: int) -> None:
    """Raises EditError for a convolution that takes something else than the input's own channels, all together."""
    now, groups = _width(before, stem), getattr(before.module(stem.path), "groups", 1)
    given = {before.example[number][1] for number in stem.inputs}
    if given != {now}:
        raise EditError(
            f"`{stem.path}` takes {counted(now, 'channel')} where the input has {min(given)}, so something else comes "
            "in with it. Replace it by hand."
        )
    if now == channels:
        raise EditError(f"`{stem.path}` already takes {counted(channels, 'channel')}.")
    if groups != 1:
        raise EditError(
            f"`{stem.path}` takes its {counted(now, 'channel')} apart, in {groups} groups, so another number of them "
            "would change what comes out. Insert a 1 × 1 convolution before it instead."
        )


def _width(before: Structure, stem: Stem) -> int:
    convolution: Any = before.module(stem.path)
    width: int = convolution.in_channels
    return width


def _channel_steps(before: Structure, found: Stems, channels: int, weights: str) -> Iterator[Step]:
    for stem in found.stems:
        adaptation = _adaptation(weights, _width(before, stem), channels)
        new = refit(before.model, stem.path, adaptation, inputs=channels)
        note = f"`{stem.path}`: {adaptation.note if adaptation else 'new random weights'}."
        yield Step(new.apply, new.statements(before.model), note)
    for path in found.through:
        yield from _statistics(before.model, path, _width(before, found.stems[0]), channels)
        yield from _switched_off(before.model, path)


def _adaptation(weights: str, now: int, channels: int) -> Adaptation | None:
    """How the weights of `now` channels become those of `channels`; None where they start anew."""
    if weights == "new":
        return None
    if weights == "mean" or channels == 1:
        return spread(now, channels)
    if channels < now:
        return first_channels(now, channels)
    return (kept_with_copies if weights == "copy" else kept_with_zeros)(now, channels)


def _statistics(model: nn.Module, path: str, now: int, channels: int) -> Iterator[Step]:
    """The lists of one number a channel with which the module at `path` normalises the input, for other channels."""
    for name, values in vars(model.get_submodule(path)).items():
        if not (isinstance(values, list | tuple) and len(values) == now and all(isinstance(v, float) for v in values)):
            continue
        mean, more, target = fmean(values), channels - now, f"{reference(model, path)}.{name}"
        if channels == 1:
            new, written = [mean], f"[{mean!r}]"
        elif more < 0:
            new, written = list(values[:channels]), f"{target}[:{channels}]"
        else:
            new, written = [*values, *[mean] * more], f"[*{target}, {'*' * (more > 1)}{_times(mean, more)}]"

        def apply(model: nn.Module, name: str = name, new: list[float] = new) -> None:
            setattr(model.get_submodule(path), name, new)

        note = f"`{path}.{name}` has one number a channel: {'its mean for new ones' if more > 0 else _fewer(channels)}."
        yield Step(apply, (f"{target} = {written}",), note)


def _times(value: float, count: int) -> str:
    return repr(value) if count == 1 else f"[{value!r}] * {count}"


def _fewer(channels: int) -> str:
    return "its mean for the only one" if channels == 1 else f"the first {channels} are kept"


def _switched_off(model: nn.Module, path: str) -> Iterator[Step]:
    """`transform_input`, with which inception and googlenet take apart the three channels of a picture."""
    holder = f"{path}." if path else ""
    if getattr(model.get_submodule(path), "transform_input", False) is True:
        note = (
            f"`{holder}transform_input` is switched off, since its code takes three channels: "
            "normalise pictures with mean 0.5 and std 0.5 instead."
        )
        yield Step(
            lambda model: setattr(model.get_submodule(path), "transform_input", False),
            (f"{reference(model, path)}.transform_input = False",),
            note,
            harmless=False,
        )


def _unchanged(old: tuple[Shape, ...], new: tuple[Shape, ...]) -> Promise | None:
    """The output is what the model before gives on the channels that it had; None where it has fewer now."""
    if any(after[1:2] < before[1:2] for before, after in zip(old, new, strict=True)):
        return None

    def old_channels(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        pairs = zip(inputs, old, strict=True)
        return tuple(value[:, : shape[1]] if tuple(value.shape) != shape else value for value, shape in pairs)

    return Promise(inputs=old_channels)


def _with_channels(example: tuple[Shape, ...], found: Stems, channels: int) -> tuple[Shape, ...]:
    seen = {number for stem in found.stems for number in stem.inputs}
    return tuple((s[0], channels, *s[2:]) if number in seen else s for number, s in enumerate(example))


def _sides_now(before: Structure) -> tuple[int, int]:
    """Height and width of the pictures that the model takes now. Raises EditError where it takes none."""
    shapes = [shape for shape in before.example if len(shape) > 3]
    if not shapes:
        raise EditError(f"The input is {text(before.example[0])}, which has no height and width. Leave the size out.")
    return shapes[0][-2], shapes[0][-1]


def _size_steps(before: Structure, size: tuple[int, int]) -> Iterator[Step]:
    """What has to change in the model for pictures of `size`."""
    if size == _sides_now(before):
        raise EditError(f"The model already takes {text(size)}.")
    pixels = prod(size) * max(prod(shape[1:-2]) for shape in before.example if len(shape) > 3)
    require_memory(f"An input of {text(size)}", 4 * pixels, of="", remedy="Choose a smaller size.")
    changed = False
    for path, module in before.model.named_modules():
        if _has_positions(module):
            changed = True
            yield _resized(before.model, path, module, size)
        elif isinstance(module, GeneralizedRCNNTransform):
            changed = True
            fixed = text(module.fixed_size) if module.fixed_size else f"a shorter side of {module.min_size[0]}"
            yield Step(_untouched, (), f"`{path}` goes on resizing every picture, to {fixed}.")
    if not changed:
        _require_taken(before, size)
        comment = f"# pictures of {text(size)} need no change of the layers"
        yield Step(_untouched, (comment,), "The layers take this size as they are: only the example changes.")


def _require_taken(before: Structure, size: tuple[int, int]) -> None:
    """Raises EditError where the layers as they are cannot take pictures of `size`."""
    failed = before.run([(*shape[:-2], *size) if len(shape) > 3 else shape for shape in before.example]).failed
    if failed is not None and _could_be_resized(before, size):
        raise EditError(
            f"An edit before this one has written the forward of the model for pictures of {text(_sides_now(before))}. "
            "Take that edit back, change the size, and then make the edit again."
        )
    if failed is not None:
        raise EditError(
            f"{before.source.title} was made for pictures of {text(_sides_now(before))} and cannot take {text(size)}. "
            f"{failed.sentence} Choose another size, or open the model for this one, where its keywords have a size."
        )


def _could_be_resized(before: Structure, size: tuple[int, int]) -> bool:
    """Whether the model took pictures of `size` before all edits."""
    model = before.source.structure()
    if type(model) is type(before.model):
        return False
    try:
        return bool(list(_size_steps(Structure(model, before.source), size)))
    except EditError:
        return False


def _untouched(model: nn.Module) -> nn.Module:
    return model


def _has_positions(module: Any) -> bool:
    """Whether it is a vision transformer of torchvision, or one whose forward an edit has written anew."""
    numbers = [getattr(module, name, None) for name in ("image_size", "patch_size", "hidden_dim")]
    encoder = getattr(module, "encoder", None)
    return all(type(n) is int for n in numbers) and isinstance(getattr(encoder, "pos_embedding", None), nn.Parameter)


def _resized(model: nn.Module, path: str, module: Any, size: tuple[int, int]) -> Step:
    """Another image size for a vision transformer, which has an embedding for each of its patches."""
    height, width = size
    patch: int = module.patch_size
    if height != width:
        raise EditError(f"This vision transformer takes square pictures; got {text(size)}.")
    if height % patch:
        near = sorted({max(height // patch, 1) * patch, (height // patch + 1) * patch})
        raise EditError(
            f"{height} is not a multiple of {patch}, the side of a patch: take {' or '.join(map(str, near))} instead."
        )
    name = f"{path}.encoder.pos_embedding".lstrip(".")
    before, after = module.image_size // patch, height // patch
    length = after**2 + 1
    require_memory(f"Position embeddings for {text(size)}", 4 * length * module.hidden_dim)
    adaptation = positions(before, after)
    numbers = {"image_size": height, "seq_length": length}
    numbers = {attribute: value for attribute, value in numbers.items() if hasattr(module, attribute)}

    def apply(model: nn.Module) -> None:
        transformer: Any = model.get_submodule(path)
        old = transformer.encoder.pos_embedding
        values = adaptation.apply(old.detach())
        transformer.encoder.pos_embedding = nn.Parameter(values, old.requires_grad)
        for attribute, value in numbers.items():
            remember(transformer, attribute, value)

    target, here = reference(model, name), reference(model, path)
    lines = [f"old = {target}.detach()", *(line.format(new=target, old="old") for line in adaptation.code)]
    if not model.get_parameter(name).requires_grad:
        lines.append(f"{target}.requires_grad_(False)")
    lines += [f"{here}.{attribute} = {value}" for attribute, value in numbers.items()]
    note = adaptation.note[0].upper() + adaptation.note[1:] + ", as torchvision does."
    return Step(apply, tuple(lines), note)
