"""Layers after the output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import NamedLayers, as_layers, require_names, require_variables
from modelview.edits.tapping import ENDS_IN_SOFTMAX, n_values_in_training, only_first
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.heads import head_paths
from modelview.layers import Layer
from modelview.names import unknown
from modelview.rewrite import Hand, Wiring, plan_rewiring
from modelview.script import Code, quoted
from modelview.structure import Structure
from modelview.trace.shapes import is_shape, text

STYLES = ("keep", "wrap", "sequential")


@EDITS.register("append")
@dataclass(frozen=True)
class Append(Edit):
    """Run `layers`, rows of a name and a layer, after the output; what was there stays untouched.

    style: "keep" adds them to the model under its own names, "wrap" holds the model as the attribute `name` of a
    new one, "sequential" makes a Sequential of the model and the layers.
    Raises EditError for a model that does not return one tensor.
    """

    title: ClassVar[str] = "Append layers"

    layers: Annotated[NamedLayers, Ask("Layers", "One a line: fc = Linear(1000, 10)")]
    style: Annotated[str, Ask("Names", choices=STYLES, help="What the state_dict calls what was there.")] = "keep"
    name: Annotated[str, Ask("Name", "The attribute that holds the model, where it is wrapped.", rare=True)] = "net"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers))

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        shape = before.trace.output
        if not is_shape(shape) or len(shape) != 2:
            return {}
        linear = f"Linear({shape[1]}, 10)"
        short = cls((("relu", Layer("ReLU()")), ("fc1", Layer(linear))))
        return {"ReLU and Linear": short, "And dropout, softmax": cls(_head(linear))}

    def plan(self, before: Structure) -> Change:
        self._validate(before)
        for _, layer in self.layers:
            layer.planned()
        n_values = n_values_in_training(before)
        notes = ENDS_IN_SOFTMAX * (self.layers[-1][1].parts()[0] == "Softmax") + only_first(n_values)
        summary = " → ".join(layer.text.replace("()", "") for _, layer in self.layers)
        if self.style == "sequential" and n_values > 1:
            raise EditError(
                f"In train mode this model returns {n_values} tensors, those of its auxiliary heads too, and a "
                "Sequential would pass them all on: choose another style."
            )
        if self.style == "sequential":
            places = {name: str(number) for number, (name, _) in enumerate(self.layers, start=1)}
            new = self._heads(places)
            return Change(summary, self._chained, self._chained_code(), notes, heads=new, reclassed=True)
        if self.style == "keep" and type(before.model) is nn.Sequential and n_values == 1:
            new = self._heads({name: name for name, _ in self.layers})
            return Change(summary, self._extended, self._extended_code(), notes, heads=new, reclassed=True)
        kind = type(before.model).__name__
        rows = tuple((name, layer.text) for name, layer in self.layers)
        wiring = Wiring(
            f"{kind}With{''.join(name.title().replace('_', '') for name, _ in self.layers[-2:])}",
            f"{kind} with {len(rows)} more layer{'s' * (len(rows) > 1)} after its output.",
            end=self._end,
            layers=rows,
            wrapped=self.name if self.style == "wrap" else "",
            first_of_several=n_values > 1,
        )
        rewired = plan_rewiring(before.model, wiring)
        new = self._heads(rewired.names)
        heads = new or (head_paths(before) if self.style == "keep" else ())
        return Change(summary, rewired.apply, rewired.code, notes, heads=heads, reclassed=bool(new))

    def _validate(self, before: Structure) -> None:
        if not self.layers:
            raise EditError("Name a layer to append, such as fc = Linear(1000, 10).")
        if self.style not in STYLES:
            raise unknown("style", str(self.style), STYLES)
        if self.style == "sequential" and len(before.example) > 1:
            raise EditError(
                f"A Sequential passes one value on, and this model takes {len(before.example)}: choose another style."
            )
        holder = [self.name] if self.style == "wrap" else []
        require_names([*(name for name, _ in self.layers), *holder])
        require_variables(holder)
        if taken := [name for name, _ in self.layers if self.style == "keep" and name in _rows(before)]:
            raise EditError(f"The Sequential has a row called {taken[0]!r} already; choose another name.")
        if before.trace.failed is None and not is_shape(before.trace.output):
            raise EditError(
                f"The model returns {text(before.trace.output)}; layers after it need one tensor. "
                "Truncate it at a module that returns one, or use another edit inside it."
            )

    def _end(self, hand: Hand, value: Any, values: tuple[Any, ...]) -> Any:  # noqa: ARG002
        for name, _ in self.layers:
            value = hand.layer(name, value)
        return value

    def _heads(self, paths: Mapping[str, str]) -> tuple[str, ...]:
        """The path of the last appended Linear or convolution, of those of all; () where there is none."""
        named = [name for name, layer in self.layers if layer.parts()[0] in ("Linear", "Conv2d")]
        return (paths[named[-1]],) if named else ()

    def _extended(self, model: nn.Module) -> nn.Module:
        for name, layer in self.layers:
            model.add_module(name, layer.build())
        return model

    def _extended_code(self) -> Code:
        codes = [(name, layer.code()) for name, layer in self.layers]
        lines = [f"model.add_module({quoted(name)}, {code.statements[0]})" for name, code in codes]
        return Code(tuple(lines), imports=tuple(line for _, code in codes for line in code.imports))

    def _chained(self, model: nn.Module) -> nn.Module:
        return nn.Sequential(model, *(layer.build() for _, layer in self.layers))

    def _chained_code(self) -> Code:
        codes = [layer.code() for _, layer in self.layers]
        lines = [f"    {code.statements[0]}," for code in codes]
        imports = tuple(line for code in codes for line in code.imports)
        return Code(("\n".join(["model = nn.Sequential(", "    model,", *lines, ")"]),), imports=imports)


def _rows(before: Structure) -> list[str]:
    """The names that new rows of the model cannot have, if it is a Sequential."""
    return [name for name, _ in before.model.named_children()] if type(before.model) is nn.Sequential else []


def _head(linear: str) -> NamedLayers:
    texts = (("relu", "ReLU()"), ("dropout", "Dropout(0.5)"), ("fc1", linear), ("output", "Softmax(dim=1)"))
    return tuple((name, Layer(text)) for name, text in texts)
