"""The superblock of a recording: the 48 bytes in which HDF5 marks a writer and the end of the file; corrected after a kill.

Source: HDF5 File Format Specification 3.0, II.A "Disk Format: Level 0A - Format Signature and Superblock", version 3.
"""

import errno
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BYTES = 48
_VERSION, _FLAGS, _END, _CHECKSUM = slice(8, 9), slice(11, 12), slice(28, 36), slice(44, 48)
_WRITING, _SINGLE_WRITER = 0b001, 0b100
_MASK = 0xFFFFFFFF
# Sizes of addresses and lengths, no flags; base 0; no extension; the end; the root group, which follows; the checksum.
_TEMPLATE = _SIGNATURE + b"\x03\x08\x08\0" + bytes(8) + b"\xff" * 8 + bytes(8) + _BYTES.to_bytes(8, "little") + bytes(4)


@dataclass(frozen=True)
class Superblock:
    """The superblock of a file.

    Attributes:
        writing: the file is open for writing, or its writer was killed.
        end: size of the file as HDF5 knows it.
        intact: the checksum matches.
    """

    writing: bool
    end: int
    intact: bool


def read_superblock(path: Path) -> Superblock | None:
    """The superblock of a file; None unless it is of version 3, as in a recording.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        block = file.read(_BYTES)
    if len(block) < _BYTES or block[:8] != _SIGNATURE or block[_VERSION] != b"\x03" or block[9:11] != b"\x08\x08":
        return None
    return Superblock(
        writing=bool(block[_FLAGS][0] & (_WRITING | _SINGLE_WRITER)),
        end=int.from_bytes(block[_END], "little"),
        intact=block[_CHECKSUM] == checksum(block[: _CHECKSUM.start]).to_bytes(4, "little"),
    )


def looks_like_hdf5(path: Path) -> bool:
    """Whether a file has HDF5's signature, or a root group at the place where recordings have it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        block = file.read(_BYTES + 4)
    return block[:8] == _SIGNATURE or block[_BYTES:] == b"OHDR"


def clear_writer_mark(path: Path) -> bool:
    """Marks a file whose writer was killed as closed, so that any program opens it; returns whether it was necessary.

    The end that HDF5 knows is set to the size of the file: otherwise the next writes would overwrite the last frames. The
    caller makes sure that no process writes the file.

    Raises:
        OSError: the file cannot be written.
    """
    found = read_superblock(path)
    if found is None or not (found.writing and found.intact):
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        block = _closed(os.pread(descriptor, _BYTES, 0), max(found.end, os.fstat(descriptor).st_size))
        os.pwrite(descriptor, block, 0)  # atomic: within one sector
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


class PatchedFile(io.RawIOBase):
    """A file with some bytes replaced when it is read; nothing is written, so it may be on a read-only medium.

    HDF5 reads it as a closed file. In SWMR mode it would take damage for unfinished writes, and retry with its lock held and a
    pause that doubles each time, practically for ever.
    """

    def __init__(self, path: Path, patches: Mapping[int, bytes]) -> None:
        """
        Args:
            patches: the bytes to read instead, by their offset; none extends beyond the end of the file.

        Raises:
            OSError: the file cannot be read.
        """
        self._file = path.open("rb", buffering=0)
        self._end = os.fstat(self._file.fileno()).st_size
        self._patches = patches
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at > self._end:  # a damaged address, perhaps beyond the range of file offsets
            raise OSError(errno.EINVAL, f"a file of {self._end:,} bytes has none at {self._at:,}")
        count = os.preadv(self._file.fileno(), [view], self._at)
        for start, content in self._patches.items():
            first, last = max(start, self._at), min(start + len(content), self._at + count)
            if first < last:
                view[first - self._at : last - self._at] = content[first - start : last - start]
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def closed_superblock(path: Path) -> dict[int, bytes]:
    """The patch with which a file whose writer was killed reads as a closed one; see `PatchedFile`.

    A damaged superblock is replaced by a template: those of recordings differ only in the end of the file.

    Raises:
        OSError: the file cannot be read.
    """
    found = read_superblock(path)
    with path.open("rb") as file:
        block = file.read(_BYTES)
        end = os.fstat(file.fileno()).st_size
    return {0: _closed(block if found and found.intact else _TEMPLATE, end)}


def _closed(block: bytes, end: int) -> bytes:
    closed = bytearray(block)
    closed[_FLAGS] = b"\0"
    closed[_END] = end.to_bytes(8, "little")
    closed[_CHECKSUM] = checksum(bytes(closed[: _CHECKSUM.start])).to_bytes(4, "little")
    return bytes(closed)


def checksum(content: bytes) -> int:
    """HDF5's checksum of metadata. Source: B. Jenkins, lookup3.c, `hashlittle` with an initial value of 0, May 2006."""
    x = y = z = 0xDEADBEEF + len(content) & _MASK
    while len(content) > 12:
        x, y, z = _added((x, y, z), content[:12])
        content = content[12:]
        for turn in (4, 6, 8, 16, 19, 4):
            x, y, z = y, z + y & _MASK, (x - z & _MASK) ^ _rotated(z, turn)
    z, y, x = _added((x, y, z), content)
    for turn in (14, 11, 25, 16, 4, 14, 24):
        x, y, z = z, (x ^ y) - _rotated(y, turn) & _MASK, y
    return y


def _added(words: tuple[int, int, int], content: bytes) -> tuple[int, ...]:
    given = (int.from_bytes(content[i : i + 4], "little") for i in (0, 4, 8))
    return tuple(word + more & _MASK for word, more in zip(words, given, strict=True))


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _MASK
