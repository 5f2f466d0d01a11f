"""Another number of classes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Any, ClassVar

from torch import nn

from modelview.edits.append import Append
from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import several
from modelview.edits.pooling import pooling
from modelview.edits.refitting import KINDS
from modelview.edits.replace_layer import placing, put
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.heads import head_sites, is_auxiliary, output_layer
from modelview.layers import Layer, require_memory, widths, written
from modelview.meta import building
from modelview.names import short, unknown
from modelview.script import Code, reference
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.shapes import is_shape, text

ACTIVATIONS = ("ReLU", "GELU", "SiLU", "Hardswish", "LeakyReLU", "ELU", "Tanh", "Sigmoid", "Mish")

Named = tuple[str, str]
"""A name and a layer's text."""


@dataclass(frozen=True)
class Site:
    """Where a head stands, and what a plain one for the new number of classes is.

    auxiliary: it only helps training, as the aux heads of googlenet and deeplab do.
    """

    path: str
    layer: str
    auxiliary: bool = False


@EDITS.register("swap_head")
@dataclass(frozen=True)
class SwapHead(Edit):
    """Predict `num_classes` classes: new last layers, everything before them untouched.

    hidden: widths of layers before the last, each followed by `activation` and, above 0, `dropout`.
    names: a name for each new layer, in order; the tutorials' own (fc1, relu1, dropout1, ...) if empty.
    softmax: end in probabilities. Auxiliary heads get a plain layer.
    Behind a truncation the head is appended: pool, flatten, Linear.
    Raises EditError for a model without classes, and for numbers that cannot be.
    """

    title: ClassVar[str] = "Swap head"

    num_classes: Annotated[int, Ask("Classes")]
    hidden: Annotated[tuple[int, ...], Ask("Hidden widths", "Layers before the last one, such as 512, 128.")] = ()
    names: Annotated[
        tuple[str, ...], Ask("Names", "One for each new layer: fc1, relu1, dropout1, fc2.", rare=True)
    ] = ()
    activation: Annotated[str, Ask(choices=ACTIVATIONS)] = "ReLU"
    dropout: float = 0.0
    softmax: Annotated[bool, Ask("Softmax at the end", "Probabilities instead of logits.")] = False

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        return {"10 classes": cls(10)}

    def __post_init__(self) -> None:
        for name in ("hidden", "names"):
            what = "widths" if name == "hidden" else "names, one for each layer"
            object.__setattr__(self, name, several(getattr(self, name), f"a list of {what}"))

    def plan(self, before: Structure) -> Change:
        self._validate()
        notes = (
            ("It ends in Softmax: train with NLLLoss on its log, since CrossEntropyLoss applies its own.",)
            if self.softmax
            else ()
        )
        if before.heads == ():
            return self._appended(before, notes)
        sites, attributes = self._sites(before)
        if not sites:
            return self._appended(before, notes)
        return self._swapped(before, sites, attributes, notes)

    def _validate(self) -> None:
        for number, what in (
            (self.num_classes, "The number of classes"),
            *((h, "A hidden width") for h in self.hidden),
        ):
            if type(number) is not int or number < 1:
                raise EditError(f"{what} is a whole number from 1 up; got {short(repr(number))}.")
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", str(self.activation), ACTIVATIONS)
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout < 1:
            raise EditError(f"Dropout is a share from 0 to below 1, such as 0.5; got {short(repr(self.dropout))}.")

    def _sites(self, before: Structure) -> tuple[list[Site], tuple[tuple[str, str, int], ...]]:
        """The heads that stand in the model, and the numbers beside them that follow the classes."""
        modules = dict(before.model.named_modules(remove_duplicate=False))
        if before.heads is not None:
            heads = [path for path in before.heads if path in modules]
            return [Site(path, self._plain(before, path), is_auxiliary(path)) for path in heads], ()
        if before.source.heads_by_output:
            path = output_layer(before)
            return [Site(path, self._plain(before, path))] if path else [], ()
        found = head_sites(before.source, self.num_classes)
        sites = []
        for given, old, new in found.layers:
            if (here := before.now(given)) is not None:
                now = modules[here]
                layer = _as_wide(new, now) if type(now) is type(old) else self._plain(before, here)
                sites.append(Site(here, layer, is_auxiliary(given)))
        attributes = ((before.now(path), name, value) for path, name, value in found.attributes)
        return sites, tuple((path, name, value) for path, name, value in attributes if path is not None)

    def _plain(self, before: Structure, path: str) -> str:
        """A plain head in the place of the module at `path`, with its kernel and stride where it has them."""
        old = before.module(path)
        if type(old) in KINDS:
            return _for_classes(old, self.num_classes)
        calls = before.calls(path)
        shape: Any = calls[-1].inputs if calls else None
        if not is_shape(shape) or len(shape) < 2:
            raise EditError(f"The head at `{path}` is never called with one tensor, so its width is unknown.")
        if len(shape) in (4, 5):
            return f"Conv{len(shape) - 2}d({shape[1]}, {self.num_classes}, kernel_size=1)"
        return f"Linear({shape[-1]}, {self.num_classes})"

    def _swapped(
        self,
        before: Structure,
        sites: list[Site],
        attributes: tuple[tuple[str, str, int], ...],
        notes: tuple[str, ...],
    ) -> Change:
        main = [site for site in sites if not site.auxiliary]
        if self._is_deep and len(main) != 1:
            paths = ", ".join(f"`{site.path}`" for site in main)
            raise EditError(
                f"{before.source.title} has {len(main)} heads ({paths}): hidden layers, dropout and softmax go "
                "on a single one. Leave them off, or replace a layer by hand."
            )
        parts = {site.path: self._layers(site.layer) if site in main else (("", site.layer),) for site in sites}
        self._require_memory([layer for layers in parts.values() for _, layer in layers])

        def apply(model: nn.Module) -> nn.Module:
            for path, layers in parts.items():
                put(model, path, _built(layers))
            for path, name, value in attributes:
                setattr(model.get_submodule(path), name, value)
            return model

        lines = [placing(before.model, path, _expression(layers)) for path, layers in parts.items()]
        for path, name, value in attributes:
            lines.append(f"{reference(before.model, path)}.{name} = {value}")
        summary = " · ".join(f"{path} → {_summary(parts[path])}" for path in parts)
        code = Code(tuple(lines), imports=_imports(parts.values()))
        if len(parts) > 3:
            summary = f"{len(parts)} predictor layers → {self.num_classes} classes"
        return Change(summary, apply, code, notes, heads=before.heads, reclassed=True)

    def _appended(self, before: Structure, notes: tuple[str, ...]) -> Change:
        trace = before.trace
        if trace.failed is not None:
            raise EditError(f"The model does not run, so no head fits it: {trace.failed.sentence}")
        if not is_shape(trace.output) or len(trace.output) < 2:
            raise EditError(
                f"The model returns {text(trace.output)}; a head needs one tensor (N, C, ...). "
                "Truncate it at a module that returns one."
            )
        axis = channel_axis(trace, trace.ops[-1].inputs[0]) if trace.ops[-1].inputs else 1
        shape = trace.output
        pools = pooling(shape, axis)
        width = shape[axis] if pools or len(shape) == 2 else prod(shape[1:])
        head = self._layers(f"Linear({width}, {self.num_classes})")
        self._require_memory([layer for _, layer in head])
        summary = f"appended {' → '.join([*(name for name, _ in pools), _summary(head)])}"
        if len(before.example) > 1:  # a Sequential passes one value on
            rows = [(name or "fc", Layer(layer)) for name, layer in (*pools, *head)]
            appended = Append(tuple(rows), "wrap", "backbone").plan(before)
            return replace(appended, summary=summary, notes=notes)

        def apply(model: nn.Module) -> nn.Module:
            whole = nn.Sequential()
            whole.add_module("backbone", model)
            for name, layer in pools:
                whole.add_module(name, Layer(layer).build())
            whole.add_module("fc", _built(head))
            return whole

        listed = [
            ("backbone", "model"),
            *((name, _call(layer)) for name, layer in pools),
            ("fc", _expression(head)),
        ]
        imports = (*_imports([pools, head]), "from collections import OrderedDict")
        code = Code((f"model = {_ordered(listed)}",), imports=imports)
        return Change(summary, apply, code, notes, heads=("fc",), reclassed=True)

    @property
    def _is_deep(self) -> bool:
        return bool(self.hidden or self.dropout or self.softmax)

    def _layers(self, plain: str) -> tuple[Named, ...]:
        """The layers of the head, of which `plain` is the one that stands when there is nothing else."""
        if not self._is_deep:
            if self.names:
                raise EditError("Names are for a head of several layers; this one is a single layer without a name.")
            return (("", plain),)
        layers = list(self._chain(plain))
        if self.names:
            wanted = [name for name, _ in layers]
            if len(self.names) != len(layers) or len(set(self.names)) != len(layers):
                raise EditError(f"This head has {len(layers)} layers ({', '.join(wanted)}): give each its own name.")
            if bad := [name for name in self.names if not name.isidentifier()]:
                raise EditError(f"A layer's name is a Python name, such as fc1; got {bad[0]!r}.")
            layers = [(name, layer) for name, (_, layer) in zip(self.names, layers, strict=True)]
        return tuple(layers)

    def _chain(self, plain: str) -> Iterator[Named]:
        kind, args, kwargs = Layer(plain).parts()
        width, stem = args[0], "fc" if kind == "Linear" else "conv"
        for number, hidden in enumerate(self.hidden, start=1):
            extra = "" if kind == "Linear" else ", kernel_size=1"
            yield f"{stem}{number}", f"{kind}({width}, {hidden}{extra})"
            yield f"{self.activation.lower()}{number}", f"{self.activation}()"
            if self.dropout:
                yield f"dropout{number}", f"Dropout({self.dropout})"
            width = hidden
        if self.dropout and not self.hidden:
            yield "dropout", f"Dropout({self.dropout})"
        more = "".join(f", {value!r}" for value in args[2:]) + "".join(f", {k}={v!r}" for k, v in kwargs.items())
        yield (f"{stem}{len(self.hidden) + 1}" if self.hidden else stem), f"{kind}({width}, {args[1]}{more})"
        if self.softmax:
            yield "output", "Softmax(dim=1)"

    def _require_memory(self, layers: list[str]) -> None:
        with building():
            planned = [Layer(layer).build() for layer in layers]
        size = sum(p.numel() * p.element_size() for layer in planned for p in layer.parameters())
        require_memory(f"A head for {self.num_classes:,} classes", size)


