"""Calling somebody else's function that makes a model, on meta or for real, so that every complaint is one sentence."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from copy import deepcopy
from traceback import walk_tb

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from modelview.errors import EditError, ModelviewError
from modelview.layers import require_memory
from modelview.meta import META, building, to_meta
from modelview.names import short
from modelview.script import quoted
from modelview.sources._construct import _seeding
from modelview.sources._making import Bounded

Make = Callable[[], object]
"""Calls the function; what it returns is looked at here."""


def on_meta(said: str, make: Make) -> nn.Module:
    """What `make` makes, new, on meta and in eval mode. said: the call as people read it. Raises EditError."""
    model = _planned(said, make)
    return to_meta(model if _is_on_meta(model) else _copied(said, model)).eval()


def for_real(said: str, make: Make, seed: int, *, plan_by: Make | None = None) -> nn.Module:
    """What `make` makes, new, on the CPU and in eval mode; what torch draws for it comes from `seed`.

    plan_by: makes the same without its values, where `make` fetches these. Raises EditError.
    """
    plan = _planned(said, plan_by or make)
    require_memory(said, sum(p.numel() * p.element_size() for p in plan.parameters()))
    model = _seeded(said, make, seed)
    if any(parameter.is_meta for parameter in model.parameters()):
        raise EditError(f"{said} returns a model without values: it has to make a new one each time it is called.")
    return (model if _is_on_meta(plan) else _copied(said, model)).eval().cpu()


def bounded(said: str, make: Make) -> Make:
    """`make`, which gives up where it would call torch without end."""

    def call() -> object:
        with Bounded(said):
            return make()

    return call


def _planned(said: str, make: Make) -> nn.Module:
    """What `make` makes on meta, small tensors too where they do not go together; for real where it needs values."""
    for device in (nullcontext(), META):
        try:
            with building(), device:
                return _made(said, make)
        except EditError as error:
            if error.__cause__ is None:  # it was made, or given up, and would be no other without meta
                raise
    return _seeded(said, make, 0)


def _seeded(said: str, make: Make, seed: int) -> nn.Module:
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _made(said, make)


def _made(said: str, make: Make) -> nn.Module:
    with complaining(f"{said} failed", package=re.split(r"\W", said)[0]):
        model = make()
    if not isinstance(model, nn.Module):
        raise EditError(f"{said} returns {short(repr(type(model).__name__))}; it has to return a torch.nn.Module.")
    lazy = next((path for path, parameter in model.named_parameters() if is_lazy(parameter)), None)
    if lazy is not None:
        raise EditError(f"{said} leaves the shape of `{lazy}` open: run one batch through it before returning it.")
    return model


@contextmanager
def complaining(what: str, *, package: str) -> Iterator[None]:
    """Inside, what is raised becomes an EditError: `what`, the reason, and the line of `package` it came from.

    What is printed goes to stderr: stdout is for what was asked for.
    """
    try:
        with _seeding, redirect_stdout(sys.stderr):
            yield
    except ModelviewError:
        raise
    except (Exception, SystemExit) as error:
        raise EditError(f"{what}: {_reason(error)}{_place(error, package)}.") from error


def _reason(error: BaseException) -> str:
    text = short(" ".join(str(error).split()), 300).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException, package: str) -> str:
    """The innermost line of `package` that was running, as " (unet.py, line 12)"; "" where none was."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return f" ({frames[-1][0].rpartition('/')[2]}, line {frames[-1][1]})" if frames else ""


def _is_on_meta(model: nn.Module) -> bool:
    """Whether it was made just now; what is not on meta may be somebody's, and is copied before it is changed."""
    return all(parameter.is_meta for parameter in model.parameters())


def _copied(said: str, model: nn.Module) -> nn.Module:
    with complaining(f"What {said} returns cannot be copied", package=""):
        return deepcopy(model)


def arguments(keywords: Mapping[str, object]) -> str:
    """Keywords as code writes them.

    >>> arguments({"depth": 3, "kind": "big"})
    'depth=3, kind="big"'
    """
    return ", ".join(f"{k}={quoted(v) if isinstance(v, str) else repr(v)}" for k, v in keywords.items())
