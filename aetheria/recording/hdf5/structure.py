"""Checks all objects of a recording's file by their bytes, before HDF5 opens it.

HDF5 trusts much of what it reads: it follows pointers in attributes of other types than it expects, loops on damaged heaps, and
takes the memory that a file asks for. An HDF5 file may also refer to other files (external and soft links, external storage,
virtual datasets), and need filters that are loaded as plug-ins from the disk. No recording does. So a file is opened only if
its metadata is what HDF5 writes for a recording. The blocks of chunk indexes are not read here: HDF5 looks them up one by one.

Source: HDF5 File Format Specification 3.0, II "File Metadata", IV "Data Objects".
"""

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from aetheria.core.errors import DamagedRecordingError, RecordingError
from aetheria.recording.compress import LZ4, MAX_RATIO, ZSTANDARD
from aetheria.recording.hdf5.attributes import AttributeCheck, attribute_messages, attribute_name
from aetheria.recording.hdf5.content import UNDEFINED, Content, Cursor, ForeignError, MalformedError, require, shown
from aetheria.recording.hdf5.heaps import FractalHeap, tree_records
from aetheria.recording.hdf5.messages import (
    Layout,
    Link,
    ValueType,
    check_fill_value,
    name_of,
    read_filters,
    read_layout,
    read_link,
    read_space,
    read_type,
)
from aetheria.recording.hdf5.object_header import (
    EXTERNAL,
    FILL,
    FILTERS,
    LAYOUT,
    LINK,
    LINK_INFO,
    SPACE,
    TYPE,
    Message,
    read_messages,
)

MAX_OBJECTS = 4096  # groups and datasets in a file
MAX_DEPTH = 4  # of nested groups
MAX_CHUNK_BYTES = 8 * 2**20  # of a compressed chunk: twice the recorder's limit
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK_BYTES = 48
_BY_NAME, _BY_ORDER = 5, 6  # types of B-trees
_SHUFFLE, _DEFLATE, _FLETCHER = 2, 1, 3
_ORDER = {_SHUFFLE: 0, _DEFLATE: 1, LZ4: 1, ZSTANDARD: 1, _FLETCHER: 2}  # in which a recorder applies filters, each once


@dataclass
class Structure:
    """The objects of a file.

    Attributes:
        damaged: faults of attributes that must not be read, by the names of the object ("" for the root) and the attribute.
    """

    damaged: dict[tuple[str, str], str] = field(default_factory=dict)


def check_structure(file: BinaryIO | io.RawIOBase, path: Path, lenient: bool = False) -> Structure:
    """Checks a file; takes a few milliseconds for a recording.

    Args:
        file: open for reading.
        path: of the file, for errors.
        lenient: damaged attributes are listed, not refused. HDF5 may crash on them.

    Raises:
        DamagedRecordingError: metadata that HDF5 would not write.
        RecordingError: an object that no recording holds, or more than a limit; names the object and the limit.
        OSError: it is no HDF5 file, or cannot be read.
    """
    try:
        content = Content(file)
        return _Walk(content, path, lenient).run(_root(content))
    except MalformedError as error:
        raise DamagedRecordingError(path, f"is damaged; {error}") from None
    except ForeignError as error:
        raise RecordingError(f"{path}: {error}") from None


def _root(content: Content) -> int:
    """The address of the root group."""
    head = Cursor(content.read(0, min(content.size, _SUPERBLOCK_BYTES)))
    ours = content.size > _SUPERBLOCK_BYTES + 4 and content.read(_SUPERBLOCK_BYTES, 4) == b"OHDR"  # the root group's place
    if head.left < _SUPERBLOCK_BYTES or head.take(8) != _SIGNATURE:
        require(not ours, "it does not begin with HDF5's signature")
        raise OSError("it does not begin with HDF5's signature")
    version, sizes = head.number(1), head.take(2)
    if version != 3 or sizes != b"\x08\x08":
        require(not ours, f"its superblock has version {version}")
        if version > 3:
            raise OSError(f"its superblock has version {version}")
        raise ForeignError(f"is not an Aetheria recording; its HDF5 superblock has version {version}, expected 3")
    written, base, extension, end = (head.number(width) for width in (1, 8, 8, 8))
    require(written > 0 or end <= content.size, f"{content.size:,} of its {end:,} bytes are there")
    require(base == 0 and extension == UNDEFINED, "its superblock is of another form")
    return head.number(8)


