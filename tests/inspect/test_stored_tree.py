"""The tree of a module that was saved whole, read without its classes."""

from pathlib import Path

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.checkpoints import modules
from modelview.checkpoints.modules import ModuleNode
from modelview.errors import CheckpointError
from modelview.inspect.stored_tree import StoredModule, stored_tree


def test_every_place_of_a_module_is_a_row(tmp_path: Path) -> None:
    shared = nn.PReLU()
    torch.save(nn.Sequential(shared, nn.Flatten(), shared), tmp_path / "m")
    module = mv.read(tmp_path / "m").module
    assert module is not None
    prelu = "torch.nn.modules.activation.PReLU"
    assert stored_tree(module) == [
        StoredModule("", "torch.nn.modules.container.Sequential", 0, ""),
        StoredModule("0", prelu, 1, "num_parameters = 1, init = 0.25"),
        StoredModule("1", "torch.nn.modules.flatten.Flatten", 0, "start_dim = 1, end_dim = -1"),
        StoredModule("2", prelu, 1, "num_parameters = 1, init = 0.25"),
    ]


def test_a_tree_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MOST_NAMES", 1_000)
    node = ModuleNode("a.B")
    for _ in range(25):
        node = ModuleNode("a.B", children={"left": node, "right": node})
    with pytest.raises(CheckpointError, match=r"The pickled model has more than 1,000 module paths\."):
        stored_tree(node)
