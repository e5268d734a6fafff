"""State that modules keep themselves, in buffers and attributes: captured, put back, and observed for change.

A law's state is cells and memory. A user's module may also count its steps in a buffer, keep a running mean, or hold a
random generator; then its future depends on that, too. The modules of PyTorch and of Aetheria keep no such state in eval mode.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aetheria.core.errors import StateError
from aetheria.core.rng_state import random_states_kept
from aetheria.laws.base import Law

Value = Any  # of a buffer or an attribute: a tensor, an array, a random generator, or plain data
_STATELESS = ("torch.nn.", "torch.ao.", "aetheria.")  # packages whose modules keep no state in eval mode
_PLAIN = (bool, int, float, str, type(None))
_SKIPPED = frozenset(vars(nn.Module()))  # the attributes of every module: parameters, hooks, `training` ...


class OwnState:
    """The buffers and attributes of a law's foreign modules.

    Attributes:
        initial: as they were when the law was given to the motor, by "module:name".
        changed: the names that stepping was seen to change. These are the state that is saved and put back.
    """

    def __init__(self, law: Law) -> None:
        self._modules = [(name, module) for name, module in law.named_modules() if _foreign(module)]
        self.changed: set[str] = set()
        self.initial = self.capture()

    def __bool__(self) -> bool:
        """Whether there are modules that might keep state."""
        return bool(self._modules)

    def capture(self) -> dict[str, Value]:
        """Copies of all values, by name."""
        return {name: _copied(value) for name, value in self._values()}

    def in_buffers(self, names: Iterable[str]) -> bool:
        """Whether all of these are buffers, which compiled code changes as the module does."""
        modules = dict(self._modules)
        return all(name.rpartition(":")[2] in modules[name.rpartition(":")[0]]._buffers for name in names)

    def restore(self, values: Mapping[str, Value]) -> None:
        """Puts values back, in place where a tensor has its shape still."""
        modules = dict(self._modules)
        with torch.inference_mode():
            for key, value in values.items():
                path, _, name = key.rpartition(":")
                if path in modules:
                    _put(modules[path], name, value)

    def saved(self) -> dict[str, Value]:
        """Copies of the values that stepping changes; empty for a law that keeps no state of its own."""
        return {name: _copied(value) for name, value in self._values() if name in self.changed} if self.changed else {}

    def load(self, values: Mapping[str, Value]) -> None:
        """Puts the state of `saved` back; values that it does not name begin anew.

        Raises:
            StateError: a name that is no buffer or plain attribute of these modules, as in a forged file.
        """
        modules = dict(self._modules)
        for key in values:
            path, _, name = key.rpartition(":")
            if path not in modules or not _may_be_state(modules[path], name):
                raise StateError(f"state of the law: {key!r} given; no module keeps state of this name")
        self.changed |= values.keys() & self.initial.keys()
        self.restore({name: self.initial[name] for name in self.changed} | dict(values))

    def begin_anew(self) -> None:
        """Puts back what stepping changed since the law was given to the motor."""
        self.restore({name: self.initial[name] for name in self.changed})

    def marks(self) -> dict[str, object]:
        """Marks that tell whether values change, cheaper than copies."""
        return {name: _mark(value) for name, value in self._values()}

    def note_changes(self, before: Mapping[str, object]) -> set[str]:
        """Adds the values that differ from the marks taken before to `changed`; returns them."""
        now = self.marks()
        new = {name for name, mark in now.items() if name not in before or before[name] != mark}
        self.changed |= new
        return new

    @contextmanager
    def undisturbed(self, device: torch.device) -> Iterator[None]:
        """Puts values, and the random generators of the process, back after the block; free without foreign modules."""
        if not self._modules:
            yield
            return
        before = self.capture()
        try:
            with random_states_kept(device):
                yield
        finally:
            self.restore(before)

    def _values(self) -> Iterator[tuple[str, Value]]:
        for path, module in self._modules:
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    yield f"{path}:{name}", buffer
            for name, value in vars(module).items():
                if name not in _SKIPPED and _is_data(value):
                    yield f"{path}:{name}", value


def to_files(values: Mapping[str, Value]) -> tuple[dict[str, Tensor], dict[str, Value]]:
    """Values as tensors, and as values that JSON can hold; the inverse is the union of the two.

    Raises:
        StateError: a value that neither can hold.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, np.ndarray) and value.dtype != object:
            tensors[name] = torch.from_numpy(np.ascontiguousarray(value))
        else:
            try:
                plain[name] = json.loads(json.dumps(sorted(value) if isinstance(value, set) else value))
            except (TypeError, ValueError):
                raise StateError(
                    f"{name.replace(':', '.')}: its {type(value).__name__} cannot be saved with the state; use a buffer"
                ) from None
    return tensors, plain


def _foreign(module: nn.Module) -> bool:
    return not f"{type(module).__module__}.".startswith(_STATELESS)


def _may_be_state(module: nn.Module, name: str) -> bool:
    """Whether a name is that of a buffer or of plain data, or of an attribute that a step has yet to make."""
    if name in _SKIPPED or name in module._parameters or name in module._modules or name.startswith("__"):
        return False
    return name in module._buffers or not hasattr(module, name) or _is_data(getattr(module, name))


def _is_data(value: object) -> bool:
    if isinstance(value, (Tensor, np.ndarray, torch.Generator, np.random.Generator, *_PLAIN)):
        return True
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    return isinstance(value, list | tuple | set) and all(map(_is_data, value))


def _copied(value: Value) -> Value:
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value.bit_generator.state)
    if isinstance(value, Tensor):
        return value.detach().clone()
    return value if isinstance(value, _PLAIN) else copy.deepcopy(value)


def _mark(value: Value) -> object:
    """Equal as long as the value is; of a tensor made while stepping always another."""
    if isinstance(value, Tensor):
        return object() if value.is_inference() else (id(value), value._version)
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, _PLAIN):
        return repr(value)  # NaN equals itself so
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, dict):
        return [(key, _mark(one)) for key, one in value.items()]
    return [_mark(one) for one in value]


def _alike(held: Value, value: Value) -> bool:
    """Whether plain data, and containers of such data and of tensors, are equal; of other values, whether they are the same."""
    if isinstance(held, Tensor) and isinstance(value, Tensor):
        return held.dtype == value.dtype and held.device == value.device and torch.equal(held, value)
    if isinstance(held, dict) and isinstance(value, dict):
        return held.keys() == value.keys() and all(_alike(one, value[key]) for key, one in held.items())
    if isinstance(held, list | tuple) and type(held) is type(value):
        return len(held) == len(value) and all(map(_alike, held, value))
    if isinstance(held, _PLAIN):
        return type(held) is type(value) and bool(held == value)
    return held is value


def _put(module: nn.Module, name: str, value: Value) -> None:
    held = module._buffers.get(name, vars(module).get(name))
    if isinstance(held, torch.Generator):
        held.set_state(value)
    elif isinstance(held, np.random.Generator):
        held.bit_generator.state = copy.deepcopy(value)
    elif isinstance(held, Tensor) and isinstance(value, Tensor) and held.shape == value.shape and held.dtype == value.dtype:
        held.copy_(value)
    elif _alike(held, value):
        pass  # not replaced: a plan would take that for an edit
    elif name in module._buffers and isinstance(value, Tensor):
        module._buffers[name] = value.clone()
    elif isinstance(held, np.ndarray):
        vars(module)[name] = np.array(value)
    elif isinstance(held, tuple | set):
        vars(module)[name] = type(held)(value)
    else:
        vars(module)[name] = _copied(value)
