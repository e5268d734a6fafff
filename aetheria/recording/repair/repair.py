"""Repairs a damaged recording: writes its readable frames to a new file; the damaged file is not changed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aetheria.core.errors import ConfigError, DiskFullError, RecordingError
from aetheria.files.atomic import check_output, durable_write
from aetheria.recording.lock import is_being_written
from aetheria.recording.other_files import is_of_another_kind, kind_of
from aetheria.recording.recording import Recording
from aetheria.recording.repair.salvage import EDITS, RepairReport

_TIMEOUT_S, _BYTES_PER_S = 60.0, 2e6  # time limit for reading a file, by its size
Attempt = Callable[[Path, Path, Sequence[str]], tuple[int | None, str]]


def repair(path: Path, out: Path, *, overwrite: bool = False, attempt: Attempt | None = None) -> RepairReport:
    """Writes to `out` every frame that is intact, and the edits up to the first damaged one.

    HDF5 reads the damaged file in a process of its own. If it crashes or hangs there, the next attempt omits the row that was
    being read; later attempts omit two, four ... rows more, so that there is an end. Omitted rows count as lost.

    Args:
        overwrite: replace an existing file.
        attempt: a function in place of `salvage_in_subprocess`.

    Raises:
        ConfigError: `out` cannot be made, or is `path`.
        RecordingError: nothing can be saved, or the file is being written.
        DiskFullError: there is no room for a second file.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: {kind_of(path)}")
    if is_of_another_kind(path):
        raise RecordingError(f"{path}: {kind_of(path)}")
    if out.exists() and out.samefile(path):
        raise ConfigError(f"{out}: is the file to repair, which is not changed; name another")
    check_output(out, overwrite)
    if is_being_written(path):
        raise RecordingError(f"{path}: is being written; repair it when its writer has ended")
    _check_room(path, out)
    with durable_write(out, _check) as temporary:
        return _attempts(path, out, temporary, attempt or salvage_in_subprocess)


def salvage_in_subprocess(path: Path, out: Path, skip: Sequence[str]) -> tuple[int | None, str]:
    """Runs the module `salvage` as a program; returns its exit code (negative: a signal, None: it hung) and output."""
    command = [sys.executable, "-m", "aetheria.recording.repair.salvage", str(path), str(out), *skip]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        output, _ = process.communicate(timeout=_TIMEOUT_S + path.stat().st_size / _BYTES_PER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return None, process.communicate()[0]
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process.returncode, output


def _attempts(path: Path, out: Path, temporary: Path, attempt: Attempt) -> RepairReport:
    skip: list[str] = []
    while True:
        code, output = attempt(path, temporary, skip)
        lines = output.splitlines()
        if code == 0 and lines and lines[-1].startswith("{"):
            answer: dict[str, Any] = json.loads(lines[-1])
            if "error" in answer:
                raise RecordingError(f"{answer['error']}")
            return RepairReport(**{**answer, "lost": [(row, step) for row, step in answer["lost"]]})
        _check_room(path, out)  # HDF5 also crashes when it cannot write
        at = next((line for line in reversed(lines) if line == EDITS or line.isdecimal()), "")
        if not at or _is_skipped(skip, at):
            ended = "hangs" if code is None else f"ends HDF5 with {code}: {lines[-1][:200] if lines else ''}"
            raise RecordingError(f"{path}: nothing can be saved; reading it {ended}")
        skip.append(at if at == EDITS else f"{at}:{1 << sum(':' in entry for entry in skip)}")


def _is_skipped(skip: Sequence[str], at: str) -> bool:
    ranges = [entry.split(":") for entry in skip if ":" in entry]
    return at in skip or (at != EDITS and any(int(first) <= int(at) < int(first) + int(count) for first, count in ranges))


def _check_room(path: Path, out: Path) -> None:
    wanted, free = path.stat().st_size, shutil.disk_usage(out.parent).free
    if free < wanted:
        raise DiskFullError(f"{out}: needs up to {wanted:,} bytes, and {free:,} are free")


def _check(temporary: Path) -> None:
    with Recording(temporary) as recording:
        len(recording)
