"""Runs that end early: by NaN, or by a signal before the first step."""

import os
import random
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aetheria import GrowingNCA, Recording
from aetheria.core.errors import AetheriaError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.state_file import read_state
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import fork_server
from benchmarks.faults.resumes import STEPS, lay_out, run_cli, uninterrupted

_EVERY = 10  # steps between checkpoints
_COMPILE_S = 3.0  # approximate time to compile the kernel of a law
_FUSED = """
steps = 40
[grid]
height = 24
width = 20
[law]
name = "MLP"
d_state = 2
hidden_channels = 4
[motor]
plan = "fused"
"""


def diverge(folder: str, step: int) -> None:
    """Runs GrowingNCA with NaN in one cell from `step` steps on, which spreads to its neighbours."""
    law = GrowingNCA.forward

    def forward(self: GrowingNCA, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        now, *then = law(self, cells, *memory)
        here = torch.zeros(now.shape[-2:], dtype=torch.bool, device=now.device)
        here[11, 9] = True
        return (torch.where(here & (then[1] >= step).view(-1, 1, 1, 1), torch.nan, now), *then)

    GrowingNCA.forward = forward  # type: ignore[method-assign, assignment]
    run_cli(folder, resume=False)


def diverging(times: int) -> FaultResult:
    """A cell becomes NaN at a random step."""
    result, dice = FaultResult(), random.Random(6)
    with tempfile.TemporaryDirectory() as place:
        for number in range(times):
            lay_out(folder := Path(place) / str(number), "GrowingNCA", STEPS, _EVERY)
            step = dice.randrange(1, STEPS + 1)
            ended = fork_server().run("benchmarks.faults.ends:diverge", folder=str(folder), step=step)
            result.runs += 1
            found = [f"{ended}"] if ended.code != 4 else _diverged(folder / "run.h5", step)
            result.failures += [f"at step {step}: {line}" for line in found]
            shutil.rmtree(folder)
    return result


def _diverged(path: Path, step: int) -> list[str]:
    """Unexpected results of a run that diverged at this step, in at most one line."""
    frames = {frame[0]: frame[1] for frame in uninterrupted("GrowingNCA", STEPS)[0]}
    try:
        with Recording(path) as recording:
            if recording.status != "diverged":
                return [f"the run is {recording.status}"]
            (name,) = recording.fields
            for frame in recording:
                if frame.step >= step or frame[name].tobytes() != frames[frame.step]:
                    return [f"the frame of step {frame.step} differs from the run"]
        kept = [read_state(checkpoint) for checkpoint in checkpoints_of(path)]
    except AetheriaError as error:
        return [f"{error}"]
    newest = (step - 1) // _EVERY * _EVERY
    steps = [saved.description.step for saved in kept]
    if steps != [at for at in (newest, newest - _EVERY) if at > 0]:
        return [f"checkpoints of steps {steps} are kept"]
    good = all(bool(saved.tensors["cells"].isfinite().all()) for saved in kept)
    return [] if good else ["a checkpoint holds NaN"]


def build(folder: str, number: int, after: float) -> None:
    """Runs a law whose kernel must be compiled; the signal comes `after` seconds of compilation."""
    os.environ["AETHERIA_CACHE_DIR"] = f"{folder}/kernels"
    prepare = Aetheria_Motor.warm_up

    def warm_up(motor: Aetheria_Motor, *given: Any) -> Any:
        threading.Timer(after, os.kill, (os.getpid(), number)).start()
        made = prepare(motor, *given)
        threading.Event().wait(max(0.0, after))  # if compilation was faster
        return made

    Aetheria_Motor.warm_up = warm_up  # type: ignore[assignment, method-assign]
    run_cli(folder, resume=False)


def building(times: int) -> FaultResult:
    """SIGINT or SIGTERM while a plan is compiled."""
    result, dice = FaultResult(), random.Random(7)
    with tempfile.TemporaryDirectory() as place:
        for run in range(times):
            (folder := Path(place) / str(run)).mkdir()
            (folder / "run.toml").write_text(_FUSED)
            kind, after = (signal.SIGINT, signal.SIGTERM)[run % 2], dice.uniform(0.0, _COMPILE_S)
            ended = fork_server().run("benchmarks.faults.ends:build", folder=str(folder), number=kind, after=after)
            result.runs += 1
            left = sorted(path.name for path in folder.iterdir() if path.name not in ("run.toml", "kernels"))
            if ended.code != 128 + kind or left:
                result.failures.append(f"{kind.name} after {after:.1f} s: {ended}, {left}")
            shutil.rmtree(folder)
    return result


FAULTS = [
    Fault("NaN in a cell at a step", "exit code 4, diverged; earlier frames and checkpoints are kept", diverging, 2, 100),
    Fault("SIGINT and SIGTERM while a plan is compiled", "exit codes 130 and 143; no file is left", building, 1, 20),
]
