"""The layers that turn a feature map into one vector an item."""

from collections.abc import Iterator

Named = tuple[str, str]
"""A name and a layer's text."""


def pooling(shape: tuple[int, ...], axis: int, *, pool: bool = True, flatten: bool = True) -> tuple[Named, ...]:
    """The layers that average a tensor of `shape` (N, ...) over all positions and flatten it.

    axis: where its channels are. None are needed for (N, C).

    >>> pooling((1, 512, 7, 7), 1)
    (('pool', 'AdaptiveAvgPool2d(1)'), ('flatten', 'Flatten(1)'))
    >>> pooling((1, 7, 7, 512), 3)[0]
    ('permute', 'Permute([0, 3, 1, 2])')
    """
    return tuple(_pooling(shape, axis, pool, flatten))


def _pooling(shape: tuple[int, ...], axis: int, pool: bool, flatten: bool) -> Iterator[Named]:
    dims = len(shape)
    if dims < 3:
        return
    if pool:
        if axis != 1:
            order = [0, axis, *(dim for dim in range(1, dims) if dim != axis)]
            yield "permute", f"Permute({order})"
        if dims <= 5:
            yield "pool", f"AdaptiveAvgPool{dims - 2}d(1)"
    if flatten:
        yield "flatten", "Flatten(1)"
