"""The messages of an object header: what HDF5 states about a group or a dataset.

Source: HDF5 File Format Specification 3.0, IV.A.1.b "Version 2 Data Object Header Prefix".
"""

from typing import NamedTuple

from aetheria.recording.hdf5.content import Content, Cursor, MalformedError, require

SPACE, LINK_INFO, TYPE, FILL, LINK, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE = 1, 2, 3, 5, 6, 7, 8, 10, 11, 12
CONTINUED, TIME, ATTRIBUTE_INFO = 16, 18, 21
_NIL, _REFERENCES = 0, 22
_KNOWN = {SPACE, LINK_INFO, TYPE, FILL, LINK, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE, TIME, ATTRIBUTE_INFO}
_SHARED = 2  # flag of a message that is elsewhere
_MAX_BLOCK = 1 << 20
_MAX_BLOCKS = 1024


class Message(NamedTuple):
    """A message: its type and content."""

    kind: int
    body: bytes


def read_messages(content: Content, at: int) -> list[Message]:
    """The messages of the object header at an address.

    Raises:
        MalformedError: it is no object header, or one that HDF5 could not read safely.
    """
    flags = content.block(at, 6, b"OHDR\x02").number(1)
    require(not flags & 0xC0, f"the object header at {at:,} has unknown flags")
    width = 1 << (flags & 3)
    first = at + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    size = int.from_bytes(content.read(first, width), "little")
    ordered = bool(flags & 4)
    found: list[Message] = []
    pending, seen = [(first + width, size)], {at}
    while pending:
        place, length = pending.pop(0)
        require(length <= _MAX_BLOCK and len(seen) <= _MAX_BLOCKS, f"the object header at {at:,} is too large")
        content.read(place, length + 4)  # with its checksum
        for message in _messages(content, Cursor(content.read(place, length)), 6 if ordered else 4):
            if message.kind == CONTINUED:
                pending.append(_continuation(content, Cursor(message.body), seen))
            else:
                found.append(message)
    return found


def _messages(content: Content, cursor: Cursor, prefix: int) -> list[Message]:
    found: list[Message] = []
    while cursor.left >= prefix:  # fewer bytes are a gap
        content.count()
        kind, size, flags = cursor.number(1), cursor.number(2), cursor.number(1)
        cursor.take(prefix - 4)
        body = cursor.take(size)
        if kind in (_NIL, _REFERENCES):
            continue
        if kind not in (*_KNOWN, CONTINUED) or flags & _SHARED:
            raise MalformedError(f"an object header has a message of type {kind}, flags {flags}")
        found.append(Message(kind, body))
    return found


def _continuation(content: Content, cursor: Cursor, seen: set[int]) -> tuple[int, int]:
    at, length = cursor.number(8), cursor.number(8)
    require(at not in seen, "an object header continues in itself")
    seen.add(at)
    require(8 <= length <= _MAX_BLOCK, f"an object header continues in a block of {length:,} bytes")
    content.block(at, length, b"OCHK")
    return at + 4, length - 8
