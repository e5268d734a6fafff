"""Compressed chunks as HDF5 itself would write them, made several times faster: shuffle, deflate, Fletcher-32.

Any HDF5 reads them; its own filters check them when it does.
"""

import itertools
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5s, h5z
from isal import igzip_lib, isal_zlib
from numpy.typing import NDArray

LZ4, ZSTANDARD = 32004, 32015  # as registered with the HDF Group
# How many times its size a chunk can hold: by the formats of the filters.
EXPANDS = {h5z.FILTER_SHUFFLE: 1, h5z.FILTER_FLETCHER32: 1, h5z.FILTER_DEFLATE: 1032, LZ4: 255, ZSTANDARD: 1 << 16}
_LEVEL = 1
_OURS = (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32)
_CHECKSUMS = 64  # bytes that checksums may add to a chunk


def append(data: h5py.Dataset, row: int, values: Any) -> None:
    """Makes room for a row of a dataset, and writes it; h5py's own indexing takes more than twice as long.

    Args:
        row: one more than the last.
        values: of the shape of a row.
    """
    _, *shape = data.shape
    data.id.set_extent((row + 1, *shape))
    space = data.id.get_space()
    space.select_hyperslab((row, *(0 for _ in shape)), (1, *shape))
    data.id.write(h5s.create_simple((1, *shape)), space, np.ascontiguousarray(values, data.dtype).reshape(1, *shape))


def write_frame(data: h5py.Dataset, row: int, values: NDArray[Any]) -> None:
    """As `append`, for a dataset whose filters are shuffle, gzip and fletcher32, in this order."""
    data.id.set_extent((row + 1, *values.shape))
    chunk = data.chunks[1:]
    for corner in itertools.product(*(range(0, length, size) for length, size in zip(values.shape, chunk, strict=True))):
        piece = values[tuple(slice(first, first + size) for first, size in zip(corner, chunk, strict=True))]
        if piece.shape != chunk:  # at the end of an axis; a chunk is stored whole
            piece = np.pad(piece, [(0, size - length) for size, length in zip(chunk, piece.shape, strict=True)])
        data.id.write_direct_chunk((row, *corner), filtered(np.ascontiguousarray(piece, data.dtype)))


def read_frame(data: h5py.Dataset, row: int, part: slice = slice(None)) -> NDArray[Any]:
    """One row of a dataset, or `part` of that row's first axis.

    HDF5 inflates whatever it finds, however large that becomes, and makes up zeros for a chunk that is missing; here either is
    an error.

    Raises:
        ValueError, OSError, RuntimeError: a chunk is missing, or is not what was written.
    """
    filters = filters_of(data)
    if not filters:
        return np.asarray(data[row, part] if data.ndim > 1 else data[row])
    wanted = range(data.shape[1])[part]
    values = np.empty((len(wanted), *data.shape[2:]), data.dtype)
    nbytes = math.prod(data.chunks) * data.dtype.itemsize
    decoded = filters == _OURS and data.chunks[0] == 1
    for corner in _corners(data, row, wanted):
        mask, stored = data.id.read_direct_chunk(corner)
        if decoded and not mask:
            _paste(
                values, unfiltered(stored, nbytes, data.dtype).reshape(data.chunks)[0], (corner[1] - wanted.start, *corner[2:])
            )
        else:
            decoded = False
            _check_size(stored, nbytes, [code for i, code in enumerate(filters) if not mask >> i & 1])
    return values if decoded else np.asarray(data[row, part])


def filters_of(data: h5py.Dataset) -> tuple[int, ...]:
    """The codes of a dataset's filters, in the order in which they are applied."""
    plist = data.id.get_create_plist()
    return tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))


def _corners(data: h5py.Dataset, row: int, wanted: range) -> Iterator[tuple[int, ...]]:
    """Where the chunks begin that hold these of a row's first axis."""
    chunk, frame = data.chunks, data.shape[1:]
    first = range(wanted.start - wanted.start % chunk[1], wanted.stop, chunk[1])
    rest = (range(0, length, size) for length, size in zip(frame[1:], chunk[2:], strict=True))
    return itertools.product((row - row % chunk[0],), first, *rest)


