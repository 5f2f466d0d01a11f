"""Layers that a script puts where it puts another one at once."""

import ast
from collections.abc import Sequence
from dataclasses import replace

from modelview.script import Code


def without_overridden(parts: Sequence[Code]) -> list[Code]:
    """The parts without assignments of new layers that nothing reads before others take their places."""
    statements = [(number, text) for number, part in enumerate(parts) for text in part.statements]
    idle = _overridden([text for _, text in statements])
    kept: list[list[str]] = [[] for _ in parts]
    for place, (number, text) in enumerate(statements):
        if place not in idle:
            kept[number].append(text)
    return [replace(part, statements=tuple(texts)) for part, texts in zip(parts, kept, strict=True)]


def _overridden(statements: list[str]) -> set[int]:
    """The places of the statements that may go."""
    bodies = [ast.parse(text).body for text in statements]
    variables = {
        target.id for body in bodies for each in body for target in _targets(each) if isinstance(target, ast.Name)
    }
    found: set[int] = set()
    waiting: dict[str, int] = {}
    for place, body in enumerate(bodies):
        target = _new_layer(body, variables)
        if target is None:
            waiting.clear()  # it may read anything
            continue
        found |= {at for other, at in waiting.items() if _holds(target, other)}
        waiting = {other: at for other, at in waiting.items() if not _holds(other, target)}
        waiting[target] = place
    return found


def _holds(target: str, other: str) -> bool:
    """Whether what the one says is the other, or something that holds it."""
    return other == target or other.startswith((f"{target}.", f"{target}["))


def _targets(statement: ast.stmt) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else []


def _new_layer(body: list[ast.stmt], variables: set[str]) -> str | None:
    """Where in the model the statements put something that is made of no variable; None where they do anything else."""
    if len(body) != 1 or not isinstance(body[0], ast.Assign) or len(body[0].targets) != 1:
        return None
    target = body[0].targets[0]
    names = {node.id for node in ast.walk(body[0].value) if isinstance(node, ast.Name)}
    return None if isinstance(target, ast.Name) or names & variables else ast.unparse(target)
