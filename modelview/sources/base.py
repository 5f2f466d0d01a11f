"""What a source is, and the registry that finds every source in this folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from modelview import document
from modelview.errors import EditError
from modelview.registry import Registry
from modelview.script import Code

SOURCES: Registry[type["Source"]] = Registry("source", "modelview.sources")

Shape = tuple[int, ...]
Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) while something is downloaded."""


class Source(ABC):
    """Where a model comes from, as a value. Subclasses are frozen dataclasses of literals.

    Equal sources give equal models, weights included; anything random takes a `seed`.
    """

    heads_by_output: ClassVar[bool] = False
    """Whether no builder can be asked for other classes, so that the head is the last layer of the output's width."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What people call the model, such as "resnet50"."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where it is from and what its weights are, such as "torchvision · random weights, seed 0"."""

    @property
    @abstractmethod
    def example(self) -> tuple[Shape, ...]:
        """The shape of each input of `forward`, with N = 1."""

    @abstractmethod
    def structure(self) -> nn.Module:
        """A new model on meta, in eval mode, in milliseconds and without weights or network."""

    @abstractmethod
    def load(self, progress: Progress | None = None) -> nn.Module:
        """A new model with weights, in eval mode, on the CPU. Raises DownloadError."""

    @abstractmethod
    def code(self) -> Code:
        """Statements that leave the same structure in `model`, with random weights."""

    def subclassed(self, name: str, base: str) -> Code | None:  # noqa: ARG002 - most sources call no class
        """Statements that leave the same structure in `model` as a `name`, a subclass of its class, called `base`.

        None where the model is of another class, or what that is called with cannot be written.
        """
        return None

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes that the weights tell apart, in order; () where there are none or unknown."""
        return ()

    def belongings(self, *, categories: bool) -> Code:  # noqa: ARG002 - most sources bring nothing
        """What goes with the weights in the exported script: preprocessing, and class names where they still hold."""
        return Code()

    def arguments(self, *tensors: Any) -> tuple[Any, ...]:
        """What `forward` is called with, for one tensor (N, ...) an input."""
        return tensors

    def taken(self, *tensors: Any) -> tuple[Any, ...]:
        """As `arguments`, where edits may have given `forward` further inputs, which come last."""
        n_own = len(self.example)
        return (*self.arguments(*tensors[:n_own]), *tensors[n_own:])

    def with_classes(self, num_classes: int) -> "Source":  # noqa: ARG002 - most sources have none
        """The same source for another number of classes. Raises EditError where there are none."""
        raise EditError(f"{self.title} has no number of classes that could be chosen.")

    def document(self) -> dict[str, Any]:
        """What recipe.json says of the source: its kind, and its fields."""
        return {"kind": SOURCES.name_of(type(self)), **document.fields_of(self)}

    @classmethod
    def revived(cls, content: Any) -> "Source":
        """The source that `document` wrote, of whatever kind. Raises EditError, UnknownName."""
        source: Source = document.revive(SOURCES, "kind", content, "The source")
        return source
