"""Readers that follow a recording, stall or are killed; the writer must not be affected."""

import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from aetheria import Recorder, Recording
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import TIMEOUT_S, fork_server, second_fork_server
from benchmarks.faults.kills import FRAMES, edit, expected, motor, wrong_with


def record(path: str, pause_s: float) -> None:
    """Records the run of `kills`, with a pause after each step."""
    with motor() as running, Recorder(running, path, overwrite=True):
        while running.step_count < FRAMES - 1:
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
            time.sleep(pause_s)


def linger(path: str, dies: bool) -> None:
    """Reads all frames repeatedly; with `dies` ends without closing the file after some frames."""
    recording = Recording(path)
    while True:
        for index in range(len(recording)):
            recording[index]["channel_0"]
            if dies and index > FRAMES // 4:
                os._exit(9)


def follow(path: Path) -> tuple[list[str], int]:
    """Follows a recording to its end; returns failures, and the number of frames read before the end."""
    read, known, deadline = 0, 0, time.monotonic() + TIMEOUT_S
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    with Recording(path) as recording:
        while time.monotonic() < deadline:
            ended = recording.status != "running"
            count = len(recording)
            if count < known:
                return [f"{known} frames, then {count}"], read
            for index in range(known, count):
                frame = recording[index]
                if frame.step != index or not np.array_equal(frame["channel_0"], expected()[index]):
                    return [f"frame {index} differs from the run"], read
                if len(recording.edits) < frame.edits:
                    return [f"edits before frame {index} are missing"], read
            read, known = read + (0 if ended else count - known), count
            if ended:
                return [] if known == FRAMES else [f"the run ended with {known} frames"], read
    return ["the run did not end"], read


def following(times: int) -> FaultResult:
    """A reader follows a run from its first frame."""
    result, frames = FaultResult(), 0
    expected()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            path.unlink(missing_ok=True)
            fork_server().start("benchmarks.faults.readers:record", path=str(path), pause_s=0.002 * (number % 3))
            wrong, read = follow(path)
            result.failures += wrong
            frames += read
            result.runs += 1
            if (ended := fork_server().wait()).code != 0:
                result.failures.append(f"the writer: {ended}")
    result.summary = f"{frames:,} frames read during the runs, all correct"
    return result


def struck(times: int) -> FaultResult:
    """Readers are stopped, end without closing the file, or are killed."""
    result, dice = FaultResult(), random.Random(9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            path.unlink(missing_ok=True)
            fork_server().start("benchmarks.faults.readers:record", path=str(path), pause_s=0.003)
            while not path.exists():
                time.sleep(0.001)
            how, delay = ("stopped", "dead", "killed")[number % 3], dice.uniform(0.01, 0.15)
            signals = {
                "stopped": [(delay, signal.SIGSTOP), (delay + 1, signal.SIGKILL)],
                "dead": [],
                "killed": [(delay, signal.SIGKILL)],
            }[how]
            second_fork_server().start("benchmarks.faults.readers:linger", path=str(path), dies=how == "dead", signals=signals)
            writer, reader = fork_server().wait(), second_fork_server().wait()
            result.runs += 1
            if writer.code != 0:
                result.failures.append(f"reader {how}: the writer: {writer}")
            if reader.code != (9 if how == "dead" else -signal.SIGKILL):
                result.failures.append(f"reader {how}: the reader: {reader}")
            result.failures += [f"reader {how}: {line}" for line in wrong_with(path, FRAMES)]
    result.summary = "all frames of all runs correct"
    return result


FAULTS = [
    Fault("a reader follows a run", "no partial frame; the number of frames only grows", following, 3, 200),
    Fault("a reader stalls, ends without closing, is killed", "the writer is unaffected", struck, 3, 150),
]
