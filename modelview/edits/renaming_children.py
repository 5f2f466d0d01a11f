"""The children of one module under other names: which way there is, and what a script says for it."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import fx, nn

from modelview.edits.neighbours import place_of
from modelview.edits.replace_layer import placing
from modelview.errors import EditError
from modelview.rewrite import Renaming, Wiring, is_identifier, plan_renaming
from modelview.script import Code, quoted, reference
from modelview.structure import Structure
from modelview.trace.shapes import is_shape

Names = tuple[tuple[str, str], ...]
"""Old and new last names of children of one module."""
_ORDERED = "from collections import OrderedDict"
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Step:
    """Children of the module at `parent` renamed.

    apply: the module with its children renamed; the given one is used up. rows: statements, where it is a Sequential.
    renaming: its class, where it is none.
    """

    parent: str
    apply: Callable[[nn.Module], nn.Module]
    rows: tuple[str, ...] = ()
    renaming: Renaming | None = None

    @property
    def depth(self) -> int:
        """How many modules it stands in."""
        return self.parent.count(".") + bool(self.parent)


def plan_steps(before: Structure, names: dict[str, Names]) -> list[Step]:
    """One step for each module that has children to rename, by its path: the deepest first, so that paths hold.

    Raises EditError where a child's name is read by somebody who cannot be told.
    """
    source = before.source.code().definitions
    defined = dict(_classes((*source, *before.definitions)))
    steps = []
    for parent in sorted(names, key=lambda path: -path.count(".") - bool(path)):
        step = _step(before, parent, names[parent], defined)
        if step.renaming is not None:
            defined.update(_classes(step.renaming.code.definitions))
        steps.append(step)
    return steps


def steps_code(model: nn.Module, steps: Iterable[Step]) -> Code:
    """The statements of all steps: one loop for modules of one depth that get the same class."""
    groups: dict[tuple[int, str], list[Step]] = {}
    for step in steps:
        kind = step.renaming.wiring.class_name if step.renaming else step.parent
        groups.setdefault((step.depth, kind), []).append(step)
    codes = [step.renaming.code for step in steps if step.renaming]
    ordered = any(_ORDERED.rpartition(" ")[2] in line for step in steps for line in step.rows)
    return Code(
        tuple(chain.from_iterable(_statements(model, group) for group in groups.values())),
        tuple(dict.fromkeys(text for code in codes for text in code.definitions)),
        (*(_ORDERED,) * ordered, *(line for code in codes for line in code.imports)),
    )


def _classes(definitions: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in definitions:
        yield from ((name, text) for name in re.findall(r"^class (\w+)", text, re.MULTILINE))


def _statements(model: nn.Module, steps: list[Step]) -> Iterator[str]:
    first = steps[0]
    if first.renaming is None:
        yield from first.rows
        return
    lines = first.renaming.code.statements
    if not first.parent:
        yield from lines
        return
    blocks = [reference(model, step.parent) for step in steps]
    inner = (re.sub(r"\bmodel(?=[.\[,])", "block", line) for line in lines)
    if len(blocks) == 1:
        yield f"block = {blocks[0]}"
        yield from inner
        return
    yield "\n".join([f"for block in ({', '.join(blocks)}):", *(f"    {line}" for line in inner)])


def _step(before: Structure, parent: str, names: Names, defined: dict[str, str]) -> Step:
    holder = before.model.get_submodule(parent)
    _require_own_names(before, parent, names[0][0])
    if type(holder).forward is nn.Sequential.forward:
        place = place_of(before, f"{parent}.{names[0][0]}".lstrip("."))
        return _row_step(before.model, parent, names, keep_class=not place.chain)
    kind = type(holder).__name__
    said = ", ".join(f"`{old}` is `{new}`" for old, new in names)
    call = next(iter(before.calls(parent)), None)
    given = call.inputs if call and isinstance(call.inputs, tuple | list) else (None,)
    wiring = Wiring(
        f"Renamed{kind.lstrip('_')}",
        f"{kind} where {said}.",
        renamed=names,
        returns="Tensor" if call and is_shape(call.outputs) else "Any",
        takes="Tensor" if not parent or is_shape(given) or all(map(is_shape, given)) else "Any",
    )
    renaming = plan_renaming(holder, wiring, defined, inside=bool(parent))
    if renaming.rewired is None and (isinstance(holder, _CONTAINERS) or not all(map(is_identifier, dict(names)))):
        raise EditError(
            f"`{parent}.{names[0][0]}` is a row of a {kind}, whose forward goes through its rows in a way that cannot "
            "be written anew, so they keep their names."
        )
    return Step(parent, renaming.apply, renaming=renaming)


def _require_own_names(before: Structure, parent: str, old: str) -> None:
    """Raises EditError where others than the module at `parent` read the names of its children."""
    holder, path = before.model.get_submodule(parent), f"{parent}.{old}".lstrip(".")
    kind = type(holder).__name__
    if isinstance(holder, torch.jit.ScriptModule):
        raise EditError(f"`{path}` is a part of what TorchScript compiled, so its name cannot change.")
    if _is_called_inside(before.model, parent):
        raise EditError(
            f"`{parent}` is not called as a whole: an earlier edit wrote a forward around it anew, which calls its "
            "layers by their names. Let the renaming be the earlier one."
        )
    if type(holder).forward is nn.Module.forward:
        read = {nn.ModuleList: " by its number", nn.ModuleDict: " by its key"}.get(type(holder), "")
        raise EditError(
            f"`{path}` is a child of a {kind}, which has no forward of its own: others read it{read}, so its name "
            "stands. To load a file with other names, use the renaming of Load weights."
        )
    if type(holder).forward is nn.Sequential.forward and parent and not before.calls(parent):
        raise EditError(
            f"`{parent}` is never called as a whole here, so whoever calls its rows may do so by their names."
        )


def _is_called_inside(model: nn.Module, path: str) -> bool:
    """Whether a forward written anew, of a module that holds the one at `path`, calls or reads what is in that."""
    names = path.split(".") if path else []
    for above in range(len(names)):
        holder, inner = model.get_submodule(".".join(names[:above])), ".".join(names[above:])
        if isinstance(holder, fx.GraphModule):
            targets = (str(node.target) for node in holder.graph.nodes if node.op in ("call_module", "get_attr"))
            if any(target.startswith(f"{inner}.") for target in targets):
                return True
    return False


def _row_step(model: nn.Module, parent: str, names: Names, *, keep_class: bool) -> Step:
    """Rows of a Sequential renamed in their places. keep_class: it is of a class of its own, which stays."""
    holder, here = model.get_submodule(parent), reference(model, parent)
    rows = list(holder._modules)
    twice = len(set(map(id, holder._modules.values()))) < len(rows)
    lines = [f"rows = list({here}.{'_modules.items' if twice else 'named_children'}())"]
    lines += [f"rows[{index}] = ({quoted(new)}, rows[{index}][1])" for old, new in names for index in [rows.index(old)]]
    if keep_class:
        lines.append(f"{here}._modules = dict(rows)")
    else:
        lines.append(placing(model, parent, "nn.Sequential(OrderedDict(rows))"))
    return Step(parent, partial(_with_rows, names=dict(names), keep_class=keep_class), tuple(lines))


def _with_rows(holder: nn.Module, *, names: dict[str, str], keep_class: bool) -> nn.Module:
    rows = {names.get(name, name): child for name, child in holder._modules.items()}
    if keep_class:
        holder._modules = rows
        return holder
    new = nn.Sequential()
    for name, child in rows.items():
        new.add_module(name, child)
    new.training = holder.training
    return new
