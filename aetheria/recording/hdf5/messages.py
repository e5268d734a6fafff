"""Decodes the messages of object headers: types, shapes, layouts, filters and links.

Only what recordings have is accepted, in exactly the encoding that HDF5 gives it.

Source: HDF5 File Format Specification 3.0, IV.A.2 "Data Object Header Messages".
"""

import math
from dataclasses import dataclass
from typing import Literal

from aetheria.recording.hdf5.content import UNDEFINED, Content, Cursor, ForeignError, require

MAX_AXES = 8
MAX_TEXT_BYTES = 1 << 16  # of a text of fixed length
_INTEGER, _FLOAT, _STRING, _REFERENCE, _COMPOUND, _ENUMERATION, _OF_ANY_LENGTH = 0, 1, 3, 7, 6, 8, 9
_VERSIONS = range(1, 6)  # of types
# IEEE 754 numbers: by size, the place of the sign and the properties (places and widths of exponent and mantissa, bias).
_FLOATS = {
    2: (15, bytes.fromhex("000010000a05000a0f000000")),
    4: (31, bytes.fromhex("00002000170800177f000000")),
    8: (63, bytes.fromhex("00004000340b0034ff030000")),
}
_BOOLEAN = b"FALSE\0TRUE\0\0\x01"  # the names and values of h5py's enumeration
# Of the attribute REFERENCE_LIST: a reference "dataset" at 0, and a number "dimension" at 8, without the type's versions.
_BACK_REFERENCE = (b"dataset\0\0", b"dimension\0\x08", b"\0\0\0\x04\0\0\0\0\0\x20\0")

Form = Literal["number", "text", "texts", "references", "back references"]


@dataclass(frozen=True)
class ValueType:
    """The type of the values of a dataset or an attribute: its size in bytes, and its form; "texts" are of any length."""

    form: Form
    size: int


def read_type(cursor: Cursor) -> ValueType:
    """The type whose encoding comes next.

    Raises:
        ForeignError: it is not one that recordings have. MalformedError: it is damaged.
    """
    first, flags, size = cursor.number(1), cursor.take(3), cursor.number(4)
    kind, version = first & 15, first >> 4
    require(version in _VERSIONS and size > 0, f"a type of version {version}, {size} bytes")
    if kind == _INTEGER and size in (1, 2, 4, 8):
        signed = flags in (b"\0\0\0", b"\x08\0\0")
        require(signed and cursor.take(4) == bytes((0, 0, 8 * size, 0)), "a damaged type of integers")
        return ValueType("number", size)
    if kind == _FLOAT and size in _FLOATS:
        sign, properties = _FLOATS[size]
        require(flags == bytes((0x20, sign, 0)) and cursor.take(12) == properties, "a damaged type of floats")
        return ValueType("number", size)
    if kind == _STRING and size <= MAX_TEXT_BYTES:
        require(flags[0] & 15 < 3 and flags[0] >> 4 < 2 and flags[1:] == b"\0\0", "a damaged type of texts")
        return ValueType("text", size)
    if kind == _ENUMERATION and size == 1 and flags == b"\x02\0\0":
        require(
            read_type(cursor) == ValueType("number", 1) and cursor.take(len(_BOOLEAN)) == _BOOLEAN, "a damaged type of bool"
        )
        return ValueType("number", 1)
    if kind == _OF_ANY_LENGTH and size == 16:
        return _read_type_of_any_length(cursor, flags)
    if kind == _COMPOUND and size == 16 and flags == b"\x02\0\0" and version >= 3:
        return _read_back_reference(cursor)
    raise ForeignError(f"holds values of HDF5 class {kind} in {size} bytes; expected plain numbers")


def _read_type_of_any_length(cursor: Cursor, flags: bytes) -> ValueType:
    first, base_flags, size = cursor.number(1), cursor.take(3), cursor.number(4)
    kind = first & 15
    require(first >> 4 in _VERSIONS, "a damaged type of texts")
    if flags[0] == 1 and flags[1] < 2 and not flags[2] and kind in (_INTEGER, _STRING) and size == 1:
        if kind == _INTEGER:
            require(base_flags[0] in (0, 8) and cursor.take(4) == b"\0\0\x08\0", "a damaged type of texts")
        return ValueType("texts", 16)
    if flags == b"\0\0\0" and kind == _REFERENCE and base_flags == b"\0\0\0" and size == 8:
        return ValueType("references", 16)
    raise ForeignError("holds lists of any length; expected plain numbers")


def _read_back_reference(cursor: Cursor) -> ValueType:
    name, axis, number = _BACK_REFERENCE
    require(cursor.take(len(name)) == name, "a damaged type of references")
    require(cursor.number(1) & 15 == _REFERENCE and cursor.take(7) == b"\0\0\0\x08\0\0\0", "a damaged type of references")
    require(cursor.take(len(axis)) == axis and cursor.number(1) & 15 == _INTEGER, "a damaged type of references")
    rest = cursor.take(len(number))
    require(rest == number or rest == b"\x08" + number[1:], "a damaged type of references")
    return ValueType("back references", 16)


def read_space(cursor: Cursor) -> tuple[int, ...] | None:
    """The shape whose encoding comes next; None for no values at all."""
    version, rank, flags = (cursor.number(1) for _ in range(3))
    require(version in (1, 2) and flags in (0, 1), "a damaged shape")
    kind = cursor.number(1)
    if version == 1:
        cursor.take(4)
        kind = 1
    if rank > MAX_AXES or kind == 2:
        raise ForeignError(f"has no values, or more than {MAX_AXES} axes; a recording has no such dataset")
    require(kind in (0, 1) and (kind == 1 or not rank), "a damaged shape")
    shape = tuple(cursor.number(8) for _ in range(rank))
    if flags:
        most = tuple(cursor.number(8) for _ in range(rank))
        require(all(n <= limit for n, limit in zip(shape, most, strict=True)), "a damaged shape")
    return shape


