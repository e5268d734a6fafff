"""Copies the intact frames of a damaged recording, and its edits up to the first damaged one, to a new file.

HDF5 may crash or hang on a damaged file. So this is a program of its own, which announces each row before it reads it;
`aetheria.recording.repair.repair` starts it, and starts it again without the row that ended it.
"""

import importlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import AetheriaError, DamagedRecordingError, RecordingError
from aetheria.motor.edits import from_json
from aetheria.observe.fields import Field
from aetheria.observe.request import Request
from aetheria.recording import checksums, schema
from aetheria.recording.append import FORMAT
from aetheria.recording.compress import append_compressed_row
from aetheria.recording.hdf5.structure import check_structure
from aetheria.recording.hdf5_checksums import checksum_patches, heap_patches
from aetheria.recording.header import READ_ERRORS
from aetheria.recording.repair.damaged_reader import DamagedReader, RowError, row_numbers
from aetheria.recording.superblock import PatchedFile

EDITS = "edits"  # announced, like the number of a row, before the edits are read


@dataclass
class RepairReport:
    """The result of a repair.

    Attributes:
        counted: committed frames by the damaged file's count.
        frames: saved frames.
        uncounted: saved frames that the file held but did not count.
        moved: saved frames whose number is lower than before, because an earlier frame is lost.
        lost: number and step of each counted frame that is lost; None where the step is lost too.
        edits: saved edits.
        edits_lost: whether committed edits are lost.
        problems: found in the file, a line each.
    """

    counted: int = 0
    frames: int = 0
    uncounted: int = 0
    moved: int = 0
    lost: list[tuple[int, int | None]] = field(default_factory=list)
    edits: int = 0
    edits_lost: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all committed frames and edits are saved."""
        return not self.lost and not self.edits_lost

    def losses(self) -> list[str]:
        """The lost frames and edits as text: a line for each range of frames, and one for edits."""
        ranges: list[list[tuple[int, int | None]]] = []
        for row, step in self.lost:
            if ranges and ranges[-1][-1][0] == row - 1:
                ranges[-1].append((row, step))
            else:
                ranges.append([(row, step)])
        return [_range_text(rows) for rows in ranges] + ([f"edits from {self.edits} on"] if self.edits_lost else [])


def _range_text(rows: list[tuple[int, int | None]]) -> str:
    (first, step), (last, until) = rows[0], rows[-1]
    frames = f"frame {first}" if first == last else f"frames {first} to {last}"
    known = [f"{step:,}" if step is not None else "?" for step in (step, until)]
    return f"{frames} (step {known[0]}" + (f" to {known[1]})" if first != last else ")")


def salvage(path: Path, out: Path, skip: Collection[str], announce: Callable[[str], None]) -> RepairReport:
    """Writes to `out` the intact part of the recording at `path`, which is only read.

    Args:
        skip: not to be read: numbers of rows, or `EDITS`.
        announce: is called with the next item to be read, in the form of the items of `skip`.

    Raises:
        RecordingError: nothing can be saved.
        OSError, RuntimeError: `out` cannot be written.
    """
    with suppress(ImportError):  # decodes "fast" and "compact" recordings
        importlib.import_module("hdf5plugin")
    report = RepairReport()
    source, unreadable = _open_source(path, report)
    try:
        damaged = DamagedReader(source, path, unreadable)
        report.problems += damaged.problems
        with h5py.File(out, "w", **FORMAT) as target:
            _lay_out(damaged, target)
            _save_edits(damaged, target, report, skip, announce)
            _save_frames(damaged, target, report, skip, announce)
            _conclude(damaged, target, report)
    except DamagedRecordingError as error:  # which names `aetheria repair`
        raise RecordingError(f"{path}: nothing can be saved; it {error.what}") from error
    finally:
        with suppress(*READ_ERRORS):  # HDF5 may be unable to close a damaged file
            source.close()
    return report


def _open_source(path: Path, report: RepairReport) -> tuple[h5py.File, Mapping[tuple[str, str], str]]:
    """Opens the damaged file, with what can be mended in its metadata; and the attributes that must not be read."""
    try:
        patches, sums = checksum_patches(path)
        heaps = heap_patches(path)
        content = PatchedFile(path, patches | heaps)
        structure = check_structure(content, path, lenient=True)
        source = h5py.File(content, "r")
    except DamagedRecordingError as error:  # which names `aetheria repair`
        raise RecordingError(f"{path}: nothing can be saved; it {error.what}") from error
    except RecordingError as error:
        raise RecordingError(f"{path}: nothing can be saved; it {str(error).removeprefix(f'{path}: ')}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise RecordingError(f"{path}: nothing can be saved; {error}") from error
    if sums:
        report.problems.append(f"{sums} checksums of HDF5's metadata did not match")
    if heaps:
        report.problems.append(f"{len(heaps)} objects of HDF5's heap of texts were damaged")
    return source, structure.damaged


def _lay_out(damaged: DamagedReader, target: h5py.File) -> None:
    names = (*damaged.columns,) or (*damaged.fields, *damaged.observables)
    fields = tuple(Field(name, "", "1", (None, None), _no_cells, scalar=name in damaged.observables) for name in names)
    spatial = [damaged.dataset(name) for name in damaged.fields]
    dtype: Any = spatial[0].dtype.name if spatial else "float32"
    request = Request(fields, _size(damaged), dtype, slice=damaged.slice)
    attributes = {key: value for key, value in damaged.attributes.items() if key not in (checksums.LAYOUT, "Conventions")}
    attributes.pop("aetheria_schema")
    schema.create(
        target,
        request,
        grid=damaged.grid,
        batch=damaged.batch,
        codec=damaged.attributes["codec"],
        attributes=attributes,
    )
    for name in names:
        if target[name].shape[1:] != damaged.dataset(name).shape[1:]:
            raise RecordingError(f"{damaged.path}: nothing can be saved; {name} is {damaged.dataset(name).shape[1:]} a frame")
        original = damaged.dataset(name).attrs
        for key in set(original) - checksums.HDF5_ATTRIBUTES - damaged.unreadable(name):
            with suppress(*READ_ERRORS):  # `damaged` reports changed attributes
                target[name].attrs[key] = original[key]


def _size(damaged: DamagedReader) -> tuple[int, ...] | None:
    """Values of the first field along each axis of the grid."""
    if not damaged.fields:
        return None
    name = damaged.fields[0]
    frame = damaged.dataset(name).shape[1:-1] if name == "rgb" else damaged.dataset(name).shape[1:]
    return tuple(frame[1:] if damaged.batch > 1 else frame)


def _no_cells(*_: Any) -> NoReturn:
    raise NotImplementedError  # the values are read from the file


def _save_edits(
    damaged: DamagedReader, target: h5py.File, report: RepairReport, skip: Collection[str], announce: Callable[[str], None]
) -> None:
    announce(EDITS)
    if EDITS in skip:
        report.edits_lost = True
        report.problems.append("the edits cannot be read")
        return
    content, counted = damaged.edit_lines()
    kept, sum_, read = b"", 0, 0
    for line in content.splitlines(keepends=True):
        text, wanted = checksums.split_line(line.rstrip(b"\n")) if damaged.checked else (line.rstrip(b"\n"), None)
        found = checksums.of_edit(text, sum_)
        if not line.endswith(b"\n") or (damaged.checked and found != wanted) or not _is_edit(text):
            break
        sum_, read = found, read + len(line)
        kept += checksums.join_line(text, sum_)
        report.edits += 1
    if read < counted:
        report.edits_lost = True
        report.problems.append(f"edit {report.edits} is damaged; it and later ones are lost")
    target["log/edits"].resize(len(kept), 0)
    target["log/edits"][:] = np.frombuffer(kept, np.uint8)
    target["log/edit_bytes"][()] = len(kept)


def _is_edit(text: bytes) -> bool:
    try:
        from_json(text)
    except AetheriaError:
        return False
    return True


def _save_frames(
    damaged: DamagedReader, target: h5py.File, report: RepairReport, skip: Collection[str], announce: Callable[[str], None]
) -> None:
    report.counted = damaged.counted
    last: int | None = None
    for row in range(damaged.rows):
        announce(str(row))
        step: int | None = None
        try:
            if str(row) in skip:
                raise RowError("reading it hangs or crashes HDF5")
            series = damaged.series(row)
            step = int(series["step"])
            fields = damaged.frame(row, series)
            if last is not None and step <= last:
                raise RowError(f"its step is {step}, that of the frame before {last}")
        except READ_ERRORS as error:
            if row < damaged.counted:
                report.lost.append((row, None if isinstance(error, RowError) else step))
                report.problems.append(f"frame {row}: {error}")
            continue
        _append(target, report.frames, fields, series, damaged)
        report.frames, last = report.frames + 1, step
        report.moved += row >= report.frames
        report.uncounted += row >= damaged.counted
    report.lost += [(row, None) for row in range(damaged.rows, damaged.counted)]


def _append(
    target: h5py.File, row: int, fields: dict[str, NDArray[Any]], series: dict[str, Any], damaged: DamagedReader
) -> None:
    order = (*damaged.columns,) or tuple(fields)
    sums = np.array([one for name in order for one in checksums.of_field(fields[name], damaged.batch)], "<u4")
    of_row = np.uint32(checksums.of_row(row, *row_numbers(series), sums.tobytes()))
    for name, values in {**series, **fields, "log/checksums": np.append(sums, of_row)}.items():
        data = target[name]
        data.resize(row + 1, 0)
        if data.compression == "gzip":
            append_compressed_row(data, row, values)
        else:
            data[row] = values


def _conclude(damaged: DamagedReader, target: h5py.File, report: RepairReport) -> None:
    target["frames"][()] = report.frames
    target["status"][()] = damaged.status.encode()
    target["log/edge_step"][()] = damaged.edge_step
    target.attrs["repaired"] = f"{report.frames} of {report.counted} frames saved, {report.edits} edits; " + "; ".join(
        report.problems[:8]
    )
    # A checkpoint refers to a frame by its number, and to its run by the attributes.
    if report.moved or damaged.problems or "id" not in target.attrs:
        target.attrs["id"] = uuid.uuid4().hex
    target.attrs[checksums.LAYOUT] = checksums.of_layout(target)


def main() -> None:
    """Salvages the first argument into the second; the other arguments are skipped."""
    path, out, *skip = sys.argv[1:]
    salvage_and_exit(path, out, skip)


def salvage_and_exit(path: str, out: str, skip: list[str]) -> NoReturn:
    """Salvages, prints the report as a last line of JSON, and ends the process.

    Args:
        skip: as for `salvage`, where "12:4" stands for rows 12 to 15.
    """
    skipped = {name for entry in skip for name in expand_rows(entry)}
    try:
        answer = asdict(salvage(Path(path), Path(out), skipped, lambda item: print(item, flush=True)))
    except (AetheriaError, *READ_ERRORS) as error:
        answer = {"error": str(error) if isinstance(error, AetheriaError) else f"{path}: nothing can be saved; {error}"}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # without HDF5's cleanup, which may crash on the damaged file


def expand_rows(entry: str) -> Iterator[str]:
    """The rows of a range "first:count"; any other entry is given back.

    >>> list(expand_rows("12:3"))
    ['12', '13', '14']
    """
    first, _, count = entry.partition(":")
    return (str(int(first) + i) for i in range(int(count))) if count else iter((first,))


if __name__ == "__main__":
    main()
