"""Reads the text of pattern files: UTF-8 or Latin-1, with any line ends, packed by gzip or not."""

import gzip
import re
import zlib
from io import BytesIO
from pathlib import Path

from aetheria.core.errors import FileUnreadableError
from aetheria.files.untrusted import check_input, first_line

MAX_FILE_BYTES = 1 << 23  # the largest in pattern collections have a few MiB
MAX_TEXT_BYTES = 1 << 25  # of a file that gzip packed
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines also splits at characters that comments may hold


def read_pattern_text(path: Path, wanted: str = "a pattern") -> str:
    """The text of a file of at most 8 MiB, or of 32 MiB packed into them.

    Raises:
        FileUnreadableError: it is missing, empty, too large, no text, or text in UTF-16.
    """
    check_input(path, wanted, MAX_FILE_BYTES)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileUnreadableError(f"{path}: cannot be read; {error.strerror}") from error
    if content.startswith(_GZIP):
        content = _unpacked(content, path)
    if content.startswith(_UTF16) or _half_null(content):
        raise FileUnreadableError(f"{path}: text in UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise FileUnreadableError(f"{path}: is no text; expected {wanted}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # comments of old files
    if not text.strip():
        raise FileUnreadableError(f"{path}: is empty; expected {wanted}")
    return text


def lines_of(text: str) -> list[str]:
    """The lines of a text with line ends of any system."""
    return _LINE_END.split(text)


def _unpacked(content: bytes, path: Path) -> bytes:
    try:
        with gzip.open(BytesIO(content)) as file:
            text = file.read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileUnreadableError(f"{path}: cannot be unpacked; {first_line(error)}") from None
    if len(text) > MAX_TEXT_BYTES:
        raise FileUnreadableError(f"{path}: more than {MAX_TEXT_BYTES:,} bytes when unpacked; expected fewer")
    return text


def _half_null(content: bytes) -> bool:
    """Whether every other byte is null at the beginning, as in UTF-16 without a byte order mark."""
    head = content[:64]
    return len(head) > 3 and any(not any(head[first::2]) and all(head[1 - first :: 2]) for first in (0, 1))
