"""A Sequential cut short: a new Sequential that shares its children, and Python that makes the same."""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from modelview.script import quoted


@dataclass(frozen=True)
class Slice:
    """A Sequential up to one of its children. `path` is its place; `text` makes it from `model`."""

    path: str
    module: nn.Module
    text: str
    needs_ordered_dict: bool


def is_sequential(module: nn.Module) -> bool:
    """Whether it does nothing but call its children, one after the other."""
    return type(module).forward is nn.Sequential.forward and "forward" not in vars(module)


def sequential_above(model: nn.Module, path: str) -> str | None:
    """The path of the outermost of the nested Sequentials that end at `path`, None where there is none.

    None also where one of them stands in several places: then others may call it too.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    n_places = Counter(map(id, modules.values()))
    found, above = None, path
    while above and n_places[id(modules[above])] == 1:
        above = above.rpartition(".")[0]
        if not is_sequential(modules[above]) or _has_hooks(modules[above]) or n_places[id(modules[above])] > 1:
            break
        found = above
    return found


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def sliced(sequential: nn.Module, text: str, path: str, names: list[str]) -> Slice:
    """The Sequential at `path`, which `text` reads, up to the child that is found by following `names`."""
    name, *rest = names
    names_before = list(sequential._modules)[: list(sequential._modules).index(name)]
    before = {key: sequential.get_submodule(key) for key in names_before}
    child = sequential._modules[name]
    assert child is not None
    last = Slice(path, child, f"{text}[{len(before)}]", False)
    if rest:
        last = sliced(child, last.text, path, rest)
    if last.module is child and len(before) + 1 == len(sequential._modules):
        return Slice(path, sequential, text, False)
    module = nn.Sequential()
    for key, value in before.items():
        module._modules[key] = value
    module._modules[name] = last.module
    module.training = sequential.training
    text, ordered = _text(sequential, text, before, name, last, child)
    return Slice(path, module, text, ordered or last.needs_ordered_dict)


def _text(
    sequential: nn.Module, text: str, before: dict[str, nn.Module], name: str, last: Slice, child: nn.Module
) -> tuple[str, bool]:
    """The expression, and whether it needs OrderedDict."""
    whole = last.module is child
    sliceable = type(sequential) is nn.Sequential
    if whole and sliceable:
        return f"{text}[:{len(before) + 1}]", False
    if [*before, name] == [str(n) for n in range(len(before) + 1)]:
        if whole:
            return f"nn.Sequential(*list({text})[:{len(before) + 1}])", False
        head = f"*{text}[:{len(before)}]" if sliceable else f"*list({text})[:{len(before)}]"
        return f"nn.Sequential({head}, {last.text})" if before else f"nn.Sequential({last.text})", False
    pairs = [f"({quoted(key)}, {text}[{index}])" for index, key in enumerate(before)]
    pairs.append(f"({quoted(name)}, {last.text})")
    return f"nn.Sequential(OrderedDict([{', '.join(pairs)}]))", True
