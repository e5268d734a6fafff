"""SIGKILL of the writer of a recording, whose file is then compared with an uninterrupted run."""

import ctypes
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.core.errors import AetheriaError
from aetheria.core.failpoints import on_failpoints
from aetheria.recording.recorder import FAILPOINTS
from aetheria.recording.schema import Codec
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import fork_server

CODECS: tuple[Codec, ...] = ("gzip", "fast", "compact")
FRAMES = 60
_TIMED = 3  # uninterrupted runs, to measure their duration


def motor() -> Aetheria_Motor:
    """A motor of Life on a small grid; always the same run."""
    return Aetheria_Motor(Life(), 48, 1, "cpu", {"plan": "eager"}, seed=4)


def edit(running: Aetheria_Motor) -> None:
    """The edit that the run makes at every fifth step."""
    running.set_cells(torch.ones(1, 3, 3), at=(running.step_count % 40, 7))


def record(
    path: str, codec: Codec, promises: str, strike: tuple[int, int] | None = None, failpoint: str = "", nth: int = 1
) -> None:
    """Records the run; after each step writes the number of committed frames to `promises`.

    Prints a line when the file exists, and at the end the seconds since then.

    Args:
        strike: number of the write to the file at which to be killed, and the mode (see `writes.c`).
        failpoint: failpoint at which to be killed, when it is reached for the `nth` time.
    """
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == failpoint
        if now == failpoint and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    if strike:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(strike[0]), strike[1], 0)
    descriptor = os.open(promises, os.O_WRONLY | os.O_CREAT)
    with on_failpoints(act), motor() as running, Recorder(running, path, codec=codec, overwrite=True) as recorder:
        print("begins", flush=True)
        began = time.perf_counter()
        while running.step_count < FRAMES - 1:
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
            os.pwrite(descriptor, recorder.frames.to_bytes(8, "little"), 0)
    os.pwrite(descriptor, recorder.frames.to_bytes(8, "little"), 0)
    print(time.perf_counter() - began)


@cache
def expected() -> list[NDArray[np.float32]]:
    """The frames of the uninterrupted run."""
    frames = []
    with motor() as running:
        for _ in range(FRAMES):
            frames.append(running.read("channel_0").numpy().copy())
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
    # A frame is made before the edit of its step, except the recorder's first, which is made when stepping begins.
    with motor() as running:
        edit(running)
        frames[0] = running.read("channel_0").numpy().copy()
    return frames


def examine(path: str, promised: int) -> None:
    """Prints the failures of a recording whose writer was killed, as a JSON list of at most one line."""
    print(json.dumps(wrong_with(Path(path), promised)))


def wrong_with(path: Path, promised: int) -> list[str]:
    """The failures of a recording in which `promised` frames were committed, in at most one line."""
    try:
        with Recording(path) as recording:
            if len(recording) < promised:
                return [f"{promised} frames were committed, the file holds {len(recording)}"]
            for index, frame in enumerate(recording):
                if frame.step != index or not np.array_equal(frame["channel_0"], expected()[index]):
                    return [f"frame {index} differs from the run"]
            if len(recording) and len(recording.edits) < recording[-1].edits:
                return ["edits before the last frame are missing"]
    except AetheriaError as error:
        return [f"{error}"]
    return []


def at_random(codec: Codec) -> Callable[[int], FaultResult]:
    """Kills the writer at random times between its first and last step."""

    def inject(times: int) -> FaultResult:
        result, dice, frames, alive = FaultResult(), random.Random(1), 0, 0
        with tempfile.TemporaryDirectory() as folder:
            path, promises = Path(folder) / "run.h5", Path(folder) / "promises"
            whole = statistics.median(_run(codec, path, promises, None)[1] or 0.0 for _ in range(_TIMED))
            for _ in range(times):
                promised, took = _run(codec, path, promises, dice.uniform(0, whole))
                frames += promised
                alive += took is None and path.exists()
                result.runs += 1
                if path.exists() or promised:
                    found = fork_server().run("benchmarks.faults.kills:examine", path=str(path), promised=promised)
                    result.failures += json.loads(found.output.splitlines()[-1]) if found.code == 0 else [f"{found}"]
        if alive < times / 2:
            result.failures.append(f"only {alive} of {times} were killed while writing: the test has no power")
        result.summary = f"{alive} killed after the file existed; {frames:,} frames were committed, none lost"
        return result

    return inject


def _run(codec: Codec, path: Path, promises: Path, delay: float | None) -> tuple[int, float | None]:
    """Records a new file, killed `delay` seconds after its start; returns committed frames, and seconds if it finished."""
    path.unlink(missing_ok=True)
    promises.write_bytes(bytes(8))
    ended = fork_server().run(
        "benchmarks.faults.kills:record",
        signals=[] if delay is None else [(delay, signal.SIGKILL)],
        from_word=True,
        path=str(path),
        codec=codec,
        promises=str(promises),
    )
    words = ended.output.split()
    return int.from_bytes(promises.read_bytes(), "little"), float(words[1]) if len(words) > 1 else None


def at_failpoints(times: int) -> FaultResult:
    """Kills the writer at each failpoint of a recording in turn."""
    result, dice, frames = FaultResult(), random.Random(8), 0
    with tempfile.TemporaryDirectory() as folder:
        path, promises = Path(folder) / "run.h5", Path(folder) / "promises"
        for number in range(times):
            path.unlink(missing_ok=True)
            promises.write_bytes(bytes(8))
            failpoint = FAILPOINTS[number % len(FAILPOINTS)]
            # A writer that is behind writes the edits of many steps at once, so this failpoint is reached less often.
            nth = 1 if failpoint.startswith("recording") else dice.randrange(1, 3 if failpoint == "edits flushed" else 12)
            arguments: dict[str, Any] = {
                "path": str(path),
                "codec": "gzip",
                "promises": str(promises),
                "failpoint": failpoint,
                "nth": nth,
            }
            ended = fork_server().run("benchmarks.faults.kills:record", **arguments)
            result.runs += 1
            if ended.code != -signal.SIGKILL:
                result.failures.append(f"at {failpoint}: {ended}")
            promised = int.from_bytes(promises.read_bytes(), "little")
            if failpoint in FAILPOINTS[:2] and not path.exists() and not promised:
                continue
            frames += promised
            found = fork_server().run("benchmarks.faults.kills:examine", path=str(path), promised=promised)
            failures = json.loads(found.output.splitlines()[-1]) if found.code == 0 else [f"{found}"]
            result.failures += [f"at {failpoint}: {line}" for line in failures]
    result.summary = f"{frames:,} committed frames, none lost"
    return result


FAULTS = [
    Fault(
        "SIGKILL at each failpoint of a commit",
        "the old or the new frames, never a mixture",
        at_failpoints,
        len(FAILPOINTS),
        30 * len(FAILPOINTS),
    ),
    *(
        Fault(
            f"SIGKILL of the writer at random times, codec {codec}",
            "every file opens; no committed frame is lost or partial",
            at_random(codec),
            few=5,
            many=200,
        )
        for codec in CODECS
    ),
]
