"""Checksums of a recording, CRC-32: of each field of a frame, of its row, of each edit, of all that is laid out first.

They are of the values, not of the bytes on the disk: a run that is made again has the same, whatever the codec.
"""

import struct
from typing import Any

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

OF_HDF5 = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}  # it keeps them itself
SCALES = ("y", "x", "universe", "colour")
LAYOUT = "layout_crc32"


def of_field(values: NDArray[Any], batch: int) -> list[int]:
    """Of a field of a frame as the file keeps it: one for each universe, of an observable one for all."""
    values = np.ascontiguousarray(values)
    universes = values if batch > 1 and values.ndim > 1 else [values]
    return [crc32(universe) for universe in universes]


def of_row(row: int, time: float, step: int, wall_time: float, edits_before: int, of_fields: bytes) -> int:
    """Of all that a row says of its frame, and of the checksums of its fields (uint32, little-endian)."""
    return crc32(of_fields, crc32(struct.pack("<qdqdq", row, time, step, wall_time, edits_before)))


def of_edit(line: bytes, before: int) -> int:
    """Of an edit's line of JSON and of all lines before it, whose last has the checksum `before`."""
    return crc32(line, before)


def with_checksum(line: bytes, checksum: int) -> bytes:
    """A line of the log of edits: JSON, a tab, its checksum."""
    return b"%s\t%08x\n" % (line, checksum)


def parted(line: bytes) -> tuple[bytes, int | None]:
    """The JSON of such a line, and its checksum; None where there is none."""
    text, _, checksum = line.rpartition(b"\t")
    try:
        return text, int(checksum, 16)
    except ValueError:
        return line, None


def of_layout(file: h5py.File) -> int:
    """Of what does not change while a file grows: its attributes, and each dataset's name, type, axes and attributes."""
    found = _of_attributes(file, 0)
    for name in sorted((*(key for key in file if key != "log"), "log/edits", "log/edit_bytes", "log/checksums")):
        data = file[name]
        axes = " ".join(dim[0].name for dim in data.dims if len(dim))
        found = crc32(f"{name} {data.dtype.str} {data.shape[1:]} {axes}".encode(), found)
        found = _of_attributes(data, found)
        if name in SCALES:
            found = crc32(np.ascontiguousarray(data[:]), found)
    return found


def _of_attributes(owner: h5py.HLObject, found: int) -> int:
    for key in sorted(set(owner.attrs) - OF_HDF5 - {LAYOUT}):
        value = np.asarray(owner.attrs[key])
        content = str(value).encode() if value.dtype.kind in "OUS" else value.tobytes()
        found = crc32(content, crc32(key.encode(), found))
    return found
