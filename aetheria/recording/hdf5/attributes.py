"""The attributes of an object: their types and sizes, and the texts and references that they point at in global heaps.

Source: HDF5 File Format Specification 3.0, IV.A.2.m "The Attribute Message", IV.A.2.v "The Attribute Info Message".
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from aetheria.recording.hdf5.content import UNDEFINED, Content, Cursor, ForeignError, require, shown
from aetheria.recording.hdf5.heaps import FractalHeap, GlobalHeap, tree_records
from aetheria.recording.hdf5.messages import ValueType, read_space, read_type
from aetheria.recording.hdf5.object_header import ATTRIBUTE, ATTRIBUTE_INFO, Message

MAX_ATTRIBUTES = 512  # of one object
MAX_ATTRIBUTE_BYTES = 8 * 2**20  # of one attribute; the configuration, of up to 1 MiB, is one
MAX_BYTES = 64 * 2**20  # of all attributes
MAX_TEXTS = 64  # of one attribute
_BY_NAME, _BY_ORDER = 8, 9  # types of B-trees
AXES, BACK = b"DIMENSION_LIST", b"REFERENCE_LIST"  # which link axes and scales; HDF5 follows the addresses in them
_FORMS = {AXES: "references", BACK: "back references"}


def attribute_messages(content: Content, messages: list[Message], where: str) -> Iterator[bytes]:
    """The encoded attributes of an object, in its header and in its heap.

    Raises:
        MalformedError, ForeignError: a heap is damaged, or there are too many attributes.
    """
    found = [message.body for message in messages if message.kind == ATTRIBUTE]
    for message in messages:
        if message.kind == ATTRIBUTE_INFO:
            found += _stored_in_heap(content, Cursor(message.body))
    if len(found) > MAX_ATTRIBUTES:
        raise ForeignError(f"{where} has {len(found):,} attributes; expected {MAX_ATTRIBUTES} at most")
    yield from found


def attribute_name(encoded: bytes) -> str:
    """The name of an encoded attribute, as far as it can be read."""
    first = 8 if encoded[:1] == b"\x01" else 9
    return shown(encoded[first : first + int.from_bytes(encoded[2:4], "little")].rstrip(b"\0"))


def _stored_in_heap(content: Content, cursor: Cursor) -> list[bytes]:
    version, flags = cursor.number(1), cursor.number(1)
    require(version == 0 and not flags & ~3, "damaged attributes")
    cursor.take(2 * (flags & 1))
    at, names = cursor.number(8), cursor.number(8)
    if at == UNDEFINED:
        return []
    heap = FractalHeap(content, at)
    records = tree_records(content, names, _BY_NAME)
    ordered = len(tree_records(content, cursor.number(8), _BY_ORDER)) if flags & 2 else len(records)
    require(heap.id_bytes == 8 and ordered == len(records), "damaged attributes")
    require(not any(record[8] for record in records), "an attribute that is shared")
    return [heap.object(record[:8]) for record in records]


@dataclass
class AttributeCheck:
    """Checks the attributes of a file, one after another.

    Attributes:
        references: addresses of scales that axes point at. Those that scales point back at are followed by no reader.
    """

    content: Content
    references: set[int] = field(default_factory=set)
    _heaps: dict[int, GlobalHeap] = field(default_factory=dict)
    _bytes: int = 0

    def check(self, encoded: bytes) -> None:
        """Checks an attribute, and what it points at.

        Raises:
            MalformedError: it is damaged. ForeignError: no recording has such an attribute.
        """
        cursor = Cursor(encoded)
        version, flags, *lengths = (cursor.number(width) for width in (1, 1, 2, 2, 2))
        require(version in (1, 3) and not flags, "it is damaged")
        if version == 3:
            require(cursor.number(1) < 2, "it is damaged")
        else:  # each part ends at a multiple of 8 bytes
            lengths = [-(-length // 8) * 8 for length in lengths]
        name, encoded_type, encoded_space = (cursor.take(length) for length in lengths)
        require(len(name) > 1 and name.endswith(b"\0") and b"\0" not in name.rstrip(b"\0"), "its name is damaged")
        self._check_values(name.rstrip(b"\0"), Cursor(encoded_type), Cursor(encoded_space), cursor)

    def _check_values(self, name: bytes, encoded_type: Cursor, encoded_space: Cursor, values: Cursor) -> None:
        kind, shape = read_type(encoded_type), read_space(encoded_space)
        count = math.prod(shape or ())
        if count * kind.size > MAX_ATTRIBUTE_BYTES:
            raise ForeignError(f"is larger than {MAX_ATTRIBUTE_BYTES:,} bytes; expected a text or number")
        form = _FORMS.get(name, kind.form)
        if form != kind.form or (name not in _FORMS and kind.form in _FORMS.values()):
            raise ForeignError(
                f"holds {kind.form} in {kind.size} bytes; expected {form if name in _FORMS else 'plain numbers'}"
            )
        self._spend(count * kind.size)
        if kind.form in ("texts", "references"):
            self._check_elements(kind, count, values)
        else:
            values.take(count * kind.size)

    def _check_elements(self, kind: ValueType, count: int, values: Cursor) -> None:
        if count > MAX_TEXTS:
            raise ForeignError(f"holds {count:,} texts; expected {MAX_TEXTS} at most")
        for _ in range(count):
            length, at, number = values.number(4), values.number(8), values.number(4)
            self.content.count()
            if at == 0:
                require(not length, "a text without a place")
                continue
            heap = self._heaps.get(at) or self._heaps.setdefault(at, GlobalHeap(self.content, at))
            size = length * (1 if kind.form == "texts" else 8)
            require(heap.sizes.get(number) == size, f"its {size:,} bytes are not in the global heap at {at:,}")
            if size > MAX_ATTRIBUTE_BYTES:
                raise ForeignError(f"is larger than {MAX_ATTRIBUTE_BYTES:,} bytes; expected a text or number")
            self._spend(size)
            if kind.form == "references":
                self.references |= {one for (one,) in struct.iter_unpack("<Q", heap.object(number))}

    def _spend(self, nbytes: int) -> None:
        self._bytes += nbytes
        if self._bytes > MAX_BYTES:
            raise ForeignError(f"is too much: all attributes together are larger than {MAX_BYTES:,} bytes")
