"""The command line: the same recipes, checks and exports as the screen's."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

from modelview import document, files
from modelview.edits.base import EDITS
from modelview.errors import EditError, ModelviewError
from modelview.export.base import EXPORTS, export, made
from modelview.inspect.gradients import GradientRow, one_step
from modelview.inspect.tables import buffers, modules, parameters
from modelview.opening import open_recipe
from modelview.recipe import Recipe, trace
from modelview.recognised import recognise
from modelview.render import terminal
from modelview.sources.base import Shape
from modelview.trace import shapes
from modelview.trace.records import Trace


class _Parser(argparse.ArgumentParser):
    """Usage errors are errors like all others: one line, exit status 1."""

    def error(self, message: str) -> NoReturn:
        raise EditError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


_WITH: dict[str, Any] = {
    "action": "append",
    "default": [],
    "dest": "keywords",
    "metavar": "NAME=VALUE",
    "help": "an argument of the source, such as n_channels=3 or layers=[3,24,36,3]",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 with one line on stderr, after all that is known of a model whose forward fails."""
    try:
        chosen = _parser().parse_args(arguments)
        for file in chosen.file:
            files.give(file)
        print(chosen.run(chosen))
    except _FailedPass as error:
        print(error.shown)
        return _refused(error)
    except (ModelviewError, OSError) as error:
        return _refused(error)
    return 0


class _FailedPass(ModelviewError):
    """The model could not run; `shown` is all that is known of it up to there."""

    shown = ""


