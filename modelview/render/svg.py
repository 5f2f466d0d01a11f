"""DOT as a picture, by the system's `dot` where there is one."""

import base64
import re
import shutil
import subprocess

TIMEOUT_S = 12.0
SCALE = 1.12
"""Pixels a point."""


def svg(source: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """The SVG of a DOT source; None where `dot` is missing, fails, or takes longer than `timeout_s`."""
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=source.encode(), capture_output=True, timeout=timeout_s, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    return done.stdout.decode() if done.returncode == 0 else None


def width_px(picture: str) -> int:
    """The width to show an SVG by `dot` at: its letters as large as the page's own."""
    found = re.search(r'<svg width="([\d.]+)pt"', picture)
    return round(float(found.group(1)) * SCALE) if found else 0


def image(picture: str, alt: str, *, least: float = 0.6) -> str:
    """HTML that shows an SVG as an image, in which no script runs: at its own size, or shrunk to the width.

    Shrunk to no less than `least` of its size, so that it stays readable; from there on it scrolls.
    """
    width = width_px(picture)
    data = base64.b64encode(picture.encode()).decode()
    escaped = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    style = f"width:{width}px;max-width:max(100%,{round(width * least)}px);height:auto;display:block;margin:auto"
    return (
        f'<div style="overflow:auto;max-height:75vh"><img alt="{escaped}" style="{style}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
    )


def swatch(fill: str, border: str, words: str) -> str:
    """HTML of one entry of a legend."""
    box = (
        f"display:inline-block;width:0.9em;height:0.9em;border-radius:3px;background:{fill};border:1.5px solid {border}"
    )
    return f'<span style="white-space:nowrap"><span style="{box}"></span> {words}</span>'


def legend(swatches: list[str]) -> str:
    """HTML of a legend on one line that wraps."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 1.2em;font-size:0.85rem">{"".join(swatches)}</div>'
