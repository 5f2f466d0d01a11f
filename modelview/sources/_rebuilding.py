"""A model rebuilt from the tree of a pickled one: classes made empty, attributes set, nothing unpickled or called."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from modelview.checkpoints.modules import ModuleNode
from modelview.checkpoints.records import Global, Stub, TensorInfo
from modelview.errors import CheckpointError
from modelview.names import short
from modelview.sources import _known

Make = Callable[[TensorInfo], Tensor]
_PLAIN = (bool, int, float, complex, str, type(None))


def foreign(node: ModuleNode) -> tuple[str, ...]:
    """Classes of modules in the tree that are neither torch's nor torchvision's, in order."""
    known = _known.module_classes()
    return tuple(dict.fromkeys(inner.kind for _, inner in node.named() if inner.kind not in known))


def rebuilt(node: ModuleNode, make: Make) -> nn.Module:
    """The module that a tree stands for. make: the tensor for a stored one; ties stay ties.

    Raises CheckpointError for a class or an attribute that is not torch's or torchvision's own.
    """
    return _Rebuilding(make).module(node, "")


class _Rebuilding:
    """Each module and tensor is made once, wherever it stands."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._modules: dict[int, nn.Module] = {}
        self._tensors: dict[int, Tensor] = {}
        self._values: dict[int, Any] = {}

    def module(self, node: ModuleNode, path: str) -> nn.Module:
        if id(node) in self._modules:
            return self._modules[id(node)]
        cls = _known.module_classes().get(node.kind)
        if cls is None:
            raise CheckpointError(f"`{path or 'the model'}` is of the class {short(node.kind)}, which is not torch's.")
        made: nn.Module = cls.__new__(cls)
        nn.Module.__init__(made)
        self._modules[id(node)] = made
        for name, info in node.parameters.items():
            made._parameters[name] = None if info is None else self._parameter(info)
        for name, info in node.buffers.items():
            made._buffers[name] = None if info is None else self._tensor(info)
        # after the tensors, which attributes may name again
        for name, value in node.attributes.items():
            if not name.isidentifier() or name.startswith("__"):
                raise CheckpointError(f"`{path or 'the model'}` has an attribute called {short(name)!r}.")
            made.__dict__[name] = self._value(value, f"{path}.{name}".lstrip("."))
        made._non_persistent_buffers_set = set(node.non_persistent)
        for name, child in node.children.items():
            made._modules[name] = None if child is None else self.module(child, f"{path}.{name}".lstrip("."))
        if isinstance(made, nn.RNNBase):
            made._init_flat_weights()  # it also keeps weak references to its weights, which no file can hold
        return made.eval()

    def _tensor(self, info: TensorInfo) -> Tensor:
        return self._tensors.setdefault(id(info), self._make(info))

    def _parameter(self, info: TensorInfo) -> nn.Parameter:
        found = self._tensors.get(id(info))
        if not isinstance(found, nn.Parameter):
            value = self._make(info)
            floating = value.is_floating_point() or value.is_complex()
            found = self._tensors[id(info)] = nn.Parameter(value, info.requires_grad and floating)
        return found

    def _value(self, value: Any, path: str) -> Any:
        """An attribute: plain values, tensors, and the few things that torchvision's modules keep."""
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, TensorInfo):
            return self._tensor(value)
        if isinstance(value, dict):
            return {self._value(k, path): self._value(v, path) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._value(each, path) for each in value)
        if isinstance(value, Global) and (found := _known.named(value.name)) is not None:
            return found
        if isinstance(value, Stub):
            made = self._object(value, path)
            if made is not None:
                return made
        name = getattr(value, "name", type(value).__name__)
        raise CheckpointError(f"`{path}` is {short(str(name))}, which a model of torch's own does not keep.")

    def _object(self, stub: Stub, path: str) -> Any:
        if stub.name == _known.PARTIAL and isinstance(stub.state, tuple) and len(stub.state) > 2:
            cls = _known.module_classes().get(getattr(stub.state[0], "name", ""))
            keywords = stub.state[2] if isinstance(stub.state[2], dict) else {}
            plain = all(isinstance(each, _PLAIN) for each in keywords.values()) and not stub.state[1]
            return _known.bound(cls, {str(k): v for k, v in keywords.items()}) if cls is not None and plain else None
        cls = _known.helper(stub.name)
        if cls is None or not isinstance(stub.state, dict):
            return None
        made = cls.__new__(cls)
        made.__dict__.update({str(name): self._value(each, f"{path}.{name}") for name, each in stub.state.items()})
        return made
