"""The tree of a module that was saved whole, as rows: what the file says of each, no class imported."""

from dataclasses import dataclass

from modelview.checkpoints import describing
from modelview.checkpoints.modules import ModuleNode


@dataclass(frozen=True)
class StoredModule:
    """One module of a file. path: "" for the outermost. n_tensors: its own. settings: what its class set, in short."""

    path: str
    kind: str
    n_tensors: int
    settings: str


def stored_tree(module: ModuleNode) -> list[StoredModule]:
    """Every module in it, itself first. Raises CheckpointError where there are endlessly many paths."""
    return [_row(path, node) for path, node in module.named()]


def _row(path: str, node: ModuleNode) -> StoredModule:
    own = [info for info in (*node.parameters.values(), *node.buffers.values()) if info is not None]
    told = {name: value for name, value in node.attributes.items() if value is not None and not name.startswith("_")}
    return StoredModule(path, node.kind, len(own), describing.text(told) if told else "")
