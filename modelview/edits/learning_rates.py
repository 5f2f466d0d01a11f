"""A learning rate for each part of the model, as the optimizer that comes with the code."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Closing, Edit, Groups
from modelview.edits.naming import several
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.layout import laid_out
from modelview.names import matches, select, short, unknown
from modelview.proof import UNTOUCHED
from modelview.script import Code, quoted, reference
from modelview.structure import Structure

OPTIMIZERS = ("AdamW", "SGD", "Adam")

MOST_PIECES = 4
"""Where a group is made of more modules and parameters, the code lists the names of its parameters."""

Rates = tuple[tuple[str, str], ...]


@EDITS.register("learning_rates")
@dataclass(frozen=True)
class LearningRates(Edit):
    """Put `make_optimizer(model)` into the code: what trains, each part with a learning rate of its own.

    The model stays as it is. groups: (pattern, rate) pairs, a rate as text such as "1e-4" or as a number.
    default: the rate of everything that no pattern names. Frozen parameters are not given to the optimizer.
    Raises UnknownName for a pattern that matches nothing, EditError where two name the same parameter or one
    names only what is frozen.
    """

    title: ClassVar[str] = "Learning rates"
    keeps: ClassVar = "values"

    groups: Annotated[
        tuple[tuple[str, str], ...],
        Ask("Groups", "A path or pattern and its rate, with commas between: layer4 = 1e-4, fc = 1e-3."),
    ] = ()
    default: Annotated[str, Ask("Everything else", "The rate of what no group names, such as 1e-5.")] = "1e-3"
    optimizer: Annotated[str, Ask(choices=OPTIMIZERS)] = "AdamW"
    weight_decay: Annotated[float, Ask("Weight decay", "0 for none.")] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", several(self.groups, "patterns with their rates"))
        for group in self.groups:
            if not isinstance(group, tuple | list) or len(group) != 2:
                raise EditError(f'A group is a pattern and its rate, such as ("fc", "1e-3"); got {short(repr(group))}.')
        object.__setattr__(self, "groups", tuple((pattern, str(rate)) for pattern, rate in self.groups))
        object.__setattr__(self, "default", str(self.default))

    def plan(self, before: Structure) -> Change:
        self._validate()
        trainable = {name for name, p in before.model.named_parameters() if p.requires_grad}
        if not trainable:
            raise EditError("Every parameter is frozen, so there is nothing for an optimizer to move; unfreeze some.")
        chosen = {pattern: _named(before.model, pattern) for pattern, _ in self.groups}
        self._require_apart(chosen, trainable)
        return Change(
            self._summary(),
            lambda model: model,
            self._code(before.model, chosen),
            self._notes(before.model, len(trainable)),
            promise=UNTOUCHED,
            closing=Closing(chosen, self._code),
        )

    def _validate(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        for pattern, rate in (*self.groups, ("everything else", self.default)):
            if not _is_rate(rate):
                raise EditError(
                    f"A learning rate is a number above 0, such as 1e-4; got {short(rate)!r} for {short(pattern)}. "
                    "What is not to move is frozen instead."
                )
        if type(self.weight_decay) not in (int, float) or not 0 <= self.weight_decay < inf:
            raise EditError(f"Weight decay is a number from 0 up, such as 0.01; got {short(repr(self.weight_decay))}.")

    def _require_apart(self, chosen: dict[str, list[str]], trainable: set[str]) -> None:
        """Every pattern names something that trains, and nothing that another one names."""
        if len(chosen) < len(self.groups):
            patterns = [pattern for pattern, _ in self.groups]
            twice = next(pattern for pattern in patterns if patterns.count(pattern) > 1)
            raise EditError(f"`{twice}` has two learning rates; leave one of them.")
        owner: dict[str, str] = {}
        for pattern, names in chosen.items():
            for name in names:
                if name in owner:
                    raise EditError(
                        f"`{owner[name]}` and `{pattern}` both name `{name}`, which can have one learning rate only; "
                        "write patterns that have nothing in common."
                    )
                owner[name] = pattern
            if not trainable.intersection(names):
                raise EditError(
                    f"All of `{pattern}` is frozen, so it needs no learning rate; leave it out, or unfreeze it."
                )

    def _summary(self) -> str:
        rates = ", ".join(f"{pattern} {rate}" for pattern, rate in self.groups)
        return f"{self.optimizer} · " + (f"{rates}, the rest {self.default}" if rates else f"all at {self.default}")

    def _notes(self, model: nn.Module, n_trainable: int) -> tuple[str, ...]:
        n_all = sum(1 for _ in model.parameters())
        frozen = f"; the {n_all - n_trainable:,} frozen ones are left out" if n_trainable < n_all else ""
        return (
            f"The model stays as it is. `make_optimizer` in the code gives {n_trainable:,} parameters to the "
            f"optimizer, each once{frozen}. It follows what later edits rename or replace.",
        )

    def _code(self, model: nn.Module, groups: Groups) -> Code:
        """The function for a model in which the groups have these parameters; of some nothing may be left."""
        groups = {pattern: names for pattern, names in groups.items() if names}
        return Code((), (self._function(model, groups),), ("from typing import Any",) if groups else ())

    def _function(self, model: nn.Module, groups: Groups) -> str:
        rates = {pattern: rate for pattern, rate in self.groups if pattern in groups}
        title = f"{self.optimizer} for what trains" + (", a learning rate for each part." if rates else ".")
        kind = "Any" if rates else "nn.Module"  # whose modules are nobody's that a type checker knows
        head = [f"def make_optimizer(model: {kind}) -> torch.optim.Optimizer:", f'    """{title}"""']
        made = f"torch.optim.{self.optimizer}({{}}, lr={float(self.default)!r}, weight_decay={self.weight_decay!r})"
        if not rates:
            listed = "[p for p in model.parameters() if p.requires_grad]"
            return "\n".join([*head, f"    trainable = {listed}", f"    return {made.format('trainable')}"])
        lines = [
            f'    {{"params": {_parameters(model, names)}, "lr": {float(rates[pattern])!r}}},'
            for pattern, names in groups.items()
        ]
        body = [
            "groups: list[dict[str, Any]] = [",
            *lines,
            "]",
            'grouped = {id(p) for group in groups for p in group["params"]}',
            'groups.append({"params": [p for p in model.parameters() if id(p) not in grouped]})',
            "for group in groups:",
            '    group["params"] = [p for p in group["params"] if p.requires_grad]',
            f"return {made.format('groups')}",
        ]
        return "\n".join([*head, *laid_out(body, 4)])


def _is_rate(rate: str) -> bool:
    try:
        return 0 < float(rate) < inf
    except ValueError:
        return False


def _named(model: nn.Module, pattern: str) -> list[str]:
    """The parameters that a pattern names, or whose module it names, each under its first name."""
    if not pattern:
        raise EditError('An empty pattern matches nothing; write "*" for the whole model.')
    every = list(model.named_parameters(remove_duplicate=False))
    modules = [path for path, _ in model.named_modules(remove_duplicate=False) if path]
    select("module or parameter", [*modules, *(name for name, _ in every)], [pattern])
    found = {id(p) for name, p in every if matches(name, pattern) or matches(name.rpartition(".")[0], pattern)}
    return [name for name, p in model.named_parameters() if id(p) in found]


def _parameters(model: nn.Module, names: list[str]) -> str:
    """A list of parameters as Python: of whole modules where these hold nothing else, or else name by name."""
    wanted = {id(p) for name, p in model.named_parameters() if name in names}
    pieces = list(_pieces(model, model, "", wanted))
    found = [key for _, keys in pieces for key in keys]
    if len(pieces) <= MOST_PIECES and len(found) == len(set(found)):
        return f"[{', '.join(text for text, _ in pieces)}]"
    listed = "".join(f"        {quoted(name)},\n" for name in names)
    return f"[model.get_parameter(name) for name in (\n{listed}    )]"


def _pieces(model: nn.Module, module: nn.Module, path: str, wanted: set[int]) -> Iterator[tuple[str, list[int]]]:
    """What goes into the list, with the parameters that it brings: the largest modules that hold wanted ones only."""
    keys = [id(p) for p in module.parameters()]
    if keys and wanted.issuperset(keys):
        yield f"*{reference(model, path)}.parameters()", keys
        return
    for name, parameter in module.named_parameters(prefix=path, recurse=False):
        if id(parameter) in wanted:
            yield reference(model, name), [id(parameter)]
    for name, child in module.named_children():
        yield from _pieces(model, child, f"{path}.{name}" if path else name, wanted)
