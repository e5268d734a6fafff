"""Reads and writes rows of datasets; compresses chunks (shuffle, deflate, Fletcher-32) several times faster than HDF5 does.

The chunks are those that HDF5's own filters would write: any HDF5 library reads and checks them.
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

LZ4, ZSTANDARD = 32004, 32015  # filter codes registered with the HDF Group
# Maximum ratio of decoded to stored bytes, by the formats of the filters.
MAX_RATIO = {h5z.FILTER_SHUFFLE: 1, h5z.FILTER_FLETCHER32: 1, h5z.FILTER_DEFLATE: 1032, LZ4: 255, ZSTANDARD: 1 << 16}
_LEVEL = 1
_OURS = (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32)
_CHECKSUM_BYTES = 4
_MARGIN = 1 << 12  # bytes by which incompressible chunks grow, besides an eighth of their size


def append_row(data: h5py.Dataset, row: int, values: Any) -> None:
    """Extends a dataset by a row and writes it; h5py's own indexing takes more than twice as long.

    Args:
        row: one more than the last.
        values: in the shape of a row.
    """
    _, *shape = data.shape
    data.id.set_extent((row + 1, *shape))
    space = data.id.get_space()
    space.select_hyperslab((row, *(0 for _ in shape)), (1, *shape))
    data.id.write(h5s.create_simple((1, *shape)), space, np.ascontiguousarray(values, data.dtype).reshape(1, *shape))


def append_compressed_row(data: h5py.Dataset, row: int, values: NDArray[Any]) -> None:
    """Does the same for a dataset with the filters shuffle, gzip and fletcher32, in this order."""
    data.id.set_extent((row + 1, *values.shape))
    chunk = data.chunks[1:]
    for corner in itertools.product(*(range(0, length, size) for length, size in zip(values.shape, chunk, strict=True))):
        piece = values[tuple(slice(first, first + size) for first, size in zip(corner, chunk, strict=True))]
        if piece.shape != chunk:  # at the end of an axis; HDF5 stores whole chunks
            piece = np.pad(piece, [(0, size - length) for size, length in zip(chunk, piece.shape, strict=True)])
        data.id.write_direct_chunk((row, *corner), encode_chunk(np.ascontiguousarray(piece, data.dtype)))


def read_row(data: h5py.Dataset, row: int, part: slice = slice(None)) -> NDArray[Any]:
    """Reads one row of a dataset, or `part` of that row's first axis.

    HDF5 inflates a chunk to any size, and reads a missing chunk as zeros; here both are errors.

    Raises:
        ValueError, OSError, RuntimeError: a chunk is missing or damaged.
    """
    filters = filters_of(data)
    if not filters:
        return np.asarray(data[row, part] if data.ndim > 1 else data[row])
    wanted = range(data.shape[1])[part]
    values = np.empty((len(wanted), *data.shape[2:]), data.dtype)
    nbytes = math.prod(data.chunks) * data.dtype.itemsize
    decoded = filters == _OURS and data.chunks[0] == 1
    for corner in _corners(data, row, wanted):
        mask, stored = stored_chunk(data, corner)
        if decoded and not mask:
            _paste(
                values,
                decode_chunk(stored, nbytes, data.dtype).reshape(data.chunks)[0],
                (corner[1] - wanted.start, *corner[2:]),
            )
        else:
            decoded = False
            _check_chunk(stored, nbytes, [code for i, code in enumerate(filters) if not mask >> i & 1])
    return values if decoded else np.asarray(data[row, part])


def stored_chunk(data: h5py.Dataset, corner: tuple[int, ...]) -> tuple[int, bytes]:
    """The filters that a chunk skips, as bits, and its stored bytes.

    Args:
        corner: indices of its first value.

    Raises:
        ValueError, OSError, RuntimeError: it is missing, or larger than any codec makes it.
    """
    nbytes = math.prod(data.chunks) * data.dtype.itemsize
    # In a buffer of our size: h5py would take as much memory as the file states.
    buffer = np.empty(nbytes + nbytes // 8 + _MARGIN, np.uint8)
    try:
        mask, stored = data.id.read_direct_chunk(corner, out=buffer)
    except ValueError:
        raise ValueError(f"a chunk of {nbytes:,} bytes is stored in more than {buffer.nbytes:,}") from None
    return mask, bytes(stored)


def filters_of(data: h5py.Dataset) -> tuple[int, ...]:
    """The codes of a dataset's filters, in the order in which they are applied."""
    plist = data.id.get_create_plist()
    return tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))


