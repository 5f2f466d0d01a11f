"""The weights alone, under their names."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from modelview.errors import EditError
from modelview.export.base import EXPORTS, Export
from modelview.fields import Ask
from modelview.names import short, unknown
from modelview.recipe import Recipe

DTYPES = ("as they are", "float32", "float16", "bfloat16")


@EXPORTS.register("state_dict")
@dataclass(frozen=True)
class StateDict(Export):
    """`torch.save(model.state_dict())`: loads anywhere, with `weights_only=True`, into the model of model.py.

    prefix: put before every name, such as "module." for a model in DataParallel. dtype: of every floating-point
    tensor; whole numbers stay what they are. Storages hold no more than their tensors need; tied tensors stay tied.
    """

    title: ClassVar[str] = "state_dict"
    about: ClassVar[str] = "The weights by name. Loading needs torch and the code that builds the model (model.py)."
    suffix: ClassVar[str] = ".pth"
    needs_weights: ClassVar[bool] = True

    prefix: Annotated[str, Ask("Prefix", 'Before every name, such as "module." for DataParallel.')] = ""
    dtype: Annotated[str, Ask("Numbers", "Of every floating-point tensor.", choices=DTYPES)] = DTYPES[0]

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown("dtype to write", self.dtype, DTYPES)
        if not re.fullmatch(r"([A-Za-z_]\w*\.)*", self.prefix, re.ASCII):
            raise EditError(f'A prefix is names that end in a dot, such as "module."; got {short(self.prefix)!r}.')

    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:  # noqa: ARG002
        if model is None:
            raise EditError("A state_dict is written from a built model.")
        torch.save(self._written(model), path)

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        weights = f'torch.load("{file}", map_location="cpu", weights_only=True)'
        load = f"model.load_state_dict({weights})"
        if self.prefix:
            load = (
                f"weights = {weights}\n"
                f'weights = {{name.removeprefix("{self.prefix}"): value for name, value in weights.items()}}\n'
                "model.load_state_dict(weights)"
            )
        return f"import torch\n\nfrom model import build_model\n\nmodel = build_model()\n{load}"

    def proof(self, recipe: Recipe, model: nn.Module | None, path: Path) -> str:  # noqa: ARG002
        if model is None:
            return ""
        ours = self._written(model)
        theirs = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        differ = [name for name, values in ours.items() if name not in theirs or not _equal(values, theirs[name])]
        if differ or ours.keys() != theirs.keys():
            raise EditError(f"The file does not read back as it was written ({differ[:3]}); export it again.")
        return f"Read back: {len(ours):,} of {len(ours):,} tensors equal."

    def _written(self, model: nn.Module) -> "OrderedDict[str, Any]":
        """The state_dict under its new names, with the `_metadata` that torch keeps beside it."""
        state = model.state_dict()
        compact: dict[Any, Tensor] = {}
        written = OrderedDict((f"{self.prefix}{name}", self._value(value, compact)) for name, value in state.items())
        written._metadata = self._metadata(getattr(state, "_metadata", {}))  # type: ignore[attr-defined]
        return written

    def _value(self, value: Any, compact: dict[Any, Tensor]) -> Any:
        """A tensor as it is written; views of the same values stay one, others take no more than they need."""
        if not isinstance(value, Tensor):
            return value
        cast = self.dtype != DTYPES[0] and value.is_floating_point()
        wanted = getattr(torch, self.dtype) if cast else value.dtype
        needed = value.numel() * value.element_size()
        if value.layout is not torch.strided or (wanted == value.dtype and value.untyped_storage().nbytes() == needed):
            return value
        key = (value.data_ptr(), value.shape, value.stride())
        if key not in compact:
            compact[key] = value.to(wanted, copy=True, memory_format=torch.contiguous_format)
        return compact[key]

    def _metadata(self, metadata: dict[str, Any]) -> "OrderedDict[str, Any]":
        """Versions by module path; the new prefix is one more path, of the wrapper that load_state_dict takes off."""
        outer = self.prefix.rstrip(".")
        moved = ((".".join(filter(None, [outer, path])), about) for path, about in metadata.items())
        return OrderedDict([("", {"version": 1}), *moved] if outer else moved)


def _equal(ours: Any, theirs: Any) -> bool:
    """The same values in the same dtype; NaN equals NaN."""
    if not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
        return bool(ours == theirs)
    ours = ours.cpu()
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return False
    return torch.equal(ours, theirs) or torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True)
