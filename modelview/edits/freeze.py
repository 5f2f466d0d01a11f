"""Choose what trains."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import several
from modelview.edits.norms import Fixing, plan_fixing, whole_norms
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath, Pattern
from modelview.names import matches, select, unknown
from modelview.proof import UNTOUCHED, Promise
from modelview.script import Code, reference
from modelview.structure import Structure
from modelview.trace.records import Call

_HOW = "Paths or patterns with commas between: layer1, *.bn1; * is everything."

BATCHNORM = ("train", "frozen")

MOST_LINES = 12
"""Where naming the modules one by one would take more lines, the code names the parameters in a loop."""


@EDITS.register("freeze")
@dataclass(frozen=True, init=False)
class Freeze(Edit):
    """Stop training: `requires_grad=False` on every parameter that a pattern matches and `except_` does not.

    up_to: also every parameter used until the module at this path has run, in execution order.
    from_: also every parameter used from this module on; with `up_to`, what is used between the two.
    batchnorm: "train" leaves frozen batch-norm layers as they are, so that their statistics still move in train
    mode; "frozen" puts `FrozenBatchNorm2d` for each that is frozen whole, with the same values.
    Raises UnknownName for a pattern that matches nothing, EditError for a batch-norm that is not two-dimensional.
    """

    title: ClassVar[str] = "Freeze"
    keeps: ClassVar = "values"

    patterns: Annotated[tuple[Pattern, ...], Ask("What to freeze", _HOW)]
    except_: Annotated[tuple[Pattern, ...], Ask("Everything except", "What keeps training all the same.")] = ()
    up_to: Annotated[ModulePath, Ask("Up to", "And all that runs before this module has ended.")] = ModulePath("")
    from_: Annotated[ModulePath, Ask("From", "And all that runs from this module on.")] = ModulePath("")
    batchnorm: Annotated[
        str,
        Ask(
            "Frozen batch-norm",
            "train: its statistics still move in train mode. frozen: FrozenBatchNorm2d, in which nothing moves.",
            choices=BATCHNORM,
        ),
    ] = "train"

    def __init__(
        self,
        *patterns: str,
        except_: str | Iterable[str] = (),
        up_to: str = "",
        from_: str = "",
        batchnorm: str = "train",
    ) -> None:
        _set(self, patterns, except_)
        for name, value in (("up_to", up_to), ("from_", from_), ("batchnorm", batchnorm)):
            object.__setattr__(self, name, value)

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        names = [name for name, _ in before.model.named_parameters()]
        head = ", ".join(before.heads or ()) or (names[-1].split(".")[0] if names else "")
        some = {f"Everything except {head}": cls("*", except_=before.heads or head)} if head else {}
        return {**some, "Everything": cls("*")}

    def remedies(self, before: Structure) -> tuple[Edit, ...]:  # noqa: ARG002 - the same for every model
        if self.batchnorm == "train":
            return ()
        return (Freeze(*self.patterns, except_=self.except_, up_to=self.up_to, from_=self.from_),)

    def plan(self, before: Structure) -> Change:
        if not self.patterns and not self.up_to and not self.from_:
            raise EditError('Name what to freeze: a path or a pattern such as "layer1" or "*".')
        if self.batchnorm not in BATCHNORM:
            raise unknown("way with batch-norm", self.batchnorm, BATCHNORM)
        names = [name for name, _ in before.model.named_parameters(remove_duplicate=False)]
        running = _between(before, self.from_, self.up_to) if self.from_ or self.up_to else set()
        chosen = set(_select(before.model, names, self.patterns)) | running
        frozen = chosen - set(_select(before.model, names, self.except_))
        change = _switch(before.model, frozen, on=False)
        norms = whole_norms(before.model, frozen)
        if self.batchnorm == "frozen":
            return _fixed(change, plan_fixing(before.model, norms), len(norms))
        n_moving = _moving(before.model, frozen)
        what = "layer still updates its" if n_moving == 1 else "layers still update their"
        note = f"{n_moving} frozen batch-norm {what} statistics in train mode." if n_moving else ""
        return replace(change, notes=(note,) if note else ())


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
        change = _switch(before.model, set(_select(before.model, names, self.patterns)) - spared, on=True)
        n_fixed = sum(
            isinstance(module, FrozenBatchNorm2d) and any(matches(path, pattern) for pattern in self.patterns)
            for path, module in before.model.named_modules()
        )
        what = "layer stays" if n_fixed == 1 else "layers stay"
        note = f"{n_fixed} FrozenBatchNorm2d {what} frozen: its weights are no parameters."
        return replace(change, notes=(note,)) if n_fixed else change


def _set(edit: Freeze | Unfreeze, patterns: Iterable[str], except_: str | Iterable[str]) -> None:
    object.__setattr__(edit, "patterns", tuple(patterns))
    spared = (except_,) if isinstance(except_, str) else several(except_, "patterns, such as layer1 or *.bn1")
    object.__setattr__(edit, "except_", spared)


def _select(model: nn.Module, names: list[str], patterns: Iterable[str]) -> list[str]:
    """Parameters that match, or whose module does; a module without parameters matches and gives none."""
    patterns = list(patterns)
    if "" in patterns:
        raise EditError('An empty pattern matches nothing; write "*" for the whole model.')
    modules = [path for path, _ in model.named_modules(remove_duplicate=False) if path]
    found = set(select("module or parameter", [*modules, *names], patterns))
    return [name for name in names if name in found or name.rpartition(".")[0] in found]


def _between(before: Structure, from_: str, up_to: str) -> set[str]:
    """Names of the parameters of every module that begins with `from_` or later and has ended with `up_to`.

    Likewise those that a module around these holds itself, such as position embeddings, by when they are first used.
    """
    first = _first_call(before, from_, "from") if from_ else before.trace.calls[0]
    end = _first_call(before, up_to, "up to").ops.stop if up_to else len(before.trace.ops)
    ran = {c.path for c in before.trace.calls if c.index >= first.index and c.ops.stop <= end}
    if not ran:
        raise EditError(f"`{up_to}` has ended before `{from_}` begins, so nothing runs between them; exchange the two.")
    modules = dict(before.model.named_modules(remove_duplicate=False))
    kept = {id(p) for path in ran if path in modules for p in modules[path].parameters()}
    kept |= {key for key, n_ops in before.trace.used.items() if first.ops.start <= n_ops < end}
    return {name for name, p in before.model.named_parameters(remove_duplicate=False) if id(p) in kept}


def _first_call(before: Structure, path: str, which: str) -> Call:
    before.module(path)
    calls = before.calls(path)
    if not calls:
        raise EditError(f"`{path}` is never called, so there is no point {which} which to freeze.")
    return calls[0]


def _fixed(change: Change, fixing: Fixing, n_norms: int) -> Change:
    """The change, and after it the batch-norm layers fixed."""
    if not n_norms:
        return replace(change, notes=("No batch-norm layer is frozen whole, so none is replaced.",))

    def apply(model: nn.Module) -> nn.Module:
        return fixing.apply(change.apply(model))

    fixed, switched = fixing.code(), change.code
    code = replace(fixed, statements=(*switched.statements, *fixed.statements))
    what = "layer becomes a" if n_norms == 1 else "layers become"
    note = (
        f"{n_norms} batch-norm {what} FrozenBatchNorm2d: neither statistics nor weights move in train mode, the "
        "weights are buffers from now on, and the values are the same up to rounding."
    )
    summary = f"{change.summary}, {n_norms} batch-norm fixed"
    return Change(summary, apply, code, (note,), promise=Promise(tolerance=1e-4))


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

    code = Code(_statements(model, names, on=on))
    return Change(f"{count:,} parameters {verb}", apply, code, promise=UNTOUCHED)


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
