"""A layer as one line of text: what the user types, what JSON stores, what is exported."""

import ast
import os
import re
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from torch import nn
from torchvision import ops

from modelview.errors import EditError
from modelview.meta import building
from modelview.names import reason, short, unknown
from modelview.script import Code, quoted

_TORCH = {n: c for n, c in vars(nn).items() if isinstance(c, type) and issubclass(c, nn.Module)}
_VISION = {n: getattr(ops, n) for n in ("FrozenBatchNorm2d", "Permute", "SqueezeExcitation", "StochasticDepth")}
KNOWN: dict[str, Any] = _TORCH | _VISION
"""Every class that a layer may be: torch.nn's, and a few of torchvision.ops that models are made of."""

_WIDTHS: dict[str, tuple[tuple[str, ...], int, int]] = {
    "Linear": (("in_features", "out_features"), 0, -1),
    "Conv": (("in_channels", "out_channels"), 0, 1),
    "BatchNorm": (("num_features",), 0, 1),
    "FrozenBatchNorm": (("num_features",), 0, 1),
    "InstanceNorm": (("num_features",), 0, 1),
    "GroupNorm": (("num_channels",), 1, 1),
    "LayerNorm": (("normalized_shape",), 0, -1),
    "RMSNorm": (("normalized_shape",), 0, -1),
}
"""The arguments of a class that say how many channels go in and come out, the place of the first, and their axis."""

_ABSTRACT = {"Module", "Container", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
_ABSTRACT |= {name for name in KNOWN if name.startswith("Lazy")}  # these have no shapes before they have run


@dataclass(frozen=True)
class Layer:
    """A call of one `torch.nn` class with literal arguments.

    >>> Layer("Linear(512, 10)").build()
    Linear(in_features=512, out_features=10, bias=True)
    >>> Layer("Conv2d(3,8,(3,3),padding_mode='zeros')").code().statements
    ('nn.Conv2d(3, 8, (3, 3), padding_mode="zeros")',)
    """

    text: str

    def __post_init__(self) -> None:
        if isinstance(self.text, str):
            object.__setattr__(self, "text", bare(self.text))

    @classmethod
    def called(cls, name: str, args: list[Any], kwargs: dict[str, Any]) -> "Layer":
        """The layer with these parts."""
        return cls(_call(name, args, kwargs))

    def parts(self) -> tuple[str, list[Any], dict[str, Any]]:
        """The class's name, its positional and its keyword arguments. Raises EditError, UnknownName."""
        try:
            call, name = only_call(self.text.strip())
            if any(keyword.arg is None for keyword in call.keywords):
                raise ValueError("not plain keywords")
            args = [ast.literal_eval(arg) for arg in call.args]
            kwargs = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if self.text in KNOWN:
                raise EditError(f"Write {self.text} as a call: {self.text}(...).") from error
            if re.search(r"[(,=]\s*_\s*[,)]", self.text):
                raise EditError(
                    f"`_` is a width in the rows of a model that is built; here write the number: {short(self.text)!r}."
                ) from error
            raise EditError(
                "A layer is a torch.nn class called with plain values, such as "
                f"Conv2d(3, 64, 7, stride=2); got {short(self.text)!r}."
            ) from error
        if name not in KNOWN or name in _ABSTRACT:
            raise unknown("layer class", name, sorted(KNOWN.keys() - _ABSTRACT))
        return name, args, kwargs

    def with_widths(self, inputs: Any, outputs: Any) -> "Layer | None":
        """The layer as it would have to be to make a tensor of shape `outputs` of one of shape `inputs`.

        None for classes whose widths are not known, and for shapes that are no tensor's.

        >>> Layer("Conv2d(3, 8, 7, stride=2)").with_widths((1, 64, 56, 56), (1, 128, 28, 28))
        Layer(text='Conv2d(64, 128, 7, stride=2)')
        """
        name, args, kwargs = self.parts()
        names, first, axis = _widths_of(name)
        for position, (keyword, shape) in enumerate(zip(names, (inputs, outputs), strict=False), start=first):
            if not isinstance(shape, tuple) or len(shape) < 2 or not isinstance(shape[axis], int):
                return None
            given = kwargs.get(keyword, args[position] if position < len(args) else None)
            width = shape[-len(given) :] if axis == -1 and isinstance(given, tuple) else shape[axis]
            if keyword in kwargs or position > len(args):
                kwargs[keyword] = width
            else:
                args[position : position + 1] = [width]
        return self.called(name, args, kwargs) if names else None

    @property
    def leaves_widths_open(self) -> bool:
        """Whether none of its widths is given."""
        name, args, kwargs = self.parts()
        names, first, _ = _widths_of(name)
        return bool(names) and len(args) <= first and not kwargs.keys() & set(names)

    @property
    def takes_last(self) -> bool:
        """Whether the channels that it takes are the last axis."""
        return _widths_of(self.parts()[0])[2] == -1

    def build(self) -> nn.Module:
        """The layer with random weights. Raises EditError where the class does not take the arguments."""
        name, args, kwargs = self.parts()
        try:
            layer: nn.Module = KNOWN[name](*args, **kwargs)
        except Exception as error:
            raise not_taken(name, KNOWN[name], error) from error
        return layer

    def planned(self) -> nn.Module:
        """The layer on meta. Raises EditError as `build`, for a width of 0, and for more than this machine's memory."""
        self.parts()
        with building():
            layer = self.build()
        sizes = [p.numel() * p.element_size() for p in layer.parameters()]
        if 0 in sizes:
            raise EditError(f"{short(self.text)} would hold no weights: widths are whole numbers from 1 up.")
        require_memory(short(self.text), sum(sizes))
        return layer

    def code(self) -> Code:
        """The constructor call as one expression, spaced as formatters space it, and the imports it needs."""
        name, args, kwargs = self.parts()
        if name in _VISION:
            return Code((f"ops.{_call(name, args, kwargs)}",), imports=("from torchvision import ops",))
        return Code((f"nn.{_call(name, args, kwargs)}",))


def _call(name: str, args: list[Any], kwargs: dict[str, Any]) -> str:
    values = [*map(_literal, args), *(f"{key}={_literal(value)}" for key, value in kwargs.items())]
    return f"{name}({', '.join(values)})"


def _literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def bare(text: str) -> str:
    """Layer text without the `nn.` with which it stands in code.

    >>> bare(" torch.nn.ReLU()"), bare("nn.Linear(3, 4)"), bare("ReLU()")
    ('ReLU()', 'Linear(3, 4)', 'ReLU()')
    """
    return re.sub(r"^\s*(?:torch\.)?nn\.(?=\w)", "", text)


def only_call(text: str) -> tuple[ast.Call, str]:
    """The call that is all of `text`, on one line, and the name that is called. Raises SyntaxError, ValueError."""
    call = ast.parse(text, mode="eval").body
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        raise ValueError("not a call of a name")
    if len(text.splitlines()) > 1 or ast.get_source_segment(text, call) != text:
        raise ValueError("a comment, brackets or a line break around the call")
    return call, call.func.id


def not_taken(name: str, made: Any, error: Exception) -> EditError:
    """The error for a class or function `made`, called `name`, that raised `error` for its arguments."""
    said = reason(error, 200)
    if missing := re.search(r"missing (?:a|\d+) required (?:positional |keyword-only )?arguments?: (.*)", said):
        return EditError(f"{name} also needs {missing[1]}.")
    if wrong := re.search(r"unexpected keyword argument '(\w+)'", said):
        return unknown(f"argument of {name}", wrong[1], _named(made))
    if twice := re.search(r"multiple values for argument ('\w+')", said):
        return EditError(f"{name} gets {twice[1]} twice.")
    if re.search(r"positional arguments? but \d+ were given|too many positional", said):
        return EditError(f"{name} gets more values than it takes: {', '.join(_named(made))}.")
    said = said.removeprefix(f"{name}.").removeprefix("__init__() ")
    return EditError(f"{name} does not take these arguments: {said}.")


def _named(made: Any) -> list[str]:
    """The arguments of a class or function by name; those of a class that it stands on where it says only *args."""
    for kind in getattr(made, "__mro__", (made,)):
        known = list(signature(kind).parameters.values())
        if not any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in known):
            return [parameter.name for parameter in known]
    return []


