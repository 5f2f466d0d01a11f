"""Sequential, ModuleList and ModuleDict of layers in rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from modelview.errors import EditError
from modelview.layers import Layer
from modelview.names import short, unknown
from modelview.script import Code
from modelview.seeds import require_seed
from modelview.sources._containers import held, holding
from modelview.sources._making import for_real, on_meta, require_known
from modelview.sources._models import defining, require_models
from modelview.sources._parts import BLOCKS as BLOCKS, Models as Models, Part
from modelview.sources._steps import Rows as Rows, Step as Step, names, require_shape, steps as steps
from modelview.sources.base import SOURCES, Progress, Shape, Source
from modelview.sources.unet import unet

CONTAINERS: dict[str, Any] = {"sequential": nn.Sequential, "modulelist": nn.ModuleList, "moduledict": nn.ModuleDict}
MOST_ROWS = 1000


@SOURCES.register("composed")
@dataclass(frozen=True)
class Composed(Source):
    """A container of layers, which run one after the other in the stored order; an Up takes an earlier output too.

    container: "sequential", "modulelist" or "moduledict". rows: (name, layer) each; the layer as text such as
    "Conv2d(_, 64, 7)", where `_` is the width that comes in: the channels, axis 1; for Linear, LayerNorm, RNNs and
    Transformer layers the features, the last axis. Up(_, 64, skip="down1") takes what the row down1 leaves beside what
    comes in; without skip, what the newest earlier row of twice the height and width leaves.
    A name may be "" but in a ModuleDict. A ModuleList or ModuleDict alone has no forward: a small module holds it as
    `layers`. input: a shape with N = 1. blocks: models by name, which rows call as in "backbone()" and which bring
    their own weights.
    Raises UnknownName, and EditError for what cannot be; `structure` for rows that cannot run in this order.
    """

    heads_by_output: ClassVar[bool] = True

    container: str
    rows: Rows
    input: tuple[int, ...] = (1, 3, 224, 224)
    seed: int = 0
    blocks: Models = ()

    def __post_init__(self) -> None:
        if self.container not in CONTAINERS:
            raise unknown("container", str(self.container), CONTAINERS)
        require_shape(self.input)
        require_seed(self.seed)
        require_models(self.blocks)
        object.__setattr__(self, "rows", _checked(self.container, self.rows))

    @property
    def title(self) -> str:
        return self.container

    @property
    def origin(self) -> str:
        name = CONTAINERS[self.container].__name__
        number = "1 layer" if len(self.rows) == 1 else f"{len(self.rows)} layers"
        return f"modelview · {name} of {number} in the stored order · random weights, seed {self.seed}"

    @property
    def example(self) -> tuple[Shape, ...]:
        return (self.input,)

    @property
    def running(self) -> str:
        """How the container comes to have a forward, and in which order that runs the layers."""
        order = ", ".join(f"`{name}`" for name in names(self.rows))
        if self.container == "sequential":
            return f"A Sequential runs its layers in this order: {order}."
        name = CONTAINERS[self.container].__name__
        skips = ", ".join(f"`{row}` also takes what `{skip}` leaves" for row, skip in self._skips.items())
        return (
            f"A {name} alone has no forward. A small module holds this one as `layers`; its forward runs them in the "
            f"stored order: {order}." + (f" {skips}." if skips else "")
        )

    def structure(self) -> nn.Module:
        parts = self._fitted()
        return self._with_models(on_meta(self.title, self._make), parts, lambda model: model.structure())

    def load(self, progress: Progress | None = None) -> nn.Module:
        parts = self._fitted()
        return self._with_models(for_real(self.title, self._make, self.seed), parts, lambda model: model.load(progress))

    def code(self) -> Code:
        fitted = self._fitted()
        models = [part.model() for part in fitted]
        called = defining(tuple((name, model) for name, model in self.blocks if model in models))
        parts = [part.code() for part in fitted]
        expressions = [part.statements[0] for part in parts]
        more = holding(self.container, dict(zip(names(self.rows), expressions, strict=True)), self._skips)
        return Code(
            (f"model = {more.statements[0]}",),
            definitions=tuple(each for part in (called, *parts, more) for each in part.definitions),
            imports=tuple(each for part in (called, *parts, more) for each in part.imports),
        )

    def _make(self) -> nn.Module:
        layers = [part.build() for part in self._fitted()]
        return held(self.container, dict(zip(names(self.rows), layers, strict=True)), self._skips)

    def _with_models(self, made: nn.Module, parts: list[Part], make: Callable[[Source], nn.Module]) -> nn.Module:
        """The container with its models in the rows that were kept for them."""
        holder = made if isinstance(made, nn.Sequential) else made.get_submodule("layers")
        for name, part in zip(names(self.rows), parts, strict=True):
            model = part.model()
            if model is not None:
                holder.add_module(name, make(model))
        return made.eval()

    def _fitted(self) -> list[Part]:
        """The layers with their widths. Raises EditError for the first row that cannot run where it stands."""
        for number, step in enumerate(self._steps, start=1):
            if step.refused:
                raise EditError(f"Row {number}: {step.refused}")
        return [Part(step.layer, self.blocks) for step in self._steps]

    @property
    def _steps(self) -> tuple[Step, ...]:
        return steps(self.rows, self.input, self.blocks, self.container)

    @property
    def _skips(self) -> dict[str, str]:
        """The earlier row whose output each row takes that takes one."""
        return {step.name: step.skip for step in self._steps if step.skip}


def made_here(name: str, **keywords: Any) -> Source:
    """The U-Net, or the container of that name. Raises UnknownName, and EditError for its keywords."""
    if name != "unet" and name not in CONTAINERS:
        raise unknown("model of modelview", name, ["unet", *CONTAINERS])
    return unet(**keywords) if name == "unet" else composed(name, **keywords)


def composed(container: str, **keywords: Any) -> Composed:
    """The container of that name, looked at closely enough that it can be built and run.

    rows: (name, layer) each, or layers alone; or a dict. Raises UnknownName, and EditError as Composed does.
    """
    require_known(f"modelview:{container}", keywords, ("rows", "input", "seed", "blocks"))
    if "rows" not in keywords:
        raise EditError(f'modelview:{container} needs rows, such as rows=[("conv1", "Conv2d(3, 64, 7)")].')
    shape = keywords.get("input")
    given = {**keywords, "rows": _pairs(keywords["rows"])}
    source = Composed(container, **{**given, **({"input": tuple(shape)} if isinstance(shape, list) else {})})
    source.structure()
    return source


def _pairs(rows: Any) -> Any:
    """Rows as pairs of texts, from a dict, from pairs, or from layers alone."""
    if isinstance(rows, Mapping):
        rows = list(rows.items())
    if not isinstance(rows, list | tuple):
        raise EditError(f"rows is a list such as [('conv1', 'Conv2d(3, 64, 7)')]; got {short(repr(rows))}.")
    pairs = [row if isinstance(row, list | tuple) else ("", row) for row in rows]
    return tuple(tuple(each.text if isinstance(each, Layer) else each for each in pair) for pair in pairs)


def _checked(container: str, rows: Rows) -> Rows:
    """The rows with "" for names that say the position. Raises EditError for what cannot stand in the container."""
    if not rows:
        raise EditError("There are no rows: a container needs at least one layer.")
    if len(rows) > MOST_ROWS:
        raise EditError(f"There are {len(rows):,} rows; a container of more than {MOST_ROWS:,} cannot be looked at.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, tuple) or len(row) != 2 or not all(isinstance(each, str) for each in row):
            raise EditError(f"Row {number} is (name, layer), two texts; got {short(repr(row))}.")
        _require_name(container, number, row[0])
        if not row[1].strip():
            raise EditError(f"Row {number} has no layer: give one, such as Conv2d(_, 64, 7), or leave the row out.")
    used = names(rows)
    for number, name in enumerate(used, start=1):
        if name in used[: number - 1]:
            raise EditError(f"Row {number} has the name {short(name)!r} of row {used.index(name) + 1}: choose another.")
    plain = container == "moduledict"
    return tuple((name if plain or name != str(n) else "", layer.strip()) for n, (name, layer) in enumerate(rows))


def _require_name(container: str, number: int, name: str) -> None:
    kind = CONTAINERS[container]
    if container == "modulelist" and name not in ("", str(number - 1)):
        raise EditError(f"Row {number}: a ModuleList numbers its layers; leave {short(name)!r} out.")
    if container == "moduledict" and not name:
        raise EditError(f"Row {number} needs a name: a ModuleDict finds its layers by name.")
    if "." in name:
        raise EditError(
            f"Row {number}: {short(name)!r} has a dot, and dots join names in a state_dict; write "
            f"{short(name.replace('.', '_'))!r}."
        )
    if hasattr(kind(), name):
        raise EditError(f"Row {number}: {name!r} is something that every {kind.__name__} has already; choose another.")
