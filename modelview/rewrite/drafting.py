"""A recorded forward made whole: what it holds, dropout as modules, what is appended; and as a module."""

import inspect
import re
from typing import Any

from torch import fx, nn
from torch.fx.graph_module import _USER_PRESERVED_ATTRIBUTES_KEY
from torch.nn.modules.conv import _ConvNd

from modelview.layers import Layer
from modelview.rewrite.holding import as_module, hold
from modelview.rewrite.rolling import rolled
from modelview.rewrite.tracing import DROPOUTS, Mode, Recording
from modelview.rewrite.values import Untraceable

Tail = tuple[tuple[str, str], ...]
MOST_CHARACTERS = 50
"""Of the name of a class: two of them stand in one line."""
_TAKEN = {*dir(fx.GraphModule), "meta", "shape_env"} - {*dir(nn.Module)}


def free_names(tail: Tail, module: nn.Module) -> Tail:
    """The tail, under names that the module does not have yet."""
    taken: list[str] = []
    for name, _ in tail:
        tried = [name, *(f"{name}_{n}" for n in range(1, 10_000))]
        taken.append(next(n for n in tried if n not in taken and n not in _TAKEN and not hasattr(module, n)))
    return tuple((name, text) for name, (_, text) in zip(taken, tail, strict=True))


def camel(path: str) -> str:
    """A path as part of a class's name.

    >>> camel("layer3.0"), camel("features.denseblock1")
    ('Layer3_0', 'FeaturesDenseblock1')
    """
    name = ""
    for word in re.findall(r"[A-Za-z]+|\d+", path):
        name += f"_{word}" if word.isdigit() and name[-1:].isdigit() else word[0].upper() + word[1:]
    return name or "Part"


def class_name(name: str, base: str) -> str:
    """`name`, or a shorter one that is neither `base`, the class it is made of, nor one that came before it.

    >>> class_name("ResNetToLayer1", "ResNet"), class_name("ResNetTo" + "Layer1Conv2" * 5, "ResNet")
    ('ResNetToLayer1', 'ResNetToConv2Layer1Conv2Layer1Conv2Layer1Conv2')
    >>> class_name("M" * 60, "M" * 48)[-3:], class_name("M" * 60, "M" * 48 + "2")[-3:]
    ('MM2', 'MM3')
    """
    if len(name) <= MOST_CHARACTERS:
        return name
    words: list[str] = re.findall(r"[A-Z]+[a-z]*[\d_]*|[\d_]+", name.removeprefix(base))
    first, *others = words or [""]
    while others and len(base + first + "".join(others)) > MOST_CHARACTERS:
        del others[0]
    if name.startswith(base) and others:
        return base + first + "".join(others)
    short = name[: MOST_CHARACTERS - 2].rstrip("_")
    if not base.startswith(short):
        return short
    last = base[len(short) :]
    return f"{short}{int(last) + 1 if last.isdigit() else 2}"


def said_out_channels(model: nn.Module) -> int | None:
    """How many channels come out, as the attribute says; a convolution has it for itself."""
    said: Any = getattr(model, "out_channels", None)
    return said if type(said) is int and not isinstance(model, _ConvNd) else None


def set_out_channels(model: nn.Module, out_channels: int) -> None:
    """Sets the attribute that says how many channels come out."""
    remember(model, "out_channels", out_channels)


def remember(model: nn.Module, name: str, value: int) -> None:
    """Sets an attribute, so that a graph module keeps it when it is copied."""
    setattr(model, name, value)
    if isinstance(model, fx.GraphModule):
        kept = model.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {})
        model.meta[_USER_PRESERVED_ATTRIBUTES_KEY] = {**kept, name: value}


class Draft:
    """`graph` is the forward, `kept` a module that holds its layers, `dropouts` the text of those it made.

    kept: holds what there is to keep; only what the graph needs is kept where it is not given.
    Raises Untraceable where a layer has a name that only a graph module cannot give it.
    """

    def __init__(self, recording: Recording, kept: nn.Module | None = None) -> None:
        self.graph = recording.graph
        self.holder = hold(recording)
        self.kept = as_module(self.holder) if kept is None else kept
        if taken := {name for name, _ in self.kept.named_children()} & _TAKEN:
            raise Untraceable(f"{min(taken)} is no name for a layer here")
        self.dropouts = self._name_dropouts()

    def written(self) -> fx.Graph:
        """The graph as it is written: chains of rows are one call."""
        return rolled(self.graph, self.kept)

    def append(self, tail: dict[str, nn.Module]) -> None:
        """Lets the value go through these layers too."""
        output = next(iter(reversed(self.graph.nodes)))
        for name, layer in tail.items():
            self.kept.add_module(name, layer)
            with self.graph.inserting_before(output):
                output.args = (self.graph.call_module(name, output.args),)

    def _name_dropouts(self) -> dict[str, str]:
        """Turns functions that ask for `self.training` into modules: a graph would freeze what it was."""
        names: dict[str, str] = {}
        for node in list(self.graph.nodes):
            given = _arguments(node) if node.target in DROPOUTS else {}
            if not isinstance(given.get("training"), Mode):
                continue
            text = f"{DROPOUTS[node.target]}({given['p']}{', inplace=True' if given['inplace'] else ''})"
            if text not in names:
                ((names[text], _),) = free_names((("dropout", text),), self.kept)
                self.kept.add_module(names[text], Layer(text).build().train(bool(given["training"])))
            with self.graph.inserting_before(node):
                module_call = self.graph.call_module(names[text], (given["input"],))
            module_call.meta.update(node.meta)
            node.replace_all_uses_with(module_call)
            self.graph.erase_node(node)
        return {name: text for text, name in names.items()}

    def module(self, class_name: str) -> fx.GraphModule:
        """The graph as a module of that class name, which holds what `kept` does."""
        made = fx.GraphModule(self.kept, self.graph, class_name)
        for found in ("_modules", "_parameters", "_buffers"):  # fx copies only what the graph names, in its order
            own, kept = getattr(made, found), getattr(self.kept, found)
            own.clear()
            own.update(kept)
        made._non_persistent_buffers_set = set(self.kept._non_persistent_buffers_set)
        return made


def _arguments(node: fx.Node) -> dict[str, Any]:
    assert callable(node.target)
    bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    if isinstance(bound.arguments["training"], Mode) and not isinstance(bound.arguments["p"], int | float):
        raise Untraceable("dropout with a computed probability")
    return bound.arguments
