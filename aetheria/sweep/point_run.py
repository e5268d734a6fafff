"""The run of a task's points in a worker: a motor, its observables, and a row for each point."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aetheria.core.errors import AetheriaError, ConfigError, DivergedError
from aetheria.files.atomic import atomic_write
from aetheria.files.untrusted import first_line
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.request import Request
from aetheria.recording import Recorder
from aetheria.runs.config import RunConfig
from aetheria.runs.provenance import Provenance
from aetheria.runs.run import build_motor, check_outputs, recorder_settings, render_picture
from aetheria.sweep.task import Row, Task, failed_row, row_of


def run_task(task: Task) -> list[Row]:
    """The rows of a task's points; an error becomes the text in a row, whatever it is."""
    torch.set_num_threads(task.threads)
    began = time.perf_counter()
    try:
        rows = _run_point(task)
    except AetheriaError as error:
        rows = [failed_row(point, str(error)) for point in task.points]
    except Exception as error:  # noqa: BLE001 - a law is anybody's code, and its point must harm no other
        rows = [failed_row(point, f"{type(error).__name__}: {first_line(error)}") for point in task.points]
    seconds = (time.perf_counter() - began) / len(task.points)
    return [{**row, "seconds": round(seconds, 4)} for row in rows]


def _run_point(task: Task) -> list[Row]:
    (point,) = task.points
    config = RunConfig.checked(point.values, "")
    with build_motor(config, task.device) as motor:
        request = _request(task.observables, motor)
        check_outputs(config, motor)
        motor.warm_up()
        files = _files(task, point.key)
        series = Series(config.steps, task.after)
        status, error = "done", ""
        recorder = _recorder(config, motor, files.get("recording"))
        try:
            with recorder or nullcontext():
                _step(motor, request, config.steps, task.every or config.record.every, series)
        except DivergedError as diverged:
            status, error = "diverged", str(diverged)
        if "picture" in files and status == "done":
            with atomic_write(files["picture"]) as temporary:
                render_picture(config, motor).save(temporary)
        found = Provenance.of(motor).model_dump()
        return [
            {
                **row_of(point),
                "status": status,
                "error": error,
                "steps": motor.step_count,
                **found,
                "observables": series.statistics(),
                **{kind: str(path.relative_to(task.folder)) for kind, path in files.items() if path.exists()},
            }
        ]


class Series:
    """Samples of observables during a run.

    Attributes:
        steps: of the samples.
        values: by observable, a number for each sample.
    """

    def __init__(self, last: int, after: int) -> None:
        """
        Args:
            last: steps of the run.
            after: steps before the first sample that counts for mean and extremes.
        """
        if after > last:
            raise ConfigError(f"[measure] after: {after} given; expected at most the {last} steps of the run")
        self._after = after
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {}

    def add(self, step: int, sample: dict[str, NDArray[np.generic]]) -> None:
        """Adds the observables `(B,)` at a step."""
        self.steps.append(step)
        for name, value in sample.items():
            self.values.setdefault(name, []).append(float(value[0]))

    def statistics(self) -> dict[str, dict[str, float | None]]:
        """For each observable its last value, and mean and extremes of the samples from `after` on; None for NaN and Inf."""
        first = next((i for i, step in enumerate(self.steps) if step >= self._after), 0)
        return {name: _statistics(np.array(values[first:]), values[-1]) for name, values in self.values.items()}


def _statistics(values: NDArray[np.float64], last: float) -> dict[str, float | None]:
    found = {"last": last, "mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _step(motor: Aetheria_Motor, request: Request, steps: int, every: int, series: Series) -> None:
    """Steps to the end; a sample at each multiple of `every` and at the end."""
    motor.step(0)  # publishes the recorder's frame of the first cells
    while True:
        series.add(motor.step_count, dict(motor.look(request)))
        if motor.step_count >= steps:
            motor.check_finite()
            return
        motor.step(min(every - motor.step_count % every, steps - motor.step_count))


def _request(observables: Sequence[str], motor: Aetheria_Motor) -> Request:
    try:
        request = motor.request(list(observables))
    except ConfigError as error:
        raise ConfigError(f"[measure] observables: {error}") from None
    for field in request.fields:
        if not field.scalar:
            raise ConfigError(f'[measure] observables: "{field.name}" is a field of the grid; expected one number a universe')
    return request


def _files(task: Task, key: str) -> dict[str, Path]:
    wanted = {"recording": ".h5"} if task.recordings else {}
    if task.pictures:
        wanted["picture"] = ".png"
    folder = Path(task.folder) / "points"
    if wanted:
        folder.mkdir(exist_ok=True)
    return {kind: folder / f"{key}{suffix}" for kind, suffix in wanted.items()}


def _recorder(config: RunConfig, motor: Aetheria_Motor, path: Path | None) -> Recorder | None:
    if path is None:
        return None
    settings: dict[str, Any] = recorder_settings(config.record)
    return Recorder(motor, path, **settings, config=config.to_toml(), title=config.title, until=config.steps, overwrite=True)
