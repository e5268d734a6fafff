"""Disks that fill up or fail during a recording."""

import ctypes
import errno
import json
import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from aetheria import Recorder, Recording
from aetheria.core.errors import AetheriaError
from aetheria.recording.frame_writer import FrameWriter
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ChildResult, fork_server
from benchmarks.faults.kills import FRAMES, edit, expected, motor

FAIL_ONCE, FAIL_FROM_THEN_ON = 3, 4  # of writes.c
_WRITES = 1010  # to the file, in a whole run
_SMALL, _SIZES = 40 * 1024, 16  # of disks: each one page larger than the one before, and all too small for the run


def record(path: str, nth: int = 0, how: int = 0, number: int = 0, ask: bool = True) -> None:
    """Records the run on a disk that fails at the `nth` write; prints committed frames, exit code and message as JSON.

    Args:
        ask: whether the recorder queries the free space.
    """
    if nth:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(nth), how, number)
    if not ask:
        FrameWriter._check_space = _unasked  # type: ignore[method-assign, assignment]
    report: dict[str, Any] = {"frames": 0, "code": 0, "message": ""}
    recorder = None
    try:
        with motor() as running:
            recorder = Recorder(running, path, codec="gzip", overwrite=True)
            with recorder:
                while running.step_count < FRAMES - 1:
                    if running.step_count % 5 == 0:
                        edit(running)
                    running.step(1)
    except AetheriaError as error:
        report |= {"code": error.exit_code, "message": str(error)}
    print(json.dumps(report | {"frames": recorder.frames if recorder else 0}))


def _unasked(writer: FrameWriter, nbytes: int) -> None:
    """Does not query the free space."""


def _wrong(path: Path, ended: ChildResult, code: int, lasting: bool = False) -> list[str]:
    """Unexpected results of a run that should have ended with `code`."""
    if ended.code != 0 or len(ended.output.splitlines()) != 1:
        return [f"ended with {ended.code}: {ended.output[-300:]!r}"]
    report = json.loads(ended.output)
    if report["code"] != code or (code and path.name not in report["message"]):
        return [f"exit code {report['code']}, expected {code}: {report['message']}"]
    if not path.exists():
        return [] if not report["frames"] else ["the file is gone"]
    try:
        with Recording(path) as recording:
            if len(recording) != report["frames"]:
                return [f"{report['frames']} frames were committed, the file holds {len(recording)}"]
            # On a lasting failure the status cannot be written either.
            if recording.status not in ("disk full" if code == 3 else "failed", *(("running",) if lasting else ())):
                return [f'status "{recording.status}"']
            run_isolated = [i for i, f in enumerate(recording) if not np.array_equal(f["channel_0"], expected()[i])]
            return [f"frame {i} differs from the run" for i in run_isolated]
    except AetheriaError as error:
        return [f"{error}"]


def failing(number: int, how: int) -> Callable[[int], FaultResult]:
    """A write fails, or all writes from then on: each of the first writes, and some at random."""

    def inject(times: int) -> FaultResult:
        result, dice, frames = FaultResult(), random.Random(number), 0
        code = 3 if number == errno.ENOSPC else 5
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.h5"
            for nth in [*range(1, times // 2 + 1), *(dice.randrange(times, _WRITES) for _ in range(times - times // 2))]:
                path.unlink(missing_ok=True)
                ended = fork_server().run("benchmarks.faults.disks:record", path=str(path), nth=nth, how=how, number=number)
                result.failures += [f"write {nth}: {line}" for line in _wrong(path, ended, code, how == FAIL_FROM_THEN_ON)]
                result.runs += 1
                frames += _frames(ended)
        result.summary = f"{frames:,} committed frames, all readable"
        return result

    return inject


def filling(times: int) -> FaultResult:
    """A small disk fills up; in every second run the recorder does not query the free space, and HDF5 fails."""
    result, frames = FaultResult(), 0
    for run in range(times):
        ask = run % 2 == 0
        size = _SMALL + 4096 * (run // 2 % _SIZES) + (2**20 if ask else 0)
        with _disk(size) as folder:
            path = folder / "run.h5"
            ended = fork_server().run("benchmarks.faults.disks:record", path=str(path), ask=ask)
            result.failures += [f"{size:,} bytes: {line}" for line in _wrong(path, ended, 3)]
            frames += _frames(ended)
        result.runs += 1
    result.summary = f"{frames:,} committed frames, all readable"
    return result


@contextmanager
def _disk(nbytes: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={nbytes}", "none", folder], check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True, capture_output=True)


def _frames(ended: ChildResult) -> int:
    return int(json.loads(ended.output.splitlines()[-1])["frames"]) if ended.code == 0 else 0


_NAMES = {errno.ENOSPC: "no space (ENOSPC)", errno.EIO: "input/output error (EIO)", errno.EROFS: "read-only disk (EROFS)"}
FAULTS = [
    Fault(
        f"{name}, {'once' if how == FAIL_ONCE else 'lasting'}, at the first writes and at random ones",
        f"exit code {3 if number == errno.ENOSPC else 5}; every committed frame readable",
        failing(number, how),
        few=4 if number == errno.ENOSPC else 2,
        many=100,
    )
    for number, name in _NAMES.items()
    for how in (FAIL_ONCE, FAIL_FROM_THEN_ON)
]
if os.geteuid() == 0:  # only root may mount
    FAULTS.append(
        Fault("a small disk runs full (tmpfs)", "exit code 3; every committed frame readable", filling, few=4, many=40)
    )
