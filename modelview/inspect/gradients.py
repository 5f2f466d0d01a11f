"""Which parameters learn: one backward pass and one optimizer step of a model made for that alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

from modelview.errors import EditError, ForwardError
from modelview.inspect.noise import noise
from modelview.inspect.running import failure
from modelview.names import short
from modelview.recipe import Recipe, structure_of, trace
from modelview.sources.base import Progress, Shape
from modelview.structure import tensor_of
from modelview.trace.run import materialised, quick
from modelview.trace.shapes import tensors

BATCH = 2
"""Batch-norm cannot be trained on one item."""
SMALL_SIDE = 128
"""Pictures are no larger than this, where the model takes such small ones."""
RATE = 1.0
"""Of the step: large, so that what has a gradient does move, however small that is. The model is thrown away."""
N_KEYPOINTS = 17

PARAMETER, STATISTICS = "parameter", "statistics"


@dataclass(frozen=True)
class GradientRow:
    """One parameter, or the running statistics of one batch-norm layer, after one step in train mode.

    name: the parameter's, or the layer's whose statistics they are. kind: of the layer. what: "parameter" or
    "statistics". gradient: whether it got one. norm: of the gradient. moved: whether the step changed it. Both are
    None where no values were made. reason: why it did not move or get a gradient, in words; "" where it did.
    """

    name: str
    kind: str
    what: str
    shape: Shape
    trainable: bool
    gradient: bool
    norm: float | None
    moved: bool | None
    reason: str

    @property
    def path(self) -> str:
        """The name, as rows of all tables have it."""
        return self.name


@dataclass(frozen=True)
class Step:
    """The rows of one step, parameters first. input: shapes (N, ...). note: how it differs from ordinary training."""

    rows: tuple[GradientRow, ...]
    input: tuple[Shape, ...]
    note: str

    @property
    def summary(self) -> str:
        """How many of each there are, in one line."""
        return summary(self.rows)


def gradients(recipe: Recipe, *inputs: Tensor | Shape, real: bool = True) -> list[GradientRow]:
    """One row a parameter, in `named_parameters` order, then one for the statistics of each batch-norm layer.

    They come of one backward pass and one SGD step of the recipe's own build, in train mode. inputs: tensors or shapes
    (N, ...), one for each input of `forward`; two items of noise by default. The loss is made of every floating-point
    tensor in the output. real=False makes no weights and tells only which gradients there are.
    Raises EditError where an edit cannot be planned, ForwardError where the model cannot be run or trained.
    """
    return list(one_step(recipe, *inputs, real=real).rows)


def one_step(recipe: Recipe, *inputs: Tensor | Shape, real: bool = True, progress: Progress | None = None) -> Step:
    """The same, with how it was run. progress: as `Recipe.build` takes it."""
    given = inputs or small_inputs(recipe)
    structure_of(recipe).require_inputs(given)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # of dropout; CUDA's own is left alone
        rows, note = _real(recipe, given, progress) if real else _existing(recipe, given)
    return Step(tuple(rows), tuple(tuple(value.shape) if isinstance(value, Tensor) else value for value in given), note)


def small_inputs(recipe: Recipe) -> tuple[Shape, ...]:
    """The shapes of the example for a batch of two, of smaller pictures where the model takes these."""
    whole = tuple((BATCH, *shape[1:]) for shape in recipe.example)
    small = tuple(_smaller(shape) for shape in whole)
    if small == whole or _is_detector(structure_of(recipe).model):
        return small
    return small if trace(recipe, *small, train=True).failed is None else whole


def _smaller(shape: Shape) -> Shape:
    return (*shape[:-2], *(min(side, SMALL_SIDE) for side in shape[-2:])) if len(shape) > 3 else shape


def summary(rows: Iterable[GradientRow]) -> str:
    """How many parameters got a gradient and moved, why the others did not, and how many statistics moved.

    >>> moved = GradientRow("fc.bias", "Linear", PARAMETER, (10,), True, True, 1.0, True, "")
    >>> frozen = GradientRow("fc.weight", "Linear", PARAMETER, (10, 8), False, False, None, False, "frozen")
    >>> summary([moved, frozen])
    '1 of 2 parameters got a gradient and moved; 1 frozen'
    """
    rows = list(rows)
    parameters = [row for row in rows if row.what == PARAMETER]
    statistics = [row for row in rows if row.what == STATISTICS and row.moved is not None]
    real = any(row.moved is not None for row in rows)
    learning = sum(row.gradient and row.moved is not False for row in parameters)
    words = [f"{learning:,} of {len(parameters):,} parameters got a gradient{' and moved' if real else ''}"]
    reasons = dict.fromkeys(row.reason for row in parameters if not (row.gradient and row.moved is not False))
    words += [f"{sum(row.reason == reason for row in parameters):,} {reason}" for reason in reasons]
    if statistics:
        n_moved = sum(bool(row.moved) for row in statistics)
        some = f"{n_moved:,}" if n_moved == len(statistics) else f"{n_moved:,} of {len(statistics):,}"
        words.append(f"batch-norm statistics of {some} {'layer' if len(statistics) == 1 else 'layers'} moved")
    return "; ".join(words)


def _real(recipe: Recipe, given: tuple[Any, ...], progress: Progress | None) -> tuple[list[GradientRow], str]:
    model = recipe.build(progress=progress)
    args = recipe.source.taken(*(_value(value, number) for number, value in enumerate(given)))
    with quick(model) as how:
        run = _passed(model, args)
    _backward(run.loss)
    trainable = [p for p in model.parameters() if p.requires_grad]
    if trainable:
        torch.optim.SGD(trainable, lr=RATE).step()
    changed = how.partition("; ")[2]  # what comes first is about a trace
    return list(_rows(model, run.used, run.before)), "; ".join(filter(None, [changed, run.note]))


def _existing(recipe: Recipe, given: tuple[Any, ...]) -> tuple[list[GradientRow], str]:
    """Without weights: on meta, or with stand-ins for them where the forward needs values."""
    model, note = recipe.structure(), "on meta, without weights"
    if not _is_detector(model):
        try:
            run = _passed(model, recipe.source.taken(*(tensor_of(value).to("meta") for value in given)))
            _backward(run.loss)
        except ForwardError:
            model = recipe.structure()  # what the attempt left in it goes
        else:
            return list(_rows(model, run.used, None)), note
    model = materialised(model)
    args = recipe.source.taken(*(_value(value, number) for number, value in enumerate(given)))
    with quick(model) as how:
        run = _passed(model, args)
    _backward(run.loss)
    note = "; ".join(filter(None, [how, "with zeros and ones for weights", run.note]))
    return list(_rows(model, run.used, None)), note


def _value(value: Any, number: int) -> Tensor:
    """Noise for a shape; a tensor as a copy, since what runs in place on the input must not reach the caller's."""
    return value.detach().cpu().clone() if isinstance(value, Tensor) else noise(value, number)


