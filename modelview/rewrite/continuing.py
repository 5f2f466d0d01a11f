"""A forward that begins by calling another one, written as the lines of that one and its own."""

import ast
import re
import textwrap

_BEGINS = re.compile(r"        (\w+) = super\(\)\.forward\((.*)\)\n")
_RETURNS = re.compile(r"^ +return\b", re.MULTILINE)


def continued(before: str, after: str) -> str | None:
    """The method `after`, going on where `before` ends; None where it does not just begin by calling that."""
    first, second = _function(before), _function(after)
    head = after.index("\n", after.index(" -> ")) + 1
    begins = _BEGINS.match(after, head)
    if begins is None or "super()" in after[begins.end() :] or _returned(first) != "Tensor":
        return None
    name, given = begins[1], begins[2].split(", ")
    taken, takes = _arguments(first), _arguments(second)
    if given != taken or name not in taken or len(_RETURNS.findall(before)) != 1:
        return None
    inside = {node.id for node in ast.walk(first) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    read = {node.id for node in ast.walk(second) if isinstance(node, ast.Name)}
    if inside & {*takes} - {*taken} or inside & read & {*taken} - {name}:
        return None
    body = before[before.index("\n", before.index(" -> ")) + 1 :]
    lines, end = body[: body.rindex("        return ")], body[body.rindex("        return ") :]
    kept = end.replace("        return ", f"        {name} = ", 1) + "\n"
    return after[:head] + lines + (kept if kept != f"        {name} = {name}\n" else "") + after[begins.end() :]


def _function(text: str) -> ast.FunctionDef:
    found = ast.parse(textwrap.dedent(text)).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def _arguments(function: ast.FunctionDef) -> list[str]:
    return [each.arg for each in function.args.args[1:]]


def _returned(function: ast.FunctionDef) -> str:
    return ast.unparse(function.returns) if function.returns else ""
