"""Lines that are too long: broken at commas, whole statements at a time, and long chains by a variable."""

import ast

import pytest

from modelview.layout import WIDTH, laid_out

LONG = "a_module_with_a_name_so_long"
CHAIN = f"model.{LONG}.{LONG}_2.{LONG}_3"
BROKEN = {
    "a call": f"model.fc = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False, padding_mode='{LONG}')",
    "a list in a call": f"model.fc = nn.ModuleList([nn.{LONG}(1, 1), nn.{LONG}(2, 2), nn.{LONG}(3, 3), nn.ReLU()])",
    "lines of a call": f"""model = nn.Sequential(
    nn.Sequential(OrderedDict([("{LONG}", nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)),
        ("act", nn.ReLU()),
    ])),
)""",
    "a pair alone": f"""rows = [
    (
        "{LONG}", nn.Linear(1, 1), "{LONG}_and_more", "{LONG}_and_some_more",
    ),
]""",
    "one value": f"""model.sizes = (
    model.{LONG}_1.size_of_it(model.{LONG}_2, model.{LONG}_3, 1),
)""",
    "brackets in texts": rf'''model.note = say("a) [b, {{c", "it\"s, {LONG}", "{LONG}_2", '"{LONG}"', "d}}", [])''',
    "no comma to break at": f"{LONG}_and_more_of_it_than_that = {LONG}_2.{LONG}_3",
    "what is returned": f"return {LONG}_1.{LONG}_2.{LONG}_3.attribute",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_breaking_changes_no_meaning(text: str) -> None:
    lines = list(laid_out([text], 4))
    assert all(len(line) <= WIDTH for line in lines)
    assert len(lines) > len(text.split("\n"))
    written, given = "\n".join(["def f():", *lines]), f"def f():\n    {text}"
    assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(given))


CHAINS = {
    "set": (
        [f"{CHAIN}.conv = nn.Conv2d(3, 64, 7)"],
        [f"part = {CHAIN}", "part.conv = nn.Conv2d(3, 64, 7)"],
    ),
    "of several": (
        [f"x = [{CHAIN}.convolution_of_it, {CHAIN}.normalisation_of_it]"],
        [f"part = {CHAIN}", "x = [part.convolution_of_it, part.normalisation_of_it]"],
    ),
    "a method": (
        [f"{CHAIN}.requires_grad_(False)"],
        [f"part = {CHAIN}", "part.requires_grad_(False)"],
    ),
    "that cannot be reached by dots": (
        [f'getattr(self, "{LONG} 1")["{LONG} 2"].get_submodule("{LONG} 3").conv.requires_grad_(False)'],
        [
            f'part = getattr(self, "{LONG} 1")["{LONG} 2"]',
            f'part = part.get_submodule("{LONG} 3").conv',
            "part.requires_grad_(False)",
        ],
    ),
    "in a loop": (
        ["for name in names:", f"    {CHAIN}.get_parameter(name).requires_grad_(False)"],
        ["for name in names:", f"    part = {CHAIN}", "    part.get_parameter(name).requires_grad_(False)"],
    ),
    "a name that is taken": (
        [f"part = self.part(x, {CHAIN}.conv.weight)"],
        [f"inner_part = {CHAIN}", "inner_part = inner_part.conv", "part = self.part(x, inner_part.weight)"],
    ),
    "what is set and read": (
        [f"{CHAIN} = nn.Sequential({CHAIN}.conv)"],
        [f"part = model.{LONG}.{LONG}_2", f"part.{LONG}_3 = nn.Sequential(part.{LONG}_3.conv)"],
    ),
    "a text": (
        [f'print("{CHAIN}.conv", 1)'],
        ["print(", f'    "{CHAIN}.conv",', "    1,", ")"],
    ),
}


@pytest.mark.parametrize("how", CHAINS)
def test_a_long_chain_gets_a_variable(how: str) -> None:
    given, wanted = CHAINS[how]
    assert list(laid_out(given, 0)) == wanted


def test_what_fits_is_left_alone() -> None:
    lines = ["model.fc = nn.Sequential(", "    nn.Linear(1, 2),", ")", "", f"{CHAIN}.eval()"[:WIDTH]]
    assert list(laid_out(lines, 0)) == lines


def test_only_a_name_that_no_line_holds_says_so_to_linters() -> None:
    assert list(laid_out([f"del model.{LONG * 4}"], 0)) == [f"del model.{LONG * 4}  # noqa: E501"]
    assert list(laid_out([f"rows = [1, '{LONG * 4}']"], 0)) == ["rows = [", "    1,", f"    '{LONG * 4}',", "]"]


def test_a_comment_goes_on_in_the_next_line() -> None:
    lines = list(laid_out(["# " + "word " * 40], 4))
    assert len(lines) == 2
    assert all(line.startswith("    # word") and len(line) <= WIDTH for line in lines)
