"""Another input."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Any, ClassVar

import torch
from torch import nn

from modelview.edits.adapting import kept_with_zeros
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.joining import Join
from modelview.edits.naming import NamedLayers, as_layers, require_names, require_variables
from modelview.edits.neighbours import below, heads_below
from modelview.edits.refitting import KINDS, Refit, refit
from modelview.edits.tapping import ENDS_IN_SOFTMAX, called, n_values_in_training, only_first, width
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.heads import head_paths
from modelview.layers import Layer, describe, require_memory
from modelview.names import short, unknown
from modelview.proof import Promise
from modelview.rewrite import Hand, Turn, Wiring, plan_rewiring
from modelview.script import Code
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.shapes import is_shape, text

STYLES = ("wrap", "keep")
PLACES = ("after", "before")


@EDITS.register("add_input")
@dataclass(frozen=True)
class AddInput(Edit):
    """Let `forward` take another input, `name`, and join it with a value inside by concatenation.

    size: of one item: a number k for (N, k), 1 for (N,) as well; (C, H, W) for a feature map.
    at: the module whose output it is joined with; "" is the output of the whole model, or with where="before" the
    input of its head, which keeps its weights and gets further ones, zero at first.
    layers: what the new input goes through first. before: what the model's own value goes through first, at the end.
    num_outputs: the width of the Linear after the joined value; at the end None leaves it as it is joined, inside
    the model None brings it back to the width it had.
    style: "wrap" holds the model as `holder` of a new one, "keep" adds to the model under its own names.
    """

    title: ClassVar[str] = "Add input"

    name: Annotated[str, Ask("Name", "The argument of forward.")] = "add_variable"
    size: Annotated[int | tuple[int, ...], Ask("Size", "Numbers an item: 3; or a feature map: 8, 56, 56.")] = 1
    at: Annotated[ModulePath, Ask("Joined at", "None: the output of the whole model.")] = ModulePath("")
    layers: Annotated[NamedLayers, Ask("Its own layers", "One a line: embed = Linear(1, 16)", rare=True)] = ()
    num_outputs: Annotated[int | None, Ask("Outputs", "Of a Linear after it; empty: none.")] = None
    style: Annotated[str, Ask("Names", choices=STYLES, help="What the state_dict calls what was there.")] = "wrap"
    where: Annotated[str, Ask("Joined", choices=PLACES, help="After the module, or before it.")] = "after"
    before: Annotated[
        NamedLayers, Ask("Layers on the output first", "One a line: dropout = Dropout(0.5)", rare=True)
    ] = ()
    softmax: Annotated[bool, Ask("Softmax at the end", "Probabilities instead of logits.", rare=True)] = False
    holder: Annotated[str, Ask("Model's name", "The attribute that holds it, where it is wrapped.", rare=True)] = "net"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers))
        object.__setattr__(self, "before", as_layers(self.before))
        if isinstance(self.size, list | tuple):
            size = tuple(self.size)
            object.__setattr__(self, "size", size[0] if len(size) == 1 else size)

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        if not is_shape(before.trace.output) or len(before.trace.output) != 2:
            return {}
        first = (("relu", Layer("ReLU()")), ("dropout", Layer("Dropout(0.5)")))
        return {
            "At the output": cls(num_outputs=10),
            "As in the tutorial": cls(num_outputs=10, before=first, softmax=True),
            "Before the head": cls(where="before"),
        }

    def plan(self, before: Structure) -> Change:
        self._validate(before)
        if self.where == "before":
            return self._before_head(before)
        if self.at:
            return self._inside(before)
        return self._at_the_end(before)

    @property
    def _shape(self) -> Shape:
        return (1, *self.size) if isinstance(self.size, tuple) else (1, self.size)

    def _validate(self, before: Structure) -> None:
        sizes = self.size if isinstance(self.size, tuple) else (self.size,)
        if not sizes or any(type(n) is not int or n < 1 for n in sizes):
            raise EditError(
                "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56); "
                f"got {short(repr(self.size))}."
            )
        require_memory(
            f"An input of {text(self._shape)}", 4 * prod(self._shape), of="", remedy="Choose a smaller size."
        )
        if self.num_outputs is not None and (type(self.num_outputs) is not int or self.num_outputs < 1):
            raise EditError(f"The number of outputs is a whole number from 1 up; got {short(repr(self.num_outputs))}.")
        for value, choices in ((self.style, STYLES), (self.where, PLACES)):
            if value not in choices:
                raise unknown("choice", str(value), choices)
        holder = [self.holder] if self.style == "wrap" else []
        require_names([*(name for name, _ in (*self.layers, *self.before)), *self._own_names, *holder])
        require_variables([self.name, *holder])
        if self.name in inspect.signature(before.model.forward).parameters:
            raise EditError(f"`forward` has an argument called {short(repr(self.name))} already; choose another name.")
        if before.trace.failed is not None:
            raise EditError(f"The model does not run, so nothing can be joined: {before.trace.failed.sentence}")
        if (self.before or self.softmax) and (self.at or self.where == "before"):
            raise EditError("Layers on the output and softmax are for an input that is joined at the output.")
        if self.num_outputs is not None and self.where == "before":
            raise EditError(
                "Before a module no Linear is added: it takes the joined value itself. Leave outputs empty."
            )

    @property
    def _own_names(self) -> list[str]:
        """Names of the layers that the edit adds by itself."""
        if self.where == "before":
            return []
        if self.at:
            return ["join"]
        return ["fc_add"] * (self.num_outputs is not None) + ["output"] * self.softmax

    def _extra(self, hand: Hand, join: Join) -> Any:
        """The new input as it is joined: after its own layers."""
        value = hand.input(self.name)
        if self.size == 1 and (self.layers or not join.spreads):
            value = hand.inside(hand.method("reshape", value, -1, 1))  # (N,) will do
        for name, _ in self.layers:
            value = hand.layer(name, value)
        return value

    def _extra_shape(self) -> Shape:
        """The shape of that value."""
        value = torch.empty(self._shape, device="meta")
        for name, layer in self.layers:
            made = layer.planned()
            try:
                value = made.to("meta").eval()(value)
            except (RuntimeError, ValueError, TypeError) as error:
                reason = " ".join(str(error).split())
                raise EditError(
                    f"`{name}`, {layer.text}, does not take {text(tuple(value.shape))}: {reason}"
                ) from error
        return tuple(value.shape)

    def _at_the_end(self, before: Structure) -> Change:
        shape = before.trace.output
        if not is_shape(shape) or len(shape) < 2:
            raise EditError(
                f"The model returns {text(shape)}; an input is joined with one tensor. Choose a module inside it."
            )
        value, axis = shape, channel_axis(before.trace, before.trace.ops[-1].inputs[0])
        join = Join(value, axis, self._extra_shape())
        rows = [(name, layer.text) for name, layer in (*self.before, *self.layers)]
        for _, layer in self.before:
            layer.planned()
        if self.num_outputs is not None:
            require_memory(f"A head for {self.num_outputs:,} outputs", 4 * self.num_outputs * join.width)
            rows.append(("fc_add", join.projection(self.num_outputs)))
        rows += [("output", "Softmax(dim=1)")] if self.softmax else []

        def end(hand: Hand, final: Any, values: tuple[Any, ...]) -> Any:  # noqa: ARG001
            for name, _ in self.before:
                final = hand.layer(name, final)
            joined = join.drawn(hand, final, self._extra(hand, join))
            joined = hand.layer("fc_add", joined) if self.num_outputs is not None else joined
            return hand.layer("output", joined) if self.softmax else joined

        several = only_first(n_values_in_training(before))
        notes = ENDS_IN_SOFTMAX * self.softmax + several
        new_head = ("fc_add",) if self.num_outputs is not None else ()
        return self._rewired(
            before, tuple(rows), (), end, notes, heads=new_head, reclassed=True, first_of_several=bool(several)
        )

    def _inside(self, before: Structure) -> Change:
        calls = called(before, self.at)
        shape, axis = width(before, self.at)
        if len({call.outputs for call in calls}) > 1:
            raise EditError(
                f"`{self.at}` is called {len(calls)} times and returns other shapes each time; choose another module."
            )
        join = Join(shape, axis, self._extra_shape())
        back = join.projection(self.num_outputs or shape[axis])
        rows = (*((name, layer.text) for name, layer in self.layers), ("join", back))

        def joined(hand: Hand, value: Any) -> Any:
            return hand.layer("join", join.drawn(hand, value, self._extra(hand, join)))

        notes = (f"{join.sentence(self.name)} `{back}` brings {join.width:,} channels to what follows.",)
        is_head = head_paths(before) == (self.at,)  # what predicts the classes is the layer after it then
        turns = (Turn(self.at, joined, len(calls)),)
        return self._rewired(before, rows, turns, None, notes, heads=("join",) if is_head else None, reclassed=is_head)

    def _before_head(self, before: Structure) -> Change:
        path = _taking(before, self.at or self._head(before))
        shape = _input_of(before, path)
        axis = len(shape) - 1 if isinstance(before.module(path), nn.Linear) else 1
        join = Join(shape, axis, self._extra_shape())
        widened = _widened(before, path, shape[axis], join.width)
        rows = tuple((name, layer.text) for name, layer in self.layers)

        def joined(hand: Hand, value: Any) -> Any:
            return join.drawn(hand, value, self._extra(hand, join))

        notes = (f"`{path}` keeps its weights; those for `{self.name}` begin at zero.",)
        change = self._rewired(before, rows, (Turn(path, joined, 1, before=True),), None, notes)
        code = Code(
            (*widened.statements(before.model), *change.code.statements),
            change.code.definitions,
            (*widened.layer.code().imports, *change.code.imports),
        )
        apply = change.apply
        promise = Promise()  # sums of more floats, of which the new ones are zero
        return replace(change, code=code, apply=lambda model: apply(widened.apply(model)), promise=promise)

    def _head(self, before: Structure) -> str:
        """The one layer that predicts the classes."""
        heads = head_paths(before)
        if not heads:
            raise EditError("This model has no head that could take another input; choose a module to join it at.")
        if len(heads) > 1:
            raise EditError(
                f"This model has {len(heads)} heads (`{heads[0]}`, `{heads[1]}`{', …' * (len(heads) > 2)}): choose the "
                "module to join it before."
            )
        return heads[0]

    def _rewired(
        self,
        before: Structure,
        rows: tuple[tuple[str, str], ...],
        turns: tuple[Turn, ...],
        end: Callable[[Hand, Any, tuple[Any, ...]], Any] | None,
        notes: tuple[str, ...],
        *,
        heads: tuple[str, ...] | None = None,
        reclassed: bool = False,
        first_of_several: bool = False,
    ) -> Change:
        """heads: names of the new layers that predict the classes then; None where it is those there were."""
        kind = type(before.model).__name__
        wiring = Wiring(
            f"{kind}With{''.join(part.title() for part in self.name.split('_'))}",
            f"{kind} with another input, `{self.name}`.",
            turns=turns,
            end=end,
            inputs=(self.name,),
            layers=rows,
            wrapped=self.holder if self.style == "wrap" else "",
            returns="Tensor" if is_shape(before.trace.output) else "Any",
            first_of_several=first_of_several,
        )
        rewired = plan_rewiring(before.model, wiring)
        if heads is not None:
            heads = tuple(rewired.names[name] for name in heads)
        elif self.style == "wrap":
            heads = heads_below(before, self.holder)
        place = self.at or ("the head" if self.where == "before" else "the output")
        return Change(
            f"{self.name} {text(self._shape)} joined {self.where} {place}",
            rewired.apply,
            rewired.code,
            notes,
            heads=heads,
            reclassed=reclassed,
            example=(*before.example, self._shape),
            moved=below(before, self.holder) if self.style == "wrap" else (),
        )


def _widened(before: Structure, path: str, now: int, wanted: int) -> Refit:
    """The layer at `path` for `wanted` input channels, of which the further ones weigh nothing at first."""
    old = before.module(path)
    if type(old) not in KINDS or getattr(old, "groups", 1) != 1:
        raise EditError(
            f"`{path}` is {describe(old)}; only a Linear or a convolution in one group can take more channels. "
            "Join after it, or at another module."
        )
    return refit(before.model, path, kept_with_zeros(now, wanted), inputs=wanted)


def _taking(before: Structure, path: str) -> str:
    """The layer that takes the input: of a Sequential of layers, such as a deep head, its first with other widths."""
    module = before.module(path)
    if type(module) is not nn.Sequential:
        return path
    inner = [name for name, layer in module.named_children() if type(layer) in KINDS]
    return f"{path}.{inner[0]}" if inner else path


def _input_of(before: Structure, path: str) -> Shape:
    """The shape of the one tensor that goes into the module at `path`, which is called once."""
    calls = called(before, path)
    if len(calls) != 1:
        raise EditError(f"`{path}` is called {len(calls)} times; an input is joined before a module called once.")
    shape = calls[0].inputs
    if not is_shape(shape) or len(shape) < 2 or shape[0] != before.example[0][0]:
        raise EditError(
            f"`{path}` takes {text(shape)} for one input; a further one is joined with one tensor (N, ...)."
        )
    return tuple(shape)
