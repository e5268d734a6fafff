"""What a recording may hold: asked of HDF5 before anything in it is used, so that a hostile file is a refused file.

HDF5 lets a file name other files (external and soft links, external storage, virtual datasets), name filters that are loaded as
plug-ins from the disk, and claim shapes of any size in a few bytes. No recording has any of it. What is refused here is refused
by structure alone: no value is read, and of a virtual dataset not even its shape, for which HDF5 would open its sources.
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
from aetheria.recording.compress import EXPANDS, filters_of

MOST_OBJECTS = 4096  # groups and datasets in a file
MOST_DEPTH = 4  # of groups in groups
MOST_ATTRIBUTES = 512  # of one object
MOST_ATTRIBUTE_BYTES = 8 * 2**20  # of one; the configuration, which may have 1 MiB, is one
MOST_AXES = 8
MOST_CHUNK_BYTES = 8 * 2**20  # of a compressed one, twice what the recorder makes
_SIZES = {h5t.INTEGER: (1, 2, 4, 8), h5t.FLOAT: (2, 4, 8), h5t.ENUM: (1,)}  # an attribute's bool is an enumeration
_SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")  # attributes by which axes know their scales; references within the file
# Attributes that a recording cannot be told of without, in all versions of the schema.
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
_SMALL = 64 * 2**20  # a read that memory is not asked about


def check_file(file: h5py.File, path: Path) -> None:
    """Walks through a file that was just opened; about a millisecond for a recording.

    Raises:
        RecordingError: it holds what no recording holds, or more of it; says what, where, and the limit.
    """
    try:
        links = file.id.links
        if links.exists(b"VTKHDF") and links.get_info(b"VTKHDF").type == h5l.TYPE_HARD:
            raise RecordingError(f"{path}: is a ParaView file (VTKHDF), which points at a recording; open that instead")
        for found, (name, thing) in enumerate(_objects(file.id, path)):
            if found >= MOST_OBJECTS:
                raise RecordingError(f"{path}: holds more than {MOST_OBJECTS:,} groups and datasets; no recording does")
            where = f"{path}: {name}"
            if isinstance(thing, h5d.DatasetID):
                _check_dataset(thing, where)
            elif not isinstance(thing, h5g.GroupID):
                raise RecordingError(f"{where} is neither a dataset nor a group; no recording holds such")
            _check_attributes(thing, where)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # whatever h5py makes of HDF5's refusals
        if isinstance(error, RecordingError):
            raise
        raise DamagedRecordingError(path, f"is damaged; {error}") from error


def check_read(data: h5py.Dataset, rows: int, path: Path) -> None:
    """Before `rows` rows of a dataset are read: whether the file can hold them, and memory takes them.

    Raises:
        RecordingError: the file is too small to hold what it claims. StateError: over 80 % of the memory there is.
    """
    expands = math.prod(EXPANDS[code] for code in filters_of(data))
    nbytes = rows * math.prod(data.shape[1:]) * data.dtype.itemsize
    holds = _size(data, path) * expands
    if rows < 0 or nbytes > holds:
        name = data.name.removeprefix("/")
        raise DamagedRecordingError(
            path, f"is damaged; {rows:,} rows of {name} are {nbytes:,} bytes, and it can hold {holds:,}"
        )
    if nbytes > _SMALL:
        check_room(nbytes, f"{path}: reading {data.name.removeprefix('/')}", "read a part of it (recording.dataset)")


def _size(data: h5py.Dataset, path: Path) -> int:
    try:
        return path.stat().st_size  # now, which HDF5 does not know of a file that grows
    except FileNotFoundError:  # deleted while it is open, which leaves it readable
        return data.file.id.get_filesize()


def check_about(attributes: Mapping[str, Any]) -> None:
    """Raises ValueError for attributes of a recording that are missing or of another kind than its writer makes them."""
    for name in TEXTS:
        if not isinstance(attributes.get(name), str):
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a text")
    for name in _WHOLE:
        value = np.asarray(attributes.get(name, ""))
        if value.ndim or value.dtype.kind not in "iu" or value < 0:
            raise ValueError(f"attribute {name} is {repr(attributes.get(name))[:60]}; expected a whole number")
    grid = np.asarray(attributes.get("grid", ""))
    if grid.shape != (2,) or grid.dtype.kind not in "iu" or attributes["universes"] < 1:
        raise ValueError("attribute grid or universes is of another form; expected height and width, and 1 or more")


def check_series(data: Mapping[str, h5py.Dataset]) -> None:
    """Raises ValueError for the datasets that every recording has, where they are missing or of another form."""
    for name, axes, kinds in (
        ("frames", 0, "i"),
        ("status", 0, "S"),
        *((name, 1, "if") for name in ("time", "step", "wall_time")),
    ):
        if name not in data or data[name].ndim != axes or data[name].dtype.kind not in kinds:
            raise ValueError(f"{name} is missing or of another form")


def _objects(root: h5g.GroupID, path: Path) -> Iterator[tuple[str, Any]]:
    """Everything in a file by its name, the root first; each link is checked before it is followed."""
    pending = [("", root, 0)]
    while pending:
        at, group, depth = pending.pop()
        yield at or "the root", group
        if depth >= MOST_DEPTH:
            raise RecordingError(f"{path}: {at} lies {MOST_DEPTH} groups deep; no recording has so many in one another")
        if group.get_num_objs() > MOST_OBJECTS:  # asked before their names are listed
            raise RecordingError(f"{path}: {at or 'the root'} holds more than {MOST_OBJECTS:,} names; no recording does")
        for name in group:
            full = f"{at}/{name.decode(errors='replace')}".removeprefix("/")
            kind = group.links.get_info(name).type
            if kind != h5l.TYPE_HARD:
                said = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}.get(
                    kind, "a link of unknown kind"
                )
                raise RecordingError(f"{path}: {full} is {said}; a recording holds no links, and none is followed")
            thing = h5o.open(group, name)
            if isinstance(thing, h5g.GroupID):
                pending.append((full, thing, depth + 1))
            else:
                yield full, thing


def _check_dataset(data: h5d.DatasetID, where: str) -> None:
    plist = data.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise RecordingError(f"{where} is a virtual dataset; a recording holds its own values, and no other file is opened")
    if plist.get_external_count():
        raise RecordingError(
            f"{where} keeps its values in another file; a recording holds its own, and no other file is opened"
        )
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if unknown := [code for code in filters if code not in EXPANDS]:
        raise RecordingError(
            f"{where} needs HDF5 filter {unknown[0]}; expected deflate, shuffle, Fletcher-32, LZ4 or Zstandard"
        )
    _check_type(data.get_type(), where)
    space = data.get_space()
    if space.get_simple_extent_type() == h5s.NULL or space.get_simple_extent_ndims() > MOST_AXES:
        raise RecordingError(f"{where} has no values, or more than {MOST_AXES} axes; no recording has such a dataset")
    if filters:
        nbytes = math.prod(plist.get_chunk()) * data.get_type().get_size()
        if nbytes > MOST_CHUNK_BYTES:
            raise RecordingError(f"{where} has compressed chunks of {nbytes:,} bytes; expected {MOST_CHUNK_BYTES:,} at most")


def _check_type(given: h5t.TypeID, where: str) -> None:
    kind = given.get_class()
    if kind == h5t.STRING:
        if given.is_variable_str():
            raise RecordingError(f"{where} holds texts of any length; expected numbers, or texts of one length")
    elif given.get_size() not in _SIZES.get(kind, ()):
        raise RecordingError(f"{where} holds values of HDF5 class {kind} in {given.get_size()} bytes; expected plain numbers")


def _check_attributes(thing: Any, where: str) -> None:
    count = h5a.get_num_attrs(thing)
    if count > MOST_ATTRIBUTES:
        raise RecordingError(f"{where} has {count:,} attributes; expected {MOST_ATTRIBUTES} at most")
    for index in range(count):
        attribute = h5a.open(thing, index=index)
        name = attribute.name.decode(errors="replace")
        if attribute.get_storage_size() > MOST_ATTRIBUTE_BYTES:
            raise RecordingError(
                f"{where}, attribute {name}: larger than {MOST_ATTRIBUTE_BYTES:,} bytes; expected a text or number"
            )
        if name in _SCALES:
            continue
        given = attribute.get_type()
        if not (given.get_class() == h5t.STRING and given.is_variable_str()):
            _check_type(given, f"{where}, attribute {name}")
