"""SIGKILL of `aetheria run` and `aetheria train`, each started by the command line in an interpreter of its own."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from aetheria.core.errors import AetheriaError
from aetheria.laws.weights import read_tensors
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT
from benchmarks.faults.resumes import differences, lay_out, result_of, uninterrupted

_START_S = 60.0  # most that importing and building take on a busy machine
_STEPS = 4000  # of a run that is killed again and again
_FLAGS = {"env": {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, "stdin": subprocess.DEVNULL}
_LEARN = """
[law]
name = "GrowingNCA"
channels = 6
hidden_channels = 8
[picture]
path = "{picture}"
grid = [16, 16]
size = 10
[train]
steps = {steps}
batch = 2
learning_rate = 0.00001
validate_every = 10
rollout = [4, 6]
pool = 8
damaged = 0
"""


def _killed(words: Sequence[str], seen: Path, dice: random.Random) -> tuple[int, str]:
    """Exit code and messages of the program, killed at a random moment: before its first file, or after it."""
    before = seen.stat().st_mtime_ns if seen.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-c", "from aetheria.cli import main; main()", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **_FLAGS,  # type: ignore[call-overload]
    )
    deadline = time.monotonic() + (dice.uniform(0.0, 2.0) if dice.random() < 0.1 else _START_S)
    while process.poll() is None and time.monotonic() < deadline:
        if seen.exists() and seen.stat().st_mtime_ns != before:
            time.sleep(dice.expovariate(4.0))
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    return process.returncode, errors


def killed_runs(times: int) -> FaultResult:
    """Kills a run, resumes and kills it again, to its end; then the next one."""
    result, dice, number, ended, resumed = FaultResult(), random.Random(11), 0, 0, 0
    with tempfile.TemporaryDirectory() as place:
        while result.runs < times:
            lay_out(folder := Path(place) / str(number), "Life", _STEPS, checkpoint=200)
            recording = folder / "run.h5"
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                there = recording.exists()
                given = (
                    ["--resume", str(recording), "--from-start"]
                    if there
                    else [str(folder / "run.toml"), "--out", str(recording)]
                )
                if result.runs < times:
                    code, errors = _killed(["run", *given, "--quiet"], recording, dice)
                else:
                    code, errors = _run_to_the_end(["run", *given, "--quiet"])
                killed = code == -signal.SIGKILL
                result.runs += killed
                resumed += killed and there
            at_its_end = code == 2 and "is at its end" in errors
            result.failures += [] if code == 0 or at_its_end else [f"run {number}: ended with {code}: {errors[-300:]!r}"]
            result.failures += [f"run {number}: {line}" for line in _differences(folder)]
            result.failures += [f"run {number}: {path.name} is left" for path in folder.glob(".*")]
            ended, number = ended + 1, number + 1
            shutil.rmtree(folder)
    result.summary = f"{resumed} of them resumed runs; {ended} runs of {_STEPS:,} steps to the end, equal to the last bit"
    return result


def _differences(folder: Path) -> list[str]:
    try:
        (frames, end), (wanted, wanted_end) = result_of(folder), uninterrupted("Life", _STEPS)
    except (AetheriaError, AssertionError) as error:
        return [f"{error}"]
    # torch's generator, too, is another one in each process, and Life draws no numbers.
    drawn = {name for name in (*end, *wanted_end) if name.startswith("random")}
    ends = [{name: value for name, value in one.items() if name not in drawn} for one in (end, wanted_end)]
    return differences((frames, ends[0]), (wanted, ends[1]))


def killed_trainings(times: int) -> FaultResult:
    """Kills a training, resumes and kills it again, to its end."""
    result, dice, number, steps = FaultResult(), random.Random(12), 0, 60
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "learn.toml"
        config.write_text(_LEARN.format(picture=ROOT / "configs/pictures/mushroom.png", steps=steps))
        whole = Path(place) / "whole"
        code, errors = _run_to_the_end(["train", str(config), "--out", str(whole), "--quiet"])
        if code:
            return FaultResult(1, [f"ended with {code}: {errors[-300:]!r}"])
        while result.runs < times:
            folder, code = Path(place) / str(number), -signal.SIGKILL
            last = folder / "last.pt"
            while code == -signal.SIGKILL:
                words = ["train", str(config), "--out", str(folder), "--quiet", "--resume" if last.exists() else "--overwrite"]
                code, errors = _killed(words, last, dice) if result.runs < times else _run_to_the_end(words)
                result.runs += code == -signal.SIGKILL
            wrong = [f"ended with {code}: {errors[-300:]!r}"] if code else _unlike(folder, whole)
            result.failures += [f"training {number}: {line}" for line in wrong]
            number += 1
            shutil.rmtree(folder)
    result.summary = f"{number} trainings to the end, their weights equal to the last bit"
    return result


def _run_to_the_end(words: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", "from aetheria.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        **_FLAGS,  # type: ignore[call-overload]
    )
    return done.returncode, done.stderr


def _unlike(folder: Path, whole: Path) -> list[str]:
    found, wanted = (read_tensors(one / "weights.safetensors") for one in (folder, whole))
    same = found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in found)
    left = [f"{path.name} is left" for path in folder.glob(".*")]
    return left if same else ["the weights differ from those of an uninterrupted training", *left]


FAULTS = [
    Fault(
        "SIGKILL of `aetheria run` and `--resume` at random times",
        "resumes to the frames and the state of an uninterrupted run, to the last bit; nothing is left beside them",
        killed_runs,
        few=1,
        many=1000,
    ),
    Fault(
        "SIGKILL of `aetheria train` and `--resume` at random times",
        "resumes to the weights of an uninterrupted training, to the last bit; nothing is left beside them",
        killed_trainings,
        few=0,  # three starts of Python, and a training, for a kill
        many=200,
    ),
]
