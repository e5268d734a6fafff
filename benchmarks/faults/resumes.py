"""SIGKILL of a whole run, and `aetheria run --resume`: what comes out against the run that was never interrupted."""

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
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import ROOT, Ended, nursery

LAWS = {
    "Life": 'name = "Life"',
    "GrowingNCA": f'name = "GrowingNCA"\nweights = "{ROOT}/configs/weights/growing_nca_lizard.safetensors"',
    "ConvLSTM": 'name = "ConvLSTM"\nd_state = 2\nhidden_channels = 4\noutput_scale = 0.1',
}
STEPS = 50  # of a run that is killed once; those that are killed again and again are longer
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
_PATIENCE_S = 300.0  # a run of many checkpoints takes its time
_HALFWAY = 1  # a manner of `writes.c`


def live(
    folder: str,
    resume: bool,
    moment: str = "",
    nth: int = 1,
    number: int = signal.SIGKILL,
    times: int = 1,
    strike: int = 0,
    fuse: float = 0.0,
) -> None:
    """Runs the config in a folder, or goes on with that run, as the command line does.

    Args:
        moment: when it is reached for the `nth` time, the signal `number` is sent so many `times`, `fuse` seconds later.
        strike: at which write to the recording to be killed, halfway through.
    """
    if strike:
        ctypes.CDLL(None).writes_arm(b"run.h5", ctypes.c_long(strike), _HALFWAY, 0)
    reached = 0

    def act(now: str) -> None:
        nonlocal reached
        reached += now == moment
        if now == moment and reached == nth:
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


def outcome_of(folder: Path) -> tuple[list[Any], dict[str, Any]]:
    """Step and bytes of every frame of a finished run, and the tensors of its end."""
    path = folder / "run.h5"
    with Recording(path) as recording:
        if recording.status != "done":
            raise AssertionError(f"the run is {recording.status}")
        frames = [(frame.step, *(np.asarray(frame[name]).tobytes() for name in frame.fields)) for frame in recording]
    last = read_state(checkpoints_of(path)[0])
    # Python's and NumPy's generators begin anywhere in each process that does not seed them, and no law here draws from them.
    drawn = {name: tensor for name, tensor in last.tensors.items() if name not in ("random_python", "random_numpy")}
    return frames, {"step": last.description.step, **drawn}


def differences(found: tuple[list[Any], dict[str, Any]], expected: tuple[list[Any], dict[str, Any]]) -> list[str]:
    """What differs between two outcomes: nothing, or one line."""
    (frames, end), (wanted, wanted_end) = found, expected
    if [frame[0] for frame in frames] != [frame[0] for frame in wanted]:
        return [f"the steps of the frames are {[frame[0] for frame in frames]}"]
    for frame, other in zip(frames, wanted, strict=True):
        if frame != other:
            return [f"the frame of step {frame[0]} is not that of the run"]
    same = end.keys() == wanted_end.keys() and all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(wanted_end[name])) for name, value in end.items()
    )
    return [] if same else ["the state at the end is not that of the run"]


def lay_out(folder: Path, law: str, steps: int, checkpoint: int = 10) -> None:
    """Writes the config of a run to a folder."""
    folder.mkdir()
    (folder / "run.toml").write_text(_CONFIG.format(law=LAWS[law], steps=steps, checkpoint=checkpoint))


