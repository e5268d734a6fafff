"""Checksums of a recording (CRC-32): of each field of a frame, of its row, of each edit, of the layout.

They cover values, not bytes on the disk: a repeated run has the same checksums, whatever the codec.
"""

import struct
from typing import Any

import h5py
import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray

HDF5_ATTRIBUTES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}  # written and maintained by HDF5
SCALES = ("z", "y", "x", "universe", "colour")
LAYOUT = "layout_crc32"


def of_field(values: NDArray[Any], batch: int) -> list[int]:
    """Checksums of a field of a frame, as stored in the file: one for each universe; for an observable, one for all."""
    values = np.ascontiguousarray(values)
    universes = values if batch > 1 and values.ndim > 1 else [values]
    return [crc32(universe) for universe in universes]


def of_row(row: int, time: float, step: int, wall_time: float, edits_before: int, of_fields: bytes) -> int:
    """Checksum of a frame's row: of its numbers, and of the checksums of its fields (uint32, little-endian)."""
    return crc32(of_fields, crc32(struct.pack("<qdqdq", row, time, step, wall_time, edits_before)))


def of_edit(line: bytes, before: int) -> int:
    """Checksum of an edit's JSON and of all lines before it; `before` is the checksum of the previous line."""
    return crc32(line, before)


def join_line(line: bytes, checksum: int) -> bytes:
    """A line of the edit log: JSON, a tab, its checksum."""
    return b"%s\t%08x\n" % (line, checksum)


def split_line(line: bytes) -> tuple[bytes, int | None]:
    """The JSON of a line of the edit log, and its checksum; None where there is none."""
    text, _, checksum = line.rpartition(b"\t")
    try:
        return text, int(checksum, 16)
    except ValueError:
        return line, None


def of_layout(file: h5py.File) -> int:
    """Checksum of the constant part of a file: its attributes; name, type, axes and attributes of each dataset; its scales."""
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
    for key in sorted(set(owner.attrs) - HDF5_ATTRIBUTES - {LAYOUT}):
        value = np.asarray(owner.attrs[key])
        content = str(value).encode() if value.dtype.kind in "OUS" else value.tobytes()
        found = crc32(content, crc32(key.encode(), found))
    return found
