"""A torchvision model as code that never downloads: the builder's call, and what its weights change besides.

Weights decide more than values in some models: keywords the builder sets, layers it removes or freezes. What
they decide is found by comparing structures, so that no model needs a line here.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.meta import building
from modelview.script import Code
from modelview.sources._builders import builder, declared, dotted, explicit, quietly, without_backbone
from modelview.sources._construct import on_meta
from modelview.sources._difference import Difference, compared
from modelview.sources._keywords import Keywords
from modelview.sources._weights import shape_only, weights_enum

WIDTH = 88


@lru_cache(maxsize=256)
def code(name: str, weights: str | None, keywords: Keywords) -> Code:
    """Statements that leave the same structure in `model`, its weights random."""
    given, difference = _found(name, weights, keywords)
    if difference is not None and difference.unwritable:
        raise EditError(f"What {weights} changes in {name} cannot be written as code: {difference.unwritable[0]}.")
    statements = difference.statements() if difference is not None else ()
    frozen = difference is not None and difference.frozen
    imports = (IMPORT, *(["from torchvision.ops import FrozenBatchNorm2d"] if frozen else []))
    return Code((_call(name, given), *statements), imports=imports)


def plain_keywords(name: str, weights: str | None, keywords: Keywords) -> Keywords:
    """What the builder is called with in the first statement of `code`."""
    return tuple(_found(name, weights, keywords)[0].items())


@lru_cache(maxsize=256)
def _found(name: str, weights: str | None, keywords: Keywords) -> tuple[dict[str, Any], Difference | None]:
    """The keywords of the plain builder, and what is left to write; None where nothing is."""
    given = dict(keywords)
    if weights is None and given.get("weights_backbone") is None:
        return given, None
    plain = {k: v for k, v in given.items() if k != "weights_backbone"}
    return _closest(name, weights, plain, on_meta(name, weights, given))


IMPORT = "from torchvision import models"


def plainly(name: str) -> dict[str, Any]:
    """What is said to a builder in every call, so that it neither downloads nor warns."""
    quantize = {"quantize": False} if "quantize" in explicit(name) else {}
    return {"weights": None, **without_backbone(name), **quantize, **quietly(name, init=True)}


def _call(name: str, keywords: Mapping[str, Any]) -> str:
    arguments = [f"{k}={_written(v)}" for k, v in {**plainly(name), **keywords}.items()]
    line = f"model = {dotted(name)}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"model = {dotted(name)}(", *(f"    {a}," for a in arguments), ")"])


def _closest(
    name: str, weights: str | None, keywords: dict[str, Any], target: nn.Module
) -> tuple[dict[str, Any], Difference]:
    """The keywords whose plain build comes nearest to `target`, and what is left to write."""
    chosen, best = keywords, compared(on_meta(name, None, keywords), target)
    candidates = list(_candidates(name, weights, keywords)) if best.cost else []
    while best.cost and candidates:
        tried = []
        for keyword, value in candidates:
            try:
                built = on_meta(name, None, {**chosen, keyword: value})
            except EditError:
                continue
            tried.append((compared(built, target), keyword, value))
        difference, keyword, value = min(tried, key=lambda t: t[0].cost, default=(best, "", None))
        if difference.cost >= best.cost:
            break
        chosen, best = {**chosen, keyword: value}, difference
        candidates = [c for c in candidates if c[0] != keyword]
    return chosen, best


def _candidates(name: str, weights: str | None, keywords: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keywords that the weights may have set: all flags, and what the builder insists on beside them."""
    for keyword, parameter in declared(name).items():
        if keyword in keywords or keyword in ("num_classes", "init_weights"):
            continue
        if "bool" in str(parameter.annotation):
            yield from ((keyword, True), (keyword, False))
        elif "int" in str(parameter.annotation):
            value = _insisted(name, weights, keyword) if weights is not None else None
            yield from [] if value is None else [(keyword, value)]


def _insisted(name: str, weights: str, keyword: str) -> Any:
    """The one value of a keyword that the builder takes together with these weights, if there is one."""
    standin = shape_only(weights_enum(name)[weights])
    try:
        with building():
            builder(name)(weights=standin, **{**without_backbone(name), keyword: _NO_VALUE})
    except Exception as error:  # noqa: BLE001 - only the sentence that names the expected value matters
        found = re.search(rf"'{keyword}' expected value (\d+) but got", str(error))
        return int(found.group(1)) if found else None
    return None


_NO_VALUE = object()


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) and '"' not in value and "\\" not in value else repr(value)