@cache
def undisturbed(law: str, steps: int) -> tuple[list[Any], dict[str, Any]]:
    """What comes of the run that was never interrupted."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(folder := Path(place) / "whole", law, steps, checkpoint=steps)
        ended = step_in(folder)
        if ended.code != 0:
            raise AssertionError(f"{ended}")
        return outcome_of(folder)


def step_in(folder: Path, **arguments: Any) -> Ended:
    """A process that begins the run, or goes on with it where there is a recording."""
    resume = (folder / "run.h5").exists()
    task = "benchmarks.faults.resumes:live"
    return nursery().run(task, patience_s=_PATIENCE_S, folder=str(folder), resume=resume, **arguments)


def finish(folder: Path, law: str, steps: int) -> list[str]:
    """Goes on to the end undisturbed; what is wrong then: nothing, or one line."""
    ended = step_in(folder)
    return compare(folder, law, steps) if ended.code == 0 else [f"{ended}"]


def compare(folder: Path, law: str, steps: int) -> list[str]:
    """What is wrong with a run that came to its end: nothing, or one line."""
    try:
        return differences(outcome_of(folder), undisturbed(law, steps))
    except (AetheriaError, AssertionError) as error:
        return [f"{error}"]


def again_and_again(law: str) -> Callable[[int], Outcome]:
    """Kills one run so many times, at random moments, each time but the first as it goes on."""

    def inflict(times: int) -> Outcome:
        outcome, dice, steps = Outcome(), random.Random(2), 200 * times
        with tempfile.TemporaryDirectory() as place:
            lay_out(folder := Path(place) / "run", law, steps, checkpoint=20)
            beginnings: set[int] = set()  # steps of the checkpoints that it went on from
            while outcome.runs < times:
                if dice.random() < 0.3:  # perhaps before it has begun
                    ended = step_in(folder, signals=[(dice.uniform(0.02, 0.2), signal.SIGKILL)])
                else:
                    ended = step_in(folder, moment="file written", nth=dice.randrange(1, 5), fuse=dice.uniform(0.001, 0.03))
                outcome.runs += 1
                beginnings.update(map(step_of, checkpoints_of(folder / "run.h5")[:1]))
                if ended.code != -signal.SIGKILL:
                    outcome.wrong.append(f"{ended}")
                    return outcome
            outcome.wrong += finish(folder, law, steps)
        outcome.found = f"{steps:,} steps, gone on with from {len(beginnings)} checkpoints, equal to the last bit"
        return outcome

    return inflict


def at_moment_of(failpoints: tuple[str, ...]) -> Callable[[int], Outcome]:
    """Kills runs at each moment in turn, of which those of a reopening want a run that was killed before."""

    def inflict(times: int) -> Outcome:
        outcome, dice = Outcome(), random.Random(3)
        with tempfile.TemporaryDirectory() as place:
            for number in range(times):
                moment, law = failpoints[number % len(failpoints)], tuple(LAWS)[number // len(failpoints) % len(LAWS)]
                lay_out(folder := Path(place) / str(number), law, STEPS)
                outcome.runs += 1
                if moment in REOPENING:
                    step_in(folder, moment="old checkpoints gone", nth=dice.randrange(2, 5))
                    ended = step_in(folder, moment=moment)
                else:
                    ended = step_in(folder, moment=moment, nth=dice.randrange(1, 6))
                if ended.code != -signal.SIGKILL:
                    outcome.wrong.append(f"at {moment}: {ended}")
                outcome.wrong += [f"at {moment}: {line}" for line in finish(folder, law, STEPS)]
                shutil.rmtree(folder)
        return outcome

    return inflict


def in_a_write(times: int) -> Outcome:
    """Kills a run that goes on with its recording halfway through one of its writes to it, the first of them included."""
    outcome, dice = Outcome(), random.Random(4)
    with tempfile.TemporaryDirectory() as place:
        lay_out(killed := Path(place) / "killed", "Life", STEPS)
        step_in(killed, moment="recording on disk", nth=4)
        for number in range(times):
            shutil.copytree(killed, folder := Path(place) / str(number))
            strike = number // 2 + 1 if number % 2 else dice.randrange(1, 200)
            ended = step_in(folder, strike=strike)
            outcome.runs += 1
            if ended.code not in (-signal.SIGKILL, 0):
                outcome.wrong.append(f"in write {strike}: {ended}")
            judge = compare if ended.code == 0 else finish  # it may end before it comes to that write
            outcome.wrong += [f"in write {strike}: {line}" for line in judge(folder, "Life", STEPS)]
            shutil.rmtree(folder)
    return outcome


def signals_told(folder: Path) -> list[str]:
    """What is wrong with a run that ended by a signal: its recording must be closed, and its checkpoints whole."""
    with Recording(folder / "run.h5") as recording:
        wrong = [] if recording.status == "interrupted" else [f"the run is {recording.status}"]
    wrong += [f"{path.name} is left" for path in folder.glob(".*")]
    for path in checkpoints_of(folder / "run.h5"):
        read_state(path)
    return wrong


def politely(times: int) -> Outcome:
    """SIGINT and SIGTERM, once and twice, at moments of a commit and of a checkpoint; then the run is gone on with."""
    outcome, dice = Outcome(), random.Random(5)
    at = [*SAVING, *(moment for moment in COMMITTING if moment.startswith("frame"))]
    with tempfile.TemporaryDirectory() as place:
        for number in range(times):
            lay_out(folder := Path(place) / str(number), "Life", STEPS)
            kind, often, moment = (signal.SIGINT, signal.SIGTERM)[number % 2], 1 + number // 2 % 2, dice.choice(at)
            ended = step_in(folder, moment=moment, nth=dice.randrange(1, 6), number=kind, times=often)
            outcome.runs += 1
            where = f"{kind.name} {often} times at {moment}: "
            if ended.code != 128 + kind:
                outcome.wrong.append(f"{where}{ended}")
            outcome.wrong += [where + line for line in [*signals_told(folder), *finish(folder, "Life", STEPS)]]
            shutil.rmtree(folder)
    return outcome


_OLD_OR_NEW = "old or new, never mixed; goes on to the same bits"
FAULTS = [
    *(
        Fault(
            f"one run killed and gone on with again and again, {law}",
            "frames and last state as of the run never interrupted",
            again_and_again(law),
            few=2,
            many=30,
        )
        for law in LAWS
    ),
    Fault("SIGKILL inside each sub-step of a checkpoint", _OLD_OR_NEW, at_moment_of(SAVING), few=len(SAVING), many=210),
    Fault("SIGKILL inside each sub-step of a resume", _OLD_OR_NEW, at_moment_of(REOPENING), few=len(REOPENING), many=90),
    Fault("SIGKILL halfway through a write of a run gone on with", _OLD_OR_NEW, in_a_write, few=6, many=200),
    Fault(
        "SIGINT and SIGTERM, once and twice, at moments of a commit and a checkpoint",
        "130 and 143; closed; goes on",
        politely,
        4,
        100,
    ),
]
