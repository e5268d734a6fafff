"""Progress of runs and trainings on the terminal: a header and a progress bar."""

import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from aetheria.cli.shared import plain
from aetheria.core.device import times
from aetheria.core.printable import counted
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.session import RunProgress
from aetheria.sweep.sweeper import SweepProgress
from aetheria.training.setup import Setup
from aetheria.training.task import Task
from aetheria.training.task_config import TaskConfig
from aetheria.training.trainer import TrainStatus
from aetheria.training.trajectories import TrajectoryDataset


class _Display:
    """A progress bar on `out`. Warnings that are printed meanwhile appear above it."""

    def __init__(self, out: Console, quiet: bool) -> None:
        self._out, self._quiet = out, quiet
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

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()


class RunDisplay(_Display):
    """Display of a run; nothing with `quiet`."""

    def started(self, motor: Aetheria_Motor) -> None:
        """Prints the law, device and grid."""
        if self._quiet:
            return
        batch, channels, *grid = motor.shape
        universes = f", {batch} universes" if batch > 1 else ""
        self._out.print(
            f"[bold]{plain(motor.traits.name)}[/] on {motor.device}: {times(grid)} cells, "
            f"{counted(channels, 'channel')}{universes}"
        )
        self._task = self._bar.add_task("preparing", total=None, rates="")

    def progress(self, now: RunProgress) -> None:
        """Moves the bar."""
        if self._task is None:
            return
        motor = now.motor
        rate = (now.done - now.first) / max(now.seconds, 1e-9)
        cells = motor.shape[0] * math.prod(motor.shape[2:])
        memory = motor.optimizer.get_memory_stats()
        used = float(memory.get("gpu_allocated_mb", memory.get("resident_mb", 0)))
        self._bar.update(
            self._task,
            description=motor.plan.name,
            completed=now.done,
            total=now.total,
            rates=f"{rate:,.0f} steps/s  {rate * cells / 1e6:,.1f} Mcells/s  {used:,.0f} MB  {now.recorder.frames:,} frames",
        )


class SweepDisplay(_Display):
    """Display of a sweep; nothing with `quiet`."""

    def started(self, varied: list[str], on: str) -> None:
        """Prints the parameters and the place."""
        if not self._quiet:
            self._out.print(f"[bold]sweep[/] over {plain(', '.join(varied))}; {plain(on)} workers")
            self._task = self._bar.add_task("starting workers", total=None, rates="")

    def progress(self, now: SweepProgress) -> None:
        """Moves the bar."""
        if self._task is None:
            return
        left = "" if now.seconds_left is None else f"  about {_duration(now.seconds_left)} left"
        self._bar.update(
            self._task,
            description="points",
            completed=now.done + now.failed,
            total=now.total,
            rates=f"{now.done:,} done  {now.failed:,} failed  {now.running:,} running{left}",
        )


class TrainingDisplay(_Display):
    """Display of a training; nothing with `quiet`."""

    def started(self, setup: Setup, dataset: TrajectoryDataset) -> None:
        """Prints the recordings, device and precision."""
        if not self._quiet:
            windows, runs = counted(len(dataset), "window"), counted(len(dataset.runs), "recording")
            self._out.print(
                f"[bold]{windows}[/] of {runs} of {plain(dataset.runs[0].law)}, {times(dataset.shape)}; "
                f"on {setup.device}, {setup.summary()}"
            )
            self._task = self._bar.add_task("training", total=None, rates="")

    def growing(self, setup: Setup) -> None:
        """Prints the device and precision."""
        if not self._quiet:
            self._out.print(f"[bold]growing a picture[/] on {setup.device}, {setup.summary()}")
            self._task = self._bar.add_task("training", total=None, rates="")

    def doing(self, config: TaskConfig) -> Callable[[Setup, Task], None]:
        """Prints the law, the objective, device and precision."""

        def started(setup: Setup, _: Task) -> None:
            if not self._quiet:
                name, aim = plain(config.law.name), plain(config.train.objective)
                self._out.print(f"[bold]{name}[/] for objective {aim}; on {setup.device}, {setup.summary()}")
                self._task = self._bar.add_task("training", total=None, rates="")

        return started

    def progress(self, status: TrainStatus) -> None:
        """Moves the bar."""
        if self._task is None:
            return
        error = "" if status.error is None else f"  validation error {status.error:.3g}"
        self._bar.update(
            self._task,
            completed=status.step,
            total=status.steps,
            rates=f"loss {status.loss:.3g}{error}  {status.rate:.1f} steps/s  {status.waited:.0%} waiting for data",
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
