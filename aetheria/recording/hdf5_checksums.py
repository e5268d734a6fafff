"""Checksums of HDF5's own that no longer fit what they are of, found and made anew, so that HDF5 reads on behind a damage.

HDF5 refuses a block of its metadata whose checksum is another, and with it all that hangs on it: one bit in an index of chunks
costs hundreds of frames. A process that is killed while it writes such a block leaves one half new, of which each half is good.
With the checksum made anew HDF5 reads the block as it is; whether a frame is right, its own checksum says.

Source: HDF5 File Format Specification 3.0: IV.A.1.b "Version 2 Data Object Header Prefix", III.G "Fractal Heap", VII.D
"Extensible Array Index", III.A.2 "Version 2 B-trees".
"""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aetheria.recording.superblock import checksum, released

_CONTINUED = 16  # type of a header's message: there is another block of it
_SUM = 4  # bytes of a checksum
# How HDF5 makes the index of every dataset: up to 2^32 elements; 4 of them in its first block; 16 in the smallest of those that
# follow, which become larger and more from level to level; those of 4 levels are known to the first block; 2^10 in a page.
_SHAPE = bytes((32, 4, 16, 4, 10))
_DIRECT, _LEAST, _PAGE, _LEVELS, _LEVELS_BELOW = 4, 16, 1 << 10, 29, 4


@dataclass(frozen=True)
class _Block:
    """Bytes that have a checksum: the last four, or those at `check`, which count as zeros then."""

    first: int
    length: int
    check: int | None = None


