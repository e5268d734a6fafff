"""Readers that follow a recording while it is written: what they see, and what the writer makes of their end."""

import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from aetheria import Recorder, Recording
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.kills import FRAMES, edit, expected, motor, wrong_with
from benchmarks.faults.nursery import PATIENCE_S, nursery, second_nursery


def record(path: str, pause_s: float) -> None:
    """Records the run of `kills`, resting after each step."""
    with motor() as running, Recorder(running, path, overwrite=True):
        while running.step_count < FRAMES - 1:
            if running.step_count % 5 == 0:
                edit(running)
            running.step(1)
            time.sleep(pause_s)


def linger(path: str, dies: bool) -> None:
    """Reads whatever there is, again and again; with `dies` until some frames are there, and then ends without closing."""
    recording = Recording(path)
    while True:
        for index in range(len(recording)):
            recording[index]["channel_0"]
            if dies and index > FRAMES // 4:
                os._exit(9)


def follow(path: Path) -> tuple[list[str], int]:
    """Reads what is written until it has ended; what was wrong, and how many frames were read while it was written."""
    read, known, deadline = 0, 0, time.monotonic() + PATIENCE_S
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    with Recording(path) as recording:
        while time.monotonic() < deadline:
            ended = recording.status != "running"
            count = len(recording)
            if count < known:
                return [f"{known} frames were there, then {count}"], read
            for index in range(known, count):
                frame = recording[index]
                if frame.step != index or not np.array_equal(frame["channel_0"], expected()[index]):
                    return [f"frame {index} is not that of the run"], read
                if len(recording.edits) < frame.edits:
                    return [f"edits before frame {index} are missing"], read
            read, known = read + (0 if ended else count - known), count
            if ended:
                return [] if known == FRAMES else [f"it ended with {known} frames"], read
    return ["it did not end"], read


def following(times: int) -> Outcome:
    """A reader follows from the first frame on; what it reads is right, and only grows."""
    outcome, frames = Outcome(), 0
    expected()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            path.unlink(missing_ok=True)
            nursery().start("benchmarks.faults.readers:record", path=str(path), pause_s=0.002 * (number % 3))
            wrong, read = follow(path)
            outcome.wrong += wrong
            frames += read
            outcome.runs += 1
            if (ended := nursery().wait()).code != 0:
                outcome.wrong.append(f"the writer: {ended}")
    outcome.found = f"{frames:,} frames read while the run went on, all right"
    return outcome


def struck(times: int) -> Outcome:
    """Readers are stopped, end without closing, or are killed: the writer goes on as if nobody had read."""
    outcome, dice = Outcome(), random.Random(9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        for number in range(times):
            path.unlink(missing_ok=True)
            nursery().start("benchmarks.faults.readers:record", path=str(path), pause_s=0.003)
            while not path.exists():
                time.sleep(0.001)
            how, moment = ("stopped", "dead", "killed")[number % 3], dice.uniform(0.01, 0.15)
            signals = {
                "stopped": [(moment, signal.SIGSTOP), (moment + 1, signal.SIGKILL)],
                "dead": [],
                "killed": [(moment, signal.SIGKILL)],
            }[how]
            second_nursery().start("benchmarks.faults.readers:linger", path=str(path), dies=how == "dead", signals=signals)
            writer, reader = nursery().wait(), second_nursery().wait()
            outcome.runs += 1
            if writer.code != 0:
                outcome.wrong.append(f"reader {how}: the writer: {writer}")
            if reader.code != (9 if how == "dead" else -signal.SIGKILL):
                outcome.wrong.append(f"reader {how}: the reader: {reader}")
            outcome.wrong += [f"reader {how}: {line}" for line in wrong_with(path, FRAMES)]
    outcome.found = "all frames of all runs right"
    return outcome


FAULTS = [
    Fault("a reader follows", "no half frame, and their number only grows", following, 3, 200),
    Fault("a reader stalls, ends without closing, is killed", "the writer is unaffected", struck, 3, 150),
]
