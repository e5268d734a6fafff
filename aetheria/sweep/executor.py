"""Executors: where tasks run. Local processes, Ray and Slurm have this in common."""

from dataclasses import dataclass
from typing import Protocol

from aetheria.core.errors import AetheriaError
from aetheria.sweep.task import Row, Task


class WorkerError(AetheriaError, RuntimeError):
    """Workers that cannot be started."""

    exit_code = 1


@dataclass(frozen=True)
class Finished:
    """The end of a task.

    Attributes:
        number: of the task.
        rows: its rows; None where the worker died.
        error: how the worker died.
    """

    number: int
    rows: list[Row] | None
    error: str = ""


class Executor(Protocol):
    """Runs tasks on workers.

    Attributes:
        slots: tasks that can run at a time.
    """

    slots: int

    def submit(self, task: Task) -> None:
        """Starts a task, or queues it."""
        ...

    def finished(self, timeout: float) -> list[Finished]:
        """The tasks that have ended since the last call; waits for the first at most `timeout` seconds."""
        ...

    def close(self) -> None:
        """Ends all workers, and the tasks that still run."""
        ...
