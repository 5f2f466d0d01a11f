"""DOT that Graphviz parses, whatever the names are, and that shows them as they are."""

import html
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from modelview.inspect.graph import fitting, graph
from modelview.inspect.tints import BY, tints
from modelview.opening import open_recipe
from modelview.recipe import trace
from modelview.render import svg
from modelview.render.dot import DARK, dot, quoted
from modelview.render.terminal import plain
from modelview.trace.run import trace_module

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")

NASTY = [
    'quote"quote',
    "back\\slash",
    "ends with \\",
    "a\nb",
    "<b>bold</b>",
    "{a|b}",
    "\\N\\G\\l",
    "&lt;&#x41;",
    "</svg><script>alert(1)</script>",
    '"]; evil [label="x',
    "\u202eRTL\u2066",
    "\x00\x07",
    "日本",
]


def canonical(source: str) -> str:
    done = subprocess.run(["dot", "-Tcanon"], input=source, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    return done.stdout


def named(name: str) -> str:
    model = nn.Sequential()
    model.add_module(name, nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    found = graph(trace_module(model, torch.zeros(1, 2)), 2)
    return dot(found, tints(found), name=name)


@needs_dot
@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_only_text(name: str) -> None:
    source = named(name)
    canonical(source)
    picture = svg.svg(source)
    assert picture is not None
    root = ElementTree.fromstring(picture)
    words = "".join(root.itertext()).replace("\u00a0", " ")
    assert plain(name) in words
    assert not [e for e in root.iter() if e.tag.endswith("script") or "href" in "".join(e.attrib)]
    assert {e.get("id") for e in root.iter() if e.get("class") == "node"} == {"o0", "c2", "c3", "o3"}


@pytest.mark.parametrize("name", NASTY)
def test_quoted_is_one_string(name: str) -> None:
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', quoted(name))


@needs_dot
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "maskrcnn_resnet50_fpn", "googlenet"])
def test_real_models_parse_and_show_every_box(name: str, by: str) -> None:
    found = trace(open_recipe(name))
    picture = graph(found, fitting(found))
    text = canonical(dot(picture, tints(picture, by), (), DARK, name))
    assert text.count("->") == len(picture.arrows)
    for node in (*picture.nodes, *picture.clusters):
        assert f'"{node.id}"' in text or f"id={node.id}" in text


def test_what_is_found_stands_out() -> None:
    picture = graph(trace(open_recipe("resnet18")), 1)
    source = dot(picture, tints(picture), {picture.holder("layer2.0.conv1")})
    assert [line for line in source.splitlines() if "penwidth=2.5" in line and "layer2" in line]
    assert source.count("penwidth=2.5") == 1


def test_containers_have_a_double_border_and_shapes_stand_on_arrows() -> None:
    source = dot(graph(trace(open_recipe("resnet18")), 1), {})
    assert source.count("peripheries=2") == 4
    assert "1×64×112×112" in source


@needs_dot
def test_no_picture_where_dot_takes_too_long_or_fails() -> None:
    assert svg.svg("digraph { a -> b }", timeout_s=1e-4) is None
    assert svg.svg("no graph at all") is None


def test_no_picture_without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert svg.svg("digraph {}") is None


def test_the_picture_is_an_image_and_its_alternative_text_is_escaped() -> None:
    shown = svg.image('<svg width="100pt" height="5pt"></svg>', '"><script>x</script>')
    assert "<script" not in shown
    assert html.unescape(re.findall(r'alt="([^"]*)"', shown)[0]) == '"><script>x</script>'
    assert "width:112px" in shown
