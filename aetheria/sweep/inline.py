"""Tasks run in the process of the sweeper: for notebooks, debuggers and tests, where no worker is to be started."""

from aetheria.sweep.executor import Finished
from aetheria.sweep.point_run import run_task
from aetheria.sweep.task import Row, Task


class InlineExecutor:
    """Runs each task when its result is asked for.

    Attributes:
        slots: 1.
    """

    slots = 1

    def __init__(self) -> None:
        self._waiting: list[Task] = []

    def submit(self, task: Task) -> None:
        """Queues the task."""
        self._waiting.append(task)

    def finished(self, timeout: float) -> list[Finished]:
        """Runs the tasks that wait."""
        tasks, self._waiting = self._waiting, []
        return [Finished(task.number, _rows(task)) for task in tasks]

    def close(self) -> None:
        """Forgets the tasks that wait."""
        self._waiting.clear()


def _rows(task: Task) -> list[Row]:
    return run_task(Task.from_json(task.to_json()))
