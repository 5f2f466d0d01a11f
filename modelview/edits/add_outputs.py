"""Values from inside, returned too."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import as_paths, several
from modelview.edits.tapping import tap, width
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.heads import head_paths
from modelview.names import unknown
from modelview.proof import Pair, Promise
from modelview.rewrite import Hand, Tap, Wiring, camel, plan_rewiring
from modelview.structure import Structure
from modelview.trace.shapes import is_shape, text
from modelview.wording import counted

FORMS = ("tuple", "dict")


@EDITS.register("add_outputs")
@dataclass(frozen=True)
class AddOutputs(Edit):
    """Return what the modules at `paths` return beside the final output, which comes first, or instead of it.

    names: keys of the dict, one a path; the paths themselves by default. form: "tuple", or "dict", where the final
    output is "out". A final output that is a tuple or a dict already takes them in. keep_final: off, only these
    values are returned and whatever runs after the last of them is dropped, as for a feature pyramid.
    """

    title: ClassVar[str] = "Add outputs"
    keeps: ClassVar = "values"

    paths: Annotated[tuple[ModulePath, ...], Ask("Modules", "Whose outputs are returned, in this order.")]
    names: Annotated[tuple[str, ...] | None, Ask("Names", "Keys of the dict, one for each module.", rare=True)] = None
    form: Annotated[str, Ask("Returned as", choices=FORMS)] = "tuple"
    keep_final: Annotated[bool, Ask("With the final output", "Off: only these, and what runs after is dropped.")] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", as_paths(self.paths))
        names: Any = (self.names,) if isinstance(self.names, str) else self.names
        object.__setattr__(self, "names", several(names, "names, one for each module") if names else None)

    def plan(self, before: Structure) -> Change:
        names = self._names(before)
        taps = tuple(tap(before, path, name, several=True) for path, name in zip(self.paths, names, strict=True))
        kind, takes_in = type(before.model).__name__, self._takes_in(before)
        wiring = Wiring(
            f"{kind}{'With' if self.keep_final else 'To'}{''.join(camel(path) for path in self.paths[:4])}",
            f"{kind} that returns {', '.join(f'`{path}`' for path in self.paths)}"
            + (" beside its output." if self.keep_final else "."),
            taps=taps,
            end=lambda hand, final, values: self._end(hand, final, values, names, takes_in=takes_in),
            stops=not self.keep_final,
            drops=not self.keep_final,
            returns=self._annotation(before, taps),
        )
        rewired = plan_rewiring(before.model, wiring)
        summary = ("output, " if self.keep_final else "") + ", ".join(self.paths)
        return Change(
            summary,
            rewired.apply,
            rewired.code,
            tuple(self._notes(before, taps, takes_in=takes_in)),
            heads=self._heads(before),
            reclassed=not self.keep_final,
            promise=Promise(tuple((found.path, found.call) for found in taps), partial(self._pairs, takes_in=takes_in)),
        )

    def _heads(self, before: Structure) -> tuple[str, ...] | None:
        """The heads there were; those that are known by the one output can be known by it no more."""
        if not self.keep_final:
            return ()
        return head_paths(before) if before.source.heads_by_output else None

    def _pairs(self, output: Any, caught: tuple[Any, ...], after: Any, *, takes_in: bool) -> list[Pair]:
        values = list(after.values()) if isinstance(after, dict) else list(after)
        added = values[-len(self.paths) :]
        pairs = [(f"`{path}`", *pair) for path, pair in zip(self.paths, zip(caught, added, strict=True), strict=True)]
        if not self.keep_final:
            return pairs
        return [("the final output", output, values[: -len(added)] if takes_in else values[0]), *pairs]

    def _takes_in(self, before: Structure) -> bool:
        """Whether the final output is such a collection already, so that it takes the values in."""
        if not self.keep_final:
            return False
        return before.trace.is_tuple if self.form == "tuple" else isinstance(before.trace.output, dict)

    def _names(self, before: Structure) -> tuple[str, ...]:
        if not self.paths:
            raise EditError("Choose at least one module whose output is to be returned.")
        if self.form not in FORMS:
            raise unknown("form", str(self.form), FORMS)
        if twice := [path for path in self.paths if self.paths.count(path) > 1]:
            raise EditError(f"`{twice[0]}` stands twice among the outputs; each is returned once.")
        names = self.names or self.paths
        if len(names) != len(self.paths):
            given, wanted = counted(len(names), "name"), counted(len(self.paths), "module")
            raise EditError(f"There are {given} for {wanted}; give each its own.")
        if wrong := [name for name in self.names or () if not isinstance(name, str) or not name]:
            raise EditError(f"The name of an output is a text that says something, such as layer1; got {wrong[0]!r}.")
        final = before.trace.output
        own = tuple(final) if isinstance(final, dict) else ("out",)
        taken = [*names, *(own if self.form == "dict" and self.keep_final else ())]
        if twice := [name for name in taken if taken.count(name) > 1]:
            raise EditError(f"Two outputs would be called {twice[0]!r}; choose other names.")
        return tuple(names)

    def _end(self, hand: Hand, final: Any, values: tuple[Any, ...], names: tuple[str, ...], *, takes_in: bool) -> Any:
        if self.form == "tuple" and takes_in:
            return hand.joined(final, values)
        if self.form == "tuple":
            return (final, *values) if self.keep_final else values
        more = dict(zip(names, values, strict=True))
        if not self.keep_final:
            return more
        return hand.merged(final, more) if takes_in else {"out": final, **more}

    def _annotation(self, before: Structure, taps: tuple[Tap, ...]) -> str:
        if any(found.collection is not None for found in taps):
            return "Any"
        final = before.trace.output
        tensors = is_shape(final) or (self._takes_in(before) and self.form == "tuple" and all(map(is_shape, final)))
        if self.keep_final and not tensors:
            return "Any"
        return "tuple[Tensor, ...]" if self.form == "tuple" else "dict[str, Tensor]"

    def _notes(self, before: Structure, taps: tuple[Tap, ...], *, takes_in: bool) -> list[str]:
        notes = []
        side = before.example[0][-1]
        if takes_in and self.form == "tuple":
            had = len(before.trace.output)
            notes.append(f"The model returns a tuple already: what is added comes after its {counted(had, 'value')}.")
        for found in taps:
            which = f" The last of its {found.n_calls} calls is returned." if found.n_calls > 1 else ""
            if found.collection is not None:
                notes.append(f"`{found.path}`: {text(before.calls(found.path)[-1].outputs)}.{which}")
                continue
            shape, axis = width(before, found.path)
            across = shape[-1] if axis == 1 else shape[-2]  # where the channels come last, the width is before them
            is_picture = len(shape) > 3 and axis in (1, len(shape) - 1) and side % across == 0
            reduced = f", 1/{side // across} of the input's width" if is_picture else ""
            notes.append(f"`{found.path}`: {text(shape)}, {shape[axis]:,} channels{reduced}.{which}")
        return notes