def _refused(error: Exception) -> int:
    print(f"modelview: {' '.join(str(error).split())}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="modelview", description="Look at a PyTorch model, change it by recipe, take it away.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("inspect", help="tables of modules, parameters and buffers")
    one.add_argument("spec", help="a model's name, such as resnet50, a checkpoint's path, or a recipe.json")
    one.add_argument("--input", action="append", default=[], metavar="1,3,224,224", help="an input's shape, N first")
    one.add_argument("--with", **_WITH)
    one.set_defaults(run=_inspect)

    one = commands.add_parser("identify", help="what a file is, read without running it, and what it fits")
    one.add_argument("path", metavar="FILE")
    one.set_defaults(run=_identify)

    one = commands.add_parser("open", help="write a recipe")
    one.add_argument("spec", help="a model's name, such as resnet50, a checkpoint's path, or a recipe.json")
    one.add_argument("--weights", help="a weights enum's member, such as DEFAULT or IMAGENET1K_V2")
    one.add_argument("--seed", type=int, help="of random weights")
    one.add_argument("--with", **_WITH)
    one.add_argument("--edit", action="append", default=[], metavar="JSON", help="""{"edit": "swap_head", ...}""")
    one.add_argument("-o", "--output", required=True, metavar="RECIPE.json")
    one.set_defaults(run=_open)

    one = commands.add_parser("check", help="plan every edit and run the result on meta")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--input", action="append", default=[], metavar="1,3,224,224", help="an input's shape, N first")
    one.set_defaults(run=_check)

    one = commands.add_parser("gradients", help="one optimizer step: which parameters get a gradient and move")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--input", action="append", default=[], metavar="2,3,224,224", help="an input's shape, N first")
    one.add_argument("--meta", action="store_true", help="make no weights; say only which gradients there are")
    one.set_defaults(run=_gradients)

    one = commands.add_parser("code", help="the Python that makes the model")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.set_defaults(run=_code)

    one = commands.add_parser("export", help="write the model")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--format", required=True, help=f"one of {', '.join(EXPORTS)}")
    one.add_argument("-o", "--output", required=True, metavar="FILE")
    one.add_argument("--options", default="{}", metavar="JSON", help="""such as {"dtype": "float16"}""")
    one.set_defaults(run=_export)

    for command in commands.choices.values():
        command.add_argument("--file", action="append", default=[], metavar="FILE", help="a file the recipe uses")
        command.add_argument("--json", action="store_true", help="one JSON document and nothing else")
    return parser


def _inspect(chosen: argparse.Namespace) -> str:
    recipe = open_recipe(chosen.spec, **_keywords(chosen.keywords))
    run = trace(recipe, *map(_shape, chosen.input))
    text = (
        _inspected(recipe, run)
        if chosen.json
        else terminal.report(recipe.source.title, recipe.source.origin, run, modules(run))
    )
    if run.failed is not None:
        error = _FailedPass(run.failed.sentence)
        error.shown = text
        raise error
    return text


def _inspected(recipe: Recipe, run: Trace) -> str:
    return _document(
        title=recipe.source.title,
        origin=recipe.source.origin,
        input=run.inputs,
        output=run.output,
        device=run.device,
        note=run.note,
        failed=run.failed,
        totals=run.totals,
        modules=modules(run),
        parameters=parameters(recipe),
        buffers=buffers(recipe),
    )


def _identify(chosen: argparse.Namespace) -> str:
    found = recognise(files.give(chosen.path))
    if not chosen.json:
        return terminal.recognised(found)
    ck = found.checkpoint
    return _document(
        sentence=found.sentence,
        format=ck.format,
        path=ck.path,
        prefix=ck.prefix,
        candidates=[candidate.path for candidate in ck.candidates],
        extras=dict(ck.extras),
        unsafe=ck.unsafe,
        notes=ck.notes,
        matches=found.matches,
        tensors=dict(ck.tensors),
    )


def _open(chosen: argparse.Namespace) -> str:
    given = {"weights": chosen.weights, "seed": chosen.seed, **_keywords(chosen.keywords)}
    recipe = open_recipe(chosen.spec, **{name: value for name, value in given.items() if value is not None})
    for number, text in enumerate(chosen.edit, start=1):
        recipe = recipe.then(_edit(text, number))
    if recipe.edits:
        recipe.check()
    path = export(recipe, "recipe", chosen.output)
    return _written(path, chosen)


def _check(chosen: argparse.Namespace) -> str:
    recipe = _recipe(chosen.recipe)
    check = recipe.check(*map(_shape, chosen.input))
    return _document(**_fields(check)) if chosen.json else terminal.check(check)


def _gradients(chosen: argparse.Namespace) -> str:
    step = one_step(_recipe(chosen.recipe), *map(_shape, chosen.input), real=not chosen.meta)
    if chosen.json:
        return _document(summary=step.summary, input=step.input, note=step.note, gradients=step.rows)
    header = ("name", "of", "shape", "gradient", "moved", "")
    table = terminal.table(header, [_gradient(row) for row in step.rows], "lllr")
    return "\n".join([table, "", step.summary, *([f"Note: {step.note}."] if step.note else [])])


def _gradient(row: GradientRow) -> tuple[str, ...]:
    norm = "yes" if row.norm is None else f"{row.norm:.3g}"
    moved = "" if row.moved is None else "moved" if row.moved else "stayed"
    return row.name, row.what, shapes.text(row.shape), norm if row.gradient else "", moved, row.reason


def _code(chosen: argparse.Namespace) -> str:
    code = _recipe(chosen.recipe).code()
    return _document(code=code) if chosen.json else code.rstrip("\n")


def _export(chosen: argparse.Namespace) -> str:
    options = _json(chosen.options, "--options", '{"prefix": "module."}')
    if not isinstance(options, dict):
        raise EditError('--options is a JSON object, such as {"prefix": "module."}.')
    made(chosen.format, options)
    return _written(export(_recipe(chosen.recipe), chosen.format, chosen.output, **options), chosen)


def _recipe(path: str) -> Recipe:
    """A recipe file whatever its suffix: here nothing else can be meant."""
    if not Path(path).is_file():
        raise EditError(f"There is no file {path!r}.")
    try:
        return Recipe.from_json(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise EditError(f"{path!r} is not text, so it is no recipe.json.") from error


def _edit(text: str, number: int) -> Any:
    content = _json(text, f"--edit {number}", '{"edit": "swap_head", "num_classes": 10}')
    return document.revive(EDITS, "edit", content, f"Edit {number}")


def _keywords(texts: Sequence[str]) -> dict[str, Any]:
    """The arguments of a source: values are JSON, or text where they are no JSON."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise EditError(f"--with is NAME=VALUE, such as n_channels=3; got {text!r}.")
        try:
            found[name] = _frozen(json.loads(value))
        except (ValueError, RecursionError):
            found[name] = value
    return found


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _json(text: str, where: str, example: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EditError(f"{where} is not JSON ({error}); write {example}.") from error


def _shape(text: str) -> Shape:
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError as error:
        raise EditError(f"An input shape is numbers with commas, such as 1,3,224,224; got {text!r}.") from error


def _written(path: Path, chosen: argparse.Namespace) -> str:
    size = path.stat().st_size
    return _document(path=str(path), size_bytes=size) if chosen.json else f"Wrote {path} ({size:,} bytes)."


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _document(**content: Any) -> str:
    return json.dumps(content, default=_plain, indent=2)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")
