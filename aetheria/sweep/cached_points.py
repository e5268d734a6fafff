"""Rows of points from the cache of runs, and into it."""

import shutil
from pathlib import Path
from typing import Any

from aetheria.core.errors import AetheriaError
from aetheria.files.atomic import atomic_write
from aetheria.runs.config import RunConfig
from aetheria.runs.run_cache import RunCache, cache_key
from aetheria.sweep.points import Point
from aetheria.sweep.task import Row, Task, files_of, row_of

_KEPT = ("done", "diverged")  # the same again; a failure may have been the machine's


def cached_row(cache: RunCache, task: Task, point: Point) -> Row | None:
    """The row of a point that was run before, its files copied to their place; None where there is none."""
    key = _key(task, point)
    found = cache.get(key) if key else None
    if found is None:
        return None
    values, held = found
    for kind, target in files_of(task, point).items():
        if kind in held:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as temporary:
                shutil.copyfile(held[kind], temporary)
    return {**values, **row_of(point), "cached": True}


def keep(cache: RunCache, task: Task, point: Point, row: Row) -> None:
    """Keeps the row of a point, and the files that it names."""
    key = _key(task, point)
    if key and row["status"] in _KEPT:
        values = {name: value for name, value in row.items() if name not in row_of(point)}
        names: dict[str, Path] = {kind: path for kind, path in files_of(task, point).items() if kind in row}
        cache.put(key, values, names)


def _key(task: Task, point: Point) -> str | None:
    more: dict[str, Any] = {
        "kind": "sweep",
        "observables": list(task.observables),
        "every": task.every,
        "after": task.after,
        "files": sorted(files_of(task, point)),
        "place": point.key if files_of(task, point) else "",  # the row names files by it
    }
    try:
        return cache_key(RunConfig.checked(point.values, ""), task.device, **more)
    except AetheriaError:
        return None  # its row will say why