@dataclass(frozen=True)
class _Run:
    """A forward pass that was made: its loss, the ids of what its ops took, and all values as they were before."""

    loss: Tensor
    used: frozenset[int]
    before: dict[str, Tensor]
    note: str = ""


def _passed(model: nn.Module, args: tuple[Any, ...]) -> _Run:
    """One pass in train mode; a detector is given targets, and where it takes none it runs in eval mode."""
    if not _is_detector(model):
        return _forward(model, args, train=True)
    try:
        run = _forward(model, (*args, _targets(model, args[0])), train=True)
    except ForwardError as error:
        run = _forward(model, args, train=False)
        note = f"in eval mode, since it cannot be trained on targets ({short(str(error.__cause__), 120)})"
    else:
        note = "trained on one made-up box a picture"
    return _Run(run.loss, run.used, run.before, note)


def _forward(model: nn.Module, args: tuple[Any, ...], *, train: bool) -> _Run:
    model.train(train)
    before = {name: tensor.detach().clone() for name, tensor in _held(model)}
    with _using() as used:
        try:
            output = model(*args)
        except Exception as error:
            raise ForwardError(failure(model, error)) from error
    return _Run(_loss(output), frozenset(used), before)


def _held(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer that has values; there is nothing to be kept of one on meta."""
    return ((name, t) for name, t in (*model.named_parameters(), *model.named_buffers()) if not t.is_meta)


def _loss(output: Any) -> Tensor:
    """A sum over the whole output. The weights are noise: no softmax or normalisation makes that constant."""
    found = [t for t in tensors(output) if t.is_floating_point()]
    if not found:
        raise EditError("The model returns no floating-point tensor, so there is nothing to make a loss of.")
    return torch.stack([(t.float() * torch.randn_like(t.float())).sum() for t in found]).sum()


def _backward(loss: Tensor) -> None:
    """Every gradient that there is; none where nothing in the loss hangs on a trainable parameter."""
    if not loss.requires_grad:
        return
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        reason = short(" ".join(str(error).split()), 300)
        raise ForwardError(
            f"The model runs, but its backward pass fails: {reason} Look for a layer with inplace=True, "
            "or for an op that has no gradient."
        ) from error


class _Watch(TorchFunctionMode):
    """Remembers which parameters went into an op; asking for a shape is none."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if next(tensors(result), None) is not None:
            self.seen.update(id(t) for t in tensors((args, kwargs or {})) if isinstance(t, nn.Parameter))
        return result


@contextmanager
def _using() -> Iterator[set[int]]:
    watch = _Watch()
    with watch:
        yield watch.seen


def _is_detector(model: nn.Module) -> bool:
    return any(isinstance(module, GeneralizedRCNNTransform) for module in model.modules())


def _targets(model: nn.Module, images: list[Tensor]) -> list[dict[str, Tensor]]:
    """One box in the middle of each picture (C, H, W), of the first class, with a mask and keypoints for who asks."""
    first = 0 if isinstance(model, FCOS | RetinaNet) else 1  # elsewhere 0 is the background
    found = []
    for image in images:
        height, width = image.shape[-2:]
        box = torch.tensor([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]])
        mask = torch.zeros((1, height, width), dtype=torch.uint8)
        mask[:, height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 1
        points = torch.tensor([width / 2, height / 2, 1.0]).expand(1, _n_keypoints(model), 3).clone()
        found.append({"boxes": box, "labels": torch.tensor([first]), "masks": mask, "keypoints": points})
    return found


def _n_keypoints(model: nn.Module) -> int:
    predictor = getattr(getattr(model, "roi_heads", None), "keypoint_predictor", None)
    return int(predictor.out_channels) if predictor is not None else N_KEYPOINTS


def _rows(model: nn.Module, used: frozenset[int], before: dict[str, Tensor] | None) -> Iterator[GradientRow]:
    """before: all values before the step; None where no values were made."""
    kinds = {path: type(module).__name__ for path, module in model.named_modules()}
    for name, parameter in model.named_parameters():
        moved = None if before is None else not torch.equal(parameter, before[name])
        norm = _norm(parameter) if before is not None else None
        yield GradientRow(
            name=name,
            kind=kinds[name.rpartition(".")[0]],
            what=PARAMETER,
            shape=tuple(parameter.shape),
            trainable=parameter.requires_grad,
            gradient=parameter.grad is not None,
            norm=norm if norm is not None and isfinite(norm) else None,
            moved=moved,
            reason=_reason(parameter, norm, moved=moved, used=id(parameter) in used),
        )
    for path, module in model.named_modules():
        if isinstance(module, _BatchNorm | FrozenBatchNorm2d) and module.running_mean is not None:
            yield _statistics(path, module, before)


def _norm(parameter: nn.Parameter) -> float | None:
    if parameter.grad is None:
        return None
    return float(torch.linalg.vector_norm(parameter.grad.to_dense(), dtype=torch.float64))


def _reason(parameter: nn.Parameter, norm: float | None, *, moved: bool | None, used: bool) -> str:
    if not parameter.requires_grad:
        return "changed by the forward itself" if moved else "frozen"
    if parameter.grad is None:
        return "detached" if used else "never used"
    if norm is not None and not isfinite(norm):
        return "gradient not finite"
    if norm == 0:
        return "zero gradient"
    return "gradient too small to move it" if moved is False else ""


def _statistics(path: str, module: Any, before: dict[str, Tensor] | None) -> GradientRow:
    moved, reason = None, ""
    if before is not None:
        now = dict(module.named_buffers(prefix=path))
        moved = any(
            not torch.equal(now[name], before[name])
            for own in ("running_mean", "running_var")
            if (name := f"{path}.{own}" if path else own) in now
        )
    if isinstance(module, FrozenBatchNorm2d):
        reason = "frozen"
    elif not module.training:
        reason = "in eval mode"
    elif moved is False:
        reason = "never used"
    return GradientRow(
        name=path, kind=type(module).__name__, what=STATISTICS, shape=tuple(module.running_mean.shape),
        trainable=False, gradient=False, norm=None, moved=moved, reason=reason,
    )  # fmt: skip
