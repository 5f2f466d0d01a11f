"""Where a forward cannot be recorded: the model's own forward, with hooks while it runs."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from modelview.rewrite.hands import Doing
from modelview.rewrite.signatures import extended, sign
from modelview.rewrite.wiring import Turn, Wiring


def hooked_class(base: type[nn.Module], wiring: Wiring, names: Mapping[str, str]) -> type[nn.Module]:
    """A subclass of `base` whose forward is rewired. names: what the new layers are called."""

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs, inputs = _apart(base, args, kwargs, wiring.inputs)
        hand = Doing(self, names, inputs)
        values: dict[str, list[Any]] = defaultdict(list)
        handles = [_turning(self, turn, hand) for turn in wiring.turns]
        handles += [
            _catching(self, path, values[path], hand) for path in dict.fromkeys(tap.path for tap in wiring.taps)
        ]
        try:
            x = base.forward(self, *args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        if wiring.first_of_several and isinstance(x, tuple):
            x = x[0]
        caught = tuple(values[tap.path][tap.call] for tap in wiring.taps)
        return x if wiring.end is None else wiring.end(hand, x, caught)

    sign(forward, base, wiring.inputs)
    return type(wiring.class_name, (base,), {"forward": forward, "__doc__": wiring.title})


def _apart(
    base: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...]
) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """What the model's own forward takes, by place and by name, and the further inputs by name."""
    if not names:
        return args, kwargs, {}
    order = [p.name for p in extended(base, names)]
    given = {**dict(zip(order, args, strict=False)), **kwargs}
    inputs = {name: given.pop(name) for name in names if name in given}
    return (), given, inputs


def _turning(model: nn.Module, turn: Turn, hand: Doing) -> Any:
    def before(module: nn.Module, args: Any) -> Any:  # noqa: ARG001
        return (turn.function(hand, args[0]), *args[1:])

    def after(module: nn.Module, args: Any, output: Any) -> Any:  # noqa: ARG001
        return turn.function(hand, output)

    module = model.get_submodule(turn.path)
    if turn.before:  # first of all, as what comes before the module: of several edits the earliest then turns first
        return module.register_forward_pre_hook(before, prepend=True)
    return module.register_forward_hook(after)


def _catching(model: nn.Module, path: str, values: list[Any], hand: Doing) -> Any:
    def keep(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
        values.append(hand.each(Tensor.clone, output, None))

    return model.get_submodule(path).register_forward_hook(keep)
