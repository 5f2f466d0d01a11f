"""One row of a container: a layer, a block or a model as a line of text, where `_` is the width that comes in."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from modelview.errors import EditError
from modelview.layers import KNOWN, Layer, bare, not_taken, only_call
from modelview.names import short, unknown
from modelview.script import Code
from modelview.sources import _blocks
from modelview.sources._making import on_meta
from modelview.sources._skips import Skip, require_fit, up_width
from modelview.sources.base import Shape, Source
from modelview.trace.shapes import is_shape, text

_OURS: dict[str, type[nn.Module]] = {
    "DoubleConv": _blocks.DoubleConv,
    "Down": _blocks.Down,
    "Up": _blocks.Up,
    "OutConv": _blocks.OutConv,
    "UNet": _blocks.UNet,
}
_RESIDUAL: dict[str, Any] = {"BasicBlock": BasicBlock, "Bottleneck": Bottleneck}
BLOCKS: dict[str, Any] = _OURS | _RESIDUAL
"""What a row may be beside a layer: blocks that take one tensor, and Up, which takes a skip too."""

Models = tuple[tuple[str, Source], ...]
"""Models of the user's own that rows may call, by name."""

_OF_FEATURES = ("Linear", "LayerNorm", "RMSNorm", "RNN", "LSTM", "GRU", "Transformer")
"""Classes, by how they begin, whose width is the last axis; that of all others is axis 1, the channels."""


