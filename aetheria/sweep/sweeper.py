"""The sweeper: hands the points that have no row yet to workers, and keeps their rows."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.core.printable import get_logger
from aetheria.recording.lock import FileInUseError, WriteLock
from aetheria.runs.signals import SignalHandler
from aetheria.sweep.batches import batches
from aetheria.sweep.executor import Executor, Finished
from aetheria.sweep.points import Point, points_of
from aetheria.sweep.results import ROWS, ResultFile, ResultTable, read_rows
from aetheria.sweep.strategy import Strategy, strategy_of
from aetheria.sweep.sweep_config import SweepPlan
from aetheria.sweep.task import Row, Task, failed_row

log = get_logger(__name__)
_TRIES = 2
_POLL_S = 0.2


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a sweep.

    Attributes:
        total: number of points; of a search, those at most.
        kept: points that had a row before.
        done, failed: points with a row by now, `kept` included.
        running: points that workers have.
        seconds: since the sweep began.
    """

    total: int
    kept: int
    done: int
    failed: int
    running: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the points done in this session; None before the first."""
        made = self.done + self.failed - self.kept
        return (self.total - self.done - self.failed) * self.seconds / made if made else None


@dataclass(frozen=True)
class SweepOptions:
    """Settings of a sweep beside those of its file.

    Attributes:
        device: replaces the config's.
        retry: run points again that failed.
        cache: take points from the cache of runs, and keep them there.
    """

    device: str | None = None
    retry: bool = False
    cache: bool = False


class Sweeper:
    """Runs the points of a sweep in a folder; a second one on the same folder goes on where the first was ended."""

    def __init__(
        self,
        plan: SweepPlan,
        folder: Path,
        executor: Executor,
        options: SweepOptions | None = None,
        progress: Callable[[SweepProgress], None] = lambda _: None,
    ) -> None:
        """
        Args:
            plan: of the sweep.
            folder: for its results; made if it is missing.
            executor: of the tasks; closed by the caller.
            options: see `SweepOptions`.
            progress: called several times a second.

        Raises:
            ConfigError: another sweeper uses the folder. FileUnreadableError: its rows are damaged.
        """
        self._plan, self._folder, self._executor = plan, folder, executor
        self._options, self._progress = options or SweepOptions(), progress
        self._strategy: Strategy = strategy_of(plan)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        self._file = ResultFile(folder / ROWS)
        self._rows = {row["key"]: row for row in read_rows(folder / ROWS)}
        if self._options.retry:
            self._rows = {key: row for key, row in self._rows.items() if row["status"] == "done"}
        self._met: dict[str, Point] = {}  # the points of this sweep so far, by key
        self._kept = 0
        self._ended = {"done": 0, "failed": 0}  # of the points met, for the progress
        self._running: dict[int, tuple[Task, int]] = {}  # with the number of the try
        self._tasks = 0
        self._began = time.perf_counter()

    def run(self, signals: SignalHandler) -> ResultTable:
        """Runs all points that have no row, or those until the first signal; returns the rows of this sweep so far."""
        signals.ignored = 1
        first = 0
        while not signals.received and (parameters := self._strategy.ask()):
            points = points_of(self._plan, parameters, first)
            first += len(points)
            self._run_points(points, signals)
            if not signals.received:
                self._strategy.tell([self._rows[point.key] for point in points])
        return self.table()

    def table(self) -> ResultTable:
        """The rows of this sweep so far."""
        rows = [{**self._rows[key], "index": point.index} for key, point in self._met.items() if key in self._rows]
        return ResultTable(rows, self._folder)

    def close(self) -> None:
        """Closes the file of rows; another sweeper may go on."""
        self._file.close()
        self._lock.release()

    def _run_points(self, points: Sequence[Point], signals: SignalHandler) -> None:
        new = {point.key: point for point in points if point.key not in self._met}
        self._met |= new
        for key in new.keys() & self._rows.keys():
            self._kept += 1
            self._count(self._rows[key])
        missing = [point for key, point in new.items() if key not in self._rows]
        waiting = deque(self._task(*group) for group in batches(self._plan, missing, self._executor.slots))
        while (waiting or self._running) and not signals.received:
            while waiting and len(self._running) < self._executor.slots:
                self._start(waiting.popleft(), tries=1)
            for ended in self._executor.finished(_POLL_S):
                self._end(ended)
            self._report()
        self._report()

    def _task(self, *points: Point) -> Task:
        self._tasks += 1
        config, measure = self._plan.config, self._plan.config.measure
        return Task(
            self._tasks,
            points,
            str(self._folder),
            tuple(measure.observables),
            every=measure.every,
            after=measure.after,
            recordings=config.recordings,
            pictures=config.pictures,
            threads=config.threads,
            device=self._options.device,
            cache=self._options.cache and not config.batched,  # whose rows are those of the batch, to the bit
        )

    def _start(self, task: Task, tries: int) -> None:
        self._running[task.number] = task, tries
        self._executor.submit(task)

    def _end(self, ended: Finished) -> None:
        task, tries = self._running.pop(ended.number)
        if ended.rows is not None:
            self._keep([{**row, "tries": tries} for row in ended.rows])
        elif tries < _TRIES:
            log.warning("point %s: its worker died (%s); it is run once more", task.points[0].index, ended.error)
            self._tasks += 1
            self._start(replace(task, number=self._tasks), tries + 1)
        else:
            error = f"its worker died {tries} times ({ended.error}); --retry runs it again"
            self._keep([{**failed_row(point, error), "tries": tries} for point in task.points])

    def _keep(self, rows: list[Row]) -> None:
        for row in rows:
            self._file.append(row)
            self._rows[row["key"]] = row
            self._count(row)

    def _count(self, row: Row) -> None:
        self._ended["done" if row["status"] == "done" else "failed"] += 1

    def _report(self) -> None:
        running = sum(len(task.points) for task, _ in self._running.values())
        seconds = time.perf_counter() - self._began
        self._progress(SweepProgress(self._strategy.total, self._kept, **self._ended, running=running, seconds=seconds))


def _locked(folder: Path) -> WriteLock:
    try:
        return WriteLock(folder / ROWS)
    except FileInUseError:
        raise ConfigError(
            f"{folder}: another sweep is running in this folder; let it end, or name another with --out"
        ) from None
