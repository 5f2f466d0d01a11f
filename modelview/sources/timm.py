"""timm's models by name, where timm is installed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from torch import nn

from modelview.errors import DownloadError, EditError, UnknownName
from modelview.names import short, unknown
from modelview.script import Code, quoted
from modelview.seeds import require_seed
from modelview.sources._calling import Make, arguments, bounded, complaining, for_real, on_meta
from modelview.sources._importing import not_taken
from modelview.sources._keywords import Keywords, require_classes
from modelview.sources._signatures import keywords_through
from modelview.sources.base import SOURCES, Progress, Shape, Source
from modelview.sources.factory import plain

OURS = ("pretrained", "checkpoint", "device", "dtype")
"""How keywords begin that no recipe sets: which files timm reads, and where it puts the model."""

LARGEST = 1_000_000
"""Of whole numbers in keywords: numbers of classes go to 21,843, and lists as long as a depth are made of it."""


@SOURCES.register("timm")
@dataclass(frozen=True)
class Timm(Source):
    """A timm model: its name, the tag of its weights or a seed, and keywords for its class.

    The value alone imports nothing. A name may have the tag of weights whose structure is meant: "resnet50.a1_in1k".
    Raises EditError for keywords that are no plain values, and for numbers that no model could have.
    """

    name: str
    weights: str | None = None
    seed: int = 0
    keywords: Keywords = ()

    def __post_init__(self) -> None:
        require_seed(self.seed)
        object.__setattr__(self, "keywords", plain(self.name, dict(self.keywords)))
        for keyword, value in self.keywords:
            _require_counts(keyword, value)

    @property
    def title(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        return f"timm · {self.weights or f'random weights, seed {self.seed}'}"

    @property
    def example(self) -> tuple[Shape, ...]:
        given: dict[str, Any] = dict(self.keywords)
        channels, *size = _timm().get_pretrained_cfg(_known(self._full)).input_size
        wanted = given.get("img_size", tuple(size))
        sides = wanted if isinstance(wanted, tuple) else (wanted, wanted)
        return ((1, given.get("in_chans", channels), *sides),)

    def structure(self) -> nn.Module:
        return on_meta(self._said(), self._make(pretrained=False))

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - timm says itself how far it is
        plan = self._make(pretrained=False)
        if self.weights is None:
            return for_real(self._said(), plan, self.seed)
        self.structure()
        try:
            said = self._said(pretrained=True)
            return for_real(said, self._make(pretrained=True), self.seed, plan_by=plan)
        except EditError as error:
            raise DownloadError(
                f"The weights {self.weights} of {self.name} cannot be had: {str(error).rstrip('.')}. timm fetches them "
                "from huggingface.co into its cache (HF_HOME); or go on with random weights (weights=None)."
            ) from error

    def code(self) -> Code:
        return Code((f"model = {self._said()}",), imports=("import timm",))

    def with_classes(self, num_classes: int) -> Source:
        require_classes(num_classes)
        return replace(self, keywords=tuple({**dict(self.keywords), "num_classes": num_classes}.items()))

    @property
    def _full(self) -> str:
        return f"{self.name}.{self.weights}" if self.weights else self.name

    def _said(self, *, pretrained: bool = False) -> str:
        given = (quoted(self._full), f"pretrained={pretrained}", arguments(dict(self.keywords)))
        return f"timm.create_model({', '.join(filter(None, given))})"

    def _make(self, *, pretrained: bool) -> Make:
        """The call of timm, once name and keywords are known to be its own. Raises EditError, UnknownName."""
        full, keywords = _known(self._full), dict(self.keywords)
        known = _keywords(full) if keywords else {}
        for keyword in keywords:
            if keyword not in known:
                raise not_taken(self.name, keyword, known)
        make = partial(_timm().create_model, full, pretrained=pretrained, **keywords)
        return make if pretrained else bounded(self._said(), make)


def timm(name: str, /, *, weights: Any = None, seed: int = 0, **keywords: Any) -> Timm:
    """The timm model called `name`, looked at closely enough that it can be built.

    weights: None, "DEFAULT" or a tag such as "a1_in1k". Raises EditError, UnknownName.
    """
    own, _, tag = name.partition(".")
    if weights is not None and (not isinstance(weights, str) or (tag and weights not in ("DEFAULT", tag))):
        raise EditError(
            f"weights of {short(name)} is 'DEFAULT' or a tag such as 'a1_in1k'; got {short(repr(weights))}."
        )
    if weights == "DEFAULT":
        weights = tag or _timm().get_pretrained_cfg(_known(own)).tag
    source = Timm(name if weights is None else own, weights, seed, tuple(keywords.items()))
    source.structure()
    return source


def _require_counts(keyword: str, value: object) -> None:
    """Raises EditError for a whole number that is too large, in lists too."""
    if isinstance(value, tuple):
        for item in value:
            _require_counts(keyword, item)
    elif type(value) is int and abs(value) > LARGEST:
        raise EditError(f"{keyword} is at most {LARGEST:,}; got {short(repr(value))}.")


def _timm() -> Any:
    """The package. Raises EditError where it is not installed."""
    try:
        with complaining("Importing timm failed", package="timm"):
            return import_module("timm")
    except EditError as error:
        if getattr(error.__cause__, "name", None) != "timm":
            raise
        raise EditError("A model of timm needs timm, which is not installed here: pip install timm.") from error


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return tuple(_timm().list_models())


@lru_cache(maxsize=256)
def _known(full: str) -> str:
    """`full` itself, a model's name with or without the tag of weights. Raises UnknownName."""
    own, dot, tag = full.partition(".")
    if own not in _names():
        raise unknown("timm model", own, _names())
    tags = [name.partition(".")[2] for name in _timm().list_pretrained(f"{own}.*")]
    if dot and tag not in tags:
        if not tags:
            raise UnknownName(f"timm has no weights for {own}; leave weights out.")
        raise unknown(f"weights of {own}", tag, tags)
    return full


@lru_cache(maxsize=256)
def _keywords(full: str) -> Mapping[str, object]:
    """What the model's class takes; how timm fetches and places is not among it."""
    model = on_meta(f"timm.create_model({quoted(full)})", partial(_timm().create_model, full, pretrained=False))
    return {k: p for k, p in keywords_through(type(model)).items() if not k.startswith(OURS)}
