"""Lines that are too long, broken as formatters break them, and chains of names that are too long, made shorter."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, takewhile
from textwrap import wrap

WIDTH = 110
"""Columns of the code that is written."""
_NAMES = ("part", "inner_part", "part_of_it", "the_part")
"""What a variable for a part of the model may be called; the first that is not taken."""
_TEXT = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_STEP = rf"(?:\.get_submodule\({_TEXT}\)|\.\w+(?![\w(])|\[(?:\d+|{_TEXT})\])"
_CHAIN = re.compile(rf"(?<![\w.\"'])(?:model|self|block|getattr\(self, {_TEXT}\)){_STEP}+")
"""A module or tensor inside a model, by attributes and indices; the name of a method that is called is none of them."""
_WORD = re.compile(r'-?\w+(\.\d+)?|"\w+"')
"""A number, a name or a word in quotes: as an item of a list it shares a line with others."""
_IS_SET = r"(?:: \w+)? = "
"""What follows what is assigned."""
_LEAST = 16
"""A chain that is not longer needs no variable."""


def laid_out(lines: Iterable[str], indent: int) -> Iterator[str]:
    """The lines of a function's body, indented by `indent` spaces, none longer than WIDTH where that can be.

    Statements are broken at their commas; a long chain such as model.a.b.c gets a variable. What no break makes short
    enough, such as a name of more columns, says so to linters.
    """
    given = [f"{' ' * indent}{part}" if part else "" for line in lines for part in line.split("\n")]
    taken = set(re.findall(r"\w+", "\n".join(given)))
    name = next(name for name in (*_NAMES, f"part_{len(taken)}") if name not in taken)
    for statement in _statements(given):
        yield from statement if _fit(statement) else _fitted(statement, name)


def rows(opening: str, items: list[str], closing: str) -> str:
    """A call or a list with each item on lines of its own."""
    if not items:
        return opening.rstrip("[{") + closing.lstrip("]}")
    return "\n".join([opening, *("    " + item.replace("\n", "\n    ") + "," for item in items), closing])


def _fit(lines: Iterable[str]) -> bool:
    return all(len(line) <= WIDTH for line in lines)


def _fitted(lines: list[str], name: str) -> Iterator[str]:
    """A statement with lines that are too long, written otherwise; `name` is free for a variable."""
    if lines[0].lstrip().startswith("#"):
        yield from _commented(lines[0])
        return
    whole = _joined(lines)
    tries: list[Callable[[], Iterable[str]]] = [
        lambda: [part for line in lines for part in _broken(line)] if all(map(_is_row, lines)) else lines,
        lambda: _broken(whole),
        lambda: [part for line in _with_variables(whole, name) for part in _broken(line)],
        lambda: [part for line in _with_variables(whole, name) for part in _broken(_bracketed(line))],
    ]
    found = lines
    for attempt in tries:
        made = list(attempt())
        if _fit(made) or (attempt is not tries[-1] and _excess(made) < _excess(found)):
            found = made
        if _fit(found):
            break
    for line in found:  # ruff takes a word alone as it is
        yield line if len(line) <= WIDTH or " " not in line.strip() else f"{line}  # noqa: E501"


def _is_row(line: str) -> bool:
    """Whether a line is no more than one item of what is around it."""
    depth, text = 0, line.rstrip().removesuffix(",")
    for _, char in _outside(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            return False
    return True


def _excess(lines: list[str]) -> int:
    """How many columns stand out."""
    return sum(max(0, len(line) - WIDTH) for line in lines)


def _commented(line: str) -> list[str]:
    margin = " " * (len(line) - len(line.lstrip()))
    return _filled(line.strip().removeprefix("# "), f"{margin}# ")


def _filled(words: str, margin: str) -> list[str]:
    return wrap(
        words,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _statements(lines: list[str]) -> Iterator[list[str]]:
    """The lines, those together between which a bracket is open."""
    found: list[str] = []
    depth = 0
    for line in lines:
        found.append(line)
        depth += sum((char in "([{") - (char in ")]}") for _, char in _outside(line))
        if depth <= 0:
            yield found
            found, depth = [], 0
    if found:
        yield found


def _outside(line: str) -> Iterator[tuple[int, str]]:
    """The characters that are in no text in quotes and in no comment, and where they are."""
    quote, escaped = "", False
    for index, char in enumerate(line):
        if quote:
            ends = char == quote and not escaped
            escaped = char == "\\" and not escaped
            quote = "" if ends else quote
        elif char == "#":
            return
        else:
            yield index, char
            quote, escaped = (char if char in "\"'" else ""), False


def _joined(lines: list[str]) -> str:
    """A statement as one line."""
    text = lines[0]
    for line in map(str.strip, lines[1:]):
        text += line if text[-1:] in "([{" or line[:1] in ")]}" else f" {line}"
    dropped = {
        commas[-1]
        for opening, commas, closing in _brackets(text, depth=None)
        if commas and not text[commas[-1] + 1 : closing].strip()
        if len(commas) > 1 or text[opening] != "(" or _follows_name(text, opening)
    }
    return "".join(char for index, char in enumerate(text) if index not in dropped)


def _broken(line: str) -> Iterator[str]:
    found = list(_brackets(line)) if len(line) > WIDTH else []
    if not found:
        yield line
        return
    opening, commas, closing = _hugged(line, *found[-1])
    margin = " " * (len(line) - len(line.lstrip()))
    comma = "," if commas or line[opening] != "(" or _follows_name(line, opening) else ""
    yield line[: opening + 1]
    items = [line[start + 1 : end].strip() for start, end in pairwise([opening, *commas, closing])]
    if line[opening] == "[" and all(map(_WORD.fullmatch, items)):
        yield from _filled(f"{', '.join(items)},", f"{margin}    ")
    else:
        yield from (part for item in items if item for part in _broken(f"{margin}    {item}{comma}"))
    yield from _broken(margin + line[closing:])


def _bracketed(line: str) -> str:
    """A statement with brackets around what is assigned or returned, where lines can end."""
    depth, start = 0, len(line) - len(line.lstrip()) + len("return ") if line.lstrip().startswith("return ") else 0
    for index, char in _outside(line):
        depth += (char in "([{") - (char in ")]}")
        if char == "=" and depth == 0 and line[index - 1 : index + 2] == " = ":
            start = index + 2
    return f"{line[:start]}({line[start:]})" if start else line


def _hugged(line: str, opening: int, commas: list[int], closing: int) -> tuple[int, list[int], int]:
    """The bracket, or the list or dict in it where that is all there is: both open on one line."""
    inner = {start: (commas, end) for start, commas, end in _brackets(line, depth=None)}
    while not commas and line[opening + 1] in "[{" and inner.get(opening + 1, ([], 0))[1] == closing - 1:
        opening, (commas, closing) = opening + 1, inner[opening + 1]
    return opening, commas, closing


def _follows_name(line: str, index: int) -> bool:
    return index > 0 and (line[index - 1].isalnum() or line[index - 1] in "_])")


def _brackets(line: str, depth: int | None = 0) -> Iterator[tuple[int, list[int], int]]:
    """Where each outermost bracket opens, its commas, and where it closes; neither indices nor empty ones.

    depth: None for all brackets, however deep.
    """
    above: list[tuple[int, list[int]]] = []
    for index, char in _outside(line):
        if char in "([{":
            above.append((index, []))
        elif char in ")]}" and above:
            opening, commas = above.pop()
            is_index = line[opening] == "[" and _follows_name(line, opening)
            if (depth is None or len(above) == depth) and index > opening + 1 and not is_index:
                yield opening, commas, index
        elif char == "," and above:
            above[-1][1].append(index)


def _with_variables(line: str, name: str) -> list[str]:
    """The statement with variables for the longest chains in it, and before it what sets these."""
    margin = " " * (len(line) - len(line.lstrip()))
    before: list[str] = []
    number = 1
    while not _fit(_broken(line)):
        chain = _shared(sorted(set(_holders(line)), key=len))
        if len(chain) <= _LEAST:
            chain = max(_read(line), key=len, default="")
        if len(chain) <= _LEAST:
            break
        variable = name if number == 1 else f"{name}_{number}"
        before += _assigned(margin, variable, chain)
        line = re.sub(rf"(?<![\w.\"']){re.escape(chain)}(?!\w|{_IS_SET})", variable, line)
        number += 1
    return [*before, line]


def _shared(chains: list[str]) -> str:
    """What the two longest chains begin with, where that is most of both; else the longest. They are sorted."""
    if len(chains) < 2:
        return chains[0] if chains else ""
    one, other = (re.split(rf"(?={_STEP})", chain) for chain in chains[-2:])
    common = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return common if 2 * len(common) > len(chains[-1]) else chains[-1]


def _chains(line: str) -> Iterator[re.Match[str]]:
    outside = {index for index, _ in _outside(line)}
    yield from (match for match in _CHAIN.finditer(line) if match.start() in outside)


def _holders(line: str) -> Iterator[str]:
    """What stands before the last name of each chain, or all of it where a method follows."""
    for match in _chains(line):
        last = list(re.finditer(_STEP, match.group()))[-1]
        yield match.group() if line[match.end() : match.end() + 1] == "." else match.group()[: last.start()]


def _read(line: str) -> Iterator[str]:
    """The chains that are read as they are: neither set nor deleted."""
    is_set = {match.group() for match in _chains(line) if re.match(_IS_SET, line[match.end() :])}
    if not line.lstrip().startswith("del "):
        yield from (match.group() for match in _chains(line) if match.group() not in is_set)


def _assigned(margin: str, variable: str, chain: str) -> Iterator[str]:
    """The variable set to what a chain reads, in as many statements as it takes."""
    start = f"{margin}{variable} = "
    steps = [match.group() for match in re.finditer(_STEP, chain)]
    text = chain[: len(chain) - len("".join(steps))]
    for step in steps:
        if len(start + text + step) > WIDTH and text != variable:
            yield start + text
            text = variable
        text += step
    yield start + text
