"""How two builds of a model differ, and the statements that make the one into the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from modelview.script import quoted, reference

SEVERAL = 3
FROZEN_EPS = FrozenBatchNorm2d(1).eps


@dataclass(frozen=True)
class Difference:
    """What has to be done to `model` for it to have another structure.

    removed: modules to be None. frozen: batch norms to freeze for good, with their eps.
    values: attributes to set. untrained: the largest modules and parameters that must not learn.
    unwritable: what no statement here could change.
    """

    model: nn.Module
    removed: tuple[str, ...]
    frozen: Mapping[str, float]
    values: tuple[tuple[str, str, Any], ...]
    untrained: tuple[str, ...]
    unwritable: tuple[str, ...]

    @property
    def cost(self) -> int:
        """How far away it is; 0 if the structures are equal."""
        written = len(self.removed) + len(self.frozen) + len(self.values) + len(self.untrained)
        return 1000 * len(self.unwritable) + written

    def statements(self) -> tuple[str, ...]:
        """Readable Python that does it to `model`."""
        removed = (f"{self._reference(path)} = None" for path in self.removed)
        return (*self._valuing(), *removed, *self._freezing(), *self._untraining())

    def apply(self) -> None:
        """Does to `model` what the statements do."""
        for path, name, value in self.values:
            setattr(self.model.get_submodule(path), name, value)
        for path in self.removed:
            holder, _, name = path.rpartition(".")
            setattr(self.model.get_submodule(holder), name, None)
        for path, eps in self.frozen.items():
            norm: Any = self.model.get_submodule(path)
            self.model.set_submodule(path, FrozenBatchNorm2d(norm.num_features, eps=eps))
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        for path in self.untrained:
            part = parameters[path] if path in parameters else self.model.get_submodule(path)
            part.requires_grad_(False)

    def _reference(self, path: str) -> str:
        return reference(self.model, path)

    def _valuing(self) -> Iterator[str]:
        """One line each, or a loop where many layers of a kind, which are all there are, get the same value."""
        looped: set[str] = set()
        for path, name, value in self.values:
            kind = type(self.model.get_submodule(path))
            same = {p for p, n, v in self.values if (n, v) == (name, value)}
            every = {p for p, module in self.model.named_modules() if isinstance(module, kind)}
            if len(every) <= SEVERAL or not every <= same or getattr(nn, kind.__name__, None) is not kind:
                yield f"{self._reference(path)}.{name} = {value!r}"
            elif (loop := f"isinstance(module, nn.{kind.__name__}):\n        module.{name} = {value!r}") not in looped:
                looped.add(loop)
                yield f"for module in model.modules():\n    if {loop}"

    def _untraining(self) -> Iterator[str]:
        """One line each, or a loop over many modules of one ModuleDict."""
        for holder, group in groupby(self.untrained, lambda path: path.rpartition(".")[0]):
            paths = list(group)
            names = [path.rpartition(".")[2] for path in paths]
            if len(paths) > SEVERAL and isinstance(self.model.get_submodule(holder), nn.ModuleDict):
                listed = ", ".join(map(quoted, names))
                yield f"for name in [{listed}]:\n    {self._reference(holder)}[name].requires_grad_(False)"
            else:
                yield from (f"{self._reference(path)}.requires_grad_(False)" for path in paths)

    def _freezing(self) -> Iterator[str]:
        """One loop for each eps, over the smallest part of the model whose batch norms are all meant."""
        for eps in dict.fromkeys(self.frozen.values()):
            paths = [path for path in self.frozen if self.frozen[path] == eps]
            top = _common(paths)
            inside = [path for path, m in self.model.get_submodule(top).named_modules() if type(m) is nn.BatchNorm2d]
            holder = self._reference(top)
            exact = inside == [path.removeprefix(f"{top}.") for path in paths]
            where = f"list({holder}.named_modules())"
            if not exact:
                where = f"[(path, {holder}.get_submodule(path)) for path in {inside}]"
            given = "module.num_features" if eps == FROZEN_EPS else f"module.num_features, eps={eps}"
            yield "\n".join(
                [
                    f"for path, module in {where}:",
                    "    if isinstance(module, nn.BatchNorm2d):",
                    f"        {holder}.set_submodule(path, FrozenBatchNorm2d({given}))",
                ]
            )


def compared(model: nn.Module, target: nn.Module) -> Difference:
    """What makes the structure of `model` into that of `target`."""
    mine, theirs = (dict(m.named_modules(remove_duplicate=False)) for m in (model, target))
    removed = tuple(_removed(mine, theirs))
    frozen = {
        path: float(module.eps)
        for path, module in theirs.items()
        if isinstance(module, FrozenBatchNorm2d) and type(mine.get(path)) is nn.BatchNorm2d
    }
    gone = [path for path in mine if path not in theirs and not _inside(path, removed)]
    unwritable = [f"{path} is not there" for path in theirs if path not in mine]
    unwritable += [f"{path} is there" for path in gone]
    values = []
    for path in mine.keys() & theirs.keys() - frozen.keys():
        if type(mine[path]) is not type(theirs[path]):
            unwritable.append(f"{path} is a {type(theirs[path]).__name__}")
        unwritable += _tensors(path, mine[path], theirs[path])
        values += list(_values(path, mine[path], theirs[path]))
        unwritable += _slots(path, mine[path], theirs[path], removed)
    order = list(mine)
    values.sort(key=lambda value: (order.index(value[0]), value[1]))
    untrained, wrong = _untrained(model, target, removed)
    return Difference(model, removed, frozen, tuple(values), tuple(untrained), (*unwritable, *wrong))


def _removed(mine: Mapping[str, nn.Module], theirs: Mapping[str, nn.Module]) -> Iterator[str]:
    """Modules that stand as None in the target."""
    for path in mine:
        holder, _, name = path.rpartition(".")
        if path and path not in theirs and holder in theirs and theirs[holder]._modules.get(name, 0) is None:
            yield path


def _slots(path: str, mine: nn.Module, theirs: nn.Module, removed: Iterable[str]) -> list[str]:
    """None among the modules, which shows in a printed model, is not the same as a plain None."""
    empty = [{n for n, m in each._modules.items() if m is None} for each in (mine, theirs)]
    made = {p.rpartition(".")[2] for p in removed if p.rpartition(".")[0] == path}
    return (
        [f"{path}.{name} is an empty place" for name in empty[0] | made ^ empty[1]]
        if empty[0] | made != empty[1]
        else []
    )


def _common(paths: Iterable[str]) -> str:
    """The innermost module that holds all the modules at `paths`."""
    columns = zip(*(path.split(".")[:-1] for path in paths), strict=False)
    return ".".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, columns))


def _inside(path: str, tops: Iterable[str]) -> bool:
    return any(top in ("", path) or path.startswith(f"{top}.") for top in tops)


def _tensors(path: str, mine: nn.Module, theirs: nn.Module) -> list[str]:
    shapes = [
        {n: (t.shape, t.dtype) for n, t in [*each._parameters.items(), *each._buffers.items()] if t is not None}
        for each in (mine, theirs)
    ]
    return [] if shapes[0] == shapes[1] else [f"{path} has parameters of other shapes"]


def _values(path: str, mine: nn.Module, theirs: nn.Module) -> Iterator[tuple[str, str, Any]]:
    for name, value in vars(theirs).items():
        if name.startswith("_") or name == "training" or not is_plain(value) or name not in vars(mine):
            continue
        if vars(mine)[name] != value:
            yield path, name, value


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, None, or a list of these."""
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _untrained(model: nn.Module, target: nn.Module, removed: Iterable[str]) -> tuple[list[str], list[str]]:
    """The largest parts of which nothing learns in the target, and parameters that no longer can be made to."""
    learns = {name: p.requires_grad for name, p in target.named_parameters()}
    found: list[str] = []
    parts = [*model.named_modules(), *model.named_parameters()]
    wrong = [n for n, p in model.named_parameters() if learns.get(n) and not p.requires_grad]
    for path, part in sorted(parts, key=lambda item: item[0].count(".") if item[0] else -1):
        if _inside(path, found) or _inside(path, removed):
            continue
        inner = (
            [f"{path}.{n}".lstrip(".") for n, _ in part.named_parameters()] if isinstance(part, nn.Module) else [path]
        )
        kept = [n for n in inner if n in learns]
        if kept and not any(learns[n] for n in kept) and not _all_frozen_already(model, kept):
            found.append(path)
    return found, [f"{name} learns" for name in wrong]


def _all_frozen_already(model: nn.Module, names: list[str]) -> bool:
    parameters = dict(model.named_parameters())
    return not any(parameters[n].requires_grad for n in names if n in parameters)
