"""A wiring drawn into a recorded graph: values caught, changed on their way, and returned."""

import operator
from collections.abc import Mapping, Set
from typing import Any

from torch import fx

from modelview.rewrite.hands import Drawing
from modelview.rewrite.tracing import Recording, Seen
from modelview.rewrite.values import Untraceable
from modelview.rewrite.wiring import Tap, Turn, Wiring
from modelview.trace.shapes import items


def wire(recording: Recording, wiring: Wiring, names: Mapping[str, str]) -> None:
    """Draws the wiring into the recorded graph."""
    graph = recording.graph
    hand = Drawing(graph, names)
    values = []
    for tap in wiring.taps:
        seen = recording.seen[tap.path][tap.call]
        if tap.collection is None:
            _require_one(seen)
        values.append(_tapped(hand, tap, seen))
    for turn in wiring.turns:
        for seen in recording.seen[turn.path]:
            if not turn.several:
                _require_one(seen)
            _turned(hand, turn, seen)
    output = next(reversed(graph.nodes))
    for name in wiring.inputs:
        hand.input(name)
    if wiring.end is not None:
        with graph.inserting_before(output):
            returned = wiring.end(hand, None if wiring.stops else output.args[0], tuple(values))
        output.args = (returned,)
    if wiring.stops:
        _without_dead_ends(graph)


def _require_one(seen: Seen) -> None:
    if not isinstance(seen.value, fx.Node):
        raise Untraceable("a module that returns several values")


def _require_leaf(seen: Seen) -> None:
    if seen.value.op != "call_module" or not seen.value.args:
        raise Untraceable("a module that is not called as a whole")


def _tapped(hand: Drawing, tap: Tap, seen: Seen) -> Any:
    """The value of a tap, as one argument; a copy, where it is changed later on."""
    value = seen.value
    with hand.graph.inserting_before(seen.last.next):
        if tap.clone:
            value = hand.each(lambda tensor: hand.method("clone", tensor), value, tap.collection)
        value = hand.whole(value)
    if isinstance(value, fx.Node):
        value.meta["hint"] = tap.name
        value.meta.pop("inline", None)
    return value


def _turned(hand: Drawing, turn: Turn, seen: Seen) -> None:
    if turn.before:
        _require_leaf(seen)
        with hand.graph.inserting_before(seen.value):
            seen.value.args = (turn.function(hand, seen.value.args[0]), *seen.value.args[1:])
        return
    after = seen.last.next
    with hand.graph.inserting_before(after):
        new = turn.function(hand, seen.value)
    made, node = set(), after.prev
    while node is not seen.last:
        made.add(node)
        node = node.prev
    with hand.graph.inserting_before(after):
        _replace(hand, seen.value, new, made)
    for node in sorted(made, reverse=True):
        if not node.users:
            hand.graph.erase_node(node)


def _replace(hand: Drawing, old: Any, new: Any, made: Set[fx.Node]) -> None:
    """Has everything but the nodes that were `made` take the new value: what reads a part of it, the new part."""
    if not isinstance(old, fx.Node):
        pairs = zip(items(old), items(new), strict=True) if isinstance(old, dict | list | tuple) else ()
        for part, new_part in pairs:
            _replace(hand, part, new_part, made)
        return
    if isinstance(new, fx.Node):
        old.replace_all_uses_with(new, delete_user_cb=lambda user: user not in made)
        return
    others = []
    for user in [user for user in old.users if user not in made]:
        part = _part(new, user.args[1]) if user.target is operator.getitem and user.args[0] is old else None
        if part is None:
            others.append(user)
            continue
        _replace(hand, user, part, made)
        hand.graph.erase_node(user)
    whole = hand.whole(new) if others else None
    for user in others:
        user.args = fx.node.map_arg(user.args, lambda node: whole if node is old else node)
        user.kwargs = fx.node.map_arg(user.kwargs, lambda node: whole if node is old else node)


def _part(collection: Any, key: Any) -> Any:
    """What the collection holds at a key or number, None where it holds nothing there."""
    if isinstance(collection, dict):
        return collection.get(key) if isinstance(key, str) else None
    return collection[key] if type(key) is int and -len(collection) <= key < len(collection) else None


def _without_dead_ends(graph: fx.Graph) -> None:
    """Takes out reads and sizes at the end that nothing needs any more."""
    for node in reversed(graph.nodes):
        if not node.users and (node.op == "get_attr" or getattr(node.target, "__module__", "") == "_operator"):
            graph.erase_node(node)
