"""Ends of Python while a recorder is open: the interpreter must end in order, and every frame be in the file."""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria import Aetheria_Motor, Life, Recording
from aetheria.core.errors import AetheriaError
from aetheria.recording.lock import is_being_written
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT, TIMEOUT_S

_STEPS = 40
_START = f"""
import atexit, os, sys, threading, time
import torch
torch.set_num_threads(1)
from aetheria import Aetheria_Motor, Life, Recorder, Recording
motor = Aetheria_Motor(Life(), 24, 1, "cpu", {{"plan": "eager"}}, seed=3)
def record():
    global recorder
    recorder = Recorder(motor, "run.h5", fields=["channel_0"])
def steps():
    while motor.step_count < {_STEPS}:
        motor.step(1)
        time.sleep(0.001)
"""
# The end of the script, exit code, whether all steps are taken, status of the recording.
_STATES: dict[str, tuple[str, int, bool, str]] = {
    "the script ends": (f"record(); motor.step({_STEPS})", 0, True, "interrupted"),
    "frames are due": (f"motor.step({_STEPS // 2}); record(); motor.step({_STEPS // 2})", 0, True, "interrupted"),
    "sys.exit": (f"record(); motor.step({_STEPS}); sys.exit(7)", 7, True, "interrupted"),
    "an error": (f"record(); motor.step({_STEPS}); 1 / 0", 1, True, "interrupted"),
    "an error inside with": (f"with Recorder(motor, 'run.h5'): motor.step({_STEPS}); 1 / 0", 1, True, "failed"),
    "dropped": (f"record(); motor.step({_STEPS}); recorder = None", 0, True, "interrupted"),
    "in a cycle": (f"record(); recorder.itself = recorder; motor.step({_STEPS}); del recorder", 0, True, "interrupted"),
    "another thread steps": ("record(); threading.Thread(target=steps).start()", 0, True, "interrupted"),
    "a daemon steps": (
        "record(); threading.Thread(target=steps, daemon=True).start(); time.sleep(.02)",
        0,
        False,
        "interrupted",
    ),
    "finished at exit": (f"record(); atexit.register(lambda: recorder.finish()); motor.step({_STEPS})", 0, True, "interrupted"),
    "readers are open": (
        f"record(); motor.step({_STEPS}); recorder.sync(); r = Recording('run.h5'); r[3]",
        0,
        True,
        "interrupted",
    ),
    "a subscription is open": (f"record(); s = motor.subscribe(); motor.step({_STEPS}); t = s.get(0)", 0, True, "interrupted"),
    "after a fork": (
        "record(); motor.step(9); recorder.sync(); child = os.fork()\n"
        f"if child: os.waitpid(child, 0); motor.step({_STEPS - 9})",
        0,
        True,
        "interrupted",
    ),
    "finished": (f"record(); motor.step({_STEPS}); recorder.finish()", 0, True, "done"),
}


def leaving(times: int) -> FaultResult:
    """Each state in turn, in an interpreter of its own."""
    result, frames = FaultResult(), 0
    expected = _cells()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    for name, (end, code, whole, status) in itertools.islice(itertools.cycle(_STATES.items()), times):
        with tempfile.TemporaryDirectory() as folder:
            result.runs += 1
            try:
                ended = subprocess.run(
                    [sys.executable, "-c", f"{_START}\n{end}"],
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                result.failures.append(f"{name}: it hung")
                continue
            if ended.returncode != code:
                result.failures.append(f"{name}: ended with {ended.returncode}: {ended.stderr[-300:]!r}")
            wrong, count = _wrong_with(Path(folder), expected, whole, status)
            result.failures += [f"{name}: {line}" for line in wrong]
            frames += count
    result.summary = f"{min(times, len(_STATES))} states; {frames:,} frames, none lost"
    return result


def _cells() -> list[NDArray[np.float32]]:
    with Aetheria_Motor(Life(), 24, 1, "cpu", {"plan": "eager"}, seed=3) as motor:
        found = []
        for _ in range(_STEPS + 1):
            found.append(motor.cells[:, 0].numpy())
            motor.step(1)
        return found


def _wrong_with(folder: Path, expected: list[NDArray[np.float32]], whole: bool, status: str) -> tuple[list[str], int]:
    path = folder / "run.h5"
    left = sorted(one.name for one in folder.iterdir() if one != path)
    if left or is_being_written(path):
        return [f"{left} left"], 0
    try:
        with Recording(path) as recording:
            steps = recording.steps.tolist()
            if recording.status != status or recording.note:
                return [f"the run is {recording.status}: {recording.note}"], 0
            if steps != list(range(steps[0], steps[-1] + 1)) or (whole and steps[-1] != _STEPS):
                return [f"the frames are of the steps {steps}"], 0
            if not all(np.array_equal(frame["channel_0"], expected[frame.step]) for frame in recording):
                return ["a frame differs from the run"], 0
            return [], len(steps)
    except AetheriaError as error:
        return [f"{error}"], 0


FAULTS = [
    Fault(
        "Python ends while a recorder is open",
        "the interpreter ends in order; every frame is in the file, which is closed; the lock is given back",
        leaving,
        few=1,
        many=200,
    )
]
