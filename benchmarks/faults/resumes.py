"""SIGKILL of a whole run, then `aetheria run --resume`, compared with an uninterrupted run."""

import ctypes
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aetheria import Recording
from aetheria.cli import main
from aetheria.core.errors import AetheriaError
from aetheria.core.failpoints import on_failpoints
from aetheria.recording.append import FAILPOINTS as REOPENING
from aetheria.recording.recorder import FAILPOINTS as COMMITTING
from aetheria.runs.checkpoint import FAILPOINTS as SAVING
from aetheria.runs.checkpoint import checkpoints_of, step_of
from aetheria.runs.state_file import read_state
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT, ChildResult, fork_server

LAWS = {
    "Life": 'name = "Life"',
    "GrowingNCA": f'name = "GrowingNCA"\nweights = "{ROOT}/configs/weights/growing_nca_lizard.safetensors"',
    "ConvLSTM": 'name = "ConvLSTM"\nd_state = 2\nhidden_channels = 4\noutput_scale = 0.1',
}
STEPS = 50  # of a run that is killed once; runs that are killed repeatedly are longer
_CONFIG = """
steps = {steps}
[grid]
height = 24
width = 20
[law]
{law}
[motor]
plan = "eager"
[record]
every = 3
[checkpoint]
every = {checkpoint}
"""
_TIMEOUT_S = 300.0  # runs with many checkpoints are slow
_HALFWAY = 1  # a mode of `writes.c`


def run_cli(
    folder: str,
    resume: bool,
    failpoint: str = "",
    nth: int = 1,
    number: int = signal.SIGKILL,
    times: int = 1,
    strike: int = 0,
    fuse: float = 0.0,
) -> None:
    """Runs the config in a folder, or resumes that run, by the command line.

    Args:
        failpoint: when it is reached for the `nth` time, signal `number` is sent `times` times, after `fuse` seconds.
        strike: number of the write to the recording at which to be killed, halfway through.
    """
    if strike:
        ctypes.CDLL(None).writes_arm(b"run.h5", ctypes.c_long(strike), _HALFWAY, 0)
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == failpoint
        if now == failpoint and reached == nth:
            if fuse:
                threading.Timer(fuse, os.kill, (os.getpid(), number)).start()
                return
            for _ in range(times):
                os.kill(os.getpid(), number)

    recording = f"{folder}/run.h5"
    given = ["--resume", recording, "--from-start"] if resume else [f"{folder}/run.toml", "--out", recording, "--overwrite"]
    sys.argv = ["aetheria", "run", *given, "--quiet"]
    with on_failpoints(act):
        main()


def result_of(folder: Path) -> tuple[list[Any], dict[str, Any]]:
    """Step and bytes of every frame of a finished run, and the tensors of its last state."""
    path = folder / "run.h5"
    with Recording(path) as recording:
        if recording.status != "done":
            raise AssertionError(f"the run is {recording.status}")
        frames = [(frame.step, *(np.asarray(frame[name]).tobytes() for name in frame.fields)) for frame in recording]
    last = read_state(checkpoints_of(path)[0])
    # Python's and NumPy's generators are seeded differently in each process, and no law here uses them.
    drawn = {name: tensor for name, tensor in last.tensors.items() if name not in ("random_python", "random_numpy")}
    return frames, {"step": last.description.step, **drawn}


def differences(found: tuple[list[Any], dict[str, Any]], expected: tuple[list[Any], dict[str, Any]]) -> list[str]:
    """The difference of two runs, in at most one line."""
    (frames, end), (wanted, wanted_end) = found, expected
    if [frame[0] for frame in frames] != [frame[0] for frame in wanted]:
        return [f"the steps of the frames are {[frame[0] for frame in frames]}"]
    for frame, other in zip(frames, wanted, strict=True):
        if frame != other:
            return [f"the frame of step {frame[0]} differs from the run"]
    same = end.keys() == wanted_end.keys() and all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(wanted_end[name])) for name, value in end.items()
    )
    return [] if same else ["the state at the end differs from the run"]


def lay_out(folder: Path, law: str, steps: int, checkpoint: int = 10) -> None:
    """Writes the config of a run to a folder."""
    folder.mkdir()
    (folder / "run.toml").write_text(_CONFIG.format(law=LAWS[law], steps=steps, checkpoint=checkpoint))


