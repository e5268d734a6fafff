"""Corrects the checksums of HDF5's metadata blocks, so that HDF5 reads past a damaged one.

HDF5 refuses a metadata block whose checksum does not match, and everything below it: one wrong bit in a chunk index costs
hundreds of frames. A process that is killed while it writes such a block leaves an old and a new half, each of them valid. With
a corrected checksum HDF5 reads the block as it is; whether a frame is right is decided by its own checksum.

Source: HDF5 File Format Specification 3.0: IV.A.1.b "Version 2 Data Object Header Prefix", III.G "Fractal Heap", VII.D
"Extensible Array Index", III.A.2 "Version 2 B-trees".
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aetheria.recording.hdf5.heaps import GLOBAL_PREFIX, MOST_GLOBAL, object_end
from aetheria.recording.superblock import checksum, closed_superblock

Bytes = mmap.mmap | bytes
_CONTINUED = 16  # type of the header message that names a continuation block
_CHECKSUM_BYTES = 4
# HDF5's parameters of a dataset's chunk index: up to 2^32 elements; 4 in the index block; 16 in the smallest data block; data
# blocks grow in size and number from level to level; the index block points at those of 4 levels; 2^10 elements to a page.
_SHAPE = bytes((32, 4, 16, 4, 10))
_DIRECT, _LEAST, _PAGE, _LEVELS, _LEVELS_BELOW = 4, 16, 1 << 10, 29, 4


@dataclass(frozen=True)
class MetadataBlock:
    """Bytes with a checksum: in the last four, or at `check`, where it counts as zeros for itself."""

    first: int
    length: int
    check: int | None = None


def checksum_patches(path: Path) -> tuple[dict[int, bytes], int]:
    """The patches (see `superblock.PatchedFile`) that correct a file's metadata checksums, and the number of those checksums.

    The patches include the superblock of a closed file. B-tree nodes, indirect heap blocks and free-space lists are not
    corrected: where these are damaged, HDF5 refuses them.

    Raises:
        OSError, ValueError: the file cannot be read, or is empty.
    """
    patches = closed_superblock(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for block in metadata_blocks(content):
            if patch := _patch(content, block):
                patches[patch[0]] = patch[1]
    return patches, len(patches) - 1


def heap_patches(path: Path) -> dict[int, bytes]:
    """The patches that give damaged objects of global heaps a size, so that HDF5 comes to the end of each heap.

    An object with a damaged prefix becomes one that extends to the next one that can be read; what it held is lost.

    Raises:
        OSError, ValueError: the file cannot be read, or is empty.
    """
    patches: dict[int, bytes] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(b"GCOL\x01")
        while at >= 0:
            length = _number(content, at + 8, 8)
            if length <= min(MOST_GLOBAL, len(content) - at):
                patches |= {at + place: prefix for place, prefix in _heap_patches(content[at : at + length]).items()}
            at = content.find(b"GCOL\x01", at + 1)
    return patches


def _heap_patches(heap: bytes) -> dict[int, bytes]:
    patches: dict[int, bytes] = {}
    last, place = 0, GLOBAL_PREFIX
    while place + GLOBAL_PREFIX <= len(heap):
        number, end = _number(heap, place, 2), object_end(heap, place)
        if end is None or 0 < number <= last:
            there = range(place + GLOBAL_PREFIX, len(heap) - GLOBAL_PREFIX, 8)
            end = next((one for one in there if _resumes(heap, one, last + 1)), len(heap))
            number = last + 1 if end < len(heap) else 0
            size = end - place - (GLOBAL_PREFIX if number else 0)
            patches[place] = struct.pack("<HHxxxxQ", number, min(1, number), size)
        last, place = max(last, number), end
    return patches


def _resumes(heap: bytes, place: int, last: int) -> bool:
    """Whether undamaged objects follow from a place to the end of a heap: with rising numbers, and free space as the last."""
    while place + GLOBAL_PREFIX <= len(heap):
        number, end = _number(heap, place, 2), object_end(heap, place)
        if end is None or 0 < number <= last or _number(heap, place + 4, 4):
            return False
        last, place = number, end
    return True


def _patch(content: Bytes, block: MetadataBlock) -> tuple[int, bytes] | None:
    last = block.first + block.length
    if block.length <= _CHECKSUM_BYTES or last > len(content):
        return None
    if block.check is None:
        at = last - _CHECKSUM_BYTES
        wanted = checksum(content[block.first : at])
    else:
        at = block.check
        wanted = checksum(content[block.first : at] + bytes(_CHECKSUM_BYTES) + content[at + _CHECKSUM_BYTES : last])
    made = wanted.to_bytes(_CHECKSUM_BYTES, "little")
    return None if content[at : at + _CHECKSUM_BYTES] == made else (at, made)


def metadata_blocks(content: Bytes) -> Iterator[MetadataBlock]:
    """All blocks that can be found; those reachable only through a damaged pointer are not."""
    kinds: dict[bytes, Callable[[Bytes, int], Iterator[MetadataBlock]]] = {
        b"OHDR\x02": _header,
        b"EAHD\x00": _index,
        b"FRHP\x00": _heap,
        b"BTHD\x00": lambda _, at: iter([MetadataBlock(at, 38)]),
    }
    for signature, blocks in kinds.items():
        at = content.find(signature)
        while at >= 0:
            yield from blocks(content, at)
            at = content.find(signature, at + 1)


def _header(content: Bytes, at: int) -> Iterator[MetadataBlock]:
    """An object header and its continuation blocks."""
    flags = content[at + 5] if at + 5 < len(content) else 0xFF
    if flags & 0xC0:
        return
    width = 1 << (flags & 3)
    first = at + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    size = _number(content, first, width)
    if size > 1 << 16:
        return
    yield MetadataBlock(at, first + width + size + _CHECKSUM_BYTES - at)
    pending, seen = [(first + width, first + width + size)], {at}
    while pending:
        for there, length in _continued(content, *pending.pop(), ordered=bool(flags & 4)):
            if there not in seen and content[there : there + 4] == b"OCHK" and length < 1 << 16:
                seen.add(there)
                yield MetadataBlock(there, length)
                pending.append((there + 4, there + length - _CHECKSUM_BYTES))


def _continued(content: Bytes, at: int, end: int, ordered: bool) -> Iterator[tuple[int, int]]:
    """Offset and length of the continuation blocks that the messages between `at` and `end` name."""
    prefix = 6 if ordered else 4
    while at + prefix <= min(end, len(content)):
        if content[at] == _CONTINUED:
            yield _number(content, at + prefix, 8), _number(content, at + prefix + 8, 8)
        at += prefix + _number(content, at + 1, 2)


def _index(content: Bytes, at: int) -> Iterator[MetadataBlock]:
    """An extensible array: the chunk index of a growing dataset."""
    if at + 72 > len(content):
        return
    size = content[at + 6]
    if not size or content[at + 7 : at + 12] != _SHAPE:
        return
    yield MetadataBlock(at, 72)
    first = _number(content, at + 60, 8)
    if not _belongs(content, first, b"EAIB", at):
        return
    pointers = first + 14 + _DIRECT * size
    below = [(level, number) for level in range(_LEVELS_BELOW) for number in range(1 << level // 2)]
    yield MetadataBlock(first, 14 + _DIRECT * size + 8 * (len(below) + _LEVELS - _LEVELS_BELOW) + _CHECKSUM_BYTES)
    for place, (level, _) in enumerate(below):
        yield from _elements(content, at, _number(content, pointers + 8 * place, 8), level, size)
    for level in range(_LEVELS_BELOW, _LEVELS):
        there = _number(content, pointers + 8 * (len(below) + level - _LEVELS_BELOW), 8)
        if not _belongs(content, there, b"EASB", at):
            continue
        count = 1 << level // 2
        begun = there + 18 + count * ((_pages(level) + 7) // 8)
        yield MetadataBlock(there, begun + 8 * count + _CHECKSUM_BYTES - there)
        for number in range(count):
            yield from _elements(content, at, _number(content, begun + 8 * number, 8), level, size)


def _pages(level: int) -> int:
    """Number of pages of a data block at a level; 0 for one too small to be paged."""
    count = _LEAST << (level + 1) // 2
    return count // _PAGE if count > _PAGE else 0


def _elements(content: Bytes, owner: int, at: int, level: int, size: int) -> Iterator[MetadataBlock]:
    """A data block; each of its pages that was ever written has a checksum of its own."""
    if not _belongs(content, at, b"EADB", owner):
        return
    pages = _pages(level)
    if not pages:
        yield MetadataBlock(at, 18 + (_LEAST << (level + 1) // 2) * size + _CHECKSUM_BYTES)
        return
    yield MetadataBlock(at, 18 + _CHECKSUM_BYTES)
    first, length = at + 18 + _CHECKSUM_BYTES, _PAGE * size + _CHECKSUM_BYTES
    for number in range(pages):
        if any(content[first + number * length : first + (number + 1) * length]):
            yield MetadataBlock(first + number * length, length)


def _heap(content: Bytes, at: int) -> Iterator[MetadataBlock]:
    """A fractal heap, which holds the attributes of an object that has many."""
    if at + 146 > len(content):
        return
    yield MetadataBlock(at, 146)
    checked = bool(content[at + 9] & 2)
    width, least = _number(content, at + 110, 2), _number(content, at + 112, 8)
    most, bits = _number(content, at + 120, 8), _number(content, at + 128, 2)
    if not (checked and width and least and bits <= 64):
        return
    offset = (bits + 7) // 8
    found = content.find(b"FHDB\x00" + at.to_bytes(8, "little"))
    while found >= 0:
        row = _number(content, found + 13, offset) // (width * least)  # the first two rows have blocks of the starting size
        length = least << max(0, row.bit_length() - 1)
        if length <= most:
            yield MetadataBlock(found, length, found + 13 + offset)
        found = content.find(b"FHDB\x00" + at.to_bytes(8, "little"), found + 1)


def _belongs(content: Bytes, at: int, signature: bytes, owner: int) -> bool:
    return content[at : at + 4] == signature and content[at + 6 : at + 14] == owner.to_bytes(8, "little")


def _number(content: Bytes, at: int, width: int) -> int:
    return int.from_bytes(content[at : at + width], "little")
