"""Validates the structure of an untrusted recording before any of its values is used.

An HDF5 file may refer to other files (external and soft links, external storage, virtual datasets), require filters that are
loaded as plug-ins from the disk, and claim shapes of any size in a few bytes. No recording does. A file is refused by its
structure alone: no value is read, nor the shape of a virtual dataset, for which HDF5 would open its sources.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from aetheria.core.errors import DamagedRecordingError, RecordingError
from aetheria.core.memory_limits import check_room
from aetheria.recording.compress import MAX_RATIO, filters_of

MAX_OBJECTS = 4096  # groups and datasets in a file
MAX_DEPTH = 4  # of nested groups
MAX_ATTRIBUTES = 512  # of one object
MAX_ATTRIBUTE_BYTES = 8 * 2**20  # of one attribute; the configuration, of up to 1 MiB, is one
MAX_AXES = 8
MAX_CHUNK_BYTES = 8 * 2**20  # of a compressed chunk: twice the recorder's limit
_SIZES = {h5t.INTEGER: (1, 2, 4, 8), h5t.FLOAT: (2, 4, 8), h5t.ENUM: (1,)}  # an attribute's bool is an enumeration
_SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")  # attributes that link axes and scales: references within the file
# Attributes that every recording has, in all versions of the schema.
TEXTS = (
    "config",
    "title",
    "law",
    "codec",
    "created",
    "device",
    "device_name",
    "precision",
    "plan",
    "weights_sha256",
    "aetheria_version",
)
_WHOLE = ("universes", "channels", "every", "seed", "first_step")
_SMALL = 64 * 2**20  # bytes of a read for which free memory is not checked


def check_file(file: h5py.File, path: Path) -> None:
    """Checks all objects of a file that was just opened; takes about a millisecond for a recording.

    Raises:
        RecordingError: an object that no recording holds, or more than a limit; names the object and the limit.
    """
    try:
        links = file.id.links
        if links.exists(b"VTKHDF") and links.get_info(b"VTKHDF").type == h5l.TYPE_HARD:
            raise RecordingError(f"{path}: is a ParaView file (VTKHDF), which points at a recording; open that instead")
        for count, (name, found) in enumerate(_objects(file.id, path)):
            if count >= MAX_OBJECTS:
                raise RecordingError(f"{path}: holds more than {MAX_OBJECTS:,} groups and datasets; no recording does")
            where = f"{path}: {name}"
            if isinstance(found, h5d.DatasetID):
                _check_dataset(found, where)
            elif not isinstance(found, h5g.GroupID):
                raise RecordingError(f"{where} is neither a dataset nor a group; a recording holds nothing else")
            _check_object_attributes(found, where)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # h5py's errors for a damaged file
        if isinstance(error, RecordingError):
            raise
        raise DamagedRecordingError(path, f"is damaged; {error}") from error


def check_read(data: h5py.Dataset, rows: int, path: Path) -> None:
    """Checks, before `rows` rows of a dataset are read, that the file can hold them and memory has room for them.

    Raises:
        RecordingError: the file is too small for the rows that it claims.
        StateError: over 80 % of the free memory.
    """
    ratio = math.prod(MAX_RATIO[code] for code in filters_of(data))
    nbytes = rows * math.prod(data.shape[1:]) * data.dtype.itemsize
    holds = _size(data, path) * ratio
    if rows < 0 or nbytes > holds:
        name = data.name.removeprefix("/")
        raise DamagedRecordingError(
            path, f"is damaged; {rows:,} rows of {name} are {nbytes:,} bytes, and it can hold {holds:,}"
        )
    if nbytes > _SMALL:
        check_room(nbytes, f"{path}: reading {data.name.removeprefix('/')}", "read a part of it (recording.dataset)")


def _size(data: h5py.Dataset, path: Path) -> int:
    try:
        return path.stat().st_size  # HDF5 does not know the present size of a growing file
    except FileNotFoundError:  # deleted while it is open; it stays readable
        return data.file.id.get_filesize()


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raises ValueError if attributes of a recording are missing or of another type than a recorder writes."""
    for name in TEXTS:
        if not isinstance(attributes.get(name), str):
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a text")
    for name in _WHOLE:
        value = np.asarray(attributes.get(name, ""))
        if value.ndim or value.dtype.kind not in "iu" or value < 0:
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a whole number")
    grid = np.asarray(attributes.get("grid", ""))
    if (
        grid.ndim != 1
        or not 1 <= len(grid) <= 3
        or grid.dtype.kind not in "iu"
        or grid.min() < 1
        or attributes["universes"] < 1
    ):
        raise ValueError("attribute grid or universes is of another form; expected 1 to 3 sides, and 1 or more")