def check_fill_value(cursor: Cursor, size: int) -> None:
    """Checks the value of elements that were not written, of a type of `size` bytes."""
    version, flags = cursor.number(1), cursor.number(1)
    if version == 3:
        given = bool(flags & 0x20)
    else:
        require(version == 2, "a damaged fill value")
        cursor.take(1)
        given = cursor.number(1) == 1
    if given:
        length = cursor.number(4)
        require(length in (0, size), "a damaged fill value")
        cursor.take(length)


def read_filters(cursor: Cursor) -> list[int]:
    """The codes of a dataset's filters, in the order in which they are applied."""
    version, count = cursor.number(1), cursor.number(1)
    require(version == 2 and count <= 32, "damaged filters")
    found = []
    for _ in range(count):
        code = cursor.number(2)
        name = cursor.number(2) if code >= 256 else 0
        cursor.take(2)
        values = cursor.number(2)
        require(name <= 256 and values <= 64, "damaged filters")
        cursor.take(name + 4 * values)
        found.append(code)
    return found


@dataclass(frozen=True)
class Link:
    """A link of a group to an object: its name, and the object's address; None where it does not lead to one in this file."""

    name: bytes
    address: int | None
    kind: int


def read_link(cursor: Cursor) -> Link:
    """The link whose encoding comes next."""
    version, flags = cursor.number(1), cursor.number(1)
    require(version == 1 and not flags & 0xE0, "a damaged link")
    kind = cursor.number(1) if flags & 8 else 0
    cursor.take(8 * bool(flags & 4) + bool(flags & 16))
    name = cursor.take(cursor.number(1 << (flags & 3)))
    require(0 < len(name) <= 1024 and b"\0" not in name and b"/" not in name, "a link with a damaged name")
    return Link(name, cursor.number(8) if not kind else None, kind)


@dataclass(frozen=True)
class Layout:
    """The places of a dataset's values.

    Attributes:
        chunk: shape of a chunk; None for values in one piece.
    """

    chunk: tuple[int, ...] | None = None


def read_layout(content: Content, cursor: Cursor, size: int, shape: tuple[int, ...]) -> Layout:
    """The layout whose encoding comes next.

    Args:
        size, shape: of the values.

    Raises:
        ForeignError: a virtual dataset, or chunks that recordings do not have. MalformedError: it is damaged.
    """
    version, kind = cursor.number(1), cursor.number(1)
    require(version in (3, 4, 5), f"a layout of version {version}")
    nbytes = math.prod(shape) * size
    if kind == 0:
        require(cursor.number(2) == nbytes == len(cursor.take(nbytes)), "a damaged layout")
        return Layout()
    if kind == 1:
        at, stated = cursor.number(8), cursor.number(8)
        require(stated == nbytes <= content.size, "a damaged layout")
        require(at == UNDEFINED or at + nbytes <= content.size, "values that are not within the file")
        return Layout()
    if kind == 3:
        raise ForeignError("is a virtual dataset; a recording holds its own values, and no other file is opened")
    require(kind == 2, f"a layout of class {kind}")
    if version == 3:
        raise ForeignError("has chunks in an older form than recordings")
    return _read_chunks(content, cursor, size, shape)


def _read_chunks(content: Content, cursor: Cursor, size: int, shape: tuple[int, ...]) -> Layout:
    flags, rank, width = (cursor.number(1) for _ in range(3))
    require(not flags & ~3 and rank == len(shape) + 1 and 1 <= width <= 8, "damaged chunks")
    *chunk, element = (cursor.number(width) for _ in range(rank))
    require(element == size and min(chunk, default=1) >= 1, "damaged chunks")
    index = cursor.number(1)
    if index == 1:
        require(all(length <= side for length, side in zip(shape, chunk, strict=True)), "damaged chunks")
        cursor.take(12 if flags & 2 else 0)
        at = cursor.number(8)
        require(at == UNDEFINED or at < content.size, "values that are not within the file")
    elif index == 4:
        require(cursor.take(5) == b"\x20\x04\x04\x10\x0a", "a damaged chunk index")
        _check_index(content, cursor.number(8), math.prod(chunk) * size)
    else:
        raise ForeignError(f"has a chunk index of type {index}; recordings have none such")
    return Layout(tuple(chunk))


def _check_index(content: Content, at: int, chunk_bytes: int) -> None:
    """An extensible array: the chunk index of a growing dataset. HDF5 checks the blocks below its header itself."""
    if at == UNDEFINED:
        return
    header = content.block(at, 72, b"EAHD\0")
    filtered, element = header.number(1), header.number(1)
    wanted = 12 + min(8, 1 + (chunk_bytes.bit_length() + 7) // 8) if filtered else 8
    require(
        filtered < 2 and element in (wanted, 20) and header.take(5) == b"\x20\x04\x10\x04\x0a",
        f"the index at {at:,} is damaged",
    )
    *_, stored, _ = (header.number(8) for _ in range(6))
    require(stored < 1 << 32, f"the index at {at:,} states {stored:,} chunks")
    first = header.number(8)
    if first != UNDEFINED:
        index = content.block(first, 14, b"EAIB\0")
        require((index.number(1), index.number(8)) == (filtered, at), f"the index at {at:,} is damaged")


def name_of(kind: int) -> str:
    """A kind of link that is not followed, for a message."""
    return {1: "a soft link", 64: "a link to another file"}.get(kind, "a link of unknown kind")
