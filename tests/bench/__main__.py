"""`python -m tests.bench`: measures, prints, appends to results.jsonl; README's table is made from the newest."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time

import torch

from tests.bench.inspection import table
from tests.bench.results import RESULTS
from tests.zoo import ALL


def peak(name: str) -> dict[str, float]:
    """Seconds and peak memory of a fresh process that inspects one model, imports included in the memory."""
    code = (
        "import re, sys, time; from modelview.sources.torchvision import Torchvision;"
        "from tests.bench.inspection import ours; import torch; torch.set_num_threads(1);"
        "ours(Torchvision('resnet18')); t = time.perf_counter(); ours(Torchvision(sys.argv[1]));"
        "status = open('/proc/self/status').read();"
        "print(time.perf_counter() - t, int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return {"s": seconds, "rss_mb": megabytes}


def commit() -> str:
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
    traced = [row.trace_s / row.bare_s for row in rows if row.bare_s]
    summary = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread",
        "torch": torch.__version__,
        "models": len(rows),
        "runs": chosen.runs,
        "ratio_geometric_mean": statistics.geometric_mean(ratios.values()),
        "ratio_worst": ratios[worst],
        "worst": worst,
        "trace_to_bare_geometric_mean": statistics.geometric_mean(traced) if traced else None,
        "trace_to_bare_worst": max(traced, default=None),
        "vit_h_14": peak("vit_h_14"),
        "rows": {row.name: [round(row.ours_s, 4), round(row.torchinfo_s, 4)] for row in rows},
    }
    print(json.dumps({key: value for key, value in summary.items() if key != "rows"}, indent=2))
    if chosen.keep:
        with RESULTS.open("a") as file:
            file.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
