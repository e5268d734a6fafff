"""Tasks on a Ray cluster; Ray keeps its workers alive between tasks."""

import json
import os
from typing import Any

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source, installed
from aetheria.sweep.executor import Finished
from aetheria.sweep.remote import run_line
from aetheria.sweep.task import Task


class RayExecutor:
    """Runs tasks on the cluster at RAY_ADDRESS, or the one that this machine belongs to.

    With RAY_ADDRESS=local a cluster is started on this machine, and ended again. Recordings and pictures need a folder that all
    machines share; rows come back by Ray.

    Attributes:
        slots: CPUs, or GPUs, of the cluster.
    """

    def __init__(self, workers: int | None, on_gpus: bool = False) -> None:
        """
        Args:
            workers: tasks at a time; None for as many as the cluster has CPUs, or GPUs.
            on_gpus: each task takes a GPU.

        Raises:
            ConfigError: Ray is not installed, or there is no cluster.
        """
        if not installed("ray"):
            raise ConfigError(f"--on ray: needs ray: {from_source('cluster')}")
        import ray

        self._ray = ray
        address = os.environ.get("RAY_ADDRESS", "auto")
        try:
            own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(
                f"--on ray: no cluster at {address} ({said}); start one with `ray start --head`, or set RAY_ADDRESS "
                "to that of one; RAY_ADDRESS=local is one on this machine, for the time of the sweep"
            ) from None
        there = ray.cluster_resources()
        self.slots = workers or max(1, int(there.get("GPU" if on_gpus else "CPU", 1)))
        self._run = ray.remote(max_retries=0, num_gpus=1 if on_gpus else 0)(run_line)
        self._running: dict[Any, int] = {}

    def submit(self, task: Task) -> None:
        """Hands the task to Ray."""
        self._running[self._run.remote(task.to_json())] = task.number

    def finished(self, timeout: float) -> list[Finished]:
        """As `Executor.finished`."""
        ready, _ = self._ray.wait([*self._running], num_returns=1, timeout=timeout) if self._running else ([], [])
        return [self._ended(one) for one in ready]

    def close(self) -> None:
        """Cancels what runs, and leaves the cluster."""
        for one in self._running:
            self._ray.cancel(one, force=True)
        self._ray.shutdown()

    def _ended(self, one: Any) -> Finished:
        number = self._running.pop(one)
        try:
            return Finished(number, json.loads(self._ray.get(one)))
        except self._ray.exceptions.RayError as error:
            return Finished(number, None, str(error).partition("\n")[0] or type(error).__name__)
