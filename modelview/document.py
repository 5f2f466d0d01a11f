"""Values as JSON and back, by their fields; strict, and harmless whatever the text says."""

import json
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints, runtime_checkable

from modelview.errors import EditError
from modelview.fields import FileRef
from modelview.layers import Layer
from modelview.names import short, unknown
from modelview.registry import Registry

MOST_CHARACTERS = 10_000_000


@runtime_checkable
class Documented(Protocol):
    """What knows how it stands in a document: a source inside a source, a recipe inside a recipe."""

    def document(self) -> dict[str, Any]:
        """The value as JSON can hold it."""

    @classmethod
    def revived(cls, content: Any) -> Any:
        """The value that `document` wrote. Raises EditError, UnknownName."""


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a frozen dataclass as JSON can hold them; defaults are left out."""
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) != f.default}


def _plain(value: Any) -> Any:
    if isinstance(value, Layer):
        return value.text
    if isinstance(value, FileRef):
        return {"sha256": value.sha256, "name": value.name}
    if isinstance(value, Documented):
        return value.document()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def parse(text: str, version: int) -> dict[str, Any]:
    """The document, of that version. Raises EditError."""
    if len(text) > MOST_CHARACTERS:
        raise EditError(f"A recipe is at most {MOST_CHARACTERS:,} characters; this has {len(text):,}.")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EditError(f"This is not a recipe.json: {short(str(error))}.") from error
    if not isinstance(content, dict) or "modelview" not in content:
        raise EditError('This is not a recipe.json: it has no "modelview" version.')
    if content["modelview"] != version:
        raise EditError(
            f"This recipe is of version {short(repr(content['modelview']))}; this modelview reads version {version}."
        )
    return content


def parts(content: Any) -> tuple[Any, list[Any]]:
    """The source and the edits of a recipe in a document. Raises EditError where it has none."""
    edits = content.get("edits", []) if isinstance(content, dict) else None
    if not isinstance(edits, list) or not isinstance(content.get("source"), dict):
        raise EditError('This is not a recipe.json: it needs a "source" and a list of "edits".')
    return content["source"], edits


def revive(registry: Registry[Any], key: str, content: Any, where: str) -> Any:
    """The dataclass that `content` names under `key`, with its other fields. Raises EditError, UnknownName."""
    if not isinstance(content, dict) or not isinstance(content.get(key), str):
        raise EditError(f'{where} of this recipe needs a "{key}".')
    cls = registry[content[key]]
    hints = get_type_hints(cls)
    known: dict[str, Field[Any]] = {f.name: f for f in fields(cls)}
    for name in content:
        if name != key and name not in known:
            raise EditError(f"{where} of this recipe: {unknown(f'field of {content[key]}', name, known)}")
    missing = [n for n, f in known.items() if n not in content and f.default is MISSING]
    if missing:
        raise EditError(f"{where} of this recipe ({content[key]}) needs {missing[0]!r}.")
    values = {n: _typed(content[n], hints[n], f"{where} of this recipe, {n!r}") for n in known if n in content}
    if cls.__dict__.get("__init__") and "patterns" in values:
        return cls(*values.pop("patterns"), **values)
    return cls(**values)


def _typed(value: Any, kind: Any, where: str) -> Any:
    """`value` as the type a field asks for. Raises EditError where it is something else."""
    kind = getattr(kind, "__supertype__", kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _one_of(value, get_args(kind), where)
    if origin is tuple and isinstance(value, list):
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_typed(item, inner[0], where) for item in value)
        if len(inner) == len(value):
            return tuple(_typed(item, each, where) for item, each in zip(value, inner, strict=True))
    if kind is object or kind is Any:
        return tuple(_typed(item, kind, where) for item in value) if isinstance(value, list) else value
    if kind is Layer and isinstance(value, str):
        return Layer(value)
    if kind is FileRef and isinstance(value, dict) and value.keys() == {"sha256", "name"}:
        return FileRef(**{name: _typed(each, str, f"{where}, {name!r}") for name, each in value.items()})
    if isinstance(kind, type) and issubclass(kind, Documented) and isinstance(value, dict):
        return kind.revived(value)
    if kind is float and type(value) in (int, float):
        return float(value)
    if isinstance(kind, type) and type(value) is kind and kind in (int, str, bool, NoneType):
        return value
    raise EditError(f"{where}: {short(json.dumps(value))} is not {_named(kind)}.")


def _one_of(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    for kind in kinds:
        try:
            return _typed(value, kind, where)
        except EditError:
            continue
    raise EditError(f"{where}: {short(json.dumps(value))} is not {' or '.join(map(_named, kinds))}.")


def _named(kind: Any) -> str:
    names = {
        int: "a whole number",
        str: "a text",
        bool: "true or false",
        float: "a number",
        Layer: "a layer's text",
        FileRef: 'a file, {"sha256": "…", "name": "…"}',
    }
    return names.get(kind, "a list" if get_origin(kind) is tuple else "of the right kind")
