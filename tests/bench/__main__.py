"""`python -m tests.bench`: measures, prints, appends to results.jsonl; README's table is made from the newest."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time

import torch

from tests.bench import clicks
from tests.bench.inspection import table
from tests.bench.results import RESULTS
from tests.zoo import ALL

PEAK = """
import re, sys, time
from pathlib import Path

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

import torch, torchvision
torch.set_num_threads(1)
imports = peak()
from modelview.inspect.tables import buffers, modules, parameters
from modelview.opening import open_recipe
from modelview.recipe import structure_of

def inspect(name):
    begun = time.perf_counter()
    structure = structure_of(open_recipe(name))
    modules(structure.trace), parameters(structure.model), buffers(structure.model)
    return time.perf_counter() - begun

inspect("resnet18")
print(inspect(sys.argv[1]), inspect(sys.argv[1]), peak(), imports)
"""


def peak(name: str) -> dict[str, float]:
    """Of a fresh process that inspects one model: seconds, seconds for the same again, and its memory at the most.

    imports_mb: what importing torch and torchvision alone takes of it.
    """
    done = subprocess.run([sys.executable, "-c", PEAK, name], capture_output=True, text=True, check=True)
    keys = ("s", "again_s", "rss_mb", "imports_mb")
    return dict(zip(keys, map(float, done.stdout.split()), strict=True))


def commit() -> str:
    """The commit that is checked out."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=ALL)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="append to results.jsonl")
    chosen = parser.parse_args()
    rows = table(tuple(chosen.names), chosen.runs)
    ratios = {row.name: row.ratio for row in rows}
    worst = max(ratios, key=lambda name: ratios[name])
    traced = {row.name: row.trace_s / row.bare_s for row in rows if row.bare_s}
    slowest = max(traced, key=lambda name: traced[name], default=None)
    summary = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread",
        "torch": torch.__version__,
        "models": len(rows),
        "runs": chosen.runs,
        "ratio_geometric_mean": statistics.geometric_mean(ratios.values()),
        "ratio_worst": ratios[worst],
        "worst": worst,
        "trace_to_bare_geometric_mean": statistics.geometric_mean(traced.values()) if traced else None,
        "trace_to_bare_worst": traced.get(slowest),
        "slowest_trace": slowest,
        "vit_h_14": peak("vit_h_14"),
        "clicks": clicks.measured(),
        "rows": {row.name: [round(row.ours_s, 4), round(row.torchinfo_s, 4)] for row in rows},
    }
    print(json.dumps({key: value for key, value in summary.items() if key != "rows"}, indent=2))
    if chosen.keep:
        with RESULTS.open("a") as file:
            file.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
