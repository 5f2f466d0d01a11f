"""Filling in the app's own forms, as a person does who has a recipe in mind."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from streamlit.testing.v1 import AppTest

from modelview.edits.base import EDITS, Edit
from modelview.fields import FileRef
from modelview.layers import Layer
from modelview.recipe import Recipe
from modelview.sources.composed import Composed
from modelview.sources.torchvision import Torchvision
from modelview.sources.torchvision_class import TorchvisionClass
from modelview.sources.unet import UNet
from modelview.ui.composing import CLASS, CONTAINERS, FIRST
from modelview.ui.state import SESSION, Session
from tests.pages.app import errors, go, session, start, text


def by_hand(recipe: Recipe, *given: FileRef) -> AppTest:
    """The app after the source of `recipe` was opened, and each of its edits filled in and applied."""
    at = start()
    at.session_state[SESSION] = Session(files=given)
    at.run()
    OPEN[type(recipe.source)](at, recipe.source)
    assert not errors(at), errors(at)
    assert session(at).recipe == Recipe(recipe.source)
    go(at, "4_Edit")
    for edit in recipe.edits:
        apply(at, edit)
    return at


def apply(at: AppTest, edit: Edit) -> None:
    """Choose the kind of edit, fill in its fields, click Apply."""
    kind = EDITS.name_of(type(edit))
    (group,) = [group for group in at.button_group if EDITS[kind].title in group.options]
    group.set_value(kind).run()
    values = {f"{kind}.{field.name}": getattr(edit, field.name) for field in fields(edit)}  # type: ignore[arg-type]
    fill_in(at, values)
    assert not errors(at), errors(at)
    before = session(at).recipe
    assert before is not None
    at.button(key="apply").click().run()
    assert not errors(at), errors(at)
    assert session(at).recipe != before, text(at)


def fill_in(at: AppTest, values: Mapping[str, Any]) -> None:
    """Put values into widgets by their keys, one after the other; where there is nothing to choose, none is drawn."""
    for key, value in values.items():
        drawn = (*at.text_input, *at.text_area, *at.number_input, *at.selectbox, *at.multiselect, *at.toggle)
        for widget in (widget for widget in drawn if widget.key == key):
            wanted = _typed(value) if widget.type.startswith("text") else _chosen(value, widget.type)
            if widget.value != wanted:
                widget.set_value(wanted).run()


def _chosen(value: Any, kind: str) -> Any:
    if kind == "multiselect":
        return list(value)
    return None if value == "" and kind == "selectbox" else value


def _typed(value: Any) -> str:
    """What one types for a field's value."""
    match value:
        case None:
            return ""
        case Layer():
            return value.text
        case ((str(), Layer()), *_):
            return "\n".join(f"{name} = {layer.text}" for name, layer in value)
        case ((str(), str()), *_):
            return ", ".join(f"{old} = {new}" for old, new in value)
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _torchvision(at: AppTest, source: Torchvision) -> None:
    at.text_input(key="search").input(source.name).run()
    fill_in(at, {f"open.{source.name}.{name}": value for name, value in source.keywords})
    at.button(key="open").click().run()


def _torchvision_class(at: AppTest, source: TorchvisionClass) -> None:
    at.button_group(key="build.kind").set_value(CLASS).run()
    at.selectbox(key="build.class").select(source.name).run()
    fill_in(at, {f"build.{source.name}.{name}": value for name, value in source.keywords})
    at.button(key="build.open").click().run()


def _unet(at: AppTest, source: UNet) -> None:
    fill_in(at, {f"build.unet.{field.name}": getattr(source, field.name) for field in fields(source)})
    at.button(key="build.open").click().run()


def _composed(at: AppTest, source: Composed) -> None:
    (label,) = [label for label, container in CONTAINERS.items() if container == source.container]
    at.button_group(key="build.kind").set_value(label).run()
    fill_in(at, {"build.input": source.input})
    rows = [{"Name": name or None, "Layer": layer} for name, layer in source.rows]
    edited = {"edited_rows": {}, "added_rows": rows, "deleted_rows": list(range(len(FIRST)))}
    at.session_state["build.rows"] = edited
    at.run().button(key="build.open").click().run()


OPEN: dict[type, Callable[[AppTest, Any], None]] = {
    Torchvision: _torchvision,
    TorchvisionClass: _torchvision_class,
    UNet: _unet,
    Composed: _composed,
}
"""For each kind of source what opens one on the Open page."""
