"""SIGKILL of `aetheria sweep`, which then goes on with the same command, compared with an uninterrupted sweep."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from aetheria.sweep.results import ROWS, read_rows
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT, fork_server

_CONFIG = """
steps = 12
grid = { height = 24, width = 24 }
law = { name = "Lenia", R = 5 }
motor = { plan = "eager" }
"""
_SWEEP = """
config = "base.toml"
seeds = 4
[grid]
law.m = { from = 0.1, to = 0.2, count = 5 }
[measure]
observables = ["mass", "speed", "period"]
every = 3
"""
POINTS = 20
_MOST_STARTS = 40  # of one sweep; each gets a point further at least half of the time


def lay_out(folder: Path) -> None:
    """Writes the files of the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.toml").write_text(_CONFIG)
    (folder / "sweep.toml").write_text(_SWEEP)


def run_inline(folder: str) -> None:
    """Runs the sweep in this process."""
    from aetheria.sweep.sweep import sweep
    from aetheria.sweep.sweep_config import load_sweep

    sweep(load_sweep(f"{folder}/sweep.toml")[0], Path(folder) / "out", on="inline")


@cache
def expected() -> list[dict[str, Any]]:
    """The rows of an uninterrupted sweep."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("untimed", "timed"):  # the server starts and imports at the first call
            lay_out(Path(folder) / name)
            began = time.perf_counter()
            fork_server().run("benchmarks.faults.sweeps:run_inline", folder=f"{folder}/{name}")
        _seconds.append(time.perf_counter() - began)
        return _rows(Path(folder) / name)


_seconds: list[float] = []


def _rows(folder: Path) -> list[dict[str, Any]]:
    """The rows by point, without what two equal sweeps differ in."""
    rows = read_rows(folder / "out" / ROWS)
    return sorted(
        ({name: value for name, value in row.items() if name not in ("seconds", "tries")} for row in rows),
        key=lambda row: row["index"],
    )


def _wrong_with(folder: Path) -> list[str]:
    rows = _rows(folder)
    if [row["index"] for row in rows] != list(range(POINTS)):
        return [f"{len(rows)} rows of {POINTS} points: one is missing or was run twice"]
    return [] if rows == expected() else ["a row differs from the uninterrupted sweep"]


def in_one_process(times: int) -> FaultResult:
    """Kills a sweep in one process at random moments, again and again until it is done."""
    result, dice, killed = FaultResult(), random.Random(3), 0
    expected()
    with tempfile.TemporaryDirectory() as above:
        while result.runs < times:
            folder = Path(above) / str(result.runs)
            lay_out(folder)
            for _ in range(_MOST_STARTS):
                moment = dice.uniform(0, 1.2 * _seconds[0])
                ended = fork_server().run(
                    "benchmarks.faults.sweeps:run_inline", folder=str(folder), signals=[(moment, signal.SIGKILL)]
                )
                killed += ended.code == -signal.SIGKILL
                if ended.code != -signal.SIGKILL:
                    break
            result.runs += 1
            result.failures += _wrong_with(folder) if ended.code == 0 else [f"{ended}"]
    if times >= 10 and killed < times / 2:
        result.failures.append(f"only {killed} kills in {times} sweeps: the test has no power")
    result.summary = f"killed {killed} times; no point lost, none run twice"
    return result


def _program(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "aetheria", "sweep", "sweep.toml", "--out", "out", "--workers", "2", "--quiet", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def with_workers(times: int) -> FaultResult:
    """Kills the program with its living workers at random moments: the sweeper, or a worker of it."""
    import psutil

    result, dice, ends = FaultResult(), random.Random(5), {"sweeper": 0, "worker": 0}
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above)
        for number in range(times):
            folder = Path(above) / str(number)
            lay_out(folder)
            process = _program(folder)
            _await_rows(folder, dice.randrange(POINTS - 2), process)
            children = psutil.Process(process.pid).children() if process.poll() is None else []
            if children and dice.random() < 0.5:
                ends["worker"] += 1
                dice.choice(children).kill()
            elif process.poll() is None:
                ends["sweeper"] += 1
                process.kill()
                process.wait()
                _, alive = psutil.wait_procs(children, timeout=30)
                result.failures += [f"worker {child.pid} outlived its sweeper" for child in alive]
                process = _program(folder)
            result.runs += 1
            result.failures += _wrong_with(folder) if process.wait(600) == 0 else [f"exit code {process.returncode}"]
    result.summary = f"{ends['sweeper']} sweepers and {ends['worker']} workers killed; no point lost, none run twice"
    return result


def _await_rows(folder: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    file = folder / "out" / ROWS
    while process.poll() is None and not (file.exists() and file.read_bytes().count(b"\n") >= count):
        time.sleep(0.005)


_BOTH: list[tuple[str, Callable[[int], FaultResult], int]] = [
    ("SIGKILL of a sweep at random times, until it is done", in_one_process, 2),
    ("SIGKILL of a sweep with two workers, or of a worker", with_workers, 0),
]
FAULTS = [
    Fault(name, "the same command goes on; every point once, equal to the bit", inject, few, 50) for name, inject, few in _BOTH
]
