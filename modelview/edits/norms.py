"""Batch-norm layers fixed for good: in train mode neither their statistics nor their weights move."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from modelview.errors import EditError
from modelview.script import Code, quoted

_FUNCTION = '''
def freeze_batchnorms(model: nn.Module, *parts: str) -> None:
    """Put FrozenBatchNorm2d, in which nothing moves, for each BatchNorm2d in `parts`, values kept."""
    for path, norm in list(model.named_modules()):
        if isinstance(norm, nn.BatchNorm2d) and any(f"{path}.".startswith(f"{part}.") for part in parts):
            fixed = FrozenBatchNorm2d(norm.num_features, eps=norm.eps).to(norm.weight.dtype)
            fixed.load_state_dict(norm.state_dict())
            model.set_submodule(path, fixed)
'''


@dataclass(frozen=True)
class Fixing:
    """Batch-norm layers by path, planned on one model and fixed in any of the same structure.

    parts: the largest modules that hold these batch-norm layers and no other. aliases: (path, first path) of layers
    that stand at several places.
    """

    parts: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]

    def apply(self, model: nn.Module) -> nn.Module:
        """The model itself, its batch-norm layers replaced."""
        freeze_batchnorms(model, *self.parts)
        for path, first in self.aliases:
            model.set_submodule(path, model.get_submodule(first))
        return model

    def code(self) -> Code:
        """Statements that do the same."""
        call = f"freeze_batchnorms(model, {', '.join(map(quoted, self.parts))})"
        if len(call) > 100:
            listed = "".join(f"    {quoted(part)},\n" for part in self.parts)
            call = f"freeze_batchnorms(\n    model,\n{listed})"
        again = (f"model.set_submodule({quoted(p)}, model.get_submodule({quoted(first)}))" for p, first in self.aliases)
        return Code((call, *again), (_FUNCTION,), ("from torchvision.ops import FrozenBatchNorm2d",))


def freeze_batchnorms(model: nn.Module, *parts: str) -> None:
    """Put FrozenBatchNorm2d, in which nothing moves, for each BatchNorm2d in `parts`, values kept."""
    for path, norm in list(model.named_modules()):
        if isinstance(norm, nn.BatchNorm2d) and any(f"{path}.".startswith(f"{part}.") for part in parts):
            fixed = FrozenBatchNorm2d(norm.num_features, eps=norm.eps).to(norm.weight.dtype)
            fixed.load_state_dict(norm.state_dict())
            model.set_submodule(path, fixed)


def whole_norms(model: nn.Module, frozen: Iterable[str]) -> list[str]:
    """Paths of the batch-norm layers whose parameters, if they have any, are all among `frozen`."""
    frozen = set(frozen)
    return [
        path
        for path, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and (own := {name for name, _ in module.named_parameters(prefix=path)})
        and own <= frozen
    ]


def plan_fixing(model: nn.Module, paths: list[str]) -> Fixing:
    """How to fix the batch-norm layers at `paths`. Raises EditError for one that FrozenBatchNorm2d cannot stand for."""
    for path in paths:
        _require_fixable(path, model.get_submodule(path))
    first: dict[int, str] = {}
    for path in paths:
        first.setdefault(id(model.get_submodule(path)), path)
    aliases = ((path, first[id(model.get_submodule(path))]) for path in paths)
    return Fixing(tuple(_parts("", model, set(paths))), tuple((path, own) for path, own in aliases if path != own))


def _require_fixable(path: str, norm: nn.Module) -> None:
    kind, otherwise = type(norm).__name__, 'leave it out with except_, or use batchnorm="train"'
    if not path:
        raise EditError(f"The whole model is a {kind} and cannot be replaced inside itself; {otherwise}.")
    if not isinstance(norm, nn.BatchNorm2d):
        raise EditError(
            f"`{path}` is a {kind}, and FrozenBatchNorm2d takes four dimensions (N, C, H, W) only: {otherwise} and "
            "call eval() on it after each train()."
        )
    if norm.running_mean is None:
        raise EditError(f"`{path}` keeps no statistics (track_running_stats=False) to be frozen at: {otherwise}.")


def _parts(path: str, module: nn.Module, chosen: set[str]) -> Iterator[str]:
    named = module.named_modules(prefix=path, remove_duplicate=False)
    inner = {name for name, each in named if isinstance(each, nn.BatchNorm2d)}
    if path and inner and inner <= chosen:
        yield path
    elif inner & chosen:
        for name, child in module.named_children():
            yield from _parts(f"{path}.{name}" if path else name, child, chosen)
