"""`python -m tests.docs [TABLE ...]` writes the generated parts of the documentation; tests hold them up to date."""

import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelview.checkpoints.formats.base import FORMATS
from modelview.edits.base import EDITS
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.export.base import EXPORTS
from modelview.names import short
from modelview.recipe import Recipe, structure_of
from modelview.sources import torchvision_class
from modelview.sources.torchvision import Torchvision
from tests import families
from tests.bench.results import newest
from tests.zoo import ALL, inner

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MODELS = ROOT / "docs" / "models.md"
EDITS_BY_FAMILY = ROOT / "docs" / "edits.md"
FILES = ROOT / "docs" / "files.md"


def model_row(name: str, paths: list[str]) -> str:
    """What one model can do, as a row of the table in docs/models.md."""
    recipe = Recipe(Torchvision(name))
    trace = structure_of(recipe).trace
    try:
        change = recipe.then(SwapHead(7)).changes()[0]
        head = change.summary if "layers →" in change.summary else ", ".join(_paths(change.summary))
    except EditError as error:
        head = f"no: {error}"
    refusals = [EXPORTS["module"]().refusal(recipe.then(Truncate(path))) for path in paths]
    whole = "yes" if not any(refusals) else "no: the forward cannot be traced; python and state_dict do"
    cells = [f"`{name}`", "meta" if trace.device == "meta" else f"CPU: {trace.note}", head, whole]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _paths(summary: str) -> list[str]:
    return [f"`{part.partition(' → ')[0]}`" for part in summary.split(" · ")]


def models_table() -> str:
    header = "| model | traced on | head | cut model pickled whole |\n|---|---|---|---|"
    return "\n".join([header, *(model_row(name, inner(Recipe(Torchvision(name)))) for name in ALL)])


def classes_table() -> str:
    """Each class with what it cannot be called without, and a call: the form's own example where there is one."""
    rows = []
    for name in torchvision_class.names():
        needed = [row for row in torchvision_class.keywords_of_class(name) if row.required or row.example is not None]
        first = next((row for row in needed if row.kind == "code"), None)
        opening, *items = str(first.example).splitlines() if first else [""]
        example = f"{opening}{items[0].strip()} …]" if items else opening
        listed = ", ".join(f"`{row.name}`" for row in needed)
        rows.append((f"`{name}`", listed, f"`{short(example, 150)}`" if example else ""))
    return _table(("class", "needs", "its object may be"), rows)


def edits_table() -> str:
    rows = [(f"`{EDITS[n].__name__}`", _first(EDITS[n]), EDITS[n].keeps or "") for n in EDITS]
    return _table(("edit", "what it does", "keeps"), rows)


def exports_table() -> str:
    rows = [(f"`{name}`", EXPORTS[name].title, EXPORTS[name].about) for name in EXPORTS]
    return _table(("format", "file", "what it is"), rows)


def formats_table() -> str:
    rows = [(f"`{name}`", _first_of_module(FORMATS[name]), _first(FORMATS[name])) for name in FORMATS]
    return _table(("`ck.format`", "what it is", "and what to know of it"), rows)


def speed_table() -> str:
    found = newest()
    clicks, peak, trace = found["clicks"], found["vit_h_14"], "recorded trace, share of torch's own meta forward"
    ours, theirs = (statistics.median(row[i] for row in found["rows"].values()) * 1000 for i in (0, 1))
    rows = [
        ("full inspection, share of torchinfo's time, geometric mean", f"{found['ratio_geometric_mean']:.3f}"),
        (f"the same, worst model (`{found['worst']}`)", f"{found['ratio_worst']:.2f}"),
        (f"{trace}, geometric mean", f"{found['trace_to_bare_geometric_mean']:.2f}"),
        (f"{trace}, worst model (`{found['slowest_trace']}`)", f"{found['trace_to_bare_worst']:.2f}"),
        ("vit_h_14, build, trace and all rows", f"{peak['s']:.2f} s; the same again {1000 * peak['again_s']:.0f} ms"),
        (
            "memory of that process",
            f"{peak['rss_mb']:.0f} MB RSS, of which importing torch and torchvision {peak['imports_mb']:.0f}",
        ),
        *((f"{what}, resnet152 open, in Chromium: median", f"{row['median']:.0f} ms") for what, row in clicks.items()),
        ("median model", f"{ours:.0f} ms, torchinfo {theirs:.0f} ms"),
    ]
    run = (
        f"{found['models']} models, runs of each: {found['runs']}, torch {found['torch']}, one thread, {found['date']}."
    )
    return f"{_table(('what', 'measured'), rows)}\n\n{run}"


def _first_of_module(cls: Any) -> str:
    return (sys.modules[cls.__module__].__doc__ or "").strip()


def _first(cls: Any) -> str:
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


TABLES: dict[str, tuple[Path, Callable[[], str]]] = {
    "edits": (README, edits_table),
    "exports": (README, exports_table),
    "speed": (README, speed_table),
    "formats": (FILES, formats_table),
    "models": (MODELS, models_table),
    "classes": (MODELS, classes_table),
    "families": (EDITS_BY_FAMILY, families.table),
}


def between(name: str) -> re.Pattern[str]:
    return re.compile(f"(?<=<!-- {name} -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def main() -> None:
    for name in sys.argv[1:] or TABLES:
        path, make = TABLES[name]
        path.write_text(filled(path.read_text(), name, make()))


def filled(text: str, name: str, table: str) -> str:
    """`text` with `table` between its markers."""
    found = between(name).search(text)
    assert found, f"there is no place for {name}"
    return text[: found.start()] + table + text[found.end() :]


if __name__ == "__main__":
    main()