class _Walk:
    def __init__(self, content: Content, path: Path, lenient: bool) -> None:
        self._content, self._path, self._lenient = content, path, lenient
        self._attributes = AttributeCheck(content)
        self._found = Structure()
        self._datasets: set[int] = set()
        self._groups: dict[int, list[Link]] = {}

    def run(self, root: int) -> Structure:
        pending, count = [("", root, 0)], 0
        while pending:
            where, at, depth = pending.pop()
            count += 1
            if count > MAX_OBJECTS:
                raise ForeignError(f"holds more than {MAX_OBJECTS:,} groups and datasets; no recording does")
            if at not in self._datasets and at not in self._groups:
                self._check_object(where, at)
            if at in self._groups:
                if depth >= MAX_DEPTH:
                    raise ForeignError(f"{where} is nested {MAX_DEPTH} groups deep; no recording nests so many")
                pending += [
                    (f"{where}/{shown(link.name)}".lstrip("/"), link.address or 0, depth + 1) for link in self._groups[at]
                ]
        strange = self._attributes.references - self._datasets - set(self._groups)
        if strange and not self._lenient:
            raise MalformedError(f"an attribute points at {min(strange):,}, where no object is")
        return self._found

    def _check_object(self, name: str, at: int) -> None:
        where = name or "the root"
        try:
            messages = read_messages(self._content, at)
        except MalformedError as error:
            raise MalformedError(f"{where}: {error}") from None
        by_kind = {message.kind: Cursor(message.body) for message in messages}
        if LAYOUT in by_kind and SPACE in by_kind and TYPE in by_kind:
            self._datasets.add(at)
            self._check_dataset(by_kind, where)
        elif LINK_INFO in by_kind and not {TYPE, LAYOUT, SPACE} & set(by_kind):
            self._groups[at] = self._links(messages, name)
        else:
            raise ForeignError(f"{where} is neither a dataset nor a group; a recording holds nothing else")
        self._check_attributes(messages, name)

    def _check_attributes(self, messages: list[Message], name: str) -> None:
        where = name or "the root"
        for encoded in attribute_messages(self._content, messages, where):
            try:
                self._attributes.check(encoded)
            except ForeignError as error:
                raise ForeignError(f"{where}, attribute {attribute_name(encoded)} {error}") from None
            except MalformedError as error:
                if not self._lenient:
                    raise MalformedError(f"{where}, attribute {attribute_name(encoded)}: {error}") from None
                self._found.damaged[name, attribute_name(encoded)] = str(error)

    def _links(self, messages: list[Message], name: str) -> list[Link]:
        encoded = [message.body for message in messages if message.kind == LINK]
        for message in messages:
            if message.kind == LINK_INFO:
                encoded += self._links_in_heap(Cursor(message.body), name or "the root")
        if len(encoded) > MAX_OBJECTS:
            raise ForeignError(f"{name or 'the root'} holds more than {MAX_OBJECTS:,} names; no recording does")
        links = [read_link(Cursor(one)) for one in encoded]
        if not name and any(link.name == b"VTKHDF" and link.address is not None for link in links):
            raise ForeignError("is a ParaView file (VTKHDF), which points at a recording; open that instead")
        for link in links:
            if link.address is None:
                full = f"{name}/{shown(link.name)}".lstrip("/")
                raise ForeignError(f"{full} is {name_of(link.kind)}; a recording holds no links, and none is followed")
        return links

    def _links_in_heap(self, cursor: Cursor, where: str) -> list[bytes]:
        version, flags = cursor.number(1), cursor.number(1)
        require(version == 0 and not flags & ~3, f"{where} has damaged links")
        cursor.take(8 * (flags & 1))
        at, names = cursor.number(8), cursor.number(8)
        if at == UNDEFINED:
            return []
        heap = FractalHeap(self._content, at)
        records = tree_records(self._content, names, _BY_NAME)
        ordered = len(tree_records(self._content, cursor.number(8), _BY_ORDER)) if flags & 2 else len(records)
        require(heap.id_bytes == 7 and ordered == len(records), f"{where} has damaged links")
        if len(records) > MAX_OBJECTS:
            raise ForeignError(f"{where} holds more than {MAX_OBJECTS:,} names; no recording does")
        return [heap.object(record[4:]) for record in records]

    def _check_dataset(self, messages: dict[int, Cursor], where: str) -> None:
        if EXTERNAL in messages:
            raise ForeignError(
                f"{where} keeps its values in another file; a recording holds its own, and no other file is opened"
            )
        try:
            kind, shape = read_type(messages[TYPE]), read_space(messages[SPACE])
            if kind.form not in ("number", "text"):
                raise ForeignError(
                    "holds texts of variable length; expected numbers, or texts of fixed length"
                    if kind.form == "texts"
                    else f"holds {kind.form}; expected plain numbers"
                )
            layout = read_layout(self._content, messages[LAYOUT], kind.size, shape or ())
            if FILL in messages:
                check_fill_value(messages[FILL], kind.size)
            _check_chunks(layout, read_filters(messages[FILTERS]) if FILTERS in messages else [], kind)
        except ForeignError as error:
            raise ForeignError(f"{where} {error}") from None
        except MalformedError as error:
            raise MalformedError(f"{where}: {error}") from None


def _check_chunks(layout: Layout, filters: list[int], kind: ValueType) -> None:
    if unknown := [code for code in filters if code not in MAX_RATIO]:
        raise ForeignError(f"needs HDF5 filter {unknown[0]}; expected deflate, shuffle, Fletcher-32, LZ4 or Zstandard")
    order = [_ORDER[code] for code in filters]
    if order != sorted(set(order)):
        raise ForeignError(
            f"has the HDF5 filters {filters}; expected shuffle, one that compresses, and Fletcher-32, in this order"
        )
    if layout.chunk is None:
        require(not filters, "filters without chunks")
        return
    nbytes = math.prod(layout.chunk) * kind.size
    if filters and nbytes > MAX_CHUNK_BYTES:
        raise ForeignError(f"has compressed chunks of {nbytes:,} bytes; expected {MAX_CHUNK_BYTES:,} at most")
