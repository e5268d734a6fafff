"""Workers on this machine: they live on, a dead one is replaced, and none is left behind."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from aetheria.runs.signals import SignalHandler
from aetheria.sweep.executor import WorkerError
from aetheria.sweep.local import LocalExecutor
from aetheria.sweep.results import ResultTable
from aetheria.sweep.sweep import sweep
from aetheria.sweep.sweeper import Sweeper, SweepProgress
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep

LIGHT = [sys.executable, "-S", "-E", str(Path(__file__).with_name("light_worker.py"))]


@contextmanager
def light_sweep(folder: Path, order: str, workers: int = 2, **given: Any) -> Iterator[tuple[Sweeper, LocalExecutor]]:
    plan = small_sweep(folder, measure={"observables": [order]}, seeds=4)
    executor = LocalExecutor(workers, folder / "log", LIGHT)
    sweeper = Sweeper(plan, folder / "out", executor, **given)
    try:
        yield sweeper, executor
    finally:
        executor.close()
        sweeper.close()


def run(sweeper: Sweeper) -> ResultTable:
    with SignalHandler() as signals:
        return sweeper.run(signals)


def test_workers_live_on_and_take_many_points(tmp_path: Path) -> None:
    with light_sweep(tmp_path, "work") as (sweeper, executor):
        table = run(sweeper)
        processes = executor.processes
    assert len(table) == 12
    assert set(table.column("process")) <= set(processes)
    assert len(processes) == 2
    assert not any(psutil.pid_exists(process) for process in processes)


def test_a_worker_that_is_killed_while_it_writes_costs_one_retry(tmp_path: Path) -> None:
    with light_sweep(tmp_path, "die") as (sweeper, _):
        table = run(sweeper)
    assert table.column("status") == ["done"] * 12
    assert table.column("tries") == [1, 2, *[1] * 10]


def test_ctrl_c_ends_workers_in_the_middle_of_a_run(tmp_path: Path) -> None:
    def interrupt(now: SweepProgress) -> None:
        if now.done == 11 and not sent:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    sent: list[float] = []
    with light_sweep(tmp_path, "hang", progress=interrupt) as (sweeper, executor):
        table = run(sweeper)
        processes = executor.processes
    assert len(table) == 11
    assert time.monotonic() - sent[0] < 30
    assert not any(psutil.pid_exists(process) for process in processes)


def test_workers_that_cannot_start_end_the_sweep_with_the_place_of_their_messages(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path)
    executor = LocalExecutor(1, tmp_path / "log", [*LIGHT, "broken"])
    sweeper = Sweeper(plan, tmp_path / "out", executor)
    with pytest.raises(WorkerError, match=r"no worker can be started \(exit code 3\); .*log has their messages"):
        run(sweeper)
    executor.close()
    sweeper.close()


def test_rows_of_worker_processes_equal_those_of_this_process(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path)
    table = sweep(plan, tmp_path / "out", workers=1).table
    assert comparable(table) == comparable(run_inline(plan, tmp_path / "other"))
