"""Makes a whole recording of what can be read of a damaged one, which stays as it is."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aetheria.core.errors import ConfigError, DiskFullError, RecordingError
from aetheria.files.atomic import check_output, lasting
from aetheria.recording.recording import Recording
from aetheria.recording.lock import is_written
from aetheria.recording.repair.salvage import EDITS, Saved

_PATIENCE_S, _BYTES_PER_S = 60.0, 2e6  # how long a file may take to read, by its size
Attempt = Callable[[Path, Path, Sequence[str]], tuple[int | None, str]]


def repair(path: Path, out: Path, *, overwrite: bool = False, attempt: Attempt | None = None) -> Saved:
    """Writes to `out` every frame that can be read and is as it was written, and the edits up to the first that is not.

    HDF5 reads the damaged file in a process of its own. If it crashes there or hangs, it is done again without the row that it
    was at, then without two, four ... more, so that it comes to an end; those rows count as lost.

    Args:
        overwrite: replace an existing file.
        attempt: as `salvaging`.

    Raises:
        ConfigError: `out` cannot be made, or is `path`.
        RecordingError: nothing can be saved, or the file is being written. DiskFullError: there is no room for another.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: no such file; expected a recording (.h5)")
    if out.exists() and out.samefile(path):
        raise ConfigError(f"{out}: is the file to repair, which stays as it is; name another")
    check_output(out, overwrite)
    if is_written(path):
        raise RecordingError(f"{path}: is being written; let it end, then repair it if it needs to be")
    _check_room(path, out)
    with lasting(out, _check) as beside:
        return _attempts(path, out, beside, attempt or salvaging)


def salvaging(path: Path, out: Path, skip: Sequence[str]) -> tuple[int | None, str]:
    """Runs `aetheria.recording.repair.salvage`; returns its exit code (negative: a signal, None: it hung) and its output."""
    command = [sys.executable, "-m", "aetheria.recording.repair.salvage", str(path), str(out), *skip]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        said, _ = process.communicate(timeout=_PATIENCE_S + path.stat().st_size / _BYTES_PER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return None, process.communicate()[0]
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process.returncode, said


def _attempts(path: Path, out: Path, beside: Path, attempt: Attempt) -> Saved:
    skip: list[str] = []
    while True:
        code, said = attempt(path, beside, skip)
        lines = said.splitlines()
        if code == 0 and lines and lines[-1].startswith("{"):
            answer: dict[str, Any] = json.loads(lines[-1])
            if "error" in answer:
                raise RecordingError(f"{answer['error']}")
            return Saved(**{**answer, "lost": [(row, step) for row, step in answer["lost"]]})
        _check_room(path, out)  # HDF5 crashes when it cannot write, too
        at = next((line for line in reversed(lines) if line == EDITS or line.isdecimal()), "")
        if not at or _skips(skip, at):
            ended = "hangs" if code is None else f"ends HDF5 with {code}: {lines[-1][:200] if lines else ''}"
            raise RecordingError(f"{path}: nothing can be saved; reading it {ended}")
        skip.append(at if at == EDITS else f"{at}:{1 << sum(':' in entry for entry in skip)}")


def _skips(skip: Sequence[str], at: str) -> bool:
    ranges = [entry.split(":") for entry in skip if ":" in entry]
    return at in skip or (at != EDITS and any(int(first) <= int(at) < int(first) + int(count) for first, count in ranges))


def _check_room(path: Path, out: Path) -> None:
    wanted, free = path.stat().st_size, shutil.disk_usage(out.parent).free
    if free < wanted:
        raise DiskFullError(f"{out}: wants up to {wanted:,} bytes, and {free:,} are free")


def _check(beside: Path) -> None:
    with Recording(beside) as recording:
        len(recording)