def _corners(data: h5py.Dataset, row: int, wanted: range) -> Iterator[tuple[int, ...]]:
    """The first indices of the chunks that hold the range `wanted` of a row's first axis."""
    chunk, frame = data.chunks, data.shape[1:]
    first = range(wanted.start - wanted.start % chunk[1], wanted.stop, chunk[1])
    rest = (range(0, length, size) for length, size in zip(frame[1:], chunk[2:], strict=True))
    return itertools.product((row - row % chunk[0],), first, *rest)


def _paste(values: NDArray[Any], piece: NDArray[Any], at: tuple[int, ...]) -> None:
    """Copies a chunk at `at` into the part of a row that is read; each may extend beyond the other."""
    onto = tuple(slice(max(a, 0), a + n) for a, n in zip(at, piece.shape, strict=True))
    begin = tuple(max(-a, 0) for a in at)
    target = values[onto]
    target[...] = piece[tuple(slice(b, b + n) for b, n in zip(begin, target.shape, strict=True))]


def _check_chunk(stored: bytes, nbytes: int, filters: Sequence[int]) -> None:
    """Raises ValueError for a chunk that does not match its checksum or decodes to another size than `nbytes`.

    HDF5 decodes it afterwards: to any size, and beyond the end of a chunk that is shorter than its checksum.
    """
    if h5z.FILTER_FLETCHER32 in filters:
        stored, check = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        if len(check) < _CHECKSUM_BYTES or fletcher32(stored).to_bytes(_CHECKSUM_BYTES, "little") != check:
            raise ValueError("a damaged chunk: its checksum does not match")
    if h5z.FILTER_DEFLATE in filters:
        try:
            size = len(zlib.decompressobj().decompress(stored, nbytes + 1))
        except zlib.error as error:
            raise ValueError(f"a chunk that cannot be inflated; {error}") from None
    elif LZ4 in filters:
        size = _lz4_size(stored)
    elif ZSTANDARD in filters:
        size = _zstandard_size(stored)
    else:
        size = len(stored)
    if size != nbytes:
        raise ValueError(f"a chunk of {nbytes:,} bytes would decode to {'more' if size > nbytes else 'fewer'}")


def _lz4_size(stored: bytes) -> int:
    """The decoded size that a chunk of HDF5's LZ4 filter states, if all blocks that it then reads are there.

    Source: the format's description in HDF5 registered filter plugins, filter 32004: sizes are big-endian.
    """
    size, block, at = int.from_bytes(stored[:8], "big"), int.from_bytes(stored[8:12], "big"), 12
    blocks = math.ceil(size / block) if block else 0
    if len(stored) < at or (size and not 0 < blocks <= len(stored) // 4):
        raise ValueError("a chunk of LZ4 blocks that are not all there")
    for _ in range(blocks):
        at += 4 + int.from_bytes(stored[at : at + 4], "big")
    if at > len(stored):
        raise ValueError("a chunk of LZ4 blocks that are not all there")
    return size


def _zstandard_size(stored: bytes) -> int:
    """The decoded size that a Zstandard frame states.

    Source: RFC 8878, section 3.1.1.1.
    """
    if stored[:4] != b"\x28\xb5\x2f\xfd" or len(stored) < 18:
        raise ValueError("a chunk that is not a Zstandard frame")
    kind = stored[4]
    single = bool(kind & 0x20)
    length = (1 if single else 0, 2, 4, 8)[kind >> 6]
    start = 5 + (not single) + (0, 1, 2, 4)[kind & 3]
    if not length:
        raise ValueError("a Zstandard frame that does not state its size")
    return int.from_bytes(stored[start : start + length], "little") + (256 if length == 2 else 0)


def encode_chunk(values: NDArray[Any]) -> bytes:
    """The stored bytes of a chunk: shuffled (first bytes of all values, then second bytes ...), deflated, with a checksum."""
    shuffled = np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.itemsize).T)
    deflated: bytes = isal_zlib.compress(shuffled, _LEVEL)
    return deflated + fletcher32(deflated).to_bytes(4, "little")


def decode_chunk(stored: bytes, nbytes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inverse of `encode_chunk`: the values of a chunk of `nbytes`, flat.

    Raises:
        ValueError: the checksum does not match, the chunk cannot be inflated, or it has another size.
    """
    deflated, check = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
    if fletcher32(deflated).to_bytes(_CHECKSUM_BYTES, "little") != check:
        raise ValueError("a damaged chunk: its checksum does not match")
    try:
        shuffled = isal_zlib.decompressobj().decompress(deflated, nbytes + 1)
    except igzip_lib.IsalError as error:  # type: ignore[misc] # its stub says that it is an instance
        raise ValueError(f"a chunk that cannot be inflated; {error}") from None
    if len(shuffled) != nbytes:
        raise ValueError(f"a chunk of another size than {nbytes:,} bytes")
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
