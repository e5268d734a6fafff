"""What a run or a training looks like on the terminal: a header, a progress bar, warnings in place."""

import logging
import warnings
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.session import Progress as TrainStatus
from aetheria.training.loop import TrainStatus as TrainingMoment
from aetheria.training.setup import Setup
from aetheria.training.trajectories import TrajectoryDataset


class _Told:
    """Warnings and log records in place, beside a progress bar on `out`."""

    def __init__(self, out: Console, err: Console, quiet: bool) -> None:
        self._out, self._err, self._quiet = out, err, quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}"),
            TimeRemainingColumn(),
            console=out,
            disable=quiet,
        )
        self._task: TaskID | None = None
        self._log = RichHandler(console=err, show_time=False, show_path=False, level=logging.WARNING)
        self._warn = warnings.showwarning

    def __enter__(self) -> Self:
        logging.getLogger("aetheria").addHandler(self._log)
        warnings.showwarning = self._show_warning  # type: ignore[assignment]  # takes what it needs of the arguments
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        warnings.showwarning = self._warn
        logging.getLogger("aetheria").removeHandler(self._log)

    def _show_warning(self, message: Warning | str, category: type[Warning], *_: object) -> None:
        self._err.print(f"[yellow]warning[/] {escape(str(message))}")


class ShowTraining(_Told):
    """Shows a training; with `quiet` its warnings only."""

    def started(self, setup: Setup, dataset: TrajectoryDataset) -> None:
        """Says what it learns from, and computes with."""
        if not self._quiet:
            self._out.print(
                f"[bold]{len(dataset):,} windows[/] of {len(dataset.runs)} recordings of {escape(dataset.runs[0].law)}, "
                f"{' x '.join(map(str, dataset.shape))}; on {setup.device}, {setup.summary()}"
            )
            self._task = self._bar.add_task("training", total=None, rates="")

    def growing(self, setup: Setup) -> None:
        """Says what it computes with."""
        if not self._quiet:
            self._out.print(f"[bold]growing a picture[/] on {setup.device}, {setup.summary()}")
            self._task = self._bar.add_task("training", total=None, rates="")

    def progress(self, moment: TrainingMoment) -> None:
        """Moves the bar."""
        if self._task is None:
            return
        error = "" if moment.error is None else f"  held out {moment.error:.3g}"
        self._bar.update(
            self._task,
            completed=moment.step,
            total=moment.steps,
            rates=f"loss {moment.loss:.3g}{error}  {moment.rate:.1f} steps/s  {moment.waited:.0%} waiting for data",
        )


class Show(_Told):
    """Shows a run on `out`, and warnings on `err`; with `quiet` the warnings only."""

    def started(self, motor: Aetheria_Motor) -> None:
        """Says what is about to run."""
        if self._quiet:
            return
        batch, channels, height, width = motor.shape
        universes = f", {batch} universes" if batch > 1 else ""
        self._out.print(
            f"[bold]{escape(motor.traits.name)}[/] on {motor.device}: {height} x {width} cells, {channels} channels{universes}"
        )
        self._task = self._bar.add_task("preparing", total=None, rates="")

    def progress(self, moment: TrainStatus) -> None:
        """Moves the bar."""
        if self._task is None:
            return
        rate = (moment.done - moment.first) / moment.seconds
        batch, _, height, width = moment.motor.shape
        memory = moment.motor.optimizer.get_memory_stats()
        used = float(memory.get("gpu_allocated_mb", memory.get("resident_mb", 0)))
        self._bar.update(
            self._task,
            description=moment.motor.plan.name if moment.motor.plan else "",
            completed=moment.done,
            total=moment.total,
            rates=f"{rate:,.0f} steps/s  {rate * batch * height * width / 1e6:,.1f} Mcells/s  "
            f"{used:,.0f} MB  {moment.recorder.frames:,} frames",
        )
