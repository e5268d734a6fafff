"""The function that Ray and Slurm run elsewhere: text in, text out, so that their pickles hold nothing of ours but its name."""

from aetheria.sweep.point_run import run_task
from aetheria.sweep.task import Task, rows_to_json


def run_line(task: str) -> str:
    """The rows, as JSON, of a task, as JSON."""
    return rows_to_json(run_task(Task.from_json(task)))