def _built(layers: tuple[Named, ...]) -> nn.Module:
    if not layers[0][0]:
        return Layer(layers[0][1]).build()
    head = nn.Sequential()
    for name, layer in layers:
        head.add_module(name, Layer(layer).build())
    return head


def _call(layer: str) -> str:
    return Layer(layer).code().statements[0]


def _expression(layers: tuple[Named, ...]) -> str:
    return _call(layers[0][1]) if not layers[0][0] else _ordered([(name, _call(layer)) for name, layer in layers])


def _ordered(rows: list[Named]) -> str:
    lines = []
    for name, expression in rows:
        inner = expression.replace("\n", "\n    ")
        lines.append(f'    ("{name}", {inner}),')
    return "\n".join(["nn.Sequential(OrderedDict([", *lines, "]))"])


def _imports(parts: Any) -> tuple[str, ...]:
    parts = list(parts)
    named = any(name for layers in parts for name, _ in layers)
    own = {line for layers in parts for _, layer in layers for line in Layer(layer).code().imports}
    return (*sorted(own), *(("from collections import OrderedDict",) if named else ()))


def _summary(layers: tuple[Named, ...]) -> str:
    return " → ".join(layer.replace("()", "") for _, layer in layers)


def _for_classes(old: nn.Module, num_classes: int) -> str:
    """The layer as text, for another number of outputs."""
    fitted = Layer(written(old)).with_widths((1, widths(old)[0]), (1, num_classes))
    assert fitted is not None  # its widths are known
    return fitted.text


def _as_wide(new: nn.Module, now: nn.Module) -> str:
    """The new layer as text, for as many channels as the one that stands there takes: an input may be joined there."""
    layer = Layer(written(new))
    (taken, _), (planned, made) = widths(now), widths(new)
    fitted = layer.with_widths((1, taken), (1, made)) if taken != planned else layer
    assert fitted is not None  # both widths are known
    return fitted.text