def _paste(values: NDArray[Any], piece: NDArray[Any], at: tuple[int, ...]) -> None:
    """Lays a chunk on what is read of a row; either may reach beyond the other."""
    onto = tuple(slice(max(a, 0), a + n) for a, n in zip(at, piece.shape, strict=True))
    begin = tuple(max(-a, 0) for a in at)
    room = values[onto]
    room[...] = piece[tuple(slice(b, b + n) for b, n in zip(begin, room.shape, strict=True))]


def _check_size(stored: bytes, nbytes: int, filters: Sequence[int]) -> None:
    """Raises ValueError for a chunk that would become larger than it is to be."""
    most = nbytes + _CHECKSUMS
    if h5z.FILTER_DEFLATE in filters:
        size = len(zlib.decompressobj().decompress(stored, most + 1))
    elif LZ4 in filters:
        size = int.from_bytes(stored[:8], "big")
    elif ZSTANDARD in filters:
        size = _zstandard_size(stored)
    else:
        size = len(stored)
    if size > most:
        raise ValueError(f"a chunk of {nbytes:,} bytes would become larger")


def _zstandard_size(stored: bytes) -> int:
    """The size that a Zstandard frame says it has.

    Source: RFC 8878, section 3.1.1.1.
    """
    if stored[:4] != b"\x28\xb5\x2f\xfd" or len(stored) < 18:
        raise ValueError("a chunk that is no Zstandard frame")
    kind = stored[4]
    single = bool(kind & 0x20)
    length = (1 if single else 0, 2, 4, 8)[kind >> 6]
    start = 5 + (not single) + (0, 1, 2, 4)[kind & 3]
    if not length:
        raise ValueError("a Zstandard frame that does not say its size")
    return int.from_bytes(stored[start : start + length], "little") + (256 if length == 2 else 0)


def filtered(values: NDArray[Any]) -> bytes:
    """The bytes of a chunk: first bytes of all values, then second bytes ...; deflated; and their checksum."""
    shuffled = np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T)
    deflated: bytes = isal_zlib.compress(shuffled, _LEVEL)
    return deflated + fletcher32(deflated).to_bytes(4, "little")


def unfiltered(stored: bytes, nbytes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of `filtered`: the values of a chunk of `nbytes`, flat.

    Raises:
        ValueError: the checksum is not that of the chunk, it cannot be inflated, or it is larger or smaller.
    """
    deflated, check = stored[:-4], stored[-4:]
    if fletcher32(deflated).to_bytes(4, "little") != check:
        raise ValueError("a chunk whose checksum is another; it was damaged")
    try:
        shuffled = isal_zlib.decompressobj().decompress(deflated, nbytes + 1)
    except igzip_lib.IsalError as error:  # type: ignore[misc] # its stub says that it is an instance
        raise ValueError(f"a chunk that cannot be inflated; {error}") from None
    if len(shuffled) != nbytes:
        raise ValueError(f"a chunk that is not of the {nbytes:,} bytes that it is to be")
    values = np.frombuffer(shuffled, np.uint8).reshape(dtype.itemsize, -1).T
    return np.ascontiguousarray(values).reshape(-1).view(dtype)


def fletcher32(content: bytes) -> int:
    """HDF5's checksum: two sums of big-endian 16-bit words, modulo 65535.

    Source: J. G. Fletcher, "An Arithmetic Checksum for Serial Transmissions", IEEE Trans. Comm. 30(1), 1982; HDF5's
    variant starts at 0 and keeps 65535 for every other multiple of it.
    """
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2").astype(np.uint64)
    sums = words.sum(), np.dot(words, np.arange(len(words), 0, -1, dtype=np.uint64))
    low, high = (0 if total == 0 else (int(total) - 1) % 65535 + 1 for total in sums)
    return high << 16 | low