@cache
def uninterrupted(law: str, steps: int) -> tuple[list[Any], dict[str, Any]]:
    """The result of the uninterrupted run."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(folder := Path(place) / "whole", law, steps, checkpoint=steps)
        ended = run_or_resume(folder)
        if ended.code != 0:
            raise AssertionError(f"{ended}")
        return result_of(folder)


def run_or_resume(folder: Path, **arguments: Any) -> ChildResult:
    """Starts the run in a process, or resumes it if there is a recording."""
    resume = (folder / "run.h5").exists()
    task = "benchmarks.faults.resumes:run_cli"
    return fork_server().run(task, timeout_s=_TIMEOUT_S, folder=str(folder), resume=resume, **arguments)


def finish(folder: Path, law: str, steps: int) -> list[str]:
    """Resumes the run to its end; returns its failures, at most one line."""
    ended = run_or_resume(folder)
    return compare(folder, law, steps) if ended.code == 0 else [f"{ended}"]


def compare(folder: Path, law: str, steps: int) -> list[str]:
    """The failures of a finished run, in at most one line."""
    try:
        return differences(result_of(folder), uninterrupted(law, steps))
    except (AetheriaError, AssertionError) as error:
        return [f"{error}"]


def repeatedly(law: str) -> Callable[[int], FaultResult]:
    """Kills one run repeatedly at random times, and resumes it after each."""

    def inject(times: int) -> FaultResult:
        result, dice, steps = FaultResult(), random.Random(2), 200 * times
        with tempfile.TemporaryDirectory() as place:
            lay_out(folder := Path(place) / "run", law, steps, checkpoint=20)
            resumed_from: set[int] = set()  # steps of the checkpoints that it was resumed from
            while result.runs < times:
                if dice.random() < 0.3:  # perhaps before its first step
                    ended = run_or_resume(folder, signals=[(dice.uniform(0.02, 0.2), signal.SIGKILL)])
                else:
                    ended = run_or_resume(
                        folder, failpoint="file written", nth=dice.randrange(1, 5), fuse=dice.uniform(0.001, 0.03)
                    )
                result.runs += 1
                resumed_from.update(map(step_of, checkpoints_of(folder / "run.h5")[:1]))
                if ended.code != -signal.SIGKILL:
                    result.failures.append(f"{ended}")
                    return result
            result.failures += finish(folder, law, steps)
        result.summary = f"{steps:,} steps, resumed from {len(resumed_from)} checkpoints, equal to the last bit"
        return result

    return inject


def at_each(failpoints: tuple[str, ...]) -> Callable[[int], FaultResult]:
    """Kills runs at each failpoint in turn; those of a reopening need a run that was killed before."""

    def inject(times: int) -> FaultResult:
        result, dice = FaultResult(), random.Random(3)
        with tempfile.TemporaryDirectory() as place:
            for number in range(times):
                failpoint, law = failpoints[number % len(failpoints)], tuple(LAWS)[number // len(failpoints) % len(LAWS)]
                lay_out(folder := Path(place) / str(number), law, STEPS)
                result.runs += 1
                if failpoint in REOPENING:
                    run_or_resume(folder, failpoint="old checkpoints gone", nth=dice.randrange(2, 5))
                    ended = run_or_resume(folder, failpoint=failpoint)
                else:
                    ended = run_or_resume(folder, failpoint=failpoint, nth=dice.randrange(1, 6))
                if ended.code != -signal.SIGKILL:
                    result.failures.append(f"at {failpoint}: {ended}")
                result.failures += [f"at {failpoint}: {line}" for line in finish(folder, law, STEPS)]
                shutil.rmtree(folder)
        return result

    return inject


def in_a_write(times: int) -> FaultResult:
    """Kills a resumed run halfway through one of its writes to the recording, from the first write on."""
    result, dice = FaultResult(), random.Random(4)
    with tempfile.TemporaryDirectory() as place:
        lay_out(killed := Path(place) / "killed", "Life", STEPS)
        run_or_resume(killed, failpoint="recording on disk", nth=4)
        for number in range(times):
            shutil.copytree(killed, folder := Path(place) / str(number))
            strike = number // 2 + 1 if number % 2 else dice.randrange(1, 200)
            ended = run_or_resume(folder, strike=strike)
            result.runs += 1
            if ended.code not in (-signal.SIGKILL, 0):
                result.failures.append(f"in write {strike}: {ended}")
            judge = compare if ended.code == 0 else finish  # the run may end before that write
            result.failures += [f"in write {strike}: {line}" for line in judge(folder, "Life", STEPS)]
            shutil.rmtree(folder)
    return result


def failures_after_signal(folder: Path) -> list[str]:
    """The failures of a run that was ended by a signal: its recording must be closed, and its checkpoints undamaged."""
    with Recording(folder / "run.h5") as recording:
        wrong = [] if recording.status == "interrupted" else [f"the run is {recording.status}"]
    wrong += [f"{path.name} is left" for path in folder.glob(".*")]
    for path in checkpoints_of(folder / "run.h5"):
        read_state(path)
    return wrong


def with_signals(times: int) -> FaultResult:
    """SIGINT and SIGTERM, once and twice, at failpoints of a commit and of a checkpoint; then the run is resumed."""
    result, dice = FaultResult(), random.Random(5)
    at = [*SAVING, *(failpoint for failpoint in COMMITTING if failpoint.startswith("frame"))]
    with tempfile.TemporaryDirectory() as place:
        for number in range(times):
            lay_out(folder := Path(place) / str(number), "Life", STEPS)
            kind, often, failpoint = (signal.SIGINT, signal.SIGTERM)[number % 2], 1 + number // 2 % 2, dice.choice(at)
            ended = run_or_resume(folder, failpoint=failpoint, nth=dice.randrange(1, 6), number=kind, times=often)
            result.runs += 1
            where = f"{kind.name} {often} times at {failpoint}: "
            if ended.code != 128 + kind:
                result.failures.append(f"{where}{ended}")
            result.failures += [where + line for line in [*failures_after_signal(folder), *finish(folder, "Life", STEPS)]]
            shutil.rmtree(folder)
    return result


_OLD_OR_NEW = "the old or the new state, never a mixture; resumes to the same bits"
FAULTS = [
    *(
        Fault(
            f"one run killed and resumed repeatedly, {law}",
            "frames and last state equal to those of an uninterrupted run",
            repeatedly(law),
            few=2,
            many=30,
        )
        for law in LAWS
    ),
    Fault("SIGKILL at each failpoint of a checkpoint", _OLD_OR_NEW, at_each(SAVING), few=len(SAVING), many=210),
    Fault("SIGKILL at each failpoint of a resume", _OLD_OR_NEW, at_each(REOPENING), few=len(REOPENING), many=90),
    Fault("SIGKILL halfway through a write of a resumed run", _OLD_OR_NEW, in_a_write, few=6, many=200),
    Fault(
        "SIGINT and SIGTERM, once and twice, at failpoints of a commit and a checkpoint",
        "exit codes 130 and 143; the recording is closed and can be resumed",
        with_signals,
        4,
        100,
    ),
]
