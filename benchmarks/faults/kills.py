"""SIGKILL while a recording is written: at random moments, then what the file says against the run that was not killed."""

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
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import nursery

CODECS: tuple[Codec, ...] = ("gzip", "fast", "compact")
FRAMES = 60
_TIMED = 3  # runs that are not killed, to know how long one takes


def motor() -> Aetheria_Motor:
    """Life, small, always the same."""
    return Aetheria_Motor(Life(), 48, 1, "cpu", {"plan": "eager"}, seed=4)


def edit(running: Aetheria_Motor) -> None:
    """What is changed by hand at every fifth step."""
    running.set_cells(torch.ones(1, 3, 3), at=(running.step_count % 40, 7))


def record(
    path: str, codec: Codec, promises: str, strike: tuple[int, int] | None = None, moment: str = "", nth: int = 1
) -> None:
    """Records the run; after each step, the frames whose commit has returned are written to `promises`.

    Says when the file is there, and in the end how many seconds it took from then.

    Args:
        strike: at which write to the file to be killed, and how (see `writes.c`).
        moment: of a commit at which to be killed, when it is reached for the `nth` time.
    """
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == moment
        if now == moment and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    if strike:
        ctypes.CDLL(None).writes_arm(b"run", ctypes.c_long(strike[0]), strike[1], 0)
    told = os.open(promises, os.O_WRONLY | os.O_CREAT)
    with on_failpoints(act), motor() as running, Recorder(running, path, codec=codec, overwrite=True) as recorder:
        print("begins", flush=True)
        began = time.perf_counter()
        while running.step_count < FRAMES - 1:
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
            os.pwrite(told, recorder.frames.to_bytes(8, "little"), 0)
    os.pwrite(told, recorder.frames.to_bytes(8, "little"), 0)
    print(time.perf_counter() - began)


@cache
def expected() -> list[NDArray[np.float32]]:
    """The frames of the run that was not killed."""
    frames = []
    with motor() as running:
        for _ in range(FRAMES):
            frames.append(running.read("channel_0").numpy().copy())
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
    # The first frame of a step is made before it is edited, and a recorder's first frame when it begins to step.
    with motor() as running:
        edit(running)
        frames[0] = running.read("channel_0").numpy().copy()
    return frames


def examine(path: str, promised: int) -> None:
    """Prints what is wrong with a recording whose writer was killed, as a list of JSON: empty, or one line."""
    print(json.dumps(wrong_with(Path(path), promised)))


def wrong_with(path: Path, promised: int) -> list[str]:
    """What is wrong with a recording of the run of which so many frames were promised: nothing, or one line."""
    try:
        with Recording(path) as recording:
            if len(recording) < promised:
                return [f"{promised} frames were promised, {len(recording)} are there"]
            for index, frame in enumerate(recording):
                if frame.step != index or not np.array_equal(frame["channel_0"], expected()[index]):
                    return [f"frame {index} is not that of the run"]
            if len(recording) and len(recording.edits) < recording[-1].edits:
                return ["edits before the last frame are missing"]
    except AetheriaError as error:
        return [f"{error}"]
    return []


def at_random(codec: Codec) -> Callable[[int], Outcome]:
    """Kills the writer at random moments between its first step and its last."""

    def inflict(times: int) -> Outcome:
        outcome, dice, frames, alive = Outcome(), random.Random(1), 0, 0
        with tempfile.TemporaryDirectory() as folder:
            path, promises = Path(folder) / "run.h5", Path(folder) / "promises"
            whole = statistics.median(_run(codec, path, promises, None)[1] or 0.0 for _ in range(_TIMED))
            for _ in range(times):
                promised, took = _run(codec, path, promises, dice.uniform(0, whole))
                frames += promised
                alive += took is None and path.exists()
                outcome.runs += 1
                if path.exists() or promised:
                    found = nursery().run("benchmarks.faults.kills:examine", path=str(path), promised=promised)
                    outcome.wrong += json.loads(found.said.splitlines()[-1]) if found.code == 0 else [f"{found}"]
        if alive < times / 2:
            outcome.wrong.append(f"only {alive} of {times} were killed while they wrote: this shows nothing")
        outcome.found = f"{alive} killed while there was a file; {frames:,} frames were committed, none lost"
        return outcome

    return inflict


def _run(codec: Codec, path: Path, promises: Path, moment: float | None) -> tuple[int, float | None]:
    """Records into a new file, killed so many seconds after the beginning: frames promised; seconds if it came to its end."""
    path.unlink(missing_ok=True)
    promises.write_bytes(bytes(8))
    ended = nursery().run(
        "benchmarks.faults.kills:record",
        signals=[] if moment is None else [(moment, signal.SIGKILL)],
        from_word=True,
        path=str(path),
        codec=codec,
        promises=str(promises),
    )
    said = ended.said.split()
    return int.from_bytes(promises.read_bytes(), "little"), float(said[1]) if len(said) > 1 else None


def at_moment(times: int) -> Outcome:
    """Kills the writer at each named moment of a recording's life in turn."""
    outcome, dice, frames = Outcome(), random.Random(8), 0
    with tempfile.TemporaryDirectory() as folder:
        path, promises = Path(folder) / "run.h5", Path(folder) / "promises"
        for number in range(times):
            path.unlink(missing_ok=True)
            promises.write_bytes(bytes(8))
            moment = FAILPOINTS[number % len(FAILPOINTS)]
            # A writer that has fallen behind writes the edits of many steps at once.
            nth = 1 if moment.startswith("recording") else dice.randrange(1, 3 if moment == "edits flushed" else 12)
            arguments: dict[str, Any] = {
                "path": str(path),
                "codec": "gzip",
                "promises": str(promises),
                "moment": moment,
                "nth": nth,
            }
            ended = nursery().run("benchmarks.faults.kills:record", **arguments)
            outcome.runs += 1
            if ended.code != -signal.SIGKILL:
                outcome.wrong.append(f"at {moment}: {ended}")
            promised = int.from_bytes(promises.read_bytes(), "little")
            if moment in FAILPOINTS[:2] and not path.exists() and not promised:
                continue
            frames += promised
            found = nursery().run("benchmarks.faults.kills:examine", path=str(path), promised=promised)
            told = json.loads(found.said.splitlines()[-1]) if found.code == 0 else [f"{found}"]
            outcome.wrong += [f"at {moment}: {line}" for line in told]
    outcome.found = f"{frames:,} committed frames, none lost"
    return outcome


FAULTS = [
    Fault(
        "SIGKILL inside each sub-step of a commit", "old or new, never mixed", at_moment, len(FAILPOINTS), 30 * len(FAILPOINTS)
    ),
    *(
        Fault(
            f"SIGKILL of the writer at random moments, codec {codec}",
            "every file opens; no committed frame lost, none half written",
            at_random(codec),
            few=5,
            many=200,
        )
        for codec in CODECS
    ),
]