def check_series(data: Mapping[str, h5py.Dataset]) -> None:
    """Raises ValueError if one of the datasets that every recording has is missing or of another form."""
    for name, axes, kinds in (
        ("frames", 0, "i"),
        ("status", 0, "S"),
        *((name, 1, "if") for name in ("time", "step", "wall_time")),
    ):
        if name not in data or data[name].ndim != axes or data[name].dtype.kind not in kinds:
            raise ValueError(f"{name} is missing or of another form")


def _objects(root: h5g.GroupID, path: Path) -> Iterator[tuple[str, Any]]:
    """All objects in a file with their names, the root first; each link is checked before it is followed."""
    pending = [("", root, 0)]
    while pending:
        at, group, depth = pending.pop()
        yield at or "the root", group
        if depth >= MAX_DEPTH:
            raise RecordingError(f"{path}: {at} is nested {MAX_DEPTH} groups deep; no recording nests so many")
        if group.get_num_objs() > MAX_OBJECTS:  # before their names are listed
            raise RecordingError(f"{path}: {at or 'the root'} holds more than {MAX_OBJECTS:,} names; no recording does")
        for name in group:
            full = f"{at}/{name.decode(errors='replace')}".removeprefix("/")
            kind = group.links.get_info(name).type
            if kind != h5l.TYPE_HARD:
                link = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}.get(
                    kind, "a link of unknown kind"
                )
                raise RecordingError(f"{path}: {full} is {link}; a recording holds no links, and none is followed")
            found = h5o.open(group, name)
            if isinstance(found, h5g.GroupID):
                pending.append((full, found, depth + 1))
            else:
                yield full, found


def _check_dataset(data: h5d.DatasetID, where: str) -> None:
    plist = data.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise RecordingError(f"{where} is a virtual dataset; a recording holds its own values, and no other file is opened")
    if plist.get_external_count():
        raise RecordingError(
            f"{where} keeps its values in another file; a recording holds its own, and no other file is opened"
        )
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if unknown := [code for code in filters if code not in MAX_RATIO]:
        raise RecordingError(
            f"{where} needs HDF5 filter {unknown[0]}; expected deflate, shuffle, Fletcher-32, LZ4 or Zstandard"
        )
    _check_type(data.get_type(), where)
    space = data.get_space()
    if space.get_simple_extent_type() == h5s.NULL or space.get_simple_extent_ndims() > MAX_AXES:
        raise RecordingError(f"{where} has no values, or more than {MAX_AXES} axes; a recording has no such dataset")
    if filters:
        nbytes = math.prod(plist.get_chunk()) * data.get_type().get_size()
        if nbytes > MAX_CHUNK_BYTES:
            raise RecordingError(f"{where} has compressed chunks of {nbytes:,} bytes; expected {MAX_CHUNK_BYTES:,} at most")


def _check_type(given: h5t.TypeID, where: str) -> None:
    kind = given.get_class()
    if kind == h5t.STRING:
        if given.is_variable_str():
            raise RecordingError(f"{where} holds texts of variable length; expected numbers, or texts of fixed length")
    elif given.get_size() not in _SIZES.get(kind, ()):
        raise RecordingError(f"{where} holds values of HDF5 class {kind} in {given.get_size()} bytes; expected plain numbers")


def _check_object_attributes(owner: Any, where: str) -> None:
    count = h5a.get_num_attrs(owner)
    if count > MAX_ATTRIBUTES:
        raise RecordingError(f"{where} has {count:,} attributes; expected {MAX_ATTRIBUTES} at most")
    for index in range(count):
        attribute = h5a.open(owner, index=index)
        name = attribute.name.decode(errors="replace")
        if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
            raise RecordingError(
                f"{where}, attribute {name}: larger than {MAX_ATTRIBUTE_BYTES:,} bytes; expected a text or number"
            )
        if name in _SCALES:
            continue
        given = attribute.get_type()
        if not (given.get_class() == h5t.STRING and given.is_variable_str()):
            _check_type(given, f"{where}, attribute {name}")
