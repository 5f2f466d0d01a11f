"""Rows as data frames: columns as people call them, shapes as text, numbers as numbers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from modelview.inspect.memory import MemoryRow
from modelview.inspect.tables import ModuleRow, TensorRow
from modelview.render import text
from modelview.render.terminal import plain


def modules(rows: Sequence[ModuleRow], n_parameters: int) -> pd.DataFrame:
    """The table of modules. n_parameters: of the whole model, which the shares are of."""
    return pd.DataFrame(
        {
            "Module": [plain(row.path) or "(the model)" for row in rows],
            "Type": [plain(row.kind) for row in rows],
            "Output": [_calls(row.output_shapes) for row in rows],
            "Parameters": [row.n_parameters for row in rows],
            "Share": [row.n_parameters / n_parameters if n_parameters else 0.0 for row in rows],
            "MACs (M)": [row.macs / 1e6 for row in rows],
            "Trainable": [row.n_trainable for row in rows],
            "Input": [_calls(row.input_shapes) for row in rows],
            "Calls": [row.n_calls for row in rows],
            "Activations": [row.activation_bytes for row in rows],
            "dtype": [row.dtype for row in rows],
            "Arguments": [plain(row.arguments) for row in rows],
            "Note": [_note(row) for row in rows],
        }
    )


def tensors(rows: Sequence[TensorRow]) -> pd.DataFrame:
    """The table of parameters, or of buffers."""
    return pd.DataFrame(
        {
            "Name": [plain(row.path) for row in rows],
            "Shape": [text.shape(row.shape) for row in rows],
            "Elements": [row.n_elements for row in rows],
            "Bytes": [row.size_bytes for row in rows],
            "dtype": [row.dtype for row in rows],
            "Trainable": [row.trainable for row in rows],
            "In state_dict": [row.persistent for row in rows],
            "Tied to": [plain(row.tied_to or "") for row in rows],
        }
    )


def memory(rows: Sequence[MemoryRow]) -> pd.DataFrame:
    """What training takes, a row a batch size."""
    return pd.DataFrame(
        {
            "Batch": [f"{row.batch_size:,}" for row in rows],
            "Parameters": [text.size(row.parameters) for row in rows],
            "Gradients": [text.size(row.gradients) for row in rows],
            "Optimizer": [text.size(row.optimizer) for row in rows],
            "Activations": [text.size(row.activations) for row in rows],
            "In all, at most": [text.size(row.total) for row in rows],
        }
    )


def csv(rows: Sequence[Any]) -> str:
    """Rows with their own field names, shapes as tuples."""
    return pd.DataFrame([asdict(row) for row in rows]).to_csv(index=False)


def _calls(shapes: Sequence[Any]) -> str:
    """The shapes of all calls, each different one once."""
    different = list(dict.fromkeys(map(text.shape, shapes)))
    more = f" and {len(different) - 2} more" if len(different) > 2 else ""
    return ", ".join(different[:2]) + more


def _note(row: ModuleRow) -> str:
    return plain("; ".join(filter(None, (row.note, f"the same as {row.alias_of}" if row.alias_of else ""))))
