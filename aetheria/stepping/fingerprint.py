"""Fingerprint of a law: the addresses of its tensors and the values of its attributes, which a plan may have built in."""

from collections.abc import Iterator, MutableMapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from aetheria.laws.base import Law

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_OF_MODULES = frozenset(vars(nn.Module()))  # the attributes of every module
_WATCHED = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")  # of these
_ABSENT = object()


class _Held(NamedTuple):
    """A value, the dict that holds it, and what may change inside it."""

    holder: MutableMapping[Any, Any]
    name: Any
    value: Any
    inside: object


class Fingerprint:
    """Notices replaced tensors and edited attributes, in all modules of a law, without reading from the device.

    Numbers in tensors and the law's controls may change, since steps read them anew. Not noticed are entries added to a dict
    of a module's own, as to a cache, and settings of PyTorch's own modules.
    """

    def __init__(self, law: nn.Module) -> None:
        modules = list(law.modules())
        self._sizes = [(vars(module), len(vars(module))) for module in modules]
        self._held = [
            _Held(holder, name, value, _inside(name, value)) for module in modules for holder, name, value in _values(module)
        ]

    def changed(self) -> bool:
        """Whether anything differs from the time at which the fingerprint was taken."""
        if any(len(attributes) != size for attributes, size in self._sizes):
            return True
        for holder, name, value, inside in self._held:
            now = holder.get(name, _ABSENT)
            if now is not value and not (isinstance(now, _PLAIN) and isinstance(value, _PLAIN) and now == value):
                return True
            if inside is not None and _inside(name, now) != inside:
                return True
        return False


def _inside(name: Any, value: Any) -> object:
    """The part of a value that can change while it stays the same object; None where there is none, or none is known."""
    if isinstance(value, Tensor):
        return value.data_ptr()
    if isinstance(value, dict):
        return len(value) if name in _OF_MODULES else None
    return repr(value) if isinstance(value, list | set) else None


def _values(module: nn.Module) -> Iterator[tuple[MutableMapping[Any, Any], Any, Any]]:
    """The things that a module holds: the dict that holds each, its name, itself."""
    attributes = vars(module)
    skipped = _OF_MODULES | {control.name for control in module.controls} if isinstance(module, Law) else _OF_MODULES
    own = () if type(module).__module__.startswith("torch.nn.") else (name for name in attributes if name not in skipped)
    for name in (*_WATCHED, *own):
        value = attributes[name]
        yield attributes, name, value
        if isinstance(value, dict):
            yield from ((value, key, one) for key, one in value.items())
