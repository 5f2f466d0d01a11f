"""A structure as code that makes it anew: one expression, and statements for what that leaves otherwise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.script import Code, quoted, reference
from modelview.sources._calls import Draft
from modelview.sources._difference import compared
from modelview.sources._drafts import CONTAINERS, draft
from modelview.sources._facts import MODE, SAME_AS, comparable, differing, facts, floats, structural


@dataclass(frozen=True)
class Step:
    """One statement, what it does to the model, and the imports it needs."""

    text: str
    apply: Callable[[nn.Module], object]
    imports: tuple[str, ...] = ()


def code(target: nn.Module) -> Code | None:
    """Statements that leave a model of the structure of `target` in `model`, its weights random; None if none do.

    They are believed only where the same calls made on meta give the same classes, names, shapes, kinds of numbers,
    attributes and printed text.
    """
    try:
        first = draft(target)
        model, steps = first.built, []
        for step in _steps(model, target):
            step.apply(model)
            steps.append(step)
        last = compared(model, target)
        if last.unwritable:
            return None
        statements = (f"model = {first.text}", *(step.text for step in steps), *last.statements())
        last.apply()
    except EditError:
        return None
    if (
        differing(facts(model), facts(target))
        or str(model) != str(target)
        or list(model.state_dict()) != list(target.state_dict())
    ):
        return None
    frozen = ["from torchvision.ops import FrozenBatchNorm2d"] * bool(last.frozen)
    return Code(statements, imports=(*first.imports, *(line for step in steps for line in step.imports), *frozen))


def _steps(model: nn.Module, target: nn.Module) -> Iterator[Step]:
    """What puts other modules and numbers of other kinds into `model`; each is to be applied before the next."""
    yield from _replacing(model, target, "")
    yield from _tying(model, target)
    yield from _casting(model, target, "")


def _replacing(model: nn.Module, target: nn.Module, path: str) -> Iterator[Step]:
    ours, theirs = model.get_submodule(path), target.get_submodule(path)
    if not _alike(ours, theirs):
        if not path:
            raise EditError(f"{type(theirs).__name__} cannot be written as a call with plain values.")
        yield _put(model, path, draft(theirs))
        ours = model.get_submodule(path)
        if not _alike(ours, theirs):
            raise EditError(f"{path} cannot be written as a call with plain values.")
    for name, value in vars(theirs).items():
        if name not in vars(ours) and name.isidentifier() and not name.startswith("_"):
            yield _set(model, path, name, value)
    for name in [name for name in ours._modules if name not in theirs._modules]:
        yield _deleted(model, path, name)
    for name, child in theirs._modules.items():
        if child is None:
            continue
        inner = f"{path}.{name}".lstrip(".")
        if ours._modules.get(name) is None:
            yield _put(model, inner, draft(child))
        yield from _replacing(model, target, inner)


def _alike(ours: nn.Module, theirs: nn.Module) -> bool:
    """Whether what differs in a module itself can be changed where it stands; not said of its children."""
    if type(ours) is nn.BatchNorm2d and type(theirs).__name__ == "FrozenBatchNorm2d":
        return True
    if type(ours) is not type(theirs):
        return False
    if type(theirs) in CONTAINERS and list(ours._modules) != list(theirs._modules):
        return False
    mine, its = (facts(_alone(each)) for each in (ours, theirs))
    left = list(filter(structural, differing(mine, its)))
    if any(not name.startswith(MODE) or name.startswith(f"{MODE}_") for _, name in left):
        return False
    return not left or bool([*theirs.children(), *theirs.parameters(recurse=False), *theirs.buffers(recurse=False)])


def _alone(module: nn.Module) -> nn.Module:
    """The module without its children."""
    alone = type(module).__new__(type(module))
    alone.__dict__.update({**module.__dict__, "_modules": {}})
    return alone


def _put(model: nn.Module, path: str, new: Draft) -> Step:
    holder_path, _, name = path.rpartition(".")
    holder = model.get_submodule(holder_path)

    def apply(model: nn.Module) -> None:
        model.get_submodule(holder_path).add_module(name, new.built)

    here = reference(model, path) if holder._modules.get(name) is not None else ""
    if not here and name.isidentifier() and type(holder) not in CONTAINERS:
        here = f"{reference(model, holder_path)}.{name}"
    if not here or here.endswith(")"):
        return Step(f"{reference(model, holder_path)}.add_module({quoted(name)}, {new.text})", apply, new.imports)
    return Step(f"{here} = {new.text}", apply, new.imports)


def _set(model: nn.Module, path: str, name: str, value: Any) -> Step:
    if comparable(value) != comparable(value) or isinstance(value, type) or callable(value):
        raise EditError(f"{path}.{name} is no plain value.")
    return Step(
        f"{reference(model, path)}.{name} = {value!r}", lambda model: setattr(model.get_submodule(path), name, value)
    )


def _deleted(model: nn.Module, path: str, name: str) -> Step:
    here = reference(model, f"{path}.{name}".lstrip("."))
    if here.endswith(")"):
        raise EditError(f"{path}.{name} cannot be deleted by its name.")
    return Step(f"del {here}", lambda model: delattr(model.get_submodule(path), name))


def _tying(model: nn.Module, target: nn.Module) -> Iterator[Step]:
    """Modules that stand at several places, and parameters that several modules share."""
    ours, theirs = facts(model), facts(target)
    for (path, name), first in theirs.items():
        if name != SAME_AS or (path, SAME_AS) in ours:
            continue
        if (path, "dtype") in ours:
            raise EditError(f"{path} is shared.")
        here, there = reference(model, path), reference(model, first)

        def apply(model: nn.Module, path: str = path, first: str = first) -> None:
            model.set_submodule(path, model.get_submodule(first))

        yield Step(f"{here} = {there}", apply)


def _casting(model: nn.Module, target: nn.Module, path: str) -> Iterator[Step]:
    """The largest parts whose numbers are all of another kind."""
    ours, theirs = model.get_submodule(path), target.get_submodule(path)
    wanted = floats(theirs)
    if wanted == floats(ours):
        if len(wanted) < 2:
            return
    elif len(wanted) == 1:
        (dtype,) = wanted
        yield Step(f"{reference(model, path)}.to({dtype})", lambda model: model.get_submodule(path).to(dtype))
        return
    for name, child in theirs._modules.items():
        if child is not None:
            yield from _casting(model, target, f"{path}.{name}".lstrip("."))
