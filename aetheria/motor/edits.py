"""Edits made by hand during a run, each with its step and as one line of JSON, so that the run can be repeated."""

import base64
import binascii
import json
import math
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import RecordingError
from aetheria.core.memory_limits import check_room
from aetheria.laws.controls import Value
from aetheria.laws.own_state import to_files

Array = NDArray[np.generic]
MOST_BYTES = 2**31  # of one array
_TYPES = ("<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1")
_MOST_WHOLE = 2**63
_SMALL = 64 * 2**20  # bytes of an array for which free memory is not checked
_DEFLATES = 1032  # zlib makes nothing smaller than by this factor


class Editable(Protocol):
    """A motor, as edits need it."""

    def set_cells(self, cells: Tensor, at: Sequence[int] | None = None, universe: int | None = None) -> None: ...
    def set_control(self, name: str, value: Value) -> None: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
    def restart(self, seed: int | None = None) -> None: ...


@dataclass(frozen=True, eq=False)
class CellsEdit:
    """A block of cells was replaced.

    Attributes:
        step: steps done before.
        at: corner of the block, a number for each axis.
        universe: the only one that changed; None for all.
        values: `(C, *size)`, every universe alike, or `(B, C, *size)`.
    """

    step: int
    at: tuple[int, ...]
    universe: int | None
    values: Array

    def apply(self, motor: Editable) -> None:
        motor.set_cells(torch.from_numpy(self.values), self.at, self.universe)


@dataclass(frozen=True)
class ControlEdit:
    """A control of the law was changed, when `step` steps were done."""

    step: int
    name: str
    value: Value

    def apply(self, motor: Editable) -> None:
        motor.set_control(self.name, self.value)


@dataclass(frozen=True)
class RestartEdit:
    """The run began anew, at step 0, with another seed than the motor was made with."""

    seed: int
    step: int = 0

    def apply(self, motor: Editable) -> None:
        motor.restart(self.seed)


@dataclass(frozen=True, eq=False)
class StateEdit:
    """The whole state was replaced, as by an undo or by loading a saved one.

    Attributes:
        step: steps done before.
        to_step: steps done from then on.
        seed: of the motor from then on.
        cells: `(B, C, *grid)`.
        memory: the law's memory.
        law: the state that the law's modules keep themselves, by name; see `aetheria.laws.own_state`.
    """

    step: int
    to_step: int
    seed: int
    cells: Array
    memory: tuple[Array, ...] = ()
    law: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, motor: Editable) -> None:
        memory = tuple(map(torch.from_numpy, self.memory))
        state = {"cells": torch.from_numpy(self.cells), "memory": memory, "step": self.to_step, "seed": self.seed}
        motor.load_state_dict({**state, "law": self.law})


Edit = CellsEdit | ControlEdit | RestartEdit | StateEdit


def to_json(edit: Edit) -> str:
    """An edit as one line; arrays as base64 of deflated little-endian bytes, with their shape and type."""
    match edit:
        case CellsEdit():
            values = {"at": list(edit.at), "universe": edit.universe, "values": _packed(edit.values)}
            return json.dumps({"edit": "cells", "step": edit.step, **values})
        case ControlEdit():
            return json.dumps({"edit": "control", "step": edit.step, "name": edit.name, "value": edit.value})
        case RestartEdit():
            return json.dumps({"edit": "restart", "step": 0, "seed": edit.seed})
        case StateEdit():
            state = {"to_step": edit.to_step, "seed": edit.seed, "cells": _packed(edit.cells)}
            own = {"law": _own_packed(edit.law)} if edit.law else {}
            return json.dumps({"edit": "state", "step": edit.step, **state, "memory": [_packed(a) for a in edit.memory], **own})


