"""Compressed chunks as HDF5 itself would write them, made several times faster: shuffle, deflate, Fletcher-32.

Any HDF5 reads them; its own filters check them when it does.
"""

import itertools
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_LEVEL = 1


def write_frame(data: h5py.Dataset, row: int, values: NDArray[Any]) -> None:
    """Writes one row of a dataset whose filters are shuffle, gzip and fletcher32, in this order.

    Args:
        values: of the shape of a row. The row exists.
    """
    chunk = data.chunks[1:]
    for corner in itertools.product(*(range(0, length, size) for length, size in zip(values.shape, chunk, strict=True))):
        piece = values[tuple(slice(first, first + size) for first, size in zip(corner, chunk, strict=True))]
        if piece.shape != chunk:  # at the end of an axis; a chunk is stored whole
            piece = np.pad(piece, [(0, size - length) for size, length in zip(chunk, piece.shape, strict=True)])
        data.id.write_direct_chunk((row, *corner), filtered(np.ascontiguousarray(piece, data.dtype)))


def filtered(values: NDArray[Any]) -> bytes:
    """The bytes of a chunk: first bytes of all values, then second bytes ...; deflated; and their checksum."""
    shuffled = np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T)
    deflated: bytes = isal_zlib.compress(shuffled, _LEVEL)
    return deflated + fletcher32(deflated).to_bytes(4, "little")


def fletcher32(content: bytes) -> int:
    """HDF5's checksum: two sums of big-endian 16-bit words, modulo 65535.

    Source: J. G. Fletcher, "An Arithmetic Checksum for Serial Transmissions", IEEE Trans. Comm. 30(1), 1982; HDF5's
    variant starts at 0 and keeps 65535 for every other multiple of it.
    """
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2").astype(np.uint64)
    sums = words.sum(), np.dot(words, np.arange(len(words), 0, -1, dtype=np.uint64))
    low, high = (0 if total == 0 else (int(total) - 1) % 65535 + 1 for total in sums)
    return high << 16 | low
