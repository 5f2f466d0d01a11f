"""Several stages pooled, joined and classified."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch.nn import functional as F

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import as_paths, require_names, require_variables
from modelview.edits.tapping import tap, width
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.heads import head_paths
from modelview.layers import require_memory
from modelview.names import short, unknown
from modelview.rewrite import Hand, Wiring, plan_rewiring
from modelview.structure import Structure

STYLES = ("inherit", "wrap")
_POOLS = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}


@EDITS.register("fuse_stages")
@dataclass(frozen=True)
class FuseStages(Edit):
    """Pool the outputs of the modules at `paths` over all positions, concatenate them, and classify by one Linear.

    style: "inherit" is a subclass of the model's class whose own head becomes that Linear; "wrap" holds the whole
    model as `name`, its head unused, and the Linear beside it as `fc`. Both give the same outputs.
    """

    title: ClassVar[str] = "Fuse stages"

    paths: Annotated[tuple[ModulePath, ...], Ask("Stages", "Modules whose outputs are pooled and joined.")]
    num_classes: Annotated[int, Ask("Classes")] = 1
    style: Annotated[str, Ask("Written as", choices=STYLES, help="A subclass, or a model that holds it.")] = "inherit"
    name: Annotated[str, Ask("Name", "The attribute that holds the model, where it is wrapped.", rare=True)] = (
        "backbone"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", as_paths(self.paths))

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        stages = tuple(name for name, _ in before.model.named_children() if name.startswith(("layer", "stage")))
        stages = tuple(path for path in stages if before.calls(path))
        return {"All stages": cls(tuple(map(ModulePath, stages)), 10)} if len(stages) > 1 else {}

    def plan(self, before: Structure) -> Change:
        self._validate()
        found = [width(before, path) for path in self.paths]
        total = sum(shape[axis] for shape, axis in found)
        linear = f"Linear({total}, {self.num_classes})"
        require_memory(f"A head for {self.num_classes:,} classes", 4 * self.num_classes * total)
        place = self._place(before)
        rewired = plan_rewiring(before.model, self._wiring(before, found, linear, place))
        if place and not rewired.traced:  # its own forward runs, which needs its own head
            place = ""
            rewired = plan_rewiring(before.model, self._wiring(before, found, linear, place))
        widths = " + ".join(f"{shape[axis]:,}" for shape, axis in found) + f" = {total:,}" * (len(found) > 1)
        notes = (f"Widths {widths}. What ran after the last stage stays in the model, unused.",)
        heads = (rewired.names[place or "fc"],)
        summary = f"{len(found)} stage{'s' * (len(found) > 1)} → {linear}"
        return Change(summary, rewired.apply, rewired.code, notes, heads=heads, reclassed=True)

    def _wiring(self, before: Structure, found: list[tuple[tuple[int, ...], int]], linear: str, place: str) -> Wiring:
        """The wiring with the new Linear in place of the child `place`, or under a free name."""
        kind = type(before.model).__name__
        several = len(self.paths) > 1
        return Wiring(
            f"Fused{kind}",
            f"{kind} that classifies by {', '.join(f'`{path}`' for path in self.paths)}{' together' * several}.",
            taps=tuple(tap(before, path) for path in self.paths),
            end=lambda hand, _, values: _fused(hand, values, found, place or "fc"),
            stops=True,
            layers=() if place else (("fc", linear),),
            replaced=((place, linear),) if place else (),
            wrapped=self.name if self.style == "wrap" else "",
        )

    def _validate(self) -> None:
        if not self.paths:
            raise EditError("Choose the modules whose outputs are to be fused, such as layer1, layer2.")
        if twice := [path for path in self.paths if self.paths.count(path) > 1]:
            raise EditError(f"`{twice[0]}` stands twice among the stages.")
        if type(self.num_classes) is not int or self.num_classes < 1:
            raise EditError(f"The number of classes is a whole number from 1 up; got {short(repr(self.num_classes))}.")
        if self.style not in STYLES:
            raise unknown("style", str(self.style), STYLES)
        if self.style == "wrap":
            require_names([self.name, "fc"])
            require_variables([self.name])

    def _place(self, before: Structure) -> str:
        """The child of the model that holds its head and nothing of the stages; "" where there is none."""
        if self.style == "wrap":
            return ""
        children = {path.partition(".")[0] for path in head_paths(before)}
        used = {path.partition(".")[0] for path in self.paths}
        return next(iter(children)) if len(children) == 1 and not children & used else ""


def _fused(hand: Hand, values: tuple[Any, ...], found: list[tuple[tuple[int, ...], int]], head: str) -> Any:
    """Pooled, joined and classified; maps are flattened once, after they are joined, where all are maps of one kind."""
    kinds = {(len(shape), axis) for shape, axis in found}
    at_once = len(kinds) == 1 and kinds <= {(dims, 1) for dims in _POOLS}
    pooled = [
        _pooled(hand, value, len(shape), axis, flat=not at_once)
        for value, (shape, axis) in zip(values, found, strict=True)
    ]
    joined = hand.function(torch.cat, pooled, dim=1) if len(pooled) > 1 else pooled[0]
    return hand.layer(head, hand.function(torch.flatten, joined, 1) if at_once else joined)


def _pooled(hand: Hand, value: Any, dims: int, axis: int, *, flat: bool) -> Any:
    """The value as (N, C); where it is not to be flat, as (N, C, 1, ...)."""
    if dims == 2:
        return value
    if axis == 1 and dims in _POOLS:
        pooled = hand.inside(hand.function(_POOLS[dims], value, 1))
        return hand.inside(hand.function(torch.flatten, pooled, 1)) if flat else pooled
    positions = [dim for dim in range(1, dims) if dim != axis]
    return hand.inside(hand.method("mean", value, positions[0] if len(positions) == 1 else tuple(positions)))
