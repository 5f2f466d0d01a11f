"""A recorded forward made whole: dropout as modules, what is appended; then a module that runs, or a class."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from torch import fx, nn

from modelview.layers import Layer
from modelview.rewrite.holding import as_module, assignment, assignments, hold, spelled
from modelview.rewrite.layout import broken
from modelview.rewrite.statements import Body
from modelview.rewrite.tracing import DROPOUTS, Mode, Recording
from modelview.rewrite.values import Untraceable
from modelview.rewrite.writing import Expressions
from modelview.script import Code

Tail = tuple[tuple[str, str], ...]


def free_names(tail: Tail, module: nn.Module) -> Tail:
    """The tail, under names that the module does not have yet."""
    taken: list[str] = []
    for name, _ in tail:
        tried = [name, *(f"{name}_{n}" for n in range(1, 10_000))]
        taken.append(next(n for n in tried if n not in taken and not hasattr(module, n)))
    return tuple((name, text) for name, (_, text) in zip(taken, tail, strict=True))


class Draft:
    """`graph` is the forward, `kept` a module that holds its layers, `tail` what was appended.

    make: builds a layer from its text.
    """

    def __init__(self, recording: Recording, tail: Tail, make: Callable[[str], nn.Module]) -> None:
        self.graph = recording.graph
        self.holder = hold(recording)
        self.kept = as_module(self.holder)
        self.dropouts = self._name_dropouts()
        self.tail = free_names(tail, self.kept)
        output = next(iter(reversed(self.graph.nodes)))
        for name, text in self.tail:
            self.kept.add_module(name, make(text))
            with self.graph.inserting_before(output):
                output.args = (self.graph.call_module(name, output.args),)

    def _name_dropouts(self) -> dict[str, str]:
        """Turns functions that ask for `self.training` into modules: a graph would freeze what it was."""
        names: dict[str, str] = {}
        for node in list(self.graph.nodes):
            given = _arguments(node) if node.target in DROPOUTS else {}
            if not isinstance(given.get("training"), Mode):
                continue
            text = f"{DROPOUTS[node.target]}({given['p']}{', inplace=True' if given['inplace'] else ''})"
            if text not in names:
                ((names[text], _),) = free_names((("dropout", text),), self.kept)
                self.kept.add_module(names[text], Layer(text).build().train(bool(given["training"])))
            with self.graph.inserting_before(node):
                module_call = self.graph.call_module(names[text], (given["input"],))
            module_call.meta.update(node.meta)
            node.replace_all_uses_with(module_call)
            self.graph.erase_node(node)
        return {name: text for text, name in names.items()}

    def module(self, class_name: str) -> fx.GraphModule:
        """The graph as a module of that class name, which holds what `kept` does."""
        made = fx.GraphModule(self.kept, self.graph, class_name)
        for found in ("_modules", "_parameters", "_buffers"):  # fx copies only what the graph names, in its order
            own, kept = getattr(made, found), getattr(self.kept, found)
            own.clear()
            own.update(kept)
        return made

    def code(self, model: nn.Module, class_name: str, title: str, sources: dict[str, str], extra: list[str]) -> Code:
        """The class, and the statement that makes `model` one.

        sources: expressions for what is not simply the model's own at its path. extra: further lines of `__init__`.
        """
        expressions = Expressions(lambda path: spelled(self.kept, path, "self"))
        body = Body(self.graph, expressions)
        added = {name: Layer(text).code() for name, text in (*self.dropouts.items(), *self.tail)}
        init = ["super().__init__()", *assignments(self.holder, self.kept, model, sources)]
        init += [assignment(self.kept, name, code.statements[0]) for name, code in added.items()]
        inputs = "".join(f", {node.target}: Tensor" for node in body.inputs)
        lines = [
            f"class {class_name}(nn.Module):",
            f'    """{title}"""',
            "",
            "    def __init__(self, model: nn.Module) -> None:",
            *_indented([*init, *extra]),
            "",
            f"    def forward(self{inputs}) -> Tensor:",
            *_indented(body.lines),
        ]
        imports = {"from torch import Tensor": None, **expressions.imports}
        imports.update(dict.fromkeys(line for code in added.values() for line in code.imports))
        if any("OrderedDict(" in source for source in sources.values()):
            imports["from collections import OrderedDict"] = None
        return Code((f"model = {class_name}(model)",), ("\n".join(lines),), tuple(imports))


def _indented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield from broken(line, 8)


def _arguments(node: fx.Node) -> dict[str, Any]:
    assert callable(node.target)
    bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    if isinstance(bound.arguments["training"], Mode) and not isinstance(bound.arguments["p"], int | float):
        raise Untraceable("dropout with a computed probability")
    return bound.arguments
