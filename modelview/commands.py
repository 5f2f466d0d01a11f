"""What each command does: from its arguments to what is printed."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from modelview import document, files
from modelview.edits.base import EDITS
from modelview.errors import EditError, ModelviewError
from modelview.export.base import export, made
from modelview.inspect import pictures
from modelview.inspect.features import features, require_room
from modelview.inspect.gradients import one_step
from modelview.inspect.predictions import caveat, class_names, top
from modelview.inspect.tables import buffers, modules, parameters
from modelview.names import short
from modelview.opening import open_recipe
from modelview.recipe import Recipe, trace
from modelview.recognised import recognise
from modelview.render import terminal
from modelview.sources.base import Shape
from modelview.trace.records import Trace


class FailedPass(ModelviewError):
    """The model could not run; `shown` is all that is known of it up to there."""

    shown = ""


def inspected(chosen: argparse.Namespace) -> str:
    """The tables of modules, parameters and buffers, or of what ran where the forward fails."""
    recipe = open_recipe(chosen.spec, **_keywords(chosen.keywords))
    run = trace(recipe, *map(_shape, chosen.input))
    text = (
        _tables(recipe, run)
        if chosen.json
        else terminal.report(recipe.source.title, recipe.source.origin, run, modules(run))
    )
    if run.failed is not None:
        error = FailedPass(run.failed.sentence)
        error.shown = text
        raise error
    return text


def _tables(recipe: Recipe, run: Trace) -> str:
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


def identified(chosen: argparse.Namespace) -> str:
    """What a file is, and what it fits."""
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


def opened(chosen: argparse.Namespace) -> str:
    """A recipe, written to a file."""
    given = {"weights": chosen.weights, "seed": chosen.seed, **_keywords(chosen.keywords)}
    recipe = open_recipe(chosen.spec, **{name: value for name, value in given.items() if value is not None})
    for number, text in enumerate(chosen.edit, start=1):
        recipe = recipe.then(_edit(text, number))
    if recipe.edits:
        recipe.check()
    path = export(recipe, "recipe", chosen.output)
    return _written(path, chosen)


def checked(chosen: argparse.Namespace) -> str:
    """Every edit planned, and the result run on meta."""
    recipe = _recipe(chosen.recipe)
    check = recipe.check(*map(_shape, chosen.input))
    return _document(**_fields(check)) if chosen.json else terminal.check(check)


def stepped(chosen: argparse.Namespace) -> str:
    """One optimizer step: which parameters got a gradient and moved."""
    step = one_step(_recipe(chosen.recipe), *map(_shape, chosen.input), real=not chosen.meta)
    if chosen.json:
        return _document(summary=step.summary, input=step.input, note=step.note, gradients=step.rows)
    return terminal.gradients(step)


def passed(chosen: argparse.Namespace) -> str:
    """One pass: what the chosen modules return."""
    recipe = _recipe(chosen.recipe)
    shapes = tuple(map(_shape, chosen.input)) or recipe.example
    require_room(trace(recipe, *shapes))
    given: tuple[Any, ...] = shapes
    what = f"random input, seed {chosen.seed}"
    if chosen.picture is not None:
        made = pictures.prepared(recipe, pictures.read(_existing(chosen.picture).read_bytes()), shapes)
        given, what = (made.tensor,), made.how
    found = features(recipe, *given, paths=chosen.path, device=chosen.device, seed=chosen.seed)
    likeliest, doubt = top(found.output, class_names(recipe)), caveat(recipe)
    if chosen.json:
        return _document(input=what, device=found.device, features=found.rows, prediction=likeliest, caveat=doubt)
    origin = f"{what[:1].upper()}{what[1:].rstrip('.')}. Run on {found.device}."
    return "\n".join([terminal.features(found, likeliest), "", origin, *([doubt] if likeliest and doubt else [])])


def coded(chosen: argparse.Namespace) -> str:
    """The recipe's Python."""
    code = _recipe(chosen.recipe).code()
    return _document(code=code) if chosen.json else code.rstrip("\n")


def exported(chosen: argparse.Namespace) -> str:
    """The model, written to a file."""
    options = _json(chosen.options, "--options", '{"prefix": "module."}')
    if not isinstance(options, dict):
        raise EditError('--options is a JSON object, such as {"prefix": "module."}.')
    made(chosen.format, options)
    return _written(export(_recipe(chosen.recipe), chosen.format, chosen.output, **options), chosen)


def _recipe(path: str) -> Recipe:
    """A recipe file whatever its suffix: here nothing else can be meant."""
    try:
        return Recipe.from_json(_existing(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise EditError(f"{path!r} is not text, so it is no recipe.json.") from error


def _existing(path: str) -> Path:
    if not files.exists(Path(path)) or not Path(path).is_file():
        raise EditError(f"There is no file {short(path)!r}.")
    return Path(path)


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
