"""What a module is, in few words."""

from collections import Counter
from typing import Any

from torch import nn

_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


def brief(module: nn.Module) -> str:
    """Kind and the numbers that matter.

    >>> brief(nn.Conv2d(3, 64, 7, stride=2)), brief(nn.Linear(2048, 10)), brief(nn.ReLU(inplace=True))
    ('Conv2d 7×7, 3 → 64, stride 2', 'Linear 2048 → 10', 'ReLU')
    """
    kind = type(module).__name__
    if isinstance(module, _CONVOLUTIONS):
        extra = f", stride {_sizes(module.stride)}" if set(_all(module.stride)) != {1} else ""
        extra += f", {module.groups} groups" if module.groups > 1 else ""
        return f"{kind} {_sizes(module.kernel_size, short=False)}, {module.in_channels} → {module.out_channels}{extra}"
    if isinstance(module, nn.Linear):
        return f"{kind} {module.in_features} → {module.out_features}"
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return f"{kind} {module.num_features}"
    return kind


def contents(module: nn.Module) -> str:
    """What a container is made of where it repeats itself, else its kind.

    >>> contents(nn.Sequential(*(nn.Linear(2, 2) for _ in range(6))))
    '6 × Linear'
    >>> contents(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    'Sequential of 2'
    """
    children = list(_children(module))
    own, plain = type(module).__name__, type(module) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    kinds = Counter(type(child).__name__ for child in children)
    kind, count = kinds.most_common(1)[0] if kinds else ("", 0)
    same = [child for child in children if type(child).__name__ == kind]
    nested = all(next(child.children(), None) is not None for child in same)
    if count > 1 and ((plain and count == len(children)) or (nested and 2 * _size(same) > _size([module]))):
        return f"{count} × {kind}" if plain else f"{own} · {count} × {kind}"
    return f"{own} of {len(children)}" if plain else own


def _children(module: nn.Module) -> Any:
    """Direct children; those of a list or dict of modules in its place."""
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict | nn.Sequential) and len(child) > 1:
            first, *rest = (type(inner) for inner in child.children())
            if next(next(child.children()).children(), None) is not None and set(rest) == {first}:
                yield from child.children()
                continue
        yield child


def _size(found: list[nn.Module]) -> int:
    return sum(p.numel() for p in nn.ModuleList(found).parameters())


def _all(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _sizes(value: Any, *, short: bool = True) -> str:
    sizes = _all(value)
    return str(sizes[0]) if short and len(set(sizes)) == 1 else "×".join(map(str, sizes))
