"""The heaps of an HDF5 file: fractal heaps with their B-trees, and the global heap of texts and references.

HDF5 itself does not check all of this: an object of size 0 in a global heap makes it loop for ever.

Source: HDF5 File Format Specification 3.0, III.A.2 "Version 2 B-trees", III.E "Global Heap", III.G "Fractal Heap".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from aetheria.recording.hdf5.content import UNDEFINED, Content, Cursor, MalformedError, require

# HDF5's parameters of the heaps of attributes and links: blocks in rows of 4, of up to 64 KiB; objects over 4 KiB are outside.
_ROW, _LARGEST, _MOST = 4, 1 << 16, 4096
# By the length of an identifier: bytes of the first blocks, bytes of an offset, and rows of blocks up to the largest. More rows
# would be over half a MiB of names or attributes.
_SHAPES = {7: (512, 4, 9), 8: (1024, 5, 8)}
_CHECKED = 2  # flag: blocks have checksums
_RECORD_BYTES = {1: 24, 5: 11, 6: 15, 8: 17, 9: 13}  # of a B-tree of huge objects, of links and of attributes by name and order
_HUGE_OBJECTS = 1
_NODE_BYTES, _MAX_DEPTH = 512, 6
_NODE_PREFIX = 10  # signature, version, type and checksum
GLOBAL_PREFIX = 16  # of a global heap, and of each of its objects
_LEAST_GLOBAL, MOST_GLOBAL = 4096, 1 << 24


def tree_records(content: Content, at: int, kind: int) -> list[bytes]:
    """The records of a B-tree (version 2) of a known kind.

    Raises:
        MalformedError: a node is damaged, is used twice, or has other records than its parent states.
    """
    header = content.block(at, 38, b"BTHD\0")
    size = _RECORD_BYTES[kind]
    require(
        (header.number(1), header.number(4), header.number(2)) == (kind, _NODE_BYTES, size),
        f"the B-tree at {at:,} is of another form",
    )
    depth, _, _, root, count, total = (header.number(width) for width in (2, 1, 1, 8, 2, 8))
    require(depth <= _MAX_DEPTH, f"the B-tree at {at:,} is {depth} levels deep")
    if root == UNDEFINED:
        require(not count and not total and not depth, f"the B-tree at {at:,} has no root")
        return []
    found: list[bytes] = []
    seen: set[int] = set()
    _read_node(content, root, (kind, depth, count), found, seen)
    require(len(found) == total, f"the B-tree at {at:,} states {total:,} records and has {len(found):,}")
    return found


def _read_node(content: Content, at: int, form: tuple[int, int, int], found: list[bytes], seen: set[int]) -> int:
    """Appends the records of a node, and of those below it; returns their number."""
    kind, depth, count = form
    size = _RECORD_BYTES[kind]
    limits = _node_limits(size, depth)
    require(at not in seen and count <= limits[depth][0], f"the B-tree node at {at:,} is used twice, or too full")
    seen.add(at)
    content.count(count + 1)
    node = content.block(at, _NODE_BYTES, b"BTIN\0" if depth else b"BTLF\0")
    require(node.number(1) == kind, f"the B-tree node at {at:,} belongs to another tree")
    found += [node.take(size) for _ in range(count)]
    if not depth:
        return count
    below = 0
    for _ in range(count + 1):
        child, held = node.number(8), node.number(_width(limits[0][0]))
        stated = node.number(_width(limits[depth - 1][1])) if depth > 1 else held
        number = _read_node(content, child, (kind, depth - 1, held), found, seen)
        require(number == stated, f"the B-tree node at {child:,} has {number:,} records, not {stated:,}")
        below += number
    return count + below


def _node_limits(record: int, depth: int) -> list[tuple[int, int]]:
    """The most records of a node at each level, and of all below it."""
    most = (_NODE_BYTES - _NODE_PREFIX) // record
    limits = [(most, most)]
    for level in range(1, depth + 1):
        pointer = 8 + _width(limits[0][0]) + (_width(limits[-1][1]) if level > 1 else 0)
        most = (_NODE_BYTES - _NODE_PREFIX - pointer) // (record + pointer)
        limits.append((most, (most + 1) * limits[-1][1] + most))
    return limits


def _width(most: int) -> int:
    """Bytes of a number up to `most`."""
    return (most.bit_length() - 1) // 8 + 1


class FractalHeap:
    """The objects of a fractal heap: the links of a group, or the attributes of an object, that has many."""

    def __init__(self, content: Content, at: int) -> None:
        """
        Raises:
            MalformedError: its parameters are not HDF5's, or a block is damaged.
        """
        self._content, self._at = content, at
        header = content.block(at, 146, b"FRHP\0")
        self.id_bytes, filters, flags, most = (header.number(width) for width in (2, 2, 1, 4))
        _, huge = header.number(8), header.number(8)
        header.take(56)  # free space, and the sizes of what is in blocks
        huge_count, _, tiny_count = header.number(8), header.number(8), header.number(8)
        shape = tuple(header.number(width) for width in (2, 8, 8, 2, 2))
        root, rows = header.number(8), header.number(2)
        self._first, self._offset_bytes, most_rows = _SHAPES.get(self.id_bytes, (0, 0, 0))
        require(
            (filters, flags & _CHECKED, most) == (0, _CHECKED, _MOST)
            and shape == (_ROW, self._first, _LARGEST, 8 * self._offset_bytes, 1)
            and rows <= most_rows,
            f"the heap at {at:,} is of another form",
        )
        self._blocks: dict[int, bytes] = {}  # by number
        records = tree_records(content, huge, _HUGE_OBJECTS) if huge != UNDEFINED else []
        require(len(records) == huge_count and not tiny_count, f"the heap at {at:,} has other objects than it states")
        self._huge = {number: (place, size) for place, size, number in (struct.unpack("<QQQ", one) for one in records)}
        if root != UNDEFINED:
            self._read_blocks(root, rows)

    def _read_blocks(self, root: int, rows: int) -> None:
        if not rows:
            self._read_block(root, 0)
            return
        length = 13 + self._offset_bytes + 8 * _ROW * rows + 4
        table = self._content.block(root, length, b"FHIB\0")
        self._check_place(root, table, 0)
        for number in range(_ROW * rows):
            if (at := table.number(8)) != UNDEFINED:
                self._read_block(at, number)

    def _read_block(self, at: int, number: int) -> None:
        first, length = self._block_place(number)
        block = self._content.read(at, length)
        self._check_place(at, self._content.block(at, length, b"FHDB\0"), first)
        self._blocks[number] = block

    def _check_place(self, at: int, block: Cursor, first: int) -> None:
        require(
            (block.number(8), block.number(self._offset_bytes)) == (self._at, first),
            f"the block at {at:,} belongs to another heap",
        )

    def object(self, id_: bytes) -> bytes:
        """The object with an identifier.

        Raises:
            MalformedError: there is none.
        """
        cursor = Cursor(id_)
        kind = cursor.number(1)
        require(len(id_) == self.id_bytes and kind in (0, 0x10), f"the heap at {self._at:,} has no object {id_.hex()}")
        if kind:
            number = cursor.number(self.id_bytes - 1)
            require(number in self._huge, f"the heap at {self._at:,} has no large object {number}")
            return self._content.read(*self._huge[number])
        offset, length = cursor.number(self._offset_bytes), cursor.number(2)
        number = self._block_at(offset)
        begin = offset - self._block_place(number)[0]
        block = self._blocks.get(number, b"")
        prefix = 17 + self._offset_bytes
        require(
            prefix <= begin and 0 < length <= _MOST and begin + length <= len(block), "a heap object is not within its block"
        )
        return block[begin : begin + length]

    def _block_place(self, number: int) -> tuple[int, int]:
        """Offset and length of a direct block."""
        row, column = divmod(number, _ROW)
        length = self._first << max(0, row - 1)
        return (_ROW * self._first << row - 1 if row else 0) + column * length, length

    def _block_at(self, offset: int) -> int:
        """The number of the direct block that holds an offset."""
        row = (offset // (_ROW * self._first)).bit_length()
        first, length = self._block_place(row * _ROW)
        return row * _ROW + (offset - first) // length


@dataclass(frozen=True)
class HeapObject:
    """An object of a global heap: its number, the place of its prefix and its size; number 0 is free space."""

    number: int
    at: int
    size: int


class GlobalHeap:
    """A collection of texts and references that attributes point at.

    Attributes:
        sizes: of the objects, by number.
    """

    def __init__(self, content: Content, at: int) -> None:
        """
        Raises:
            MalformedError: an object is damaged, so that HDF5 might never come to the end.
        """
        self._content = content
        self._places: dict[int, HeapObject] = {}
        for found in heap_objects(content.read(at, global_heap_bytes(content, at)), at):
            content.count()
            require(found.number not in self._places, f"the global heap at {at:,} has two objects {found.number}")
            self._places[found.number] = found
        self.sizes = {number: place.size for number, place in self._places.items() if number}

    def object(self, number: int) -> bytes:
        """The content of an object."""
        place = self._places[number]
        return self._content.read(place.at + GLOBAL_PREFIX, place.size)


def global_heap_bytes(content: Content, at: int) -> int:
    """The length of the global heap at an address."""
    header = content.block(at, GLOBAL_PREFIX, b"GCOL\x01")
    header.take(3)
    length = header.number(8)
    require(_LEAST_GLOBAL <= length <= MOST_GLOBAL, f"the global heap at {at:,} states {length:,} bytes")
    return length


def heap_objects(heap: bytes, at: int) -> Iterator[HeapObject]:
    """The objects of a global heap in order, as HDF5 walks them; `at` is its address.

    Raises:
        MalformedError: an object is damaged; those before it were given.
    """
    place = GLOBAL_PREFIX
    while place + GLOBAL_PREFIX <= len(heap):
        number, _, size = struct.unpack_from("<HHxxxxQ", heap, place)
        end = object_end(heap, place)
        if end is None:
            raise MalformedError(f"the global heap at {at:,} has a damaged object at {at + place:,}")
        yield HeapObject(number, at + place, size)
        place = end


def object_end(heap: bytes, place: int) -> int | None:
    """The end of the object at a place in a global heap; None for a damaged one. Free space, number 0, extends to the end."""
    number, _, size = struct.unpack_from("<HHxxxxQ", heap, place)
    end: int = place + (GLOBAL_PREFIX + (size + 7) // 8 * 8 if number else size)
    return end if place + GLOBAL_PREFIX <= end <= len(heap) and (number or end == len(heap)) else None
