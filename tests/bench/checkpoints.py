"""`python -m tests.bench.checkpoints`: how long it takes to see what a file is, and what memory that needs.

Listing is measured as the whole reader process, beside torch's own loading of the same file in a process of its own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import modelview as mv
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.process import _BOOT, _PACKAGE
from modelview.identify import index
from modelview.identify.matching import identify

GIB = 1 << 30
# A child begins as a copy of its parent, so the parent that it is measured by has to be small.
_LAUNCH = (
    "import os, resource, subprocess, sys, time; begun = time.perf_counter(); "
    "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); took = time.perf_counter() - begun; "
    "print(took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)

Measured = tuple[float, float]
"""Seconds and megabytes at the most."""


def process(command: list[str]) -> Measured:
    """A process from its start to its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, *command],
        env={**os.environ, "PYTHONPATH": str(_PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes) / 1000


def reader(path: Path) -> Measured:
    """The best of five."""
    command = [sys.executable, "-I", "-S", "-c", _BOOT, str(_PACKAGE), json.dumps(asdict(Limits())), str(path)]
    return min(process(command) for _ in range(5))


def torchs(path: Path) -> Measured:
    """What torch takes for the same file: import and load."""
    code = f"import torch; torch.load({str(path)!r}, map_location='cpu', weights_only=True)"
    return process([sys.executable, "-c", code])


def gibibyte(folder: Path) -> Path:
    """A zip of one gibibyte: 256 tensors of 4 MiB."""
    torch.save({f"layer{n}.weight": torch.ones(1 << 20) for n in range(256)}, folder / "gib.pth")
    return folder / "gib.pth"


def ten_gigabytes(folder: Path) -> Path:
    """A sharded set of safetensors with holes where the values would be: ten files of a billion bytes."""
    shards = folder / "shards"
    shards.mkdir()
    for number in range(10):
        tensors, at = {}, 0
        for layer in range(50):
            size = 20_000_000
            tensors[f"block{number}.{layer}.weight"] = {
                "dtype": "F32",
                "shape": [size // 4],
                "data_offsets": [at, at + size],
            }
            at += size
        header = json.dumps(tensors).encode()
        with (shards / f"model-{number + 1:05}-of-00010.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + at)
    return shards


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = gibibyte(folder)
        seconds, megabytes = reader(file)
        theirs, their_megabytes = torchs(file)
        print(f"zip of 1 GiB: {seconds:.3f} s, {megabytes:.0f} MB; torch.load {theirs:.2f} s, {their_megabytes:.0f} MB")
        seconds, megabytes = reader(ten_gigabytes(folder))
        print(f"10 GB in ten safetensors: {seconds:.3f} s, {megabytes:.0f} MB")
        many = folder / "many.pth"
        torch.save({f"t.{n}": torch.ones(2) for n in range(100_000)}, many)
        seconds, megabytes = reader(many)
        print(f"100,000 tensors: {seconds:.2f} s, {megabytes:.0f} MB; mv.read {timed(lambda: mv.read(many)):.2f} s")
        from torchvision import models

        torch.save(models.resnet50(num_classes=17).state_dict(), folder / "r.pth")
        ck = mv.read(folder / "r.pth")
        cold = timed(lambda: identify(ck))
        warm = min(timed(lambda: identify(ck)) for _ in range(5))
        print(f"identify resnet50: cold {cold:.3f} s ({len(index.load().entries)} entries), warm {warm:.3f} s")


if __name__ == "__main__":
    main()
