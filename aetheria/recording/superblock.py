"""The first 48 bytes of a recording, in which HDF5 notes who writes it and how far it reaches; put right after a kill.

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
# Sizes of addresses and lengths, no flags; base 0; no extension; the end; the root group, which stands behind; the checksum.
_OF_RECORDINGS = _SIGNATURE + b"\x03\x08\x08\0" + bytes(8) + b"\xff" * 8 + bytes(8) + _BYTES.to_bytes(8, "little") + bytes(4)


@dataclass(frozen=True)
class Superblock:
    """What a file says of itself.

    Attributes:
        writing: it is open for writing, or its writer was killed.
        end: bytes that HDF5 knows of.
        whole: the checksum fits.
    """

    writing: bool
    end: int
    whole: bool


def read_superblock(path: Path) -> Superblock | None:
    """The superblock of a file; None when it has none of version 3, which a recording has.

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
        whole=block[_CHECKSUM] == checksum(block[: _CHECKSUM.start]).to_bytes(4, "little"),
    )


def was_hdf5(path: Path) -> bool:
    """Whether a file that HDF5 cannot open begins as one that it could: with its signature, or a root group where ours have it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        block = file.read(_BYTES + 4)
    return block[:8] == _SIGNATURE or block[_BYTES:] == b"OHDR"


def release(path: Path) -> bool:
    """Makes a file whose writer was killed one that any program opens, and that can be written on; says whether it was needed.

    The mark of the writer is cleared, and the end that HDF5 knows of set behind all that was written, or what is written next
    would overwrite the last frames. Nobody may be writing the file.

    Raises:
        OSError: the file cannot be written.
    """
    found = read_superblock(path)
    if found is None or not (found.writing and found.whole):
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        block = _released(os.pread(descriptor, _BYTES, 0), max(found.end, os.fstat(descriptor).st_size))
        os.pwrite(descriptor, block, 0)  # at once: there is no half of it
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


class Patched(io.RawIOBase):
    """A file read as if some of its bytes were others; nothing is written, so it may be on a medium that cannot be written to.

    HDF5 reads it in its usual way. In single-writer mode it takes damage for what the writer has yet to finish, and looks again
    and again, with its lock held and twice as long a pause each time, for longer than anybody lives.
    """

    def __init__(self, path: Path, patches: Mapping[int, bytes]) -> None:
        """
        Args:
            patches: what is read instead, by where it begins; none goes beyond the end.

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
        if self._at > self._end:  # a damaged address, perhaps beyond what the system can take
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


def released(path: Path) -> dict[int, bytes]:
    """The patch by which a file whose writer was killed reads as if `release` had been called; see `Patched`.

    A superblock that is damaged is made anew: those of recordings differ by where the file ends.

    Raises:
        OSError: the file cannot be read.
    """
    found = read_superblock(path)
    with path.open("rb") as file:
        block = file.read(_BYTES)
        end = os.fstat(file.fileno()).st_size
    return {0: _released(block if found and found.whole else _OF_RECORDINGS, end)}


def _released(block: bytes, end: int) -> bytes:
    freed = bytearray(block)
    freed[_FLAGS] = b"\0"
    freed[_END] = end.to_bytes(8, "little")
    freed[_CHECKSUM] = checksum(bytes(freed[: _CHECKSUM.start])).to_bytes(4, "little")
    return bytes(freed)


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
