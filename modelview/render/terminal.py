"""Rows as plain text for a terminal."""

from collections.abc import Sequence
from typing import Any

from modelview.inspect.features import FeatureRow, Features
from modelview.inspect.gradients import GradientRow, Step
from modelview.inspect.predictions import Prediction
from modelview.inspect.tables import ModuleRow
from modelview.names import short
from modelview.recipe import Check
from modelview.recognised import Recognised
from modelview.trace.records import Totals, Trace
from modelview.trace.shapes import text


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Columns in line; `right` holds an "r" for each column that is set to the right.

    >>> print(table(("a", "n"), [("x", "10"), ("yy", "5")], "lr"))
    a    n
    x   10
    yy   5
    """
    every = [tuple(map(plain, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(header))]
    sides = right.ljust(len(header), "l")
    lines = []
    for row in every:
        cells = [c.rjust(w) if s == "r" else c.ljust(w) for c, w, s in zip(row, widths, sides, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def plain(value: str) -> str:
    """`value` with every control and direction character made visible: names come from strangers' files."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)


def report(title: str, origin: str, trace: Trace, rows: Sequence[ModuleRow]) -> str:
    """The table of modules and the totals under it."""
    cells = [
        (
            "  " * row.path.count(".") + (row.path.rpartition(".")[2] or "(model)"),
            row.kind,
            " ".join(map(text, row.output_shapes[:1])),
            f"{row.n_parameters:,}",
            f"{row.macs:,}",
            row.note,
        )
        for row in rows
    ]
    header = ("module", "type", "output", "parameters", "MACs", "")
    lines = [f"{title} · {origin}", "", table(header, cells, "lllrrl"), "", totals(trace.totals)]
    lines.append(f"in {text(trace.inputs)} → out {text(trace.output)}")
    lines += [f"Note: {trace.note}."] if trace.note else []
    lines += [f"Failed: {trace.failed.sentence}"] if trace.failed else []
    return "\n".join(lines)


def totals(sums: Totals) -> str:
    """The totals as one line."""
    counted = f"not counted: {', '.join(sums.uncounted)}" if sums.uncounted else "everything counted"
    return (
        f"{sums.n_parameters:,} parameters, {sums.n_trainable:,} trainable · {sums.size_bytes / 1e6:,.1f} MB · "
        f"{sums.macs / 1e9:,.2f} G MACs, {counted}"
    )


def check(found: Check) -> str:
    """What a recipe's last edit changes, before and after."""
    rows = [(row.what, _value(row.before), _value(row.after)) for row in found.changes]
    return f"Runs: in {text(found.input)} → out {text(found.output)}\n\n" + table(("", "before", "after"), rows)


def _value(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return " ".join(value) if len(value) < 6 else f"{' '.join(value[:4])} … {len(value)} keys"
    return text(value) if value else "–"


def gradients(step: Step) -> str:
    """Which parameters got a gradient and moved in one step, and why the others did not."""
    lines = [table(("name", "of", "shape", "gradient", "moved", ""), list(map(_gradient, step.rows)), "lllr")]
    return "\n".join([*lines, "", step.summary, *([f"Note: {step.note}."] if step.note else [])])


def _gradient(row: GradientRow) -> tuple[str, ...]:
    norm = "yes" if row.norm is None else f"{row.norm:.3g}"
    moved = "" if row.moved is None else "moved" if row.moved else "stayed"
    return row.name, row.what, text(row.shape), norm if row.gradient else "", moved, row.reason


def features(found: Features, likeliest: Sequence[Prediction]) -> str:
    """What the chosen modules returned, and the likeliest classes of the first item where there are classes."""
    header = ("module", "call", "output", "shape", "dtype", "mean", "std", "min", "max", "zeros", "NaN", "infinite")
    lines = [table(header, list(map(_feature, found)), "lrlllrrrrrrr")]
    if likeliest:
        rows = [(f"{each.probability:.1%}", str(each.index), each.name) for each in likeliest]
        lines += ["", table(("probability", "class", ""), rows, "rrl")]
    return "\n".join(lines)


def _feature(row: FeatureRow) -> tuple[str, ...]:
    figures = ("–" if value is None else f"{value:.3g}" for value in (row.mean, row.std, row.min, row.max))
    zeros = "–" if row.zeros is None else f"{row.zeros:.1%}"
    which = (row.path, str(row.call + 1), row.output, text(row.shape), row.dtype)
    return *which, *figures, zeros, f"{row.n_nan:,}", f"{row.n_inf:,}"


def recognised(found: Recognised) -> str:
    """What a file is, what else is in it, and what it asks for."""
    ck = found.checkpoint
    lines = [found.sentence, ""]
    rows = [("file", f"{found.file.name} · {ck.size_bytes / 1e6:,.1f} MB · format {ck.format}")]
    rows += [("state_dicts", ", ".join(f"{each.path or '(top)'} ({len(each.tensors):,})" for each in ck.candidates))]
    rows += list(ck.extras.items())
    rows += [("note", note) for note in ck.notes]
    if ck.unsafe:
        rows.append(("asks for", ", ".join(ck.unsafe[:6]) + (", …" if len(ck.unsafe) > 6 else "") + " (not run)"))
    if len(found.matches) > 1:
        others = (f"{match.spec} {match.coverage:.0%}" for match in found.matches[1:4])
        rows.append(("also near", ", ".join(others)))
    return "\n".join([*lines, table(("", ""), [(short(name, 40), short(value, 200)) for name, value in rows]).lstrip()])
