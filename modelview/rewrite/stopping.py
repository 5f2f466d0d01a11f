"""Where a forward cannot be recorded: the model's own forward, stopped by a hook."""

from typing import Any

from torch import nn

from modelview.rewrite.classes import by_name, declared, indented, wrapped
from modelview.rewrite.holding import spelled
from modelview.rewrite.rewired_code import base_name
from modelview.rewrite.signatures import sign
from modelview.script import Code, quoted


def stopped_class(base: type[nn.Module], name: str, path: str, call: int, tail: tuple[str, ...]) -> type[nn.Module]:
    """A subclass of `base` whose forward ends after the call number `call` of the module at `path`.

    tail: names of the children that its value goes through afterwards.
    """

    class Reached(Exception):
        """Ends the forward pass with the value in `args[0]`."""

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG001
            outputs.append(output)
            if len(outputs) > call:
                raise Reached(output)

        handle = self.get_submodule(path).register_forward_hook(keep)
        try:
            base.forward(self, *args, **kwargs)
        except Reached as reached:
            x = reached.args[0]
        else:
            raise RuntimeError(f"{path} was not called")
        finally:
            handle.remove()
        for child in tail:
            x = getattr(self, child)(x)
        return x

    sign(forward, base)
    made: type[nn.Module] = type(name, (base,), {"forward": forward, "__doc__": f"{base.__name__} up to `{path}`."})
    return made


def stopped_code(model: nn.Module, name: str, path: str, call: int, tail: dict[str, Code]) -> Code:
    """The same class as Python, and the statements that make `model` one of it.

    tail: each child's name, and the code that makes it.
    """
    base, imports = base_name(type(model))
    returned = "reached.args[0]"
    for child in tail:
        returned = f"self.{child}({returned})"
    reached = [f"raise {name}.Reached(output)"]
    if call:
        reached = ["outputs.append(output)", f"if len(outputs) > {call}:", f"    {reached[0]}"]
    layer, end = by_name(spelled(model, path, "self")), f"return {returned}"
    lines = [
        f"class {name}({base}):",
        *wrapped(f'"""{type(model).__name__} up to `{path}`.', 4),
        "",
        "    It keeps all layers; the forward stops when that one has run.",
        '    """',
        "",
        *([] if imports else declared(base, [layer, end], tail)),
        "    class Reached(Exception):",
        '        """Ends the forward pass with the value in `args[0]`."""',
        "",
        "    def forward(self, *args: Any, **kwargs: Any) -> Any:",
        *(["        outputs: list[Any] = []", ""] if call else []),
        "        def stop(module: nn.Module, inputs: Any, output: Any) -> None:",
        *(f"            {line}" for line in reached),
        "",
        *indented(
            [
                f"layer = {layer}",
                "handle = layer.register_forward_hook(stop)",
                "try:",
                "    super().forward(*args, **kwargs)",
                f"except {name}.Reached as reached:",
                f"    {end}",
                "finally:",
                "    handle.remove()",
                f"raise RuntimeError({quoted(f'{path} was not called')})",
            ]
        ),
    ]
    statements = [f"model.__class__ = {name}"]
    statements += [f"model.{child} = {code.statements[0]}" for child, code in tail.items()]
    made = [line for code in tail.values() for line in code.imports]
    return Code(tuple(statements), ("\n".join(lines),), ("from typing import Any", *imports, *made))
