"""Disks that fill up or fail while a recording is written to them."""

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
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.kills import FRAMES, edit, expected, motor
from benchmarks.faults.nursery import Ended, nursery

FAIL_ONCE, FAIL_FROM_THEN_ON = 3, 4  # of writes.c
_WRITES = 1010  # to the file, of a whole run
_SMALL, _SIZES = 40 * 1024, 16  # of disks: with each size a page more than the one before, and none takes the whole run


def record(path: str, nth: int = 0, how: int = 0, number: int = 0, ask: bool = True) -> None:
    """Records the run on a disk that fails at its `nth` write; prints frames committed, exit code and message as JSON.

    Args:
        ask: whether the recorder finds out how much room there is.
    """
    if nth:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(nth), how, number)
    if not ask:
        Recorder._check_space = _unasked  # type: ignore[method-assign, assignment]
    said: dict[str, Any] = {"frames": 0, "code": 0, "message": ""}
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
        said |= {"code": error.exit_code, "message": str(error)}
    print(json.dumps(said | {"frames": recorder.frames if recorder else 0}))


def _unasked(recorder: Recorder, nbytes: int) -> None:
    """Asks for no room."""


def _wrong(path: Path, ended: Ended, code: int, durable_write: bool = False) -> list[str]:
    """What is wrong with how a run ended that should have ended with `code`."""
    if ended.code != 0 or len(ended.said.splitlines()) != 1:
        return [f"ended with {ended.code}: {ended.said[-300:]!r}"]
    said = json.loads(ended.said)
    if said["code"] != code or (code and path.name not in said["message"]):
        return [f"exit code {said['code']}, expected {code}: {said['message']}"]
    if not path.exists():
        return [] if not said["frames"] else ["the file is gone"]
    try:
        with Recording(path) as recording:
            if len(recording) != said["frames"]:
                return [f"{said['frames']} frames were committed, {len(recording)} are there"]
            # Where nothing can be written any more, not even that.
            if recording.status not in ("disk full" if code == 3 else "failed", *(("running",) if durable_write else ())):
                return [f'status "{recording.status}"']
            apart = [i for i, f in enumerate(recording) if not np.array_equal(f["channel_0"], expected()[i])]
            return [f"frame {i} is not that of the run" for i in apart]
    except AetheriaError as error:
        return [f"{error}"]


def failing(number: int, how: int) -> Callable[[int], Outcome]:
    """A write fails, one or all from then on: the first, the second, ..., and some at random."""

    def inflict(times: int) -> Outcome:
        outcome, dice, frames = Outcome(), random.Random(number), 0
        code = 3 if number == errno.ENOSPC else 5
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.h5"
            for nth in [*range(1, times // 2 + 1), *(dice.randrange(times, _WRITES) for _ in range(times - times // 2))]:
                path.unlink(missing_ok=True)
                ended = nursery().run("benchmarks.faults.disks:record", path=str(path), nth=nth, how=how, number=number)
                outcome.wrong += [f"write {nth}: {line}" for line in _wrong(path, ended, code, how == FAIL_FROM_THEN_ON)]
                outcome.runs += 1
                frames += _frames(ended)
        outcome.found = f"{frames:,} committed frames, all readable"
        return outcome

    return inflict


def filling(times: int) -> Outcome:
    """A small disk runs full; in every second run the recorder does not ask for room before each frame, and HDF5 fails."""
    outcome, frames = Outcome(), 0
    for run in range(times):
        ask = run % 2 == 0
        size = _SMALL + 4096 * (run // 2 % _SIZES) + (2**20 if ask else 0)
        with _disk(size) as folder:
            path = folder / "run.h5"
            ended = nursery().run("benchmarks.faults.disks:record", path=str(path), ask=ask)
            outcome.wrong += [f"{size:,} bytes: {line}" for line in _wrong(path, ended, 3)]
            frames += _frames(ended)
        outcome.runs += 1
    outcome.found = f"{frames:,} committed frames, all readable"
    return outcome


@contextmanager
def _disk(nbytes: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={nbytes}", "none", folder], check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True, capture_output=True)


def _frames(ended: Ended) -> int:
    return int(json.loads(ended.said.splitlines()[-1])["frames"]) if ended.code == 0 else 0


_NAMES = {errno.ENOSPC: "no space (ENOSPC)", errno.EIO: "input/output error (EIO)", errno.EROFS: "read-only disk (EROFS)"}
FAULTS = [
    Fault(
        f"{name}, {'once' if how == FAIL_ONCE else 'lasting'}, at the 1st, 2nd ... write and at random ones",
        f"exit code {3 if number == errno.ENOSPC else 5}; every committed frame readable",
        failing(number, how),
        few=4 if number == errno.ENOSPC else 2,
        many=100,
    )
    for number, name in _NAMES.items()
    for how in (FAIL_ONCE, FAIL_FROM_THEN_ON)
]
if os.geteuid() == 0:  # only it may mount
    FAULTS.append(
        Fault("a small disk runs full (tmpfs)", "exit code 3; every committed frame readable", filling, few=4, many=40)
    )
