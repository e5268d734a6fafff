"""Saves of a damaged recording what can be read: frames that are as they were written, edits up to the first that is not.

HDF5 was not made for damaged files, and may crash or hang on one. So this is a program of its own, which says what it is about
to read before it does; `aetheria.recording.repair.repair` starts it, and again without what ended it.
"""

import importlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
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
from aetheria.recording.compress import write_frame
from aetheria.recording.recording import FAULTS
from aetheria.recording.repair.damaged_reader import DamagedReader, RowError, plain
from aetheria.recording.hdf5_checksums import mended
from aetheria.recording.superblock import Patched
from aetheria.recording.validate import check_file

EDITS = "edits"  # what is about to be read, where it is no row


@dataclass
class Saved:
    """What came of a repair.

    Attributes:
        counted: frames that the file says were committed.
        frames: saved.
        uncounted: of them, those that the file held and did not count.
        moved: of them, those that stood further behind, because one before them is lost.
        lost: of those counted, number and step; None where the step is lost too.
        edits: saved.
        edits_lost: whether edits that were committed are not.
        troubles: what was wrong, a line each.
    """

    counted: int = 0
    frames: int = 0
    uncounted: int = 0
    moved: int = 0
    lost: list[tuple[int, int | None]] = field(default_factory=list)
    edits: int = 0
    edits_lost: bool = False
    troubles: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all that was committed is saved."""
        return not self.lost and not self.edits_lost

    def losses(self) -> list[str]:
        """What is lost, for people: a line for each stretch of frames, and one for edits."""
        stretches: list[list[tuple[int, int | None]]] = []
        for row, step in self.lost:
            if stretches and stretches[-1][-1][0] == row - 1:
                stretches[-1].append((row, step))
            else:
                stretches.append([(row, step)])
        return [_stretch(rows) for rows in stretches] + ([f"edits from {self.edits} on"] if self.edits_lost else [])


def _stretch(rows: list[tuple[int, int | None]]) -> str:
    (first, step), (last, until) = rows[0], rows[-1]
    frames = f"frame {first}" if first == last else f"frames {first} to {last}"
    known = [f"{step:,}" if step is not None else "?" for step in (step, until)]
    return f"{frames} (step {known[0]}" + (f" to {known[1]})" if first != last else ")")


def salvage(path: Path, out: Path, skip: Collection[str], say: Callable[[str], None]) -> Saved:
    """Writes to `out` what can be saved of the recording at `path`, which is only read.

    Args:
        skip: what is not to be read: numbers of rows, or `EDITS`.
        say: is told what will be read next, in the words of `skip`.

    Raises:
        RecordingError: nothing can be saved.
        OSError, RuntimeError: `out` cannot be written.
    """
    with suppress(ImportError):  # "fast" and "compact" recordings cannot be decoded without
        importlib.import_module("hdf5plugin")
    saved = Saved()
    try:
        patches, sums = mended(path)
        source = h5py.File(Patched(path, patches), "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise RecordingError(f"{path}: nothing can be saved; {error}") from error
    if sums:
        saved.troubles.append(f"{sums} checksums of HDF5's own did not fit")
    try:
        check_file(source, path)
        remains = DamagedReader(source, path)
        saved.troubles += remains.troubles
        with h5py.File(out, "w", **FORMAT) as target:
            _lay_out(remains, target)
            _save_edits(remains, target, saved, skip, say)
            _save_frames(remains, target, saved, skip, say)
            _conclude(remains, target, saved)
    except DamagedRecordingError as error:  # which names `aetheria repair`
        raise RecordingError(f"{path}: nothing can be saved; it {error.what}") from error
    finally:
        with suppress(*FAULTS):  # HDF5 may be unable to close what is damaged
            source.close()
    return saved


def _lay_out(remains: DamagedReader, target: h5py.File) -> None:
    names = (*remains.columns,) or (*remains.fields, *remains.observables)
    fields = tuple(Field(name, "", "1", (None, None), _no_cells, scalar=name in remains.observables) for name in names)
    spatial, grid = [remains.dataset(name) for name in remains.fields], tuple(map(int, remains.attributes["grid"]))
    height, width = spatial[0].shape[-3:-1] if remains.fields[:1] == ("rgb",) else spatial[0].shape[-2:] if spatial else grid
    dtype: Any = spatial[0].dtype.name if spatial else "float32"
    about = {key: value for key, value in remains.attributes.items() if key not in (checksums.LAYOUT, "Conventions")}
    about.pop("aetheria_schema")
    schema.create(
        target,
        Request(fields, (height, width), dtype),
        grid=(grid[0], grid[1]),
        batch=remains.batch,
        codec=remains.attributes["codec"],
        attributes=about,
    )
    for name in names:
        if target[name].shape[1:] != remains.dataset(name).shape[1:]:
            raise RecordingError(f"{remains.path}: nothing can be saved; {name} is {remains.dataset(name).shape[1:]} a frame")
        attributes = remains.dataset(name).attrs
        for key in set(attributes) - checksums.OF_HDF5:
            with suppress(*FAULTS):  # that some are not as they were, `remains` tells
                target[name].attrs[key] = attributes[key]


def _no_cells(*_: Any) -> NoReturn:
    raise NotImplementedError  # what is saved was made long ago


def _save_edits(
    remains: DamagedReader, target: h5py.File, saved: Saved, skip: Collection[str], say: Callable[[str], None]
) -> None:
    say(EDITS)
    if EDITS in skip:
        saved.edits_lost = True
        saved.troubles.append("the edits cannot be read")
        return
    content, counted = remains.edit_lines()
    kept, sum_, read = b"", 0, 0
    for line in content.splitlines(keepends=True):
        text, wanted = checksums.parted(line.rstrip(b"\n")) if remains.checked else (line.rstrip(b"\n"), None)
        found = checksums.of_edit(text, sum_)
        if not line.endswith(b"\n") or (remains.checked and found != wanted) or not _is_edit(text):
            break
        sum_, read = found, read + len(line)
        kept += checksums.with_checksum(text, sum_)
        saved.edits += 1
    if read < counted:
        saved.edits_lost = True
        saved.troubles.append(f"edit {saved.edits} is damaged; it and those behind it are lost")
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
    remains: DamagedReader, target: h5py.File, saved: Saved, skip: Collection[str], say: Callable[[str], None]
) -> None:
    saved.counted = remains.counted
    last: int | None = None
    for row in range(remains.rows):
        say(str(row))
        step: int | None = None
        try:
            if str(row) in skip:
                raise RowError("reading it hangs or crashes HDF5")
            series = remains.series(row)
            step = int(series["step"])
            fields = remains.frame(row, series)
            if last is not None and step <= last:
                raise RowError(f"its step is {step}, that of the frame before {last}")
        except FAULTS as error:
            if row < remains.counted:
                saved.lost.append((row, None if isinstance(error, RowError) else step))
                saved.troubles.append(f"frame {row}: {error}")
            continue
        _append(target, saved.frames, fields, series, remains)
        saved.frames, last = saved.frames + 1, step
        saved.moved += row >= saved.frames
        saved.uncounted += row >= remains.counted
    saved.lost += [(row, None) for row in range(remains.rows, remains.counted)]


def _append(
    target: h5py.File, row: int, fields: dict[str, NDArray[Any]], series: dict[str, Any], remains: DamagedReader
) -> None:
    order = (*remains.columns,) or tuple(fields)
    sums = np.array([one for name in order for one in checksums.of_field(fields[name], remains.batch)], "<u4")
    of_row = np.uint32(checksums.of_row(row, *plain(series), sums.tobytes()))
    for name, values in {**series, **fields, "log/checksums": np.append(sums, of_row)}.items():
        data = target[name]
        data.resize(row + 1, 0)
        if data.compression == "gzip":
            write_frame(data, row, values)
        else:
            data[row] = values


def _conclude(remains: DamagedReader, target: h5py.File, saved: Saved) -> None:
    target["frames"][()] = saved.frames
    target["status"][()] = remains.status.encode()
    target.attrs["repaired"] = f"{saved.frames} of {saved.counted} frames saved, {saved.edits} edits; " + "; ".join(
        saved.troubles[:8]
    )
    # A checkpoint knows its place in the recording by the number of frames, and its run by the attributes.
    if saved.moved or remains.troubles or "id" not in target.attrs:
        target.attrs["id"] = uuid.uuid4().hex
    target.attrs[checksums.LAYOUT] = checksums.of_layout(target)


def main() -> None:
    """Salvages the first argument into the second, without what the others name."""
    path, out, *skip = sys.argv[1:]
    tell(path, out, skip)


def tell(path: str, out: str, skip: list[str]) -> NoReturn:
    """Salvages, says what came of it as a last line of JSON, and ends the process.

    Args:
        skip: as for `salvage`, where "12:4" stands for four rows.
    """
    skipped = {name for entry in skip for name in spread(entry)}
    try:
        answer = asdict(salvage(Path(path), Path(out), skipped, lambda what: print(what, flush=True)))
    except (AetheriaError, *FAULTS) as error:
        answer = {"error": str(error) if isinstance(error, AetheriaError) else f"{path}: nothing can be saved; {error}"}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # past HDF5, which may crash when it clears up what is damaged


def spread(entry: str) -> Iterator[str]:
    """The names that one such as "12:4" stands for."""
    first, _, count = entry.partition(":")
    return (str(int(first) + i) for i in range(int(count))) if count else iter((first,))


if __name__ == "__main__":
    main()
