"""Blocks of cells as messages."""

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
    """

    at: tuple[int, ...]
    values: NDArray[Any]
    universe: int = 0
    step: int | None = None


def cells_message(block: CellBlock) -> bytes:
    """A block as a message.

    Raises:
        ProtocolError: it is larger than a message may be.
    """
    if block.values.nbytes > MAX_CELL_BYTES:
        raise ProtocolError(f"cells: {block.values.nbytes:,} bytes; expected up to {MAX_CELL_BYTES:,} in a message")
    head = {"at": block.at, "shape": block.values.shape, "dtype": str(block.values.dtype)}
    return packed("cells", np.ascontiguousarray(block.values).tobytes(), **head, universe=block.universe, step=block.step)


def is_cells(message: bytes) -> bool:
    """Whether a binary message says that it holds cells."""
    try:
        return bool(unpacked(message)[0].get("type") == "cells")
    except (ValueError, TypeError):
        return False


def read_cells(message: bytes) -> CellBlock:
    """The block of a message. Raises ProtocolError for one that is none of this protocol."""
    try:
        head, body = unpacked(message)
        at, shape, dtype = head["at"], head["shape"], head["dtype"]
        step, universe = head.get("step"), head.get("universe", 0)
        whole = [*at, *shape, universe, *([] if step is None else [step])]
        wrong = head["type"] != "cells" or dtype not in _TYPES or len(shape) != len(at) + 1
        if wrong or not all(type(n) is int and n >= 0 for n in whole) or len(body) > MAX_CELL_BYTES:
            raise ValueError
        values = np.frombuffer(body, np.dtype(dtype).newbyteorder("<")).reshape(shape)
        return CellBlock(tuple(at), values, universe, step)
    except (ValueError, KeyError, TypeError):
        raise ProtocolError(
            'cells: damaged; expected a head with type "cells", at, shape and dtype ("float32" or "uint8"), and as many values'
        ) from None
