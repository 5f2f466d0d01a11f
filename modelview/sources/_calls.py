"""What can be called to make a module, and how such a call is written."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from torch import nn
from torchvision import models, ops

from modelview.errors import EditError
from modelview.layout import rows
from modelview.meta import building, to_meta
from modelview.script import quoted
from modelview.sources._making import Bounded
from modelview.sources._signatures import keywords_through

MOST_CALLS = 20_000
"""How often a constructor may call torch."""


@dataclass(frozen=True)
class Draft:
    """An expression, the module on meta that it makes, and how many facts of that are not those that were wanted."""

    text: str
    built: nn.Module
    cost: int = 0
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Callee:
    """What is called: its name in code, its parameters, and the call itself.

    positional: the arguments that are written without their names. given: what is always said, as code.
    """

    name: str
    parameters: Mapping[str, Parameter]
    make: Callable[..., nn.Module]
    positional: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = ()

    def text(self, arguments: Mapping[str, Any]) -> str:
        """The call as code, in the order of the parameters."""
        shown = [written(arguments[name]) for name in self.positional if name in arguments]
        named = {name: arguments[name] for name in self.parameters if name in arguments and name not in self.positional}
        shown += [f"{k}={v}" for k, v in {**self.given, **{k: written(v) for k, v in named.items()}}.items()]
        return rows(f"{self.name}(", shown, ")") if "\n" in "".join(shown) else f"{self.name}({', '.join(shown)})"

    def built(self, arguments: Mapping[str, Any]) -> nn.Module | None:
        """What the call makes, on meta; None where it does not take the arguments. Raises EditError if endless."""
        plain = {k: v.built if isinstance(v, Draft) else v for k, v in arguments.items()}
        try:
            with Bounded(self.name, MOST_CALLS), building():
                made = self.make(**plain)
            return to_meta(made).eval()
        except EditError:
            raise
        except Exception:  # noqa: BLE001 - whatever a constructor raises, these were not its arguments
            return None


def class_of(cls: type[nn.Module]) -> Callee:
    """The constructor of a class of torch or torchvision."""
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    parameters = {k: p for k, p in keywords_through(cls).items() if p.kind in named and k not in ("device", "dtype")}
    needed = (p for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.name in parameters)
    positional = tuple(p.name for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD)
    name, imports = spelled(cls)
    return Callee(name, parameters, cls, positional, imports=imports)


def spelled(cls: type) -> tuple[str, tuple[str, ...]]:
    """A class as code names it, and the imports for that."""
    name = cls.__name__
    if getattr(nn, name, None) is cls:
        return f"nn.{name}", ()
    if getattr(models, name, None) is cls:
        return f"models.{name}", ("from torchvision import models",)
    if getattr(ops, name, None) is cls:
        return f"ops.{name}", ("from torchvision import ops",)
    inner = cls.__module__.removeprefix("torchvision.models.")
    holder: Any = models
    for part in inner.split("."):
        holder = getattr(holder, part, None)
    if getattr(holder, name, None) is cls:
        return f"models.{inner}.{name}", ("from torchvision import models",)
    return name, (f"from {cls.__module__} import {name}",)


def written(value: Any) -> str:
    """An argument as code."""
    if isinstance(value, Draft):
        return value.text
    if isinstance(value, type):
        return spelled(value)[0]
    if isinstance(value, str):
        return quoted(value)
    return repr(value)


def takes(parameter: Parameter, *kinds: str) -> bool:
    """Whether a parameter is of one of these kinds, as its annotation or else its default says; else it is a number."""
    if parameter.annotation is Parameter.empty:
        default = parameter.default
        said = "int float" if default in (None, Parameter.empty) else type(default).__name__
    else:
        said = getattr(parameter.annotation, "__name__", "") + " " + str(parameter.annotation)
    return any(re.search(rf"\b{kind}\b", said) for kind in kinds)


def takes_module(parameter: Parameter) -> bool:
    """Whether a parameter is a module that was made before."""
    kind = parameter.annotation
    if isinstance(kind, str):
        return issubclass(getattr(nn, kind, type), nn.Module)
    named = isinstance(kind, type) and issubclass(kind, nn.Module)
    return named or (takes(parameter, "Module") and not takes_class(parameter))


def takes_class(parameter: Parameter) -> bool:
    return takes(parameter, "Callable", "type")
