"""Bounded reads of an HDF5 file's metadata: no read leaves the file, and the total of all reads is limited."""

import io
import os
from typing import BinaryIO

MAX_BYTES = 64 * 2**20  # of metadata and texts that are read
MAX_ITEMS = 200_000  # messages, records and heap objects that are decoded
_HEAD = 1 << 17  # bytes at the beginning, read at once: most of a recording's metadata is there
UNDEFINED = (1 << 64) - 1  # HDF5's address of a block that does not exist


class MalformedError(ValueError):
    """Metadata that HDF5 would not write: damage, or a forgery."""


class ForeignError(ValueError):
    """Something that HDF5 writes, but that is in no recording."""


class Content:
    """The bytes of a file by their addresses.

    Attributes:
        size: of the file in bytes.
    """

    def __init__(self, file: BinaryIO | io.RawIOBase) -> None:
        """
        Args:
            file: open for reading, and seekable; stays open.
        """
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self._bytes_left, self._items_left = MAX_BYTES, MAX_ITEMS
        self._head = self._read(0, min(_HEAD, self.size))

    def read(self, at: int, length: int) -> bytes:
        """Exactly `length` bytes from `at` on.

        Raises:
            MalformedError: they are not all in the file, or more is read than any recording has.
        """
        if at < 0 or length < 0 or at + length > self.size:
            raise MalformedError(f"a block of {length:,} bytes at {at:,} is not within the file")
        self._bytes_left -= length
        if self._bytes_left < 0:
            raise MalformedError(f"it has more than {MAX_BYTES:,} bytes of metadata")
        found = self._head[at : at + length] if at + length <= len(self._head) else self._read(at, length)
        if len(found) < length:
            raise MalformedError(f"a block of {length:,} bytes at {at:,} is not within the file")
        return found

    def block(self, at: int, length: int, signature: bytes) -> "Cursor":
        """A block that begins with a signature, from behind the signature on."""
        cursor = Cursor(self.read(at, length))
        if cursor.take(len(signature)) != signature:
            raise MalformedError(f"no {signature[:4].decode()} block at {at:,}")
        return cursor

    def count(self, items: int = 1) -> None:
        """Counts decoded items; raises MalformedError for more than any recording has."""
        self._items_left -= items
        if self._items_left < 0:
            raise MalformedError(f"it has more than {MAX_ITEMS:,} items of metadata")

    def _read(self, at: int, length: int) -> bytes:
        self._file.seek(at)
        return self._file.read(length) or b""


class Cursor:
    """Reads the fields of a block one after another; raises MalformedError at its end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        first, self._at = self._at, self._at + length
        if length < 0 or self._at > len(self._content):
            raise MalformedError("a block ends within a field")
        return self._content[first : self._at]

    def number(self, width: int) -> int:
        """The next unsigned number."""
        return int.from_bytes(self.take(width), "little")

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._content) - self._at


def require(claim: bool, fault: str) -> None:
    """Raises MalformedError with `fault` unless the claim holds."""
    if not claim:
        raise MalformedError(fault)


def shown(name: bytes) -> str:
    """A name of the file for a message; control characters are escaped."""
    text = name.decode(errors="replace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()
