"""The run of a task's points in a worker: a motor, its observables, and a row for each point."""

import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import AetheriaError, ConfigError, DivergedError
from aetheria.files.atomic import atomic_write
from aetheria.files.untrusted import first_line
from aetheria.laws.base import Law
from aetheria.motor.initial import make_initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.runs.config import RunConfig
from aetheria.runs.last_picture import render_picture
from aetheria.runs.provenance import Provenance
from aetheria.runs.run import build_motor, check_outputs, recorder_settings
from aetheria.runs.run_cache import RunCache
from aetheria.sweep.batches import law_of
from aetheria.sweep.cached_points import cached_row, keep
from aetheria.sweep.samples import Samples
from aetheria.sweep.task import Row, Task, failed_row, files_of, row_of


def run_task(task: Task) -> list[Row]:
    """The rows of a task's points; an error becomes the text in a row, whatever it is."""
    torch.set_num_threads(task.threads)
    if not task.cache:
        return _rows_of(task)
    cache = RunCache()
    found = {point.key: cached_row(cache, task, point) for point in task.points}
    missing = tuple(point for point in task.points if found[point.key] is None)
    for point, row in zip(missing, _rows_of(replace(task, points=missing)) if missing else [], strict=True):
        keep(cache, task, point, row)
        found[point.key] = row
    return [row for row in found.values() if row is not None]


def _rows_of(task: Task) -> list[Row]:
    """The rows of points that run together; each by itself where one of them fails or diverges, for it must harm no other."""
    rows = _tried(task)
    if len(rows) > 1 and any(row["status"] != "done" for row in rows):
        rows = [row for point in task.points for row in _tried(replace(task, points=(point,)))]
    return rows


def _tried(task: Task) -> list[Row]:
    began = time.perf_counter()
    try:
        rows = _run_points(task)
    except AetheriaError as error:
        rows = [failed_row(point, str(error)) for point in task.points]
    except Exception as error:  # noqa: BLE001 - a law is anybody's code, and its point must harm no other
        rows = [failed_row(point, f"{type(error).__name__}: {first_line(error)}") for point in task.points]
    seconds = (time.perf_counter() - began) / len(task.points)
    return [{**row, "seconds": round(seconds, 4)} for row in rows]


def _run_points(task: Task) -> list[Row]:
    configs = [RunConfig.checked(point.values, "") for point in task.points]
    config = configs[0]
    if task.after > config.steps:
        raise ConfigError(f"[measure] after: {task.after} given; expected at most the {config.steps} steps of the run")
    universes = len(task.points)
    if universes > 1:
        config = config.model_copy(update={"batch": universes})
    laws = [law_of(one) for one in configs] if universes > 1 else []
    with build_motor(config, task.device, _first_cells(configs, laws) if laws else None) as motor:
        _spread_controls(motor, laws)
        samples = [Samples(motor, task.observables, universe, task.after) for universe in range(universes)]
        check_outputs(config, motor)
        motor.warm_up()
        files = files_of(task, task.points[0])
        for path in files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        status, error = "done", ""
        recorder = _recorder(config, motor, files.get("recording"))
        try:
            with recorder or nullcontext():
                _step(motor, config.steps, task.every or config.record.every, samples)
        except DivergedError as diverged:
            status, error = "diverged", str(diverged)
        if "picture" in files and status == "done":
            with atomic_write(files["picture"]) as temporary:
                render_picture(config, motor).save(temporary)
        shared = {"status": status, "error": error, "steps": motor.step_count, **Provenance.of(motor).model_dump()}
        kept = {kind: str(path.relative_to(task.folder)) for kind, path in files.items() if path.exists()}
        return [
            {**row_of(point), **shared, "observables": sample.results(), **kept}
            for point, sample in zip(task.points, samples, strict=True)
        ]


def _first_cells(configs: list[RunConfig], laws: list[Law]) -> Tensor:
    """The first cells `(B, C, *grid)`: each as the first universe of a run by itself."""
    made = []
    for config, law in zip(configs, laws, strict=True):
        made.append(make_initial(config.initial, law, (1, law.channels, *config.grid.sides), config.seed))
    return torch.cat(made)


def _spread_controls(motor: Aetheria_Motor, laws: list[Law]) -> None:
    """Gives the motor's law a number for each universe in the controls in which the laws of the points differ."""
    for control in laws[0].controls if laws else ():
        values = [law.get_control(control.name) for law in laws]
        if any(value != values[0] for value in values):
            setattr(motor.law, control.name, torch.tensor(values, device=motor.device))


def _step(motor: Aetheria_Motor, steps: int, every: int, samples: list[Samples]) -> None:
    """Steps to the end; a sample at each multiple of `every` and at the end."""
    motor.step(0)  # publishes the recorder's frame of the first cells
    while True:
        for sample in samples:
            sample.take()
        if motor.step_count >= steps:
            motor.check_finite()
            return
        motor.step(min(every - motor.step_count % every, steps - motor.step_count))


def _recorder(config: RunConfig, motor: Aetheria_Motor, path: Path | None) -> Recorder | None:
    if path is None:
        return None
    settings: dict[str, Any] = recorder_settings(config.record)
    return Recorder(motor, path, **settings, config=config.to_toml(), title=config.title, until=config.steps, overwrite=True)
