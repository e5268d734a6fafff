"""Tasks: what a worker is given and gives back, as JSON, so that no pickle crosses a process or a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aetheria.sweep.points import Point

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """The work of one worker at a time.

    Attributes:
        number: of the task in its sweep.
        points: to be run together; one, or several that `batches` put together.
        folder: for recordings and pictures.
        observables, every, after: as in `MeasureConfig`.
        recordings, pictures: whether to keep them.
        threads: of torch.
        device: replaces the config's; None for the config's.
        cache: take points from the cache of runs, and keep them there.
    """

    number: int
    points: tuple[Point, ...]
    folder: str
    observables: tuple[str, ...]
    every: int | None = None
    after: int = 0
    recordings: bool = False
    pictures: bool = False
    threads: int = 1
    device: str | None = None
    cache: bool = False

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """The task of a line that `to_json` made."""
        given = json.loads(text)
        points = tuple(Point(**point) for point in given.pop("points"))
        return cls(points=points, observables=tuple(given.pop("observables")), **given)


def files_of(task: Task, point: Point) -> dict[str, Path]:
    """The files that the run of a point leaves, by kind."""
    wanted = {"recording": ".h5"} if task.recordings else {}
    if task.pictures:
        wanted["picture"] = ".png"
    return {kind: Path(task.folder) / "points" / f"{point.key}{suffix}" for kind, suffix in wanted.items()}


def rows_to_json(rows: list[Row]) -> str:
    """Rows as one line of JSON; NaN and Inf are null, which every reader of JSON knows."""
    return json.dumps(rows, allow_nan=False)


def failed_row(point: Point, error: str, status: str = "failed") -> Row:
    """The row of a point that gave no result."""
    return {**row_of(point), "status": status, "error": error}


def row_of(point: Point) -> Row:
    """The first columns of a row."""
    return {"key": point.key, "index": point.index, "parameters": point.parameters, "seed": point.seed}
