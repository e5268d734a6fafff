"""Tasks as jobs of Slurm, through submitit."""

import json
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source, installed
from aetheria.sweep.executor import Finished
from aetheria.sweep.remote import run_line
from aetheria.sweep.task import Task

_SLOTS = 64
_POLL_S = 0.05


class SlurmExecutor:
    """Submits each task as a job; the sweep's folder must be shared by all nodes.

    Attributes:
        slots: jobs that are queued or run at a time.
    """

    def __init__(self, folder: Path, jobs: int | None, settings: Mapping[str, Any], cluster: str = "slurm") -> None:
        """
        Args:
            folder: for submitit's files and the jobs' logs.
            jobs: number at a time; None for 64.
            settings: of the jobs, as submitit names them: timeout_min, mem_gb, slurm_partition ...
            cluster: "slurm", or "local" for processes of this machine.

        Raises:
            ConfigError: submitit is not installed, this machine has no Slurm, or a setting is unknown.
        """
        if not installed("submitit"):
            raise ConfigError(f"--on slurm: needs submitit: {from_source('slurm')}")
        if cluster == "slurm" and shutil.which("srun") is None:
            raise ConfigError("--on slurm: this machine has no srun; start the sweep on a login node of the cluster")
        import submitit

        logging.getLogger("submitit").setLevel(
            logging.ERROR
        )  # on a cluster without accounting it warns at each look at the jobs
        self._submitit = submitit
        self.slots = jobs or _SLOTS
        self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        try:
            self._executor.update_parameters(**{"name": "aetheria-sweep", "timeout_min": 60, **settings})
        except (NameError, TypeError, ValueError) as error:
            raise ConfigError(f"[slurm] {str(error).splitlines()[0]}") from None
        self._running: dict[int, Any] = {}

    def submit(self, task: Task) -> None:
        """Submits a job."""
        self._running[task.number] = self._executor.submit(run_line, task.to_json())

    def finished(self, timeout: float) -> list[Finished]:
        """As `Executor.finished`."""
        deadline = time.monotonic() + timeout
        while True:
            ended = [number for number, job in self._running.items() if job.done()]
            if ended or time.monotonic() > deadline:
                return [self._ended(number) for number in ended]
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Cancels the jobs that are queued or run."""
        for job in self._running.values():
            job.cancel()

    def _ended(self, number: int) -> Finished:
        job = self._running.pop(number)
        try:
            return Finished(number, json.loads(job.result()))
        except (self._submitit.core.utils.FailedJobError, self._submitit.core.utils.UncompletedJobError) as error:
            return Finished(number, None, f"job {job.job_id}: {str(error).partition(chr(10))[0]}")