def from_json(line: str | bytes) -> Edit:
    """The inverse of `to_json`. Nothing is inflated before its size was found to be stated, possible and allowed.

    Raises:
        RecordingError: it is no edit.
        StateError: an array is over 80 % of the free memory.
    """
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"edit: {_short(line)} given; expected a line of JSON ({type(error).__name__})") from None
    if not isinstance(given, dict) or given.get("edit") not in ("cells", "control", "restart", "state"):
        raise RecordingError(f'edit: {_short(line)} given; expected "edit": "cells", "control", "restart" or "state"')
    step = _whole(given, "step")
    match given["edit"]:
        case "cells":
            universe = None if given.get("universe") is None else _whole(given, "universe")
            corner = _corner(given.get("at"))
            axes = (len(corner) + 1, len(corner) + 2)
            return CellsEdit(step, corner, universe, _array(given.get("values"), "values", axes))
        case "control":
            return ControlEdit(step, _name(given.get("name")), _value(given.get("value")))
        case "restart":
            return RestartEdit(_whole(given, "seed"))
    memory = given.get("memory")
    if not isinstance(memory, list):
        raise _wrong("memory", memory, "a list of arrays")
    arrays = tuple(_array(one, "memory") for one in memory)
    cells = _array(given.get("cells"), "cells", (3, 4, 5))
    return StateEdit(step, _whole(given, "to_step"), _whole(given, "seed"), cells, arrays, _own_state(given.get("law", {})))


def _own_packed(law: Mapping[str, Any]) -> dict[str, Any]:
    tensors, plain = to_files(law)
    arrays = {name: _packed(tensor.cpu().numpy()) for name, tensor in tensors.items()}
    return {"arrays": arrays, "values": plain}


def _own_state(given: Any) -> dict[str, Any]:
    if not given:
        return {}
    arrays, values = (given.get(key) if isinstance(given, dict) else None for key in ("arrays", "values"))
    if not isinstance(arrays, dict) or not isinstance(values, dict):
        raise _wrong("law", given, '"arrays" and "values"')
    tensors = {name: torch.from_numpy(_array(array, f"law {name}").copy()) for name, array in arrays.items()}
    return {**values, **tensors}


def _packed(array: Array) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "type": little.dtype.str,
        "shape": list(array.shape),
        "zlib": base64.b64encode(zlib.compress(little.tobytes(), 1)).decode(),
    }


def _array(given: Any, key: str, axes: Sequence[int] = range(9)) -> Array:
    if not isinstance(given, dict) or given.get("type") not in _TYPES or not isinstance(given.get("zlib"), str):
        raise _wrong(key, given, f'"type" (one of {", ".join(_TYPES)}), "shape" and "zlib"')
    shape, dtype = given.get("shape"), np.dtype(given["type"])
    if not isinstance(shape, list) or len(shape) not in axes or not all(_is_whole(n, MOST_BYTES) for n in shape):
        raise _wrong(f"{key} shape", shape, f"{' or '.join(map(str, axes))} whole numbers")
    size = math.prod(shape) * dtype.itemsize
    try:
        deflated = base64.b64decode(given["zlib"], validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(f"{key} zlib", given["zlib"], "base64") from None
    if size > min(MOST_BYTES, _DEFLATES * len(deflated)):
        raise _wrong(
            f"{key} shape", shape, f"at most {MOST_BYTES:,} bytes, and no more than {len(deflated):,} deflated ones hold"
        )
    if size > _SMALL:
        check_room(size, f"an edit: {key}", "read the recording without its edits")
    inflater = zlib.decompressobj()
    try:
        values = inflater.decompress(deflated, size + 1)
    except zlib.error as error:
        raise _wrong(f"{key} zlib", given["zlib"], f"deflated bytes ({error})") from None
    if len(values) != size or not inflater.eof or inflater.unused_data:
        raise _wrong(f"{key} shape", shape, "that of the bytes given")
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _is_whole(value: Any, most: int = _MOST_WHOLE) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < most


def _whole(given: Mapping[str, Any], key: str) -> int:
    value: Any = given.get(key)
    if not _is_whole(value):
        raise _wrong(key, value, "a whole number of 0 or more")
    return int(value)


def _corner(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= 3 or not all(map(_is_whole, given)):
        raise _wrong("at", given, "one to three whole numbers")
    return tuple(map(int, given))


def _name(given: Any) -> str:
    if not isinstance(given, str):
        raise _wrong("name", given, "a text")
    return given


def _value(given: Any) -> Value:
    if isinstance(given, str):
        return given
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not abs(given) <= sys.float_info.max:  # of a whole number too large for a float, isfinite would fail
        raise _wrong("value", given, "a finite number or a text")
    return float(given)


def _wrong(key: str, given: Any, wanted: str) -> RecordingError:
    return RecordingError(f"edit {key}: {_short(given)} given; expected {wanted}")


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."
