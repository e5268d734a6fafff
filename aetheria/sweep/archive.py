"""The archive of a search: the best run at each place of a grid over measures, as a table and as pictures."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import atomic_write
from aetheria.sweep.charts import Axes, Chart, tiles
from aetheria.sweep.results import ResultTable, value_of
from aetheria.sweep.sweep_config import SearchConfig
from aetheria.sweep.task import Row

Elites = dict[tuple[int, ...], Row]


def elites(table: ResultTable, search: SearchConfig) -> Elites:
    """The best row of each cell of the archive, by its index along each measure; rows beyond a range stay out."""
    objective, sign = search.maximise or search.minimise or "", 1 if search.maximise else -1
    found: Elites = {}
    scores: dict[tuple[int, ...], float] = {}
    for row in table:
        score = value_of(row, objective) if row["status"] == "done" else None
        place = _place(row, search)
        if score is not None and place is not None and sign * score > scores.get(place, -np.inf):
            found[place], scores[place] = row, sign * score
    return dict(sorted(found.items()))


def write_archive(table: ResultTable, search: SearchConfig, folder: Path) -> list[Path]:
    """Writes the elites as `archive.csv`, and where they have pictures and two measures as `archive.png`."""
    best, measures = elites(table, search), [*search.archive]
    objective = search.maximise or search.minimise or ""
    with atomic_write(folder / "archive.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"cell_{name}" for name in measures), *measures, objective, *table.parameters, "seed", "index"])
        for place, row in best.items():
            values = [value_of(row, name) for name in (*measures, objective)]
            writer.writerow(
                [*place, *values, *(row["parameters"].get(name) for name in table.parameters), row["seed"], row["index"]]
            )
    files = [folder / "archive.csv"]
    if len(measures) == 2 and any(row.get("picture") for row in best.values()):
        with atomic_write(folder / "archive.png") as temporary:
            archive_picture(best, search, table.folder).save(temporary)
        files.append(folder / "archive.png")
    return files


def archive_picture(best: Elites, search: SearchConfig, folder: Path) -> Image.Image:
    """The pictures of the elites at their place over two measures.

    Raises:
        ConfigError: the archive has another number of measures.
    """
    if len(search.archive) != 2:
        raise ConfigError(f"[search] archive: {len(search.archive)} measures; a picture shows two")
    (x, across), (y, up) = search.archive.items()
    chart = Chart(_middles(across, search.cells), _middles(up, search.cells), Axes(x, y, ""))
    return tiles(chart, {(place[0], place[1]): row["picture"] for place, row in best.items() if row.get("picture")}, folder)


def _middles(limits: list[float], cells: int) -> list[float]:
    low, high = limits
    return [low + (i + 0.5) * (high - low) / cells for i in range(cells)]


def _place(row: Row, search: SearchConfig) -> tuple[int, ...] | None:
    return None if None in (cells := list(_cells(row, search))) else tuple(cell for cell in cells if cell is not None)


def _cells(row: Row, search: SearchConfig) -> Iterator[int | None]:
    for name, (low, high) in search.archive.items():
        value = value_of(row, name)
        inside = value is not None and low <= value <= high
        yield min(int((value - low) / (high - low) * search.cells), search.cells - 1) if value is not None and inside else None
