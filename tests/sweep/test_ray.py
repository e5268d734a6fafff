"""Sweeps on Ray: a cluster of two workers on this machine, one of which is killed."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from aetheria.core.errors import ConfigError
from aetheria.runs.signals import SignalHandler
from aetheria.sweep import ray_cluster
from aetheria.sweep.ray_cluster import RayExecutor
from aetheria.sweep.sweeper import Sweeper, SweepProgress
from tests.paths import ROOT
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "installed", lambda _: False)
    with pytest.raises(ConfigError, match=r"--on ray: needs ray: pip install '.\[cluster\]'"):
        RayExecutor(1)


def test_a_missing_cluster_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match=r"--on ray: no cluster at auto \(.*\); start one with `ray start --head`"):
        RayExecutor(1)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_killed_worker_of_two_costs_its_point_one_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    plan, killed = small_sweep(tmp_path, set={"steps": 400}), list[int]()

    def kill(now: SweepProgress) -> None:
        busy = [
            process
            for process in psutil.Process().children(recursive=True)
            if process.status() != psutil.STATUS_ZOMBIE and "ray::run_line" in " ".join(process.cmdline())
        ]
        if now.done >= 1 and busy and not killed:
            killed.append(busy[0].pid)
            os.kill(busy[0].pid, signal.SIGKILL)

    executor = RayExecutor(2)
    sweeper = Sweeper(plan, tmp_path / "out", executor, progress=kill)
    try:
        with SignalHandler() as signals:
            table = sweeper.run(signals)
    finally:
        executor.close()
        sweeper.close()
    assert len(killed) == 1
    assert sorted(table.column("tries")) == [1] * 5 + [2]
    assert comparable(table) == comparable(run_inline(plan, tmp_path / "other"))
