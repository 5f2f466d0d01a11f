"""The measurements that were kept."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.jsonl"


def newest() -> dict[str, Any]:
    """The last line of results.jsonl."""
    found: dict[str, Any] = json.loads(RESULTS.read_text().splitlines()[-1])
    return found
