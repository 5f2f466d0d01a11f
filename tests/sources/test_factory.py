"""One's own function as a source: imported and called only where somebody allowed it; every complaint a sentence."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview import recipe as recipes
from modelview.cli import main
from modelview.errors import EditError, UnknownName
from modelview.fields import ModulePath
from modelview.recipe import Recipe
from modelview.sources import _importing, factory as factories
from modelview.sources._importing import SETTING
from modelview.sources.factory import Factory, allow, factory, is_spec
from tests.laws import check_recipe
from tests.runner import runner

NETS = '''
import sys
from pathlib import Path

import torch
from torch import nn

Path(__file__).with_name("imported").touch()
DEPTH = 3


def say(text):
    """The process that runs exported code answers on its stdout, so not there."""
    if "modelview" in sys.modules:
        print(text)


say("hello from nets")


class Net(nn.Module):
    def __init__(self, num_classes=2, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3)))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 2)

    def forward(self, image, row, scale=1.0):
        return self.fc(torch.cat([image.mean((2, 3)), row], 1)) * scale


def build(num_classes=2, width=4, widths=(4, 4), kind="plain"):
    say(kind)
    if width < 1:
        raise ValueError(f"no width of {width}")
    return Net(num_classes, width)


def build_model(depth):
    return nn.Sequential(*[nn.Linear(5, 5) for _ in range(depth)])


def anything(**kwargs):
    return Net(**kwargs)


def nothing():
    return {"net": Net()}


def lazy():
    return nn.Sequential(nn.LazyLinear(3))


def leaves():
    sys.exit(3)


class Grid(nn.Module):
    """Made of values and of what has none on meta; all of it on meta goes together."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)
        self.register_buffer("grid", torch.arange(3.0) * torch.ones(3))

    def forward(self, x):
        return self.fc(x) + self.grid


def computes():
    """On meta there is no value to ask for."""
    scale = torch.rand(1).item()
    return nn.Sequential(nn.Linear(6, 1 if scale > 2 else 3))


KEPT = []


def kept():
    """The same model each time."""
    if not KEPT:
        KEPT.append(Net())
    return KEPT[0]


WHOLE = Net()


def whole():
    return WHOLE
