"""The call of a torchvision class: made, and as code."""

from typing import Any

from torch import nn

from modelview.script import WIDTH, Code, quoted
from modelview.sources._class_arguments import class_called, expression, given, parameters
from modelview.sources._keywords import Keywords
from modelview.sources._vocabulary import public_module

IMPORT = "from torchvision import models"


def called(name: str, keywords: Keywords, *, init: bool) -> nn.Module:
    """The class called with these arguments. init: whether it initialises weights, where it can be told."""
    takes, asked = parameters(name), _quietly(name, keywords, init=init)
    return class_called(name)(**{k: given(takes[k], v, name) for k, v in asked.items()})


def class_call(name: str, keywords: Keywords, *, kind: str = "") -> Code:
    """The statement that leaves the model in `model`. kind: a subclass that is called instead."""
    function = kind or f"{public_module(class_called(name))}.{name}".removeprefix("torchvision.")
    arguments = written(name, keywords)
    line = f"model = {function}({', '.join(f'{k}={v}' for k, v in arguments.items())})"
    if len(line) > WIDTH - 20:
        line = "\n".join([f"model = {function}(", *(f"    {k}={v}," for k, v in arguments.items()), ")"])
    takes = parameters(name)
    found = [expression(takes[k], value, name) for k, value in keywords]
    imports = [each for one in found if one is not None for each in one.imports]
    return Code((line,), imports=(*([] if kind else [IMPORT]), *imports))


def written(name: str, keywords: Keywords) -> dict[str, str]:
    """The arguments as Python, in the order of the class's own."""
    asked, takes = _quietly(name, keywords, init=True), parameters(name)
    found = {}
    for key in (key for key in takes if key in asked):
        as_code = expression(takes[key], asked[key], name)
        value = given(takes[key], asked[key], name) if as_code is None else None
        found[key] = as_code.text if as_code else quoted(value) if isinstance(value, str) else repr(value)
    return found


def _quietly(name: str, keywords: Keywords, *, init: bool) -> dict[str, Any]:
    """`init_weights` said outright where the class warns if it is left out, or it is to be skipped."""
    parameter = parameters(name).get("init_weights")
    usual = parameter is None or parameter.default is init
    return {**({} if usual else {"init_weights": init}), **dict(keywords)}
