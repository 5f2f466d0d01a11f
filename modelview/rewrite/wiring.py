"""A change of a forward as a value: which modules' values are caught or become others, and what is returned."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from modelview.rewrite.drafting import Tail
from modelview.rewrite.hands import Hand


@dataclass(frozen=True)
class Tap:
    """The value of one call of a module. `clone`: it is changed in place later on. `name`: its variable.

    collection: the dicts, lists and tuples that it is, a torch.Size for each tensor; None for one tensor.
    """

    path: str
    call: int
    n_calls: int
    clone: bool
    name: str
    collection: Any = None


@dataclass(frozen=True)
class Turn:
    """Each value of a module becomes another: what `function` makes of it.

    n_calls: how often it is called. before: what goes into the module is meant, not what comes out. several: the
    value may be a dict, list or tuple, of which the function makes another.
    """

    path: str
    function: Callable[[Hand, Any], Any]
    n_calls: int = 1
    before: bool = False
    several: bool = False


@dataclass(frozen=True)
class Wiring:
    """A change of a forward, said without regard to how the model can be changed.

    turns: values that become others on their way. taps: values that `end` is given.
    end: the value to return, of the forward's own (None where `stops`) and those of the taps.
    stops: the forward ends when all taps have their values. drops: what is then not needed is not kept.
    inputs: names of further inputs. layers: (name, text) of new layers, under names that are free then.
    replaced: (child, text) of children of the model that become other layers.
    renamed: (child, new name) of children of the model that are called otherwise, and stand last.
    wrapped: the attribute that holds the model as it was, "" to keep its own names.
    returns: the annotation of the result. takes: that of each argument.
    first_of_several: where the forward's own value is a tuple, as in train mode with auxiliary heads, `end` is given
        its first.
    """

    class_name: str
    title: str
    turns: tuple[Turn, ...] = ()
    taps: tuple[Tap, ...] = ()
    end: Callable[[Hand, Any, tuple[Any, ...]], Any] | None = None
    stops: bool = False
    drops: bool = False
    inputs: tuple[str, ...] = ()
    layers: Tail = ()
    replaced: Tail = ()
    renamed: Tail = ()
    wrapped: str = ""
    returns: str = "Tensor"
    takes: str = "Tensor"
    first_of_several: bool = False

    @property
    def n_calls(self) -> dict[str, int]:
        """How often each module that it touches is called, by path in the model as it was."""
        touched: tuple[Turn | Tap, ...] = (*self.turns, *self.taps)
        return {point.path: point.n_calls for point in touched}

    def inside(self) -> "Wiring":
        """The same, its paths those of a model that holds the one as it was."""
        if not self.wrapped:
            return self
        turns = tuple(replace(turn, path=f"{self.wrapped}.{turn.path}") for turn in self.turns)
        taps = tuple(replace(tap, path=f"{self.wrapped}.{tap.path}") for tap in self.taps)
        return replace(self, turns=turns, taps=taps)
