"""A module whose children have other names: with a forward that uses them, or with the old ones as properties."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

from torch import fx, nn

from modelview.rewrite.classes import ANY, titled
from modelview.rewrite.drafting import MOST_CHARACTERS, class_name
from modelview.rewrite.rewired_code import base_name, moved_lines
from modelview.rewrite.rewiring import Rewired, plan_rewiring
from modelview.rewrite.signatures import parameters
from modelview.rewrite.wiring import Wiring
from modelview.script import Code

_NO_METHODS = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, fx.GraphModule)
"""Classes whose methods are everybody's."""


@dataclass(frozen=True)
class Renaming:
    """Other names for the children of one module, planned on it and applied to any of the same structure.

    rewired: the forward with the new names; None where the old one stays and properties answer to the old names.
    code: the class, and statements that turn `model`, which stands for the module, into the same.
    """

    wiring: Wiring
    rewired: Rewired | None
    code: Code

    def apply(self, module: nn.Module) -> nn.Module:
        """The module with its children renamed; the given one is used up."""
        if self.rewired is not None:
            return self.rewired.apply(module)
        for old, new in self.wiring.renamed:
            module._modules[new] = module._modules.pop(old)
        made: type[nn.Module] = type(
            self.wiring.class_name,
            (type(module),),
            {"__doc__": self.wiring.title} | {old: _answering(new) for old, new in self.wiring.renamed},
        )
        module.__class__ = made
        return module


def plan_renaming(module: nn.Module, wiring: Wiring, defined: Mapping[str, str], *, inside: bool) -> Renaming:
    """How to rename children of the module. It stays as it is.

    defined: the classes that stand in the script already, by name: another one is not called so, and the same one
        is not written again. inside: whether it is a part of a model, so that others may ask more of it than a call.
    """
    names = _numbered(class_name(wiring.class_name, type(module).__name__))
    plans = (_planned(module, replace(wiring, class_name=name), inside=inside) for name in names)
    return next(p for p in plans if defined.get(p.wiring.class_name, text := p.code.definitions[0]) == text)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name[: MOST_CHARACTERS - 3]}{number}" for number in range(2, 1000))


def _planned(module: nn.Module, wiring: Wiring, *, inside: bool) -> Renaming:
    if not inside or _is_only_called(module):
        rewired = plan_rewiring(module, wiring)
        if rewired.traced:
            return Renaming(wiring, rewired, rewired.code)
    olds = " and ".join(f"`{old}`" for old, _ in wiring.renamed)
    wiring = replace(wiring, title=f"{wiring.title.removesuffix('.')}; the forward still says {olds}.")
    return Renaming(wiring, None, _properties(module, wiring))


def _is_only_called(module: nn.Module) -> bool:
    """Whether its class has no methods for others but `forward`, nor that an argument that may be left out."""
    kinds = takewhile(lambda kind: kind not in _NO_METHODS, type(module).__mro__)
    methods = {name for kind in kinds for name, value in vars(kind).items() if inspect.isfunction(value)}
    public = {name for name in methods if not name.startswith("_")} - {"forward"}
    return not public and all(parameter.default is parameter.empty for parameter in parameters(type(module)))


def _answering(new: str) -> property:
    return property(lambda module: getattr(module, new))


def _properties(module: nn.Module, wiring: Wiring) -> Code:
    base, own = base_name(type(module))
    lines = [f"class {wiring.class_name}({base}):", *titled(wiring.title)]
    untyped = type(module).__module__.startswith("torchvision.")
    typed = "" if untyped else "  # type: ignore[override]"  # the class above it says that it can be set
    for old, new in wiring.renamed:
        lines += ["", "    @property", f"    def {old}(self) -> Any:{typed}", f"        return self.{new}"]
    statements = (*moved_lines(module, wiring.renamed), f"model.__class__ = {wiring.class_name}")
    return Code(statements, ("\n".join(lines),), (ANY, *own))
