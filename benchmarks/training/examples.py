"""Times of the trainings in `configs/training`.

    python -m benchmarks.training.examples --out benchmarks/results/examples.md

One thread, and CPU time, which other programs on the machine hardly change. Of each training some steps and a validation are
taken; the time of the whole is that of a step times the steps, and that of a validation times the validations. A training of
less than `--whole` seconds by this estimate is done to its end: time and result are then its own.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from aetheria import Aetheria_Motor, Lenia, Life
from aetheria.core.errors import AetheriaError
from aetheria.training.grow import GrowResult, grow
from aetheria.training.imitation import TrainResult, imitate
from aetheria.training.task_config import TaskConfig
from aetheria.training.task_training import TaskResult, train_task
from aetheria.training.train_config import GrowConfig, TrainConfig, load_training
from benchmarks.harness.machine import publish
from benchmarks.training.learning import CONFIGS, record

Config = TrainConfig | GrowConfig | TaskConfig
Result = TrainResult | GrowResult | TaskResult


@dataclass
class Clock:
    """CPU time of each step of a training, with the validation after it if there is one."""

    steps: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.process_time)

    def tick(self, _: Any) -> None:
        """Called after each step."""
        now = time.process_time()
        self.steps.append(now - self._last)
        self._last = now


@dataclass(frozen=True)
class Example:
    """The time of a training.

    Attributes:
        name: of its config.
        steps: of the training; of one that was done to its end, those that it took.
        step, validation: CPU time of each. [s]
        seconds: CPU time of the whole.
        result: figures of a training that was done to its end; "" if the time is an estimate.
    """

    name: str
    steps: int
    step: float
    validation: float
    seconds: float
    result: str

    def row(self) -> str:
        """Of the table."""
        times = f"{self.step * 1e3:.3g} | {self.validation:.2g} | {'' if self.result else 'about '}{self.seconds:,.0f}"
        return f"| `{self.name}` | {self.steps:,} | {times} | {self.result or '-'} |"


def measure(name: str, folder: Path, taken: int, whole: float, changes: Sequence[str] = ()) -> Example:
    """Times a training by some of its steps; takes all of them if they last less than `whole` seconds.

    Args:
        taken: steps before the validation; those of the first half, in which memory is allocated, are not counted.

    Raises:
        AetheriaError: it needs what is not installed.
    """
    config = with_recordings(load_training(CONFIGS / f"{name}.toml", list(changes)), folder)
    train = config.train
    # A rollout that grows is as long as it gets from the first step on.
    few = {"steps": taken + 1, "validate_every": taken} | ({"curriculum": 0.0} if isinstance(config, TrainConfig) else {})
    clock = Clock()
    trained(config.model_copy(update={"train": train.model_copy(update=few)}), folder / "few", clock.tick)
    step = statistics.mean(clock.steps[taken // 2 : taken - 1])
    validation = max(0.0, clock.steps[taken - 1] - step)
    seconds = train.steps * step + -(-train.steps // train.validate_every) * validation
    if seconds > whole:
        return Example(name, train.steps, step, validation, seconds, "")
    began, clock = time.process_time(), Clock()
    result = trained(config, folder / "whole", clock.tick)
    return Example(name, len(clock.steps), step, validation, time.process_time() - began, figures(result))


def with_recordings(config: Config, folder: Path) -> Config:
    """The config; one that learns from recordings with such as its file says."""
    if not isinstance(config, TrainConfig):
        return config
    path, values = folder / "recordings.h5", config.law.parameters.get("values")
    if values == "bits":
        record(Aetheria_Motor(Life(), 64, 1, "cpu", batch=16), path, 10)
    else:
        record(Aetheria_Motor(Lenia(), 64, 1, "cpu", batch=20), path, 60)
    return config.model_copy(update={"data": config.data.model_copy(update={"recordings": [str(path)]})})


def trained(config: Config, folder: Path, tick: Callable[[Any], None]) -> Result:
    """Trains as `aetheria train` does."""
    if isinstance(config, GrowConfig):
        return grow(config, folder, trackers=[], progress=tick, device="cpu")
    if isinstance(config, TaskConfig):
        return train_task(config, folder, trackers=[], progress=tick, device="cpu")
    return imitate(config, folder, trackers=[], progress=tick, device="cpu")


def figures(result: Result) -> str:
    """The figures of a training in words."""
    if isinstance(result, TaskResult):
        return ", ".join(f"{name} {value:.3g}" for name, value in result.figures.items())
    if isinstance(result, GrowResult):
        return f"error {max(*result.errors.values(), result.healed):.3g} at most"
    return f"mean absolute error {result.errors[0]:.3g} after a step, {result.errors[-1]:.3g} after {len(result.errors)}"


def trainings() -> list[str]:
    """The names of the configs of trainings; the folder also holds runs, of which recordings are made."""
    return [path.stem for path in sorted(CONFIGS.glob("*.toml")) if "\n[train]\n" in path.read_text()]


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="*", default=trainings())
    parser.add_argument("--taken", type=int, default=60, help="steps from which the time is estimated")
    parser.add_argument("--whole", type=float, default=30.0, help="seconds up to which a training is done to its end")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in given.names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(measure(name, Path(folder), given.taken, given.whole).row())
            except AetheriaError as error:
                rows.append(f"| `{name}` | not measured: {str(error).splitlines()[0]} | | | | |")
    lines = [
        "One thread, CPU time, with validations. An estimated time (about) is that of a step, the mean of "
        f"{given.taken - 1 - given.taken // 2} steps at the beginning of the training, times its steps. There a rollout "
        "that grows is taken as long as it gets, and a picture that grows is less work than later.",
        "",
        "| training | steps | ms a step | s a validation | s | found |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    publish("Times of the example trainings", lines, given.out)


if __name__ == "__main__":
    main()
