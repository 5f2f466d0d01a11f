"""Rows as data frames: columns as people call them, shapes as text, numbers as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from modelview.checkpoints.records import TensorInfo
from modelview.edits.loading import LoadPlan
from modelview.inspect.memory import MemoryRow
from modelview.inspect.stored_tree import StoredModule
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


def loading(plan: LoadPlan) -> pd.DataFrame:
    """The plan of loading a file, a row a tensor."""
    return pd.DataFrame(
        {
            "Tensor": [plain(row.name) for row in plan.rows],
            "Becomes": [row.fate for row in plan.rows],
            "In the file": [plain(row.stored) if row.stored != row.name else "" for row in plan.rows],
            "Here": [text.shape(row.ours) if row.ours is not None else "–" for row in plan.rows],
            "There": [text.shape(row.theirs) if row.theirs is not None else "–" for row in plan.rows],
            "dtype": [" ← ".join(dict.fromkeys(filter(None, [row.our_dtype, row.their_dtype]))) for row in plan.rows],
            "Note": [plain(row.note) for row in plan.rows],
        }
    )


def stored(tensors: Mapping[str, TensorInfo]) -> pd.DataFrame:
    """The tensors of a file, in its order."""
    infos = tensors.values()
    return pd.DataFrame(
        {
            "Tensor": [plain(name) for name in tensors],
            "Shape": [text.shape(info.shape) for info in infos],
            "dtype": [info.dtype for info in infos],
            "Bytes": [info.nbytes for info in infos],
            "Device": [plain(info.device) for info in infos],
            "Tied to": [plain(info.tied_to or "") for info in infos],
            "Note": [plain(_remark(info)) for info in infos],
        }
    )


def tree(rows: Sequence[StoredModule]) -> pd.DataFrame:
    """The modules of a file that holds a whole one."""
    return pd.DataFrame(
        {
            "Module": [plain(row.path) or "(the model)" for row in rows],
            "Class": [plain(row.kind) for row in rows],
            "Tensors": [row.n_tensors for row in rows],
            "Set to": [plain(row.settings) for row in rows],
        }
    )


def extras(values: Mapping[str, str]) -> pd.DataFrame:
    """What else a file holds."""
    return pd.DataFrame({"Also in it": list(map(plain, values)), "Value": [plain(value) for value in values.values()]})


def _remark(info: TensorInfo) -> str:
    """What is unusual about a stored tensor."""
    layout = "" if info.layout == "strided" else info.layout
    wasted = info.storage_nbytes > max(2 * info.nbytes, info.nbytes + 4096)
    sizes = f"{text.size(info.nbytes)} as a view of a storage of {text.size(info.storage_nbytes)}" if wasted else ""
    return "; ".join(filter(None, [layout, sizes, info.note]))


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
