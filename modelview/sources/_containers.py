"""A Sequential, ModuleList or ModuleDict of layers that runs them: the module, and how it is written."""

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from modelview.layout import rows
from modelview.script import WIDTH, Code, quoted
from modelview.sources import _blocks


def held(container: str, layers: dict[str, nn.Module], skips: Mapping[str, str]) -> nn.Module:
    """The container of the layers; `skips` has the layer whose output another, by its name, takes too."""
    if container == "modulelist":
        rows = list(layers.values())
        return _blocks.SkipList(rows, _numbers(skips)) if skips else _blocks.LayerList(rows)
    if container == "moduledict":
        return _blocks.SkipDict(layers, dict(skips)) if skips else _blocks.LayerDict(layers)
    return nn.Sequential(OrderedDict(layers))


def holding(container: str, layers: dict[str, str], skips: Mapping[str, str]) -> Code:
    """The constructor of the same with these expressions, as one statement, and what it needs besides."""
    values = list(layers.values())
    if container == "modulelist":
        numbers = [f"{taking}: {skip}" for taking, skip in _numbers(skips).items()]
        return _held("List", ("[", values, "]"), numbers)
    if container == "moduledict":
        items = [f"{quoted(name)}: {layer}" for name, layer in layers.items()]
        return _held("Dict", ("{", items, "}"), [f"{quoted(taking)}: {quoted(skip)}" for taking, skip in skips.items()])
    if list(layers) == [str(number) for number in range(len(layers))]:
        return Code((_call("nn.Sequential(", values, ")"),))
    items = [f"({quoted(name)}, {layer})" for name, layer in layers.items()]
    return Code((_call("nn.Sequential(OrderedDict([", items, "]))"),), imports=("from collections import OrderedDict",))


def _held(kind: str, rows: tuple[str, list[str], str], skips: list[str]) -> Code:
    """A LayerList or LayerDict of the rows, or a SkipList or SkipDict where there are skips."""
    opening, items, closing = rows
    block = getattr(_blocks, f"{'Skip' if skips else 'Layer'}{kind}")
    name, known = block.__name__, _blocks.defining(block)
    if skips:
        line = _call(f"{name}(", [_call(opening, items, closing), _call("skips={", skips, "}")], ")")
    else:
        line = _call(f"{name}({opening}", items, f"{closing})")
    return Code((line,), known.definitions, known.imports)


def _numbers(skips: Mapping[str, str]) -> dict[int, int]:
    return {int(taking): int(skip) for taking, skip in skips.items()}


def _call(opening: str, items: list[str], closing: str) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) < WIDTH - 20 and "\n" not in line:
        return line
    return rows(opening, items, closing)
