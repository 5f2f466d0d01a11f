"""Put another layer in a layer's place."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import as_layer
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.layers import Layer, describe
from modelview.script import Code, quoted, reference
from modelview.structure import Structure


@EDITS.register("replace_layer")
@dataclass(frozen=True)
class ReplaceLayer(Edit):
    """Replace the module at `path` by `layer`, with new random weights.

    Raises UnknownName if no module has that path, EditError for "" or a layer that cannot be made.
    """

    title: ClassVar[str] = "Replace layer"

    path: Annotated[ModulePath, Ask("Module")]
    layer: Annotated[Layer, Ask("New layer")]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer", as_layer(self.layer))

    def remedies(self, before: Structure) -> tuple[Edit, ...]:
        """The same layer with the widths of the one that stands there."""
        try:
            calls = before.calls(self.path)
            fitted = self.layer.with_widths(calls[0].inputs, calls[0].outputs) if calls else None
        except (EditError, AttributeError):
            return ()
        return (ReplaceLayer(self.path, fitted),) if fitted is not None and fitted != self.layer else ()

    def plan(self, before: Structure) -> Change:
        old = before.module(self.path)
        new = self.layer.planned()
        if describe(old) == describe(new) and type(old) is type(new):
            raise EditError(f"`{self.path}` is already {describe(old)}.")
        code = self.layer.code()
        return Change(
            f"{self.path} → {describe(new)}",
            lambda model: put(model, self.path, self.layer.build()),
            Code((placing(before.model, self.path, code.statements[0]),), imports=code.imports),
        )


def put(model: nn.Module, path: str, layer: nn.Module) -> nn.Module:
    """`model` with `layer` at `path` and at every other path of the module that was there."""
    old = model.get_submodule(path)
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            model.set_submodule(name, layer)
    return model


def placing(model: nn.Module, path: str, expression: str) -> str:
    """The assignments that put `expression` at `path`, and at every other path of the module that is there."""
    old = model.get_submodule(path)
    paths = [name for name, module in model.named_modules(remove_duplicate=False) if module is old]
    targets = [reference(model, name) for name in paths]
    if any(target.endswith(")") for target in targets):
        return "\n".join(f"model.set_submodule({quoted(name)}, {expression})" for name in paths)
    return " = ".join([*targets, expression])
