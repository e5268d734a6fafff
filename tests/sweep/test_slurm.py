"""Sweeps on Slurm: through submitit's executor of local processes, since no machine of the tests has Slurm."""

import os
from pathlib import Path

import pytest

from aetheria.core.errors import ConfigError
from aetheria.runs.signals import SignalHandler
from aetheria.sweep import slurm
from aetheria.sweep.executor import Finished
from aetheria.sweep.slurm import SlurmExecutor
from aetheria.sweep.sweeper import Sweeper
from tests.paths import ROOT
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep


def test_a_missing_package_or_cluster_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "installed", lambda _: True)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ConfigError, match="this machine has no srun; start the sweep on a login node"):
        SlurmExecutor(tmp_path, 1, {})
    monkeypatch.setattr(slurm, "installed", lambda _: False)
    with pytest.raises(ConfigError, match=r"needs submitit: pip install '.\[slurm\]'"):
        SlurmExecutor(tmp_path, 1, {})


def test_unknown_settings_of_jobs_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(ConfigError, match=r"\[slurm\] "):
        SlurmExecutor(tmp_path, 1, {"timeout_mn": 3}, cluster="local")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_jobs_give_the_rows_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    plan = small_sweep(tmp_path, grid={"law.m": [0.15]}, seeds=1)
    executor = SlurmExecutor(tmp_path / "slurm", 1, {"timeout_min": 5}, cluster="local")
    sweeper = Sweeper(plan, tmp_path / "out", executor)
    with SignalHandler() as signals:
        table = sweeper.run(signals)
    executor.close()
    sweeper.close()
    assert comparable(table) == comparable(run_inline(plan, tmp_path / "other"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_job_that_dies_is_told_as_a_dead_worker(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    executor = SlurmExecutor(tmp_path / "slurm", 1, {}, cluster="local")
    executor._running[3] = executor._executor.submit(os._exit, 9)
    ended: list[Finished] = []
    while not ended:
        ended = executor.finished(1.0)
    assert (ended[0].number, ended[0].rows) == (3, None)
    assert ended[0].error.startswith("job ")
