"""Choose what trains."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath, Pattern
from modelview.names import select
from modelview.script import Code, reference
from modelview.structure import Structure

_HOW = "Paths or patterns with commas between: layer1, *.bn1; * is everything."

MOST_LINES = 12
"""Where naming the modules one by one would take more lines, the code names the parameters in a loop."""


@EDITS.register("freeze")
@dataclass(frozen=True, init=False)
class Freeze(Edit):
    """Stop training: `requires_grad=False` on every parameter that a pattern matches and `except_` does not.

    up_to: also every parameter used until the module at this path has run, in execution order.
    Batch-norm statistics still move in train mode. Raises UnknownName for a pattern that matches nothing.
    """

    title: ClassVar[str] = "Freeze"
    keeps: ClassVar = "values"

    patterns: Annotated[tuple[Pattern, ...], Ask("What to freeze", _HOW)]
    except_: Annotated[tuple[Pattern, ...], Ask("Everything except", "What keeps training all the same.")] = ()
    up_to: Annotated[ModulePath, Ask("Up to", "And all that runs before this module has ended.")] = ModulePath("")

    def __init__(self, *patterns: str, except_: str | Iterable[str] = (), up_to: str = "") -> None:
        _set(self, patterns, except_)
        object.__setattr__(self, "up_to", up_to)

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        names = [name for name, _ in before.model.named_parameters()]
        head = ", ".join(before.heads or ()) or (names[-1].split(".")[0] if names else "")
        some = {f"Everything except {head}": cls("*", except_=before.heads or head)} if head else {}
        return {**some, "Everything": cls("*")}

    def plan(self, before: Structure) -> Change:
        if not self.patterns and not self.up_to:
            raise EditError('Name what to freeze: a path or a pattern such as "layer1" or "*".')
        names = [name for name, _ in before.model.named_parameters(remove_duplicate=False)]
        earlier = _until(before, self.up_to) if self.up_to else set()
        chosen = set(_select(before.model, names, self.patterns)) | earlier
        spared = set(_select(before.model, names, self.except_))
        change = _switch(before.model, chosen - spared, on=False)
        norms = _moving(before.model, chosen - spared)
        what = "layer still updates its" if norms == 1 else "layers still update their"
        note = f"{norms} frozen batch-norm {what} statistics in train mode." if norms else ""
        return Change(change.summary, change.apply, change.code, (note,) if note else ())


@EDITS.register("unfreeze")
@dataclass(frozen=True, init=False)
class Unfreeze(Edit):
    """Train again: `requires_grad=True` on every parameter that a pattern matches and `except_` does not."""

    title: ClassVar[str] = "Unfreeze"
    keeps: ClassVar = "values"

    patterns: Annotated[tuple[Pattern, ...], Ask("What trains again", _HOW)]
    except_: Annotated[tuple[Pattern, ...], Ask("Except", "What stays frozen all the same.")] = ()

    def __init__(self, *patterns: str, except_: str | Iterable[str] = ()) -> None:
        _set(self, patterns, except_)

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        return {"Everything": cls("*")}

    def plan(self, before: Structure) -> Change:
        if not self.patterns:
            raise EditError('Name what to unfreeze: a path or a pattern such as "layer4" or "*".')
        names = [name for name, _ in before.model.named_parameters(remove_duplicate=False)]
        spared = set(_select(before.model, names, self.except_))
        return _switch(before.model, set(_select(before.model, names, self.patterns)) - spared, on=True)


def _set(edit: Freeze | Unfreeze, patterns: Iterable[str], except_: str | Iterable[str]) -> None:
    object.__setattr__(edit, "patterns", tuple(patterns))
    object.__setattr__(edit, "except_", (except_,) if isinstance(except_, str) else tuple(except_))


def _select(model: nn.Module, names: list[str], patterns: Iterable[str]) -> list[str]:
    """Parameters that match, or whose module does; a module without parameters matches and gives none."""
    patterns = list(patterns)
    if "" in patterns:
        raise EditError('An empty pattern matches nothing; write "*" for the whole model.')
    modules = [path for path, _ in model.named_modules(remove_duplicate=False) if path]
    found = set(select("module or parameter", [*modules, *names], patterns))
    return [name for name in names if name in found or name.rpartition(".")[0] in found]


def _until(before: Structure, path: str) -> set[str]:
    """Names of the parameters of every module that has begun, and ended, when `path` has run."""
    before.module(path)
    calls = before.calls(path)
    if not calls:
        raise EditError(f"`{path}` is never called, so there is no point up to which to freeze.")
    end = calls[0].ops.stop
    done = {call.path for call in before.trace.calls if call.ops.stop <= end}
    modules = dict(before.model.named_modules(remove_duplicate=False))
    kept = {id(p) for name in done if name in modules for p in modules[name].parameters()}
    return {name for name, p in before.model.named_parameters(remove_duplicate=False) if id(p) in kept}


def _moving(model: nn.Module, frozen: set[str]) -> int:
    """How many batch-norm layers are frozen whole and still move their statistics."""
    return sum(
        isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.track_running_stats
        and f"{path}.weight" in frozen
        for path, module in model.named_modules()
    )


def _switch(model: nn.Module, names: set[str], *, on: bool) -> Change:
    changed = {n for n, p in model.named_parameters(remove_duplicate=False) if n in names and p.requires_grad != on}
    count = sum(p.numel() for n, p in model.named_parameters() if n in changed)
    verb = "train again" if on else "frozen"

    def apply(other: nn.Module) -> nn.Module:
        for name, parameter in other.named_parameters(remove_duplicate=False):
            if name in names:
                parameter.requires_grad_(on)
        return other

    return Change(f"{count:,} parameters {verb}", apply, Code(_statements(model, names, on=on)))


def _statements(model: nn.Module, names: set[str], *, on: bool) -> tuple[str, ...]:
    """The fewest lines a person would write: whole modules, or all of the model and then the exceptions."""
    flags = {n: p.requires_grad for n, p in model.named_parameters(remove_duplicate=False)}
    after = {name: on if name in names else flag for name, flag in flags.items()}
    turned = {name for name, flag in after.items() if flag != flags[name]}
    if not turned:
        return ()
    direct = _lines(model, turned, {name for name, flag in after.items() if flag == on}, on=on)
    rest = {name for name, flag in after.items() if flag != on}
    whole = (f"model.requires_grad_({on})", *_lines(model, rest, rest, on=not on))
    best = min(direct, whole, key=len)
    if len(best) <= MOST_LINES:
        return best
    listed = ",\n".join(f'    "{name}"' for name in sorted(turned))
    return (f"for name in (\n{listed},\n):\n    model.get_parameter(name).requires_grad_({on})",)


def _lines(model: nn.Module, wanted: set[str], allowed: set[str], *, on: bool) -> tuple[str, ...]:
    """A line for each largest module that holds something `wanted` and nothing outside of `allowed`."""
    lines: list[str] = []

    def visit(module: nn.Module, path: str) -> None:
        inner = [n for n, _ in module.named_parameters(prefix=path, remove_duplicate=False)]
        if not any(name in wanted for name in inner):
            return
        if all(name in allowed for name in inner):
            lines.append(f"{reference(model, path)}.requires_grad_({on})")
            return
        for name, _ in module.named_parameters(prefix=path, recurse=False):
            if name in wanted:
                lines.append(f"{reference(model, name)}.requires_grad_({on})")
        for name, child in module.named_children():
            visit(child, f"{path}.{name}" if path else name)

    visit(model, "")
    return tuple(lines)
