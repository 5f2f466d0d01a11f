"""The command line: the same recipes, checks and exports as the screen's."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from modelview import commands, files
from modelview.errors import EditError, ModelviewError
from modelview.export.base import EXPORTS


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
    except commands.FailedPass as error:
        print(error.shown)
        return _refused(error)
    except (ModelviewError, OSError) as error:
        return _refused(error)
    return 0


def _refused(error: Exception) -> int:
    print(f"modelview: {' '.join(str(error).split())}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="modelview", description="Look at a PyTorch model, change it by recipe, take it away.")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = verbs.add_parser("inspect", help="tables of modules, parameters and buffers")
    one.add_argument("spec", help="a model's name, such as resnet50, a checkpoint's path, or a recipe.json")
    one.add_argument("--input", action="append", default=[], metavar="1,3,224,224", help="an input's shape, N first")
    one.add_argument("--with", **_WITH)
    one.set_defaults(run=commands.inspected)

    one = verbs.add_parser("identify", help="what a file is, read without running it, and what it fits")
    one.add_argument("path", metavar="FILE")
    one.set_defaults(run=commands.identified)

    one = verbs.add_parser("open", help="write a recipe")
    one.add_argument("spec", help="a model's name, such as resnet50, a checkpoint's path, or a recipe.json")
    one.add_argument("--weights", help="a weights enum's member, such as DEFAULT or IMAGENET1K_V2")
    one.add_argument("--seed", type=int, help="of random weights")
    one.add_argument("--with", **_WITH)
    one.add_argument("--edit", action="append", default=[], metavar="JSON", help="""{"edit": "swap_head", ...}""")
    one.add_argument("-o", "--output", required=True, metavar="RECIPE.json")
    one.set_defaults(run=commands.opened)

    one = verbs.add_parser("check", help="plan every edit and run the result on meta")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--input", action="append", default=[], metavar="1,3,224,224", help="an input's shape, N first")
    one.set_defaults(run=commands.checked)

    one = verbs.add_parser("gradients", help="one optimizer step: which parameters get a gradient and move")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--input", action="append", default=[], metavar="2,3,224,224", help="an input's shape, N first")
    one.add_argument("--meta", action="store_true", help="make no weights; say only which gradients there are")
    one.set_defaults(run=commands.stepped)

    one = verbs.add_parser("features", help="what modules return in one pass, and the likeliest classes")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--path", action="append", default=[], metavar="PATTERN", help="modules, such as layer?; or all")
    one.add_argument("--input", action="append", default=[], metavar="1,3,224,224", help="an input's shape, N first")
    one.add_argument("--picture", metavar="FILE", help="the input; without it noise")
    one.add_argument("--seed", type=int, default=0, help="of the noise")
    one.add_argument("--device", default="cpu", help="cpu, or cuda:0")
    one.set_defaults(run=commands.passed)

    one = verbs.add_parser("code", help="the Python that makes the model")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.set_defaults(run=commands.coded)

    one = verbs.add_parser("export", help="write the model")
    one.add_argument("recipe", metavar="RECIPE.json")
    one.add_argument("--format", required=True, help=f"one of {', '.join(EXPORTS)}")
    one.add_argument("-o", "--output", required=True, metavar="FILE")
    one.add_argument("--options", default="{}", metavar="JSON", help="""such as {"dtype": "float16"}""")
    one.set_defaults(run=commands.exported)

    for command in verbs.choices.values():
        command.add_argument("--file", action="append", default=[], metavar="FILE", help="a file the recipe uses")
        command.add_argument("--json", action="store_true", help="one JSON document and nothing else")
    return parser
