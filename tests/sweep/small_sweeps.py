"""Small sweeps for tests: Life and Lenia on few cells, run in the process of the test."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aetheria.sweep.results import ResultTable
from aetheria.sweep.sweep import sweep
from aetheria.sweep.sweep_config import SweepPlan, checked_sweep
from aetheria.sweep.task import Row

BASE = """
steps = 6
[grid]
height = 32
width = 32
[law]
name = "Lenia"
R = 5
[motor]
plan = "eager"
[record]
every = 2
"""


LAW = 'name = "Lenia"\nR = 5\n'


def small_sweep(folder: Path, law: str = LAW, **changes: Any) -> SweepPlan:
    """A sweep of Lenia with three values of m and two seeds, or of another law, its config in the folder."""
    (folder / "base.toml").write_text(BASE.replace(LAW, f"{law}\n"))
    values: dict[str, Any] = {
        "config": "base.toml",
        "grid": {"law.m": [0.12, 0.15, 0.2]},
        "seeds": 2,
        "measure": {"observables": ["mass", "centre_x"]},
    }
    return checked_sweep({name: value for name, value in (values | changes).items() if value is not None}, folder)


def run_inline(plan: SweepPlan, folder: Path, **given: Any) -> ResultTable:
    """The table of a sweep that runs in this process."""
    return sweep(plan, folder, on="inline", **given).table


def comparable(rows: Iterable[Row]) -> list[Row]:
    """Rows by point, without what differs between two runs: the time that they took."""
    return [{name: value for name, value in row.items() if name not in ("seconds", "tries", "cached")} for row in rows]
