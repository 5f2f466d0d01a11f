"""How long until every row of a model is there: build, trace and tables, against torchinfo's own.

Both sides build their own model in one thread and are run in turn; the median of the runs is compared.
"""

import gc
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torchinfo
from torchvision import models

from modelview.inspect.tables import buffers, modules, parameters
from modelview.sources.torchvision import Torchvision
from modelview.structure import Structure
from modelview.trace.run import trace_module


@dataclass(frozen=True)
class Row:
    """Seconds, medians. bare_s: torch's own meta forward of our structure; trace_s: our recorded pass of it."""

    name: str
    ours_s: float
    torchinfo_s: float
    bare_s: float | None
    trace_s: float

    @property
    def ratio(self) -> float:
        return self.ours_s / self.torchinfo_s


def ours(source: Torchvision) -> Structure:
    structure = Structure(source.structure(), source)
    modules(structure.trace)
    parameters(structure.model)
    buffers(structure.model)
    return structure


def theirs(source: Torchvision) -> None:
    keywords: dict[str, Any] = {}
    if source.name in {*models.list_models(models.detection), *models.list_models(models.segmentation)}:
        keywords = {"weights_backbone": None}
    model = models.get_model(source.name, weights=None, **keywords)
    data = list(source.arguments(*(torch.rand(shape) for shape in source.example)))
    torchinfo.summary(model, input_data=data, verbose=0, mode="eval", device="cpu")


def arguments(structure: Structure) -> tuple[Any, ...]:
    source = structure.source
    return source.arguments(*(torch.empty(shape, device="meta") for shape in source.example))


def bare(structure: Structure, args: tuple[Any, ...]) -> float | None:
    if structure.trace.device != "meta":
        return None
    with torch.no_grad():
        return timed(lambda: structure.model(*args))


def timed(run: Callable[[], Any]) -> float:
    gc.collect()
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def measure(name: str, runs: int) -> Row:
    source = Torchvision(name)
    mine, peers, bares, traces = [], [], [], []
    for _ in range(runs):
        mine.append(timed(lambda: ours(source)))
        peers.append(timed(lambda: theirs(source)))
        structure = ours(source)
        args = arguments(structure)
        bares.append(bare(structure, args))
        traces.append(timed(partial(trace_module, structure.model, *args)))
    known = [value for value in bares if value is not None]
    return Row(
        name,
        statistics.median(mine),
        statistics.median(peers),
        statistics.median(known) if known else None,
        statistics.median(traces),
    )


def table(names: tuple[str, ...], runs: int) -> list[Row]:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    ours(Torchvision("resnet18"))
    theirs(Torchvision("resnet18"))
    rows = []
    for name in names:
        rows.append(measure(name, runs))
        row = rows[-1]
        print(f"{name:40} {row.ours_s:7.3f} s {row.torchinfo_s:8.3f} s  {row.ratio:6.3f}", flush=True)
    return rows