'''

OTHERS = {
    "broken.py": "x = 1\nraise RuntimeError('no licence')\n",
    "needing.py": "import nosuchpackage.part\n",
    "crooked.py": "def f(:\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of somebody's own, which the process that runs exported code finds as well."""
    folder = tmp_path_factory.mktemp("factories")
    package = folder / "mynets"
    package.mkdir()
    for name, content in {"__init__.py": "", "nets.py": NETS, **OTHERS}.items():
        (package / name).write_text(content)
    runner().finds(folder)
    return folder


def forget() -> None:
    """As a new process begins: nothing is allowed, and no structure is kept."""
    _importing._allowed.clear()
    for kept in (recipes.structure_of, recipes._planned, factories._guessed):
        kept.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def nothing_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_importing, "_allowed", set())
    forget()
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.syspath_prepend(folder)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "mynets"]:
        del sys.modules[name]
    (folder / "mynets" / "imported").unlink(missing_ok=True)


def was_imported(folder: Path) -> bool:
    return (folder / "mynets" / "imported").exists()


@pytest.mark.parametrize(
    ("spec", "given", "call"),
    [
        ("mynets.nets:build", {}, "model = build()"),
        (
            "mynets.nets:build",
            {"num_classes": 3, "widths": [1, 2], "kind": "big", "seed": 4},
            'model = build(kind="big", num_classes=3, widths=(1, 2))',
        ),
        ("mynets.nets:Net", {"width": 8}, "model = Net(width=8)"),
        ("mynets.nets:anything", {"num_classes": 5}, "model = anything(num_classes=5)"),
        ("mynets.nets:build_model", {"depth": 2}, "model = make_build_model(depth=2)"),
        ("mynets.nets:Grid", {}, "model = Grid()"),
        ("mynets.nets:computes", {}, "model = computes()"),
        ("mynets.nets:whole", {}, "model = whole()"),
        ("torch.nn:Linear", {"in_features": 7, "out_features": 2}, "model = Linear(in_features=7, out_features=2)"),
    ],
)
def test_the_laws_hold(spec: str, given: dict[str, Any], call: str) -> None:
    recipe = mv.open(spec, **given)
    check_recipe(recipe)
    assert call in recipe.code()


def test_the_code_imports_the_function_and_no_name_is_taken_twice() -> None:
    assert "from mynets.nets import build\n" in mv.open("mynets.nets:build").code()
    assert "from mynets.nets import build_model as make_build_model\n" in (
        mv.open("mynets.nets:build_model", depth=1).code()
    )


def test_edits_hold_the_laws() -> None:
    recipe = mv.open("mynets.nets:build", num_classes=3)
    assert recipe.check().output == (1, 3)
    swapped = recipe.then(mv.SwapHead(5)).then(mv.Freeze("conv"))
    assert swapped.changes()[0].summary == "fc → Linear(4, 5)"
    check_recipe(swapped)
    check_recipe(recipe.then(mv.Truncate(ModulePath("bn"))))


def test_the_seed_decides_the_weights() -> None:
    one, same, other = (mv.open("mynets.nets:build", seed=seed).build() for seed in (1, 1, 2))
    assert torch.equal(one.conv.weight, same.conv.weight)
    assert not torch.equal(one.conv.weight, other.conv.weight)


def test_a_model_that_the_function_keeps_is_never_changed() -> None:
    recipe = mv.open("mynets.nets:whole").then(mv.Freeze("conv"))
    recipe.build().fc = nn.Identity()
    own = sys.modules["mynets.nets"].WHOLE
    assert isinstance(own.fc, nn.Linear)
    assert own.conv.weight.requires_grad
    assert not own.conv.weight.is_meta


@pytest.mark.parametrize(
    ("given", "example"),
    [
        ({}, ((1, 3, 224, 224),)),
        ({"input": (1, 3, 32, 48)}, ((1, 3, 32, 48),)),
        ({"input": [[1, 3, 32, 48]]}, ((1, 3, 32, 48),)),
    ],
)
def test_the_input_is_given_or_guessed(given: dict[str, Any], example: Any) -> None:
    recipe = mv.open("mynets.nets:build", **given)
    assert recipe.source.example == example
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_several_inputs_are_asked_for() -> None:
    with pytest.raises(EditError) as caught:
        mv.open("mynets.nets:Pair")
    assert str(caught.value) == (
        "nets.Pair takes 2 inputs (image, row): give a shape for each, such as "
        "input=((1, 3, 224, 224), (1, 3, 224, 224))."
    )
    check_recipe(mv.open("mynets.nets:Pair", input=((1, 3, 8, 8), (1, 5))))


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        (
            "mynets.nets:build",
            {"num_clases": 3},
            "No keyword of mynets.nets:build is called 'num_clases'. Did you mean",
        ),
        (
            "mynets.nets:build",
            {"colour": 3},
            "mynets.nets:build takes no keyword 'colour'. It takes num_classes, width, widths, kind.",
        ),
        (
            "mynets.nets:anything",
            {"colour": 3},
            "TypeError: Net.__init__() got an unexpected keyword argument 'colour'",
        ),
        ("mynets.nets:build", {"kind": nn.ReLU()}, "is opened with plain values; kind=ReLU() is not one."),
        ("mynets.nets:build", {"kind": {"a": 1}}, "is opened with plain values; kind={'a': 1} is not one."),
        ("mynets.nets:build", {"width": float("nan")}, "is opened with plain values; width=nan is not one."),
        (
            "mynets.nets:build",
            {"width": 0},
            "mynets.nets:build(width=0) failed: ValueError: no width of 0 (nets.py, line 44).",
        ),
        ("mynets.nets:build", {"width": 10**12}, "would take"),
        (
            "mynets.nets:build_model",
            {},
            "mynets.nets:build_model needs 'depth': give it as a keyword, mv.open(\"mynets.nets:build_model\", depth=",
        ),
        ("mynets.nets:build", {"seed": -1}, "A seed is a whole number from 0 up; got -1."),
        ("mynets.nets:build", {"input": (8, 3, 32, 32)}, "input is a shape with N = 1, such as (1, 3, 224, 224)"),
        ("mynets.nets:build", {"input": "1,3,32,32"}, "got '1,3,32,32'."),
        ("mynets.nets:build", {"input": (1, 3, 0)}, "got (1, 3, 0)."),
        ("mynets.nets:nothing", {}, "mynets.nets:nothing() returns 'dict'; it has to return a torch.nn.Module."),
        ("mynets.nets:lazy", {}, "leaves the shape of `0.weight` open: run one batch through it before returning it."),
        ("mynets.nets:leaves", {}, "mynets.nets:leaves() failed: SystemExit: 3 (nets.py, line 65)."),
        ("mynets.nets:DEPTH", {}, "mynets.nets:DEPTH is 'int', nothing that could be called."),
        ("mynets.nets:biuld", {}, "No function of mynets.nets is called 'biuld'. Did you mean 'build'"),
        ("mynets.nest:build", {}, "No module of mynets is called 'nest'. Did you mean 'nets'"),
        (
            "mynet.nets:build",
            {},
            "There is no module 'mynet' on Python's path: start in the folder that it lies in, or",
        ),
        ("mynets.broken:f", {}, "Importing mynets.broken failed: RuntimeError: no licence (broken.py, line 2)."),
        ("mynets.needing:f", {}, "mynets.needing needs 'nosuchpackage', which is not installed in this environment."),
        ("mynets.crooked:f", {}, "Importing mynets.crooked failed: SyntaxError: "),
        ("mynets.nets:", {}, "A factory is named as \"package.module:function\"; got 'mynets.nets:'."),
        ("my-nets:build", {}, 'A factory is named as "package.module:function"; got'),
        ("mynets:a.b", {}, 'A factory is named as "package.module:function"; got'),
        ("tochvision:resnet18", {}, "No source is called 'tochvision'. Did you mean 'torchvision'"),
    ],
)
def test_refuses(spec: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open(spec, **given).build()
    assert message in str(caught.value)


def test_names_that_are_wrong_are_unknown_names() -> None:
    for spec in ("mynets.nets:biuld", "mynets.nest:build", "nosuchpackage:build", "my-nets:build", "tochvision:x"):
        with pytest.raises(UnknownName):
            mv.open(spec)


def test_a_model_that_is_made_once_on_meta_has_no_values() -> None:
    recipe = mv.open("mynets.nets:kept")
    with pytest.raises(EditError, match=r"returns a model without values: it has to make a new one each time it is"):
        recipe.build()


NOT_ALLOWED = (
    "This model comes from the factory 'mynets.nets:build', code that nobody allowed here. If you trust it, "
    "mv.open('mynets.nets:build') first, or set MODELVIEW_FACTORIES=mynets.nets:build in the environment."
)


def test_a_recipe_imports_nothing_that_nobody_allowed(folder: Path) -> None:
    text = Recipe(Factory("mynets.nets:build", (("num_classes", 3),))).to_json()
    recipe = Recipe.from_json(text)
    assert (recipe.source.title, recipe.source.origin) == ("nets.build", "mynets.nets:build · seed 0")
    for use in (recipe.structure, recipe.build, recipe.check, lambda: recipe.example, recipe.then(mv.SwapHead(2)).code):
        with pytest.raises(EditError) as caught:
            use()
        assert str(caught.value).endswith(NOT_ALLOWED)
    assert not was_imported(folder)
    assert "from mynets.nets import build" in recipe.code()
    assert not was_imported(folder)
    with pytest.raises(EditError, match="that nobody allowed here"):
        factory("mynets.nets:build")


def test_what_was_opened_is_allowed_and_nothing_else(folder: Path) -> None:
    mv.open("mynets.nets:build", width=3)
    assert was_imported(folder)
    assert Recipe.from_json(Recipe(Factory("mynets.nets:build", (("width", 5),))).to_json()).check().output == (1, 2)
    for other in ("mynets.nets:Net", "mynets.nets:nothing", "os:system", "mynets:build"):
        with pytest.raises(EditError, match="that nobody allowed here"):
            Recipe(Factory(other)).structure()


def test_the_operator_allows_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(Factory("mynets.nets:build", (("width", 6),)))
    monkeypatch.setenv(SETTING, "other.nets:build, mynets.nets:build,")
    assert recipe.check().output == (1, 2)
    with pytest.raises(EditError, match="that nobody allowed here"):
        Recipe(Factory("mynets.nets:Net")).structure()


def test_a_recipe_file_allows_nothing(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(Recipe(Factory("mynets.nets:build", (("width", 7),))).to_json())
    with pytest.raises(EditError, match="that nobody allowed here"):
        mv.open(path).structure()
    assert not was_imported(folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"spec": "os.system"}, "A factory is named as \"package.module:function\"; got 'os.system'."),
        ({"spec": "os:system;x"}, "A factory is named as"),
        ({"spec": "a:b", "keywords": [["x", {}]]}, "is opened with plain values"),
        ({"spec": "a:b", "input": [[2, 3]]}, "input is a shape with N = 1"),
        ({"spec": "a:b", "input": [1, 3]}, "'input': "),
        ({"spec": 3}, "'spec': 3 is not a text."),
        ({}, "The source of this recipe (factory) needs 'spec'."),
    ],
)
def test_a_recipe_that_no_factory_could_be_is_refused(source: dict[str, Any], message: str) -> None:
    text = json.dumps({"modelview": 1, "source": {"kind": "factory", **source}})
    with pytest.raises(EditError) as caught:
        Recipe.from_json(text)
    assert message in str(caught.value)


def test_the_command_line_opens_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "recipe.json")
    assert main(["inspect", "mynets.nets:build", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["title"] == "nets.build"
    assert "hello from nets" in said.err
    assert main(["open", "mynets.nets:build", "--edit", '{"edit": "swap_head", "num_classes": 9}', "-o", path]) == 0
    forget()
    assert main(["check", path]) == 1
    assert "code that nobody allowed here" in capsys.readouterr().err
    monkeypatch.setenv(SETTING, "mynets.nets:build")
    assert main(["check", path]) == 0


def test_allowing_is_by_the_whole_name() -> None:
    allow("mynets.nets:build")
    assert factory("mynets.nets:build").spec == "mynets.nets:build"
    assert is_spec("a:b")
    assert not any(map(is_spec, ("a", "a:", ":b", "a:b:c", "a.b", "a:b.c", "a:class", "a b:c", "a:b()", "")))
