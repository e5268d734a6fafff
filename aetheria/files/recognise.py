"""Recognises files by their first bytes, so that one given in the wrong place is refused by name, with its right use."""

import re
from dataclasses import dataclass
from pathlib import Path

from aetheria.core.shell import shell_quoted

_SUFFIXES = {".toml": "config", ".rule": "rule file", ".npz": "archive"}
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "recording"),
    (b"\x93NUMPY", "array"),
    (b"PK\x03\x04", "archive"),
    (b"\x80\x02", "archive"),  # a pickle, as torch wrote before version 1.6
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"BM", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"GIF8", "film"),
    (b"\0\0\0\x18ftyp", "film"),
    (b"\0\0\0\x20ftyp", "film"),
)
_NAMES = {
    "recording": ("a recording", "aetheria view {path}, or aetheria run --resume {path}"),
    "array": ("a NumPy array", '[initial] kind = "npy" in a config, or aetheria view {path}'),
    "archive": ("an archive of weights or arrays (.pt, .npz)", "[law] weights in a config, or aetheria view {path}"),
    "tensors": ("weights or a saved state (.safetensors)", "[law] weights in a config, or aetheria view {path}"),
    "image": ("an image", '[initial] kind = "image" in a config'),
    "film": ("a film", "a video player"),
    "config": ("a config", "aetheria run {path}, or aetheria view {path}"),
    "rule file": ("a rule file of Golly", ""),
    "web page": ("a web page (HTML)", "the file that the page links to"),
    "pattern": ("a pattern", 'aetheria view {path}, or [initial] kind = "pattern" in a config'),
}
_CONFIG = re.compile(rb"^\s*\[(?:grid|law|initial|motor|record|checkpoint|picture|train|data)\]", re.MULTILINE)
_PATTERN = re.compile(
    rb"^\s*(?:#Life 1\.0|#MCell|\[M2\]|x\s*=\s*\d+[\s,]+y\s*=\s*\d|!Name:|#CXRLE|\d*[bo$][\dbo$]*!?\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
PATTERN_SUFFIXES = (".rle", ".cells", ".lif", ".life", ".mc", ".mcl", ".gz")
_HEAD = 4096


@dataclass(frozen=True)
class FileKind:
    """The kind of a file.

    Attributes:
        key: "recording", "array", "archive", "tensors", "image", "film", "config", "rule file", "web page" or "pattern".
        name: in words, with its article.
        use: how to use it, or empty.
    """

    key: str
    name: str
    use: str

    def instead_of(self, wanted: str) -> str:
        """The end of an error message for a file of this kind where another was wanted."""
        return f"is {self.name}; expected {wanted}" + (f". Its use: {self.use}" if self.use else "")


def recognised(path: Path) -> FileKind | None:
    """The kind of a file by its content, or by its suffix where that says nothing; None for one of no known kind.

    A pipe or a device is not read, nor waited for.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):  # ValueError: a name with a null in it
        return None
    key = _by_content(head) or _SUFFIXES.get(path.suffix.lower()) or _text_kind(head)
    if key is None and path.suffix.lower() in PATTERN_SUFFIXES:
        key = "pattern"
    if key is None:
        return None
    name, use = _NAMES[key]
    return FileKind(key, name, use.format(path=shell_quoted(path)))


def _by_content(head: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if len(head) > 9 and head[8:9] == b"{" and 1 < int.from_bytes(head[:8], "little") < 1 << 32:
        return "tensors"
    return None


def _text_kind(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "web page"
    if start.startswith((b"@rule", b"@tree", b"@table")):
        return "rule file"
    if _PATTERN.search(head):
        return "pattern"
    return "config" if _CONFIG.search(head) else None