def mended(path: Path) -> tuple[dict[int, bytes], int]:
    """What to read instead of a file's own bytes (see `superblock.Patched`), and how many checksums are among it.

    The superblock is always among it, as of a file that was closed. Nodes of B-trees, indirect blocks of heaps and lists of
    free space are left alone: where these are damaged, HDF5 refuses them.

    Raises:
        OSError, ValueError: the file cannot be read, or is empty.
    """
    patches = released(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for block in _blocks(content):
            if patch := _patch(content, block):
                patches[patch[0]] = patch[1]
    return patches, len(patches) - 1


def _patch(content: mmap.mmap, block: _Block) -> tuple[int, bytes] | None:
    last = block.first + block.length
    if block.length <= _SUM or last > len(content):
        return None
    if block.check is None:
        at = last - _SUM
        wanted = checksum(content[block.first : at])
    else:
        at = block.check
        wanted = checksum(content[block.first : at] + bytes(_SUM) + content[at + _SUM : last])
    made = wanted.to_bytes(_SUM, "little")
    return None if content[at : at + _SUM] == made else (at, made)


def _blocks(content: mmap.mmap) -> Iterator[_Block]:
    """All that are found; those that only a damaged one knows of are not."""
    kinds: dict[bytes, Callable[[mmap.mmap, int], Iterator[_Block]]] = {
        b"OHDR\x02": _header,
        b"EAHD\x00": _index,
        b"FRHP\x00": _heap,
        b"BTHD\x00": lambda _, at: iter([_Block(at, 38)]),
    }
    for signature, blocks in kinds.items():
        at = content.find(signature)
        while at >= 0:
            yield from blocks(content, at)
            at = content.find(signature, at + 1)


def _header(content: mmap.mmap, at: int) -> Iterator[_Block]:
    """An object's header, and what continues it."""
    flags = content[at + 5] if at + 5 < len(content) else 0xFF
    if flags & 0xC0:
        return
    width = 1 << (flags & 3)
    first = at + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    size = _number(content, first, width)
    if size > 1 << 16:
        return
    yield _Block(at, first + width + size + _SUM - at)
    pending, seen = [(first + width, first + width + size)], {at}
    while pending:
        for there, length in _continued(content, *pending.pop(), ordered=bool(flags & 4)):
            if there not in seen and content[there : there + 4] == b"OCHK" and length < 1 << 16:
                seen.add(there)
                yield _Block(there, length)
                pending.append((there + 4, there + length - _SUM))


def _continued(content: mmap.mmap, at: int, end: int, ordered: bool) -> Iterator[tuple[int, int]]:
    """Where a header goes on, and how long that is, by the messages between `at` and `end`."""
    prefix = 6 if ordered else 4
    while at + prefix <= min(end, len(content)):
        if content[at] == _CONTINUED:
            yield _number(content, at + prefix, 8), _number(content, at + prefix + 8, 8)
        at += prefix + _number(content, at + 1, 2)


def _index(content: mmap.mmap, at: int) -> Iterator[_Block]:
    """An extensible array, by which the chunks of a dataset that grows are found."""
    if at + 72 > len(content):
        return
    size = content[at + 6]
    if not size or content[at + 7 : at + 12] != _SHAPE:
        return
    yield _Block(at, 72)
    first = _number(content, at + 60, 8)
    if not _belongs(content, first, b"EAIB", at):
        return
    pointers = first + 14 + _DIRECT * size
    below = [(level, number) for level in range(_LEVELS_BELOW) for number in range(1 << level // 2)]
    yield _Block(first, 14 + _DIRECT * size + 8 * (len(below) + _LEVELS - _LEVELS_BELOW) + _SUM)
    for place, (level, _) in enumerate(below):
        yield from _elements(content, at, _number(content, pointers + 8 * place, 8), level, size)
    for level in range(_LEVELS_BELOW, _LEVELS):
        there = _number(content, pointers + 8 * (len(below) + level - _LEVELS_BELOW), 8)
        if not _belongs(content, there, b"EASB", at):
            continue
        count = 1 << level // 2
        begun = there + 18 + count * ((_pages(level) + 7) // 8)
        yield _Block(there, begun + 8 * count + _SUM - there)
        for number in range(count):
            yield from _elements(content, at, _number(content, begun + 8 * number, 8), level, size)


def _pages(level: int) -> int:
    """Of a block of this level; a small one is not cut into pages."""
    count = _LEAST << (level + 1) // 2
    return count // _PAGE if count > _PAGE else 0


def _elements(content: mmap.mmap, owner: int, at: int, level: int, size: int) -> Iterator[_Block]:
    """A block of elements; of its pages, each that was ever written has its own checksum."""
    if not _belongs(content, at, b"EADB", owner):
        return
    pages = _pages(level)
    if not pages:
        yield _Block(at, 18 + (_LEAST << (level + 1) // 2) * size + _SUM)
        return
    yield _Block(at, 18 + _SUM)
    first, length = at + 18 + _SUM, _PAGE * size + _SUM
    for number in range(pages):
        if any(content[first + number * length : first + (number + 1) * length]):
            yield _Block(first + number * length, length)


def _heap(content: mmap.mmap, at: int) -> Iterator[_Block]:
    """A heap, in which the names and attributes of an object are when they are many."""
    if at + 146 > len(content):
        return
    yield _Block(at, 146)
    checked = bool(content[at + 9] & 2)
    width, least = _number(content, at + 110, 2), _number(content, at + 112, 8)
    most, bits = _number(content, at + 120, 8), _number(content, at + 128, 2)
    if not (checked and width and least and bits <= 64):
        return
    offset = (bits + 7) // 8
    found = content.find(b"FHDB\x00" + at.to_bytes(8, "little"))
    while found >= 0:
        row = _number(content, found + 13, offset) // (width * least)  # the first two rows are of blocks of the least size
        length = least << max(0, row.bit_length() - 1)
        if length <= most:
            yield _Block(found, length, found + 13 + offset)
        found = content.find(b"FHDB\x00" + at.to_bytes(8, "little"), found + 1)


def _belongs(content: mmap.mmap, at: int, signature: bytes, owner: int) -> bool:
    return content[at : at + 4] == signature and content[at + 6 : at + 14] == owner.to_bytes(8, "little")


def _number(content: mmap.mmap, at: int, width: int) -> int:
    return int.from_bytes(content[at : at + width], "little")
