"""Shapes of values that nest, and how they are written for people."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any

from torch import Size, Tensor

MANY = 4
"""So many equal shapes in a row are counted, not listed."""


def tree(value: Any) -> Any:
    """The shapes in `value`: a tuple of ints for a tensor, tuples and dicts where values nest, else None.

    >>> import torch
    >>> tree({"out": torch.zeros(1, 2), "pair": [torch.zeros(3), 5]})
    {'out': (1, 2), 'pair': ((3,), None)}
    """
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, tuple | list):
        return tuple(tree(item) for item in value)
    if isinstance(value, Mapping):
        return {str(key): tree(item) for key, item in value.items()}
    return tree(value.tensors) if hasattr(value, "tensors") else None


def skeleton(value: Any) -> Any:
    """The collections in `value` as they are, dicts, lists and tuples of any kind, with a torch.Size for each tensor.

    >>> import torch
    >>> skeleton({"out": torch.zeros(1, 2), "pair": [torch.zeros(3), 5]})
    {'out': torch.Size([1, 2]), 'pair': [torch.Size([3]), None]}
    """
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, Size | str):
        return None
    if isinstance(value, tuple | list | dict):
        return mapped(skeleton, value)
    return None


def has_tensors(collection: Any) -> bool:
    """Whether a skeleton has a tensor anywhere in it."""
    if isinstance(collection, Size) or not isinstance(collection, dict | list | tuple):
        return isinstance(collection, Size)
    return any(map(has_tensors, items(collection)))


def items(collection: Any) -> list[Any]:
    """What a dict, list or tuple holds, in its order."""
    return list(collection.values() if isinstance(collection, dict) else collection)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """A dict, list or tuple of the same kind with what the function makes of each value."""
    return alike(value, [function(item) for item in items(value)])


def alike(value: Any, others: list[Any]) -> Any:
    """A dict, list or tuple of the kind of `value` that holds the others in its order."""
    if isinstance(value, dict):
        return (OrderedDict if isinstance(value, OrderedDict) else dict)(zip(value, others, strict=True))
    if hasattr(value, "_fields"):
        return type(value)(*others)
    return tuple(others) if isinstance(value, tuple) else others


def arguments_tree(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The shapes a call was given: of its one argument, or a tuple of trees where it has several."""
    if len(args) == 1 and not kwargs:
        return tree(args[0])
    named = [shapes for value in kwargs.values() if (shapes := tree(value)) is not None]
    found = (*(tree(value) for value in args), *named)
    return found[0] if len(found) == 1 else found


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors anywhere in `value`."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif hasattr(value, "tensors"):
        yield from tensors(value.tensors)


def is_shape(value: Any) -> bool:
    """Whether a tree is one tensor's shape."""
    return isinstance(value, tuple) and all(isinstance(size, int) for size in value)


def text(shapes: Any) -> str:
    """A tree of shapes as one line.

    >>> text((1, 3, 224, 224)), text({"out": (1, 21), "aux": (1, 21)}), text(((1, 8), None))
    ('1 × 3 × 224 × 224', 'out: 1 × 21, aux: 1 × 21', '(1 × 8, –)')
    >>> text(((1, 8),) * 12), text(((1, 8), (1, 8)))
    ('(12 of 1 × 8)', '(1 × 8, 1 × 8)')
    """
    if shapes is None:
        return "–"
    if isinstance(shapes, dict):
        return ", ".join(f"{name}: {text(shape)}" for name, shape in shapes.items())
    if is_shape(shapes):
        return " × ".join(map(str, shapes)) if shapes else "scalar"
    runs = [(text(shape), len(list(same))) for shape, same in groupby(shapes)]
    shown = ([words] * n if n < MANY else [f"{n} of {words}"] for words, n in runs)
    return "(" + ", ".join(chain.from_iterable(shown)) + ")"
