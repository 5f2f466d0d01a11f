"""A Linear or a convolution made anew for other widths, with values of the one that stood there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from modelview.edits.adapting import Adaptation
from modelview.edits.replace_layer import placing, put
from modelview.errors import EditError
from modelview.layers import KNOWN, Layer, widths, written
from modelview.script import reference

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

SAME = Adaptation("as it was", lambda values: values, ("{new}.copy_({old})",))


@dataclass(frozen=True)
class Refit:
    """The layer at `path` as `layer`, whose parameters take over what `values` makes of the old ones.

    values: by the name of the parameter. What it does not name starts random, and trains; the others train if
    they did.
    """

    path: str
    layer: Layer
    values: Mapping[str, Adaptation]

    def apply(self, model: nn.Module) -> nn.Module:
        """The model itself, with the new layer."""
        old, new = model.get_submodule(self.path), self.layer.build()
        with torch.no_grad():
            for name, adaptation in self.values.items():
                theirs, ours = getattr(old, name), getattr(new, name)
                ours.copy_(adaptation.apply(theirs)).requires_grad_(theirs.requires_grad)
        return put(model, self.path, new)

    def statements(self, model: nn.Module) -> tuple[str, ...]:
        """The same for a variable `model` of this structure."""
        made = placing(model, self.path, self.layer.code().statements[0])
        if not self.values:
            return (made,)
        here, old = reference(model, self.path), model.get_submodule(self.path)
        copies = [
            line.format(new=f"{here}.{name}", old=f"old.{name}")
            for name, adaptation in self.values.items()
            for line in adaptation.code
        ]
        frozen = [name for name in self.values if not getattr(old, name).requires_grad]
        return (
            f"old = {here}",
            made,
            "\n".join(["with torch.no_grad():", *(f"    {line}" for line in copies)]),
            *(f"{here}.{name}.requires_grad_(False)" for name in frozen),
        )


def refit(model: nn.Module, path: str, weight: Adaptation | None, **other: int) -> Refit:
    """The layer at `path` for `other` widths (inputs, outputs), its weight adapted and its bias kept.

    weight: None starts all of it anew. Raises EditError for a layer that cannot be made anew from its text.
    """
    old: Any = model.get_submodule(path)
    inputs, outputs = widths(old)
    layer = as_text(path, old).with_widths((1, other.get("inputs", inputs)), (1, other.get("outputs", outputs)))
    assert layer is not None  # both widths are known
    layer.planned()
    values = {} if weight is None else dict(_values(old, weight, rows="outputs" in other))
    return Refit(path, layer, values)


def _values(old: nn.Module, weight: Adaptation, *, rows: bool) -> Iterator[tuple[str, Adaptation]]:
    """The weight's adaptation, and the bias's: the same where it is of `rows`, else none."""
    yield "weight", weight
    if old.bias is not None:
        yield "bias", weight if rows else SAME


def as_text(path: str, module: nn.Module) -> Layer:
    """The layer as text. Raises EditError where its class or its arguments are not torch.nn's plain ones."""
    name = type(module).__name__
    plain = KNOWN.get(name) is type(module) and {n for n, _ in module.named_parameters()} <= {"weight", "bias"}
    try:
        if plain:
            return Layer(written(module))
    except EditError:  # such as padding="same", which torch does not write as text
        pass
    raise EditError(
        f"`{path}` ({name}) cannot be made anew for another width: it is not a plain torch.nn layer that its text "
        "says all about. Replace it by hand, then go on from there."
    )
