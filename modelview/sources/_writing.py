"""A structure as code that makes it anew: one expression, and statements for what that leaves otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from modelview.errors import EditError
from modelview.names import is_name
from modelview.script import Code, quoted, reference
from modelview.sources._difference import compared, is_plain
from modelview.sources._drafts import CONTAINERS, Drafting
from modelview.sources._facts import MODE, SAME_AS, comparable, differing, facts, floats, structural


@dataclass(frozen=True)
class Step:
    """One statement that was done to the model, and the imports it needs."""

    text: str
    imports: tuple[str, ...] = ()


def code(target: nn.Module) -> Code | None:
    """Statements that leave a model of the structure of `target` in `model`, its weights random; None if none do.

    They are believed only where the same calls made on meta give the same classes, names, shapes, kinds of numbers,
    attributes and printed text.
    """
    if not all(name and "." not in name for module in target.modules() for name in module._modules):
        return None  # such names cannot be given, only forged
    try:
        return _written(target)
    except Exception:  # noqa: BLE001 - what a file says may fail anywhere in torch, and then no calls make it
        return None


def _written(target: nn.Module) -> Code | None:
    drafting = Drafting()
    first = drafting.draft(target)
    steps = list(_Changing(first.built, target, drafting).steps())
    last = compared(first.built, target)
    statements = (f"model = {first.text}", *(step.text for step in steps), *last.statements())
    last.apply()
    if last.unwritable or not _equal(first.built, target):
        return None
    frozen = ["from torchvision.ops import FrozenBatchNorm2d"] * bool(last.frozen)
    return Code(statements, imports=(*first.imports, *(line for step in steps for line in step.imports), *frozen))


def _equal(made: nn.Module, target: nn.Module) -> bool:
    same = list(made.state_dict()) == list(target.state_dict()) and str(made) == str(target)
    return same and not differing(facts(made), facts(target))


class _Changing:
    """Puts other modules and numbers of other kinds into a model, until it is like the target where statements can."""

    def __init__(self, model: nn.Module, target: nn.Module, drafting: Drafting) -> None:
        self._model, self._target, self._drafting = model, target, drafting

    def steps(self) -> Iterator[Step]:
        """What was done, in order. Raises EditError for what no statement changes."""
        yield from self._replaced("")
        yield from self._tied()
        yield from self._cast("")

    def _replaced(self, path: str) -> Iterator[Step]:
        ours, theirs = self._model.get_submodule(path), self._target.get_submodule(path)
        if not _alike(ours, theirs):
            if path:
                yield self._put(path)
            ours = self._model.get_submodule(path)
            if not _alike(ours, theirs):
                raise EditError(f"`{path or 'the model'}` cannot be written as a call with plain values.")
        for name, value in vars(theirs).items():
            if name not in vars(ours) and is_name(name) and not name.startswith("_"):
                yield self._set(path, name, value)
        for name in [name for name in ours._modules if name not in theirs._modules]:
            yield self._deleted(f"{path}.{name}".lstrip("."))
        for name, child in theirs._modules.items():
            inner = f"{path}.{name}".lstrip(".")
            if child is not None:
                if ours._modules.get(name) is None:
                    yield self._put(inner)
                yield from self._replaced(inner)

    def _put(self, path: str) -> Step:
        """The target's module at `path` made anew in that place."""
        holder_path, _, name = path.rpartition(".")
        holder, new = self._model.get_submodule(holder_path), self._drafting.draft(self._target.get_submodule(path))
        there, outer = holder._modules.get(name) is not None, reference(self._model, holder_path)
        here = reference(self._model, path) if there else f"{outer}.{name}"
        plain = there or (is_name(name) and not isinstance(holder, CONTAINERS))
        if not there and hasattr(holder, name) and name not in vars(holder):
            raise EditError(f"{name!r} is something that every {type(holder).__name__} has already.")
        vars(holder).pop(name, None)
        holder.add_module(name, new.built)
        if plain and not here.endswith(")"):
            return Step(f"{here} = {new.text}", new.imports)
        return Step(f"{outer}.add_module({quoted(name)}, {new.text})", new.imports)

    def _set(self, path: str, name: str, value: Any) -> Step:
        """An attribute that a call does not set."""
        if not is_plain(value) or comparable(value) != comparable(value):
            raise EditError(f"`{path}.{name}` is no plain value.")
        setattr(self._model.get_submodule(path), name, value)
        return Step(f"{reference(self._model, path)}.{name} = {value!r}")

    def _deleted(self, path: str) -> Step:
        here = reference(self._model, path)
        if here.endswith(")"):
            raise EditError(f"`{path}` cannot be deleted by its name.")
        holder, _, name = path.rpartition(".")
        delattr(self._model.get_submodule(holder), name)
        return Step(f"del {here}")

    def _tied(self) -> Iterator[Step]:
        """Modules that stand at several places."""
        ours, theirs = facts(self._model), facts(self._target)
        for (path, name), first in theirs.items():
            if name == SAME_AS and (path, SAME_AS) not in ours and (path, "dtype") not in ours:
                yield Step(f"{reference(self._model, path)} = {reference(self._model, first)}")
                self._model.set_submodule(path, self._model.get_submodule(first))

    def _cast(self, path: str) -> Iterator[Step]:
        """The largest parts whose numbers are all of another kind."""
        ours, theirs = self._model.get_submodule(path), self._target.get_submodule(path)
        wanted = floats(theirs)
        if len(wanted) == 1 and wanted != floats(ours):
            (dtype,) = wanted
            ours.to(dtype)
            yield Step(f"{reference(self._model, path)}.to({dtype})")
        elif len(wanted) > 1:
            for name, child in theirs._modules.items():
                if child is not None:
                    yield from self._cast(f"{path}.{name}".lstrip("."))


def _alike(ours: nn.Module, theirs: nn.Module) -> bool:
    """Whether what differs in a module itself can be changed where it stands; not said of its children."""
    if type(ours) is nn.BatchNorm2d and type(theirs) is FrozenBatchNorm2d:
        return True
    if type(ours) is not type(theirs):
        return False
    if type(theirs) in CONTAINERS and list(ours._modules) != list(theirs._modules):
        return False
    left = list(filter(structural, differing(*(facts(_alone(each)) for each in (ours, theirs)))))
    if any(not name.startswith(MODE) or name.startswith(f"{MODE}_") for _, name in left):
        return False
    return not left or bool([*theirs.children(), *theirs.parameters(recurse=False), *theirs.buffers(recurse=False)])


def _alone(module: nn.Module) -> nn.Module:
    """The module without its children."""
    alone = type(module).__new__(type(module))
    alone.__dict__.update({**module.__dict__, "_modules": {}})
    return alone
