"""A sweep from its file to its results: executor, sweeper, and the files that it leaves."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aetheria.core.device import find_device
from aetheria.core.errors import ConfigError, nearest
from aetheria.core.extras import installed
from aetheria.core.progress import Progress, reported
from aetheria.files.atomic import atomic_write
from aetheria.runs.signals import SignalHandler
from aetheria.sweep.archive import write_archive
from aetheria.sweep.charts import axes_of, contact_sheet, heat_map
from aetheria.sweep.executor import Executor
from aetheria.sweep.inline import InlineExecutor
from aetheria.sweep.local import LocalExecutor
from aetheria.sweep.ray_cluster import RayExecutor
from aetheria.sweep.results import ResultTable
from aetheria.sweep.slurm import SlurmExecutor
from aetheria.sweep.sweep_config import SearchConfig, SweepPlan
from aetheria.sweep.sweeper import Sweeper, SweepOptions, SweepProgress

PLACES = ("local", "inline", "ray", "slurm")
LOG = "workers.log"
_MOST_SIDES = 256  # values of a parameter on a chart


@dataclass(frozen=True)
class SweepResult:
    """The end of a sweep.

    Attributes:
        table: the rows.
        files: written beside the rows.
        exit_code: 0 done, 1 where every point failed, 130 or 143 after a signal.
    """

    table: ResultTable
    files: tuple[Path, ...]
    exit_code: int = 0


def sweep(
    plan: SweepPlan,
    folder: Path,
    *,
    on: str = "local",
    workers: int | None = None,
    options: SweepOptions | None = None,
    progress: Progress[SweepProgress] = None,
) -> SweepResult:
    """Runs a sweep, or goes on with one, to its end or the first SIGINT or SIGTERM; see `Sweeper` for what it raises.

    Args:
        plan: of the sweep.
        folder: for `results.jsonl` and all other files.
        on: "local" (processes of this machine), "inline" (this process), "ray" or "slurm".
        workers: tasks at a time; None for one on each core, or one for a GPU.
        options: see `SweepOptions`.
        progress: called several times a second; or whether a bar is shown: None for one where a person watches.

    Raises:
        ConfigError: no such place, or a package or cluster that is missing.
    """
    folder = folder.absolute()
    with ExitStack() as stack:
        signals = stack.enter_context(SignalHandler())
        folder.mkdir(parents=True, exist_ok=True)
        device = (options.device if options else None) or plan.base.get("device", "auto")
        executor = executor_on(on, workers, str(device), folder, plan.config.slurm)
        stack.callback(executor.close)
        report = stack.enter_context(reported(progress, "points", _in_a_bar))
        sweeper = Sweeper(plan, folder, executor, options, report)
        stack.callback(sweeper.close)
        table = sweeper.run(signals)
        signals.ignored = 1 << 30  # the files are written, whatever signals come
        files = write_files(table, folder, {str(axis): name for axis, name in plan.config.plot.items()}, plan.config.search)
        code = signals.exit_code if signals.received else int(len(table) > 0 and not table.done)
    return SweepResult(table, files, code)


def _in_a_bar(now: SweepProgress) -> tuple[int, int, str]:
    return now.done + now.failed, now.total, f"{now.failed:,} failed, {now.running:,} running"


def executor_on(on: str, workers: int | None, device: str, folder: Path, slurm: Mapping[str, Any]) -> Executor:
    """The executor of that name. Raises ConfigError where there is none, or what it needs is missing."""
    match on:
        case "local":
            return LocalExecutor(workers or _workers(device), folder / LOG)
        case "inline":
            return InlineExecutor()
        case "ray":
            return RayExecutor(workers, on_gpus=device.startswith("cuda"))
        case "slurm":
            return SlurmExecutor(folder / "slurm", workers, slurm)
    raise ConfigError(f"--on {on}: unknown; {nearest(on, list(PLACES))}")


def write_files(
    table: ResultTable, folder: Path, plot: Mapping[str, str], search: SearchConfig | None = None
) -> tuple[Path, ...]:
    """Writes the table as CSV, as Parquet where pyarrow is installed, its archive, and charts where two parameters vary.

    Raises:
        ConfigError: a chart is asked for by `plot` that the table does not give.
    """
    table.write_csv(folder / "results.csv")
    files = [folder / "results.csv"]
    if installed("pyarrow"):
        table.write_parquet(folder / "results.parquet")
        files.append(folder / "results.parquet")
    if search is not None and search.archive:
        files += write_archive(table, search, folder)
    return (*files, *_write_charts(table, folder, dict(plot)))


def _write_charts(table: ResultTable, folder: Path, plot: dict[str, str]) -> list[Path]:
    try:
        axes = axes_of(table, plot)
        if max(map(len, table.grid(axes.x, axes.y, axes.show)[:2])) > _MOST_SIDES:  # scattered points: no grid to show
            return []
    except ConfigError:
        if plot and table.done:
            raise
        return []
    charts = {"heat_map.png": heat_map}
    if any(row.get("picture") for row in table):
        charts["pictures.png"] = contact_sheet
    for name, draw in charts.items():
        with atomic_write(folder / name) as temporary:
            draw(table, axes).save(temporary)
    return [folder / name for name in charts]


def _workers(device: str) -> int:
    if find_device(None if device == "auto" else device).type == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
