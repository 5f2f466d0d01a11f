"""The command line as a user has it: whole processes for the main walk, `main()` for the tables of refusals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

import modelview as mv
from modelview.cli import main
from modelview.recipe import Recipe

REPLACE = {"edit": "replace_layer", "path": "classifier.1"}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-m", "modelview", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
    )


@pytest.mark.long
def test_the_main_walk_as_processes(tmp_path: Path) -> None:
    edits = ['{"edit": "swap_head", "num_classes": 4}', '{"edit": "freeze", "patterns": ["*"], "except_": ["fc"]}']
    opened = run("open", "shufflenet_v2_x0_5", "--edit", edits[0], "--edit", edits[1], "-o", "r.json", cwd=tmp_path)
    assert opened.returncode == 0, opened.stderr
    assert opened.stderr == ""
    exported = run("export", "r.json", "--format", "state_dict", "-o", "out.pth", "--json", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    document = json.loads(exported.stdout)
    assert document == {"path": "out.pth", "size_bytes": (tmp_path / "out.pth").stat().st_size}
    (tmp_path / "model.py").write_text(run("code", "r.json", cwd=tmp_path).stdout)
    loaded = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            "import sys; sys.path.insert(0, '.'); from model import build_model; import torch;"
            "m = build_model(); m.load_state_dict(torch.load('out.pth', weights_only=True)); print(m.fc)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.strip() == "Linear(in_features=1024, out_features=4, bias=True)", loaded.stderr


@pytest.fixture
def recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    path = str(tmp_path / "recipe.json")
    assert main(["open", "squeezenet1_1", "--edit", '{"edit": "swap_head", "num_classes": 4}', "-o", path]) == 0
    capsys.readouterr()
    return path


def test_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "squeezenet1_1"]) == 0
    text = capsys.readouterr().out
    assert "1,235,496 parameters" in text
    assert "in 1 × 3 × 224 × 224 → out 1 × 1000" in text
    assert main(["inspect", "squeezenet1_1", "--input", "2,3,64,64", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["totals"]["n_parameters"] == 1_235_496
    assert document["modules"][0]["output_shapes"] == [[2, 1000]]
    assert {row["path"] for row in document["parameters"]} >= {"features.0.weight", "classifier.1.bias"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_model_whose_forward_fails_is_shown_up_to_there(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "squeezenet1_1", "--input", "1,4,224,224", *options]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("modelview: `features.0` gets 4 channels but takes 3")
    assert captured.err.count("\n") == 1
    if options:
        assert json.loads(captured.out)["failed"]["path"] == "features.0"
    else:
        assert "not reached" in captured.out


def test_check_and_code(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", recipe, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["output"] == [1, 4]
    assert document["before"]["n_parameters"] - document["after"]["n_parameters"] == 996 * 513
    assert main(["check", recipe]) == 0
    assert "→ out 1 × 4" in capsys.readouterr().out
    assert main(["code", recipe, "--json"]) == 0
    assert "model.classifier[1] = nn.Conv2d(512, 4, kernel_size=1)" in json.loads(capsys.readouterr().out)["code"]


@pytest.mark.long
def test_features_of_noise_and_of_a_picture(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", recipe, "--path", "features.?", "--path", "classifier.1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["input"], document["device"]) == ("random input, seed 0", "cpu")
    expected = mv.features(Recipe.from_json(Path(recipe).read_text()), paths=("features.?", "classifier.1"))
    assert [(row["path"], row["shape"], row["mean"]) for row in document["features"]] == [
        (row.path, list(row.shape), row.mean) for row in expected
    ]
    assert sum(each["probability"] for each in document["prediction"]) == pytest.approx(1)

    Image.new("RGB", (40, 30), (250, 0, 0)).save(tmp_path / "red.png")
    picture = ["--picture", str(tmp_path / "red.png"), "--input", "1,3,64,64"]
    assert main(["features", recipe, "--path", "features.0", *picture]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["features.0", "1"]
    assert "1 × 64 × 31 × 31" in lines[1]
    assert lines[-2].startswith("Resized and centre-cropped to 64 × 64, normalised with mean")
    assert lines[-1] == "The weights are random, so this says nothing about the input."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--path", "featurse.0"], "No module is called 'featurse.0'. Did you mean 'features.0'"),
        (["--picture", "nowhere.png"], "There is no file 'nowhere.png'."),
        (["--picture", __file__], "This file is no picture that can be read; it takes PNG, JPEG"),
        (["--device", "cuda:77"], "There is no device 'cuda:77' on this machine; it has cpu"),
        (["--seed", "-1"], "A seed is a whole number from 0 up; got -1."),
        (["--seed", str(2**64)], f"A seed is a whole number from 0 up; got {2**64}."),
        (["--input", "1,4,64,64"], "`features.0` gets 4 channels but takes 3"),
        (["--input", "1,3,0,64"], "An input shape is whole numbers from 1 up, N first, such as 1,3,224,224; got (1,"),
        (["--input", "1,3,64,64", "--input", "1,3"], "squeezenet1_1 takes 1 input, not 2."),
        (["--input", "1000000,3,224,224"], "What a layer makes of this input would take"),
    ],
)
def test_features_refuses(recipe: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", recipe, *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"modelview: {message}"), captured.err
    assert captured.err.count("\n") == 1


def test_export_every_format(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("state_dict", "module", "python", "recipe"):
        assert main(["export", recipe, "--format", name, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 100
    assert torch.load(tmp_path / "state_dict", weights_only=True)["classifier.1.bias"].shape == (4,)
    assert "Wrote" in capsys.readouterr().out


def test_a_checkpoint_is_identified_opened_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = models.resnet18(num_classes=5)
    file, recipe = str(tmp_path / "tuned.pth"), str(tmp_path / "r.json")
    torch.save({"epoch": 12, "state_dict": nn.DataParallel(model).state_dict()}, file)
    assert main(["identify", file]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "A training checkpoint, epoch 12. Its weights are at 'state_dict'. It fits torchvision resnet18 with "
        "5 classes; 102 of 102 tensors match."
    )
    assert main(["identify", file, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["prefix"], document["unsafe"], document["format"]) == ("module.", [], "zip")
    assert document["matches"][0]["spec"] == "torchvision:resnet18"
    assert document["tensors"]["fc.bias"]["shape"] == [5]
    assert main(["open", file, "--edit", '{"edit": "swap_head", "num_classes": 3}', "-o", recipe]) == 0
    assert main(["check", recipe, "--file", file]) == 0
    assert "→ out 1 × 3" in capsys.readouterr().out
    assert main(["export", recipe, "--file", file, "--format", "state_dict", "-o", str(tmp_path / "out.pth")]) == 0
    out = torch.load(tmp_path / "out.pth", weights_only=True)
    assert torch.equal(out["layer1.0.conv1.weight"], model.state_dict()["layer1.0.conv1.weight"])


def test_export_options(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", recipe, "--format", "state_dict", "-o", str(tmp_path / "out.pth"), "--options"]
    assert main([*command, '{"prefix": "module.", "dtype": "float16"}']) == 0
    assert torch.load(tmp_path / "out.pth", weights_only=True)["module.classifier.1.bias"].dtype == torch.float16
    for options, message in (
        ("[]", "--options is a JSON object"),
        ("{", "--options is not JSON"),
        ('{"model": 1}', "No option of state_dict is called 'model'. Did you mean"),
    ):
        assert main([*command, options]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "The following arguments are required: COMMAND. See modelview --help."),
        (["inspekt", "x"], "Argument COMMAND: invalid choice: 'inspekt'"),
        (["inspect"], "The following arguments are required: spec."),
        (["inspect", "resnet5"], "No torchvision model is called 'resnet5'. Did you mean"),
        (["inspect", "timmm:resnet50"], "No source is called 'timmm'. Did you mean 'timm'?"),
        (["inspect", ""], 'Name a model, such as "resnet50"'),
        (["inspect", "nowhere/recipe.json"], "There is no file 'nowhere/recipe.json'."),
        (["inspect", "squeezenet1_1", "--input", "1,3,x"], "An input shape is numbers with commas"),
        (["inspect", "squeezenet1_1", "--input", "1,3,-5,5"], "An input shape is whole numbers from 1 up"),
        (["inspect", "squeezenet1_1", "--input", "1,3,9,9", "--input", "1"], "squeezenet1_1 takes 1 input, not 2."),
        (["inspect", "squeezenet1_1", "--input", "1,3,99999999999,99999999999"], "No tensor can have the shape"),
        (["open", "squeezenet1_1", "--edit", "{", "-o", "x.json"], "--edit 1 is not JSON"),
        (["open", "squeezenet1_1", "--edit", "[]", "-o", "x.json"], 'Edit 1 of this recipe needs a "edit".'),
        (["open", "squeezenet1_1", "--weights", "V9", "-o", "x.json"], "squeezenet1_1 has no weights called 'V9'."),
        (["open", "squeezenet1_1", "-o", "/nowhere/x.json"], "There is no folder '/nowhere'"),
        (
            ["open", "squeezenet1_1", "--edit", json.dumps({**REPLACE, "layer": "Conv2d(3, 4, 1)"}), "-o", "x.json"],
            "`classifier.1` gets 512 channels but takes 3",
        ),
        (
            [
                "open",
                "squeezenet1_1",
                "--edit",
                json.dumps({**REPLACE, "layer": f"Linear({10**30}, 4)"}),
                "-o",
                "x.json",
            ],
            "Linear does not take these arguments: a number is too large.",
        ),
        (
            [
                "open",
                "squeezenet1_1",
                "--edit",
                json.dumps({**REPLACE, "path": "zzz", "layer": "ReLU()"}),
                "-o",
                "x.json",
            ],
            "No module is called 'zzz'. There are ",
        ),
        (
            ["inspect", "squeezenet1_1", "--with", f"num_classes={10**30}"],
            f"torchvision cannot build squeezenet1_1(num_classes={10**30}): a number is too large.",
        ),
        (
            ["inspect", "torchvision:VGG", "--with", "features=open('x')"],
            "No class or function for features is called 'open'",
        ),
        (["inspect", "inception_v3", "--with", "aux_logits=maybe"], "aux_logits of inception_v3 is True or False; got"),
        (["check", "missing.json"], "There is no file 'missing.json'."),
        (["check", "x" * 5000 + ".json"], "There is no file 'xxx"),
        (["inspect", "x" * 5000 + ".pth"], "There is no file 'xxx"),
        (["identify", "missing.pth"], "There is no file 'missing.pth'."),
        (["identify", __file__], "'test_cli.py' is no checkpoint: it looks like text."),
        (["inspect", __file__], "'test_cli.py' is no checkpoint: it looks like text."),
        (["check", "missing.json", "--file", "w.pth"], "There is no file 'w.pth'."),
        (["code", __file__], "This is not a recipe.json:"),
        (["export", "missing.json", "--format", "state_dict", "-o", "x"], "There is no file 'missing.json'."),
    ],
)
def test_refusals_are_one_line_and_status_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"modelview: {message}"), captured.err
    assert captured.err.count("\n") == 1


def test_an_unknown_format_and_a_bad_input_for_a_recipe(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", recipe, "--format", "statedict", "-o", "x"]) == 1
    assert "No export format is called 'statedict'. Did you mean 'state_dict'" in capsys.readouterr().err
    assert main(["check", recipe, "--input", "1,4,224,224"]) == 1
    assert "`features.0` gets 4 channels but takes 3" in capsys.readouterr().err
