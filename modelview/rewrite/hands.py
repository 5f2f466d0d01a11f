"""What an edit does with values: said once, and then drawn into a graph or done to tensors."""

import operator
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from torch import Size, Tensor, fx, nn

from modelview.trace.shapes import alike, has_tensors, mapped


class Hand(ABC):
    """The few things that an edit may do with the values of a forward pass."""

    @abstractmethod
    def input(self, name: str) -> Any:
        """The further input of `forward` that has this name."""

    @abstractmethod
    def layer(self, name: str, value: Any) -> Any:
        """What the new layer of this name makes of the value."""

    @abstractmethod
    def function(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function's result."""

    @abstractmethod
    def method(self, name: str, value: Any, *args: Any) -> Any:
        """The result of the value's own method."""

    @abstractmethod
    def each(self, function: Callable[[Any], Any], value: Any, collection: Any) -> Any:
        """A collection of the same kind, with what the function makes of each tensor in `value`.

        collection: the dicts, lists and tuples themselves, a torch.Size for a tensor; None where `value` is one.
        """

    def inside(self, value: Any) -> Any:
        """The value, to be written inside the expression that uses it."""
        return value

    def joined(self, value: Any, more: tuple[Any, ...]) -> Any:
        """A tuple with what both hold, `value` being one already."""
        if isinstance(value, tuple):
            return (*value, *more)
        return self.function(operator.add, value, more)

    def merged(self, value: Any, more: dict[str, Any]) -> Any:
        """A dict with what both hold, `value` being one already."""
        if isinstance(value, dict):
            return {**value, **more}
        return self.function(operator.or_, value, more)


class Doing(Hand):
    """Does it: values are tensors, layers are the model's own children."""

    def __init__(self, model: nn.Module, names: Mapping[str, str], inputs: Mapping[str, Any]) -> None:
        self._model, self._names, self._inputs = model, names, inputs

    def input(self, name: str) -> Any:
        return self._inputs[name]

    def layer(self, name: str, value: Any) -> Any:
        return self._model.get_submodule(self._names[name])(value)

    def function(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def method(self, name: str, value: Any, *args: Any) -> Any:
        return getattr(value, name)(*args)

    def each(self, function: Callable[[Any], Any], value: Any, collection: Any) -> Any:
        if isinstance(value, Tensor):
            return function(value)
        if isinstance(value, dict | list | tuple) and not isinstance(value, Size):
            return mapped(lambda item: self.each(function, item, collection), value)
        return value


class Drawing(Hand):
    """Writes it into a graph, where the graph inserts; values are nodes."""

    def __init__(self, graph: fx.Graph, names: Mapping[str, str]) -> None:
        self.graph, self._names = graph, names

    def input(self, name: str) -> fx.Node:
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        found: fx.Node | None = next((node for node in placeholders if node.target == name), None)
        if found is not None:
            return found
        first = next(iter(self.graph.nodes), None)
        needed = [node for node in placeholders if not node.args]  # the others have a default
        after = needed[-1].next if needed else first
        if after is None:
            return self.graph.placeholder(name)
        with self.graph.inserting_before(after):
            return self.graph.placeholder(name)

    def inside(self, value: Any) -> Any:
        value.meta["inline"] = True
        return value

    def layer(self, name: str, value: Any) -> fx.Node:
        return self.graph.call_module(self._names[name], (value,))

    def function(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self.graph.call_function(function, args, kwargs)

    def method(self, name: str, value: Any, *args: Any) -> fx.Node:
        return self.graph.call_method(name, (value, *args))

    def each(self, function: Callable[[Any], Any], value: Any, collection: Any) -> Any:
        if isinstance(value, dict | list | tuple):  # what was recorded inside the module
            return mapped(lambda item: self.each(function, item, None), value)
        if not isinstance(value, fx.Node):
            return value
        if collection is None or isinstance(collection, Size):
            return function(value)
        if isinstance(collection, dict):
            return alike(collection, [self._of_part(function, value, *item) for item in collection.items()])
        return alike(collection, [self._of_part(function, value, *item) for item in enumerate(collection)])

    def _of_part(self, function: Callable[[Any], Any], value: fx.Node, key: Any, collection: Any) -> Any:
        part = self.inside(self.function(operator.getitem, value, key))
        if not has_tensors(collection):
            return part
        return self.inside(function(part)) if isinstance(collection, Size) else self.each(function, part, collection)

    def whole(self, value: Any) -> Any:
        """A collection of nodes as one argument, of its own kind."""
        if isinstance(value, fx.Node) or not isinstance(value, dict | list | tuple):
            return value
        if isinstance(value, OrderedDict):
            return self.function(OrderedDict, [(key, self.whole(item)) for key, item in value.items()])
        if hasattr(value, "_fields"):
            return self.function(type(value), *map(self.whole, value))
        return mapped(self.whole, value)