@dataclass(frozen=True)
class Part:
    """A layer, or one of BLOCKS, called with plain values; `_` among them is the width that comes in.

    models: what may be called beside them, as in "backbone()", without any values.
    BasicBlock and Bottleneck get the 1 x 1 shortcut that torchvision's ResNet gives them where widths or sizes differ.

    >>> Part("Conv2d(_, 64, 7)").fitted((1, 3, 224, 224))
    Part(text='Conv2d(3, 64, 7)', models=())
    """

    text: str
    models: Models = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", bare(self.text))

    def fitted(self, inputs: Any) -> "Part":
        """With every `_` as the width of `inputs`. Raises EditError, UnknownName."""
        return self._filled(self._width(inputs)) if self._holes() else self

    @property
    def takes_skip(self) -> bool:
        """Whether it takes the output of an earlier row too. Raises EditError, UnknownName."""
        return self._name == "Up"

    def skip_apart(self) -> tuple["Part", str | None]:
        """Without `skip=`, which is the row's and no argument of the block, and the row that it names."""
        call, skip, kept = self._call(), None, []
        for value in (*call.args, *call.keywords):
            if isinstance(value, ast.keyword) and value.arg == "skip":
                skip = str(self._plain(value.value))  # in a ModuleList rows are called by numbers
            else:
                kept.append(str(ast.get_source_segment(self.text, value)))
        return (self, None) if skip is None else (replace(self, text=f"{self._name}({', '.join(kept)})"), skip)

    def fitted_with(self, name: str, inputs: Shape, skip: Skip) -> "Part":
        """The row `name` with every `_` as its width beside this skip. Raises EditError where the two do not fit."""
        given = self._filled(1)._bound(signature(BLOCKS[self._name]).bind).arguments
        bilinear = bool(given.get("bilinear"))
        part = self._filled(up_width(inputs, skip, bilinear=bilinear)) if self._holes() else self
        taken = part._bound(signature(BLOCKS[self._name]).bind).arguments["in_channels"]
        require_fit(name, taken, inputs, skip, bilinear=bilinear)
        return part

    def model(self) -> Source | None:
        """The model that the text calls; None where it is a layer or a block. Raises EditError, UnknownName."""
        call = self._call()
        found = dict(self.models).get(self._name)
        if found is not None and (call.args or call.keywords):
            raise EditError(
                f"{self._name} is a model that was made already, so it takes nothing: write {self._name}()."
            )
        return found

    def structure(self) -> nn.Module:
        """The layer, block or model on meta. Raises EditError as `build`."""
        model = self.model()
        return model.structure() if model is not None else on_meta(self.text, self.build)

    def build(self) -> nn.Module:
        """The layer with random weights, an Identity for a model, which is made elsewhere.

        Raises EditError where the class does not take the arguments.
        """
        if self.model() is not None:
            return nn.Identity()
        if self._name not in BLOCKS:
            return Layer(self.text).build()
        shortcut = self._shortcut()
        given = {"downsample": nn.Sequential(*(layer.build() for layer in shortcut))} if shortcut else {}
        block: nn.Module = self._bound(BLOCKS[self._name], **given)
        return block

    def code(self) -> Code:
        """The constructor call as one expression, with the classes and imports it needs."""
        if self.model() is not None:
            return Code((f"{self._name}()",))
        if self._name in _OURS:
            known = _blocks.defining(_OURS[self._name])
            return Code((self.text,), definitions=known.definitions, imports=known.imports)
        if self._name not in _RESIDUAL:
            return Layer(self.text).code()
        layers = ", ".join(layer.code().statements[0] for layer in self._shortcut())
        given = self.text.partition("(")[2].rpartition(")")[0].rstrip(", ")
        wide = f"{self._name}(\n    {given},\n    downsample=nn.Sequential({layers}),\n)"
        return Code((wide if layers else self.text,), imports=(f"from torchvision.models.resnet import {self._name}",))

    @property
    def _name(self) -> str:
        return self._named_call()[1]

    def _call(self) -> ast.Call:
        return self._named_call()[0]

    def _named_call(self) -> tuple[ast.Call, str]:
        """The parsed text, and its class, which is known. Raises EditError, UnknownName."""
        try:
            call, name = only_call(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._not_plain() from error
        if name.startswith("Lazy") and name in KNOWN:
            raise EditError(f"{name} has no width before its first batch: write {name[4:]} with `_` for what comes in.")
        if name not in KNOWN and name not in BLOCKS and name not in dict(self.models):
            raise unknown("layer or block", name, sorted({*KNOWN, *BLOCKS, *dict(self.models)}))
        return call, name

    def _holes(self) -> list[ast.expr]:
        call = self._call()
        return [value for value in (*call.args, *(word.value for word in call.keywords)) if _is_hole(value)]

    def _filled(self, width: int) -> "Part":
        line = self.text.encode()
        for hole in sorted(self._holes(), key=lambda node: node.col_offset, reverse=True):
            line = line[: hole.col_offset] + str(width).encode() + line[hole.end_col_offset :]
        return replace(self, text=line.decode())

    def _not_plain(self) -> EditError:
        name = self.text.strip()
        if name in BLOCKS or name in KNOWN or name in dict(self.models):
            values = "" if name in dict(self.models) else "..."
            return EditError(f"Write {name} as a call: {name}({values}).")
        return EditError(
            "A layer is a class called with plain values on one line, such as Conv2d(_, 64, 7, stride=2) or "
            f"Down(_, 128); got {short(self.text)!r}."
        )

    def _width(self, inputs: Any) -> int:
        if not is_shape(inputs) or len(inputs) < 2:
            raise EditError(f"`_` is the width of a tensor (N, C, ...), and {text(inputs)} comes in: write the number.")
        if not self._name.startswith(_OF_FEATURES):
            return int(inputs[1])
        if len(inputs) > 3:
            raise EditError(
                f"`_` of {self._name} is the width of (N, C) or (N, L, C), and {text(inputs)} comes in: put Flatten() "
                "before it, or write the number."
            )
        return int(inputs[-1])

    def _bound(self, function: Callable[..., Any], **given: Any) -> Any:
        """The block's class, or its signature's `bind`, called with what the text says."""
        call = self._call()
        args = [self._plain(value) for value in call.args]
        kwargs = {str(word.arg): self._plain(word.value) for word in call.keywords}
        try:
            return function(*args, **kwargs, **given)
        except Exception as error:
            raise not_taken(self._name, BLOCKS[self._name], error) from error

    def _plain(self, value: ast.expr) -> Any:
        try:
            return ast.literal_eval(value)
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._not_plain() from error

    def _shortcut(self) -> tuple[Layer, ...]:
        """The layers that bring a residual block's input to the form of its output; () where it has that form."""
        block = _RESIDUAL.get(self._name)
        if block is None:
            return ()
        given = self._bound(signature(block).bind).arguments
        stride, inner, planes = given.get("stride", 1), given["inplanes"], given["planes"]
        if "downsample" in given or not all(type(each) is int for each in (stride, inner, planes)):
            return ()  # what it comes to is the block's own affair
        outer = planes * block.expansion
        if stride == 1 and inner == outer:
            return ()
        return Layer(f"Conv2d({inner}, {outer}, 1, {stride}, bias=False)"), Layer(f"BatchNorm2d({outer})")


def _is_hole(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "_"