def require_memory(
    what: str, size_bytes: int, *, of: str = " of weights", remedy: str = "Choose smaller widths."
) -> None:
    """Raises EditError if `size_bytes` is more than this machine has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size_bytes > memory:
        raise EditError(
            f"{what} would take {size_bytes / 1e9:,.0f} GB{of}; this machine has {memory / 1e9:,.0f} GB. {remedy}"
        )


def widths(module: Any) -> tuple[int, int]:
    """How many features or channels a Linear or a convolution takes, and makes."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return module.in_channels, module.out_channels


def _widths_of(name: str) -> tuple[tuple[str, ...], int, int]:
    return next((row for kind, row in _WIDTHS.items() if name.startswith(kind)), ((), 0, 1))


def describe(module: nn.Module) -> str:
    """The module as layer text where its repr is one, else the name of its class.

    >>> describe(nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
    'Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)'
    """
    if next(module.children(), None) is not None:
        return type(module).__name__
    return f"{type(module).__name__}({module.extra_repr()})"


def plain_kind(module: nn.Module) -> str:
    """The class that can be typed: the module's own, or the nearest one that it stands on; "" where there is none."""
    kinds = (kind for kind in type(module).__mro__ if KNOWN.get(kind.__name__) is kind)
    return next((kind.__name__ for kind in kinds if kind.__name__ not in _ABSTRACT), "")


def written(module: nn.Module, kind: str = "") -> str:
    """Layer text that makes the same module, as short as a person would write it.

    kind: the class to be called, where it is not the module's own.

    >>> written(nn.Linear(2048, 10)), written(nn.Conv2d(512, 10, kernel_size=(1, 1)))
    ('Linear(2048, 10)', 'Conv2d(512, 10, kernel_size=1)')
    """
    name, args, kwargs = Layer(f"{kind}({module.extra_repr()})" if kind else describe(module)).parts()
    known = list(signature(KNOWN[name]).parameters.values())
    while len(args) < 2 and len(args) < len(known) and known[len(args)].name in kwargs:
        if known[len(args)].default is not Parameter.empty:
            break
        args.append(kwargs.pop(known[len(args)].name))
    defaults = {parameter.name: parameter.default for parameter in known}
    shown = [_plain(arg) for arg in args]
    shown += [f"{k}={_plain(v)}" for k, v in kwargs.items() if _single(v) != defaults.get(k) != v]
    return f"{name}({', '.join(shown)})"


def _single(value: Any) -> Any:
    """One number for a tuple that repeats it, as torch takes for kernel sizes and strides."""
    if isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1:
        return value[0]
    return value


def _plain(value: Any) -> str:
    return repr(_single(value))
