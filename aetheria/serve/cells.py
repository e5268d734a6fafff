"""Blocks of cells as messages."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.serve.protocol import MAX_CELL_BYTES, ProtocolError, packed, unpacked

_TYPES = ("float32", "uint8")


@dataclass(frozen=True, eq=False)
class CellBlock:
    """Cells of a part of a grid.

    Attributes:
        at: corner of the block.
        values: `(C, *size)`, float32 or uint8.
        universe: that they are of.
        step: at which they were read; None of cells that are to be set.
        where: of cells that are to be set, those that are, `(*size)`; the others stay as they are. None for all.
    """

    at: tuple[int, ...]
    values: NDArray[Any]
    universe: int = 0
    step: int | None = None
    where: NDArray[np.bool_] | None = None


def cells_message(block: CellBlock, most_bytes: int = MAX_CELL_BYTES) -> bytes:
    """A block as a message. Raises ProtocolError for one that holds more bytes."""
    body = np.ascontiguousarray(block.values).tobytes()
    if block.where is not None:
        body += np.packbits(block.where).tobytes()
    if len(body) > most_bytes:
        raise ProtocolError(f"cells: {len(body):,} bytes; expected up to {most_bytes:,} in a message")
    head = {"at": block.at, "shape": block.values.shape, "dtype": str(block.values.dtype), "where": block.where is not None}
    return packed("cells", body, **head, universe=block.universe, step=block.step)


def is_cells(message: bytes) -> bool:
    """Whether a binary message says that it holds cells."""
    try:
        return bool(unpacked(message)[0].get("type") == "cells")
    except (ValueError, TypeError):
        return False


def read_cells(message: bytes, most_bytes: int = MAX_CELL_BYTES) -> CellBlock:
    """The block of a message. Raises ProtocolError for one that is none of this protocol, or holds more bytes."""
    try:
        head, body = unpacked(message)
        at, shape, dtype = head["at"], head["shape"], head["dtype"]
        step, universe, partly = head.get("step"), head.get("universe", 0), head.get("where", False)
        whole = [*at, *shape, universe, *([] if step is None else [step])]
        wrong = head["type"] != "cells" or dtype not in _TYPES or len(shape) != len(at) + 1
        if wrong or not all(type(n) is int and n >= 0 for n in whole) or len(body) > most_bytes or type(partly) is not bool:
            raise ValueError
        kind, cells = np.dtype(dtype).newbyteorder("<"), math.prod(shape[1:])
        length = shape[0] * cells * kind.itemsize
        values = np.frombuffer(body[:length], kind).reshape(shape)
        where = _mask(body[length:], tuple(shape[1:])) if partly else None
        if not partly and len(body) != length:
            raise ValueError
        return CellBlock(tuple(at), values, universe, step, where)
    except (ValueError, KeyError, TypeError):
        raise ProtocolError(
            'cells: damaged; expected a head with type "cells", at, shape and dtype ("float32" or "uint8"), and as many values'
        ) from None


def _mask(bits: bytes, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """One bit a cell, the first one the highest of its byte."""
    if len(bits) != -(-math.prod(size) // 8):
        raise ValueError
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=math.prod(size)).reshape(size).astype(np.bool_)
