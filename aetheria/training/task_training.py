"""Training a law for a task: from a config to weights, the config of a run, figures and a picture."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from PIL import Image
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.core.progress import Progress
from aetheria.files.atomic import atomic_write
from aetheria.laws.base import Law, check_grid, module_of
from aetheria.motor.initial import generator
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training.best_weights import BestWeights
from aetheria.training.distributed import Processes, join_processes
from aetheria.training.folder import prepare_folder
from aetheria.training.learner import build_learner, clamp_control, law_table, write_law
from aetheria.training.rollout import last_state
from aetheria.training.setup import Setup, setup_training
from aetheria.training.task import Batch, Figures, Task
from aetheria.training.task_config import TaskConfig, TaskTrainConfig
from aetheria.training.task_pool import SamplePool
from aetheria.training.task_registry import Objective, build_task
from aetheria.training.trackers import Tracker, open_trackers
from aetheria.training.train_config import completed
from aetheria.training.trainer import Trainer, TrainStatus, train_until_signal

_BATCHES, _HELD_OUT, _SHOWN = 1 << 40, 1 << 41, 1 << 42  # numbers of the first generators of batches, validations, pictures


@dataclass(frozen=True)
class TaskResult:
    """The result of a training for a task.

    Attributes:
        status: "done", "stopped early", "interrupted", or "diverged": the last error is NaN or Inf.
        exit_code: 0, that of the signal, or 4 for "diverged".
        step: of the training to which the results belong.
        figures: by name, of the best weights, the error first; empty when interrupted, and in all but the leading process.
        folder: holds weights.safetensors, run.toml, result.png, start.npy, last.pt, best.pt, and best/ if weights are kept.
        law: with the weights of that step, on the device of the training, ready to step.
        last_error: of the last validation; None before the first.
    """

    status: str
    exit_code: int
    step: int
    figures: Figures
    folder: Path
    law: nn.Module
    last_error: float | None = None


class TaskObjective:
    """The objective of a `Task`: batches of its samples, and the loss after a rollout."""

    def __init__(self, task: Task, law: Law, train: TaskTrainConfig, setup: Setup, seed: int, processes: Processes) -> None:
        self._task, self._law, self._train, self._setup = task, law, train, setup
        self._seed, self._processes = seed, processes
        self._batch = setup.batch // processes.size
        self._pool = SamplePool(train.pool, self._batch, train.fresh)
        self._steps, self._rolled = train.rollout[1], list[tuple[Tensor, Batch, Tensor]]()
        self.waited_s = 0.0

    @contextmanager
    def batches(self, first: int) -> Iterator["TaskObjective"]:
        """Batches `(slots, *samples)` from training step `first` on."""
        self._number = first
        yield self

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for number in range(self._number, self._train.steps):
            rng = generator(self._seed, _BATCHES + number * self._processes.size + self._processes.rank)
            self._task.progress = number / self._train.steps
            batch, slots, kept = self._pool.draw(self._task.batch(self._batch, rng), rng)
            if kept.any():
                batch = self._task.reuse(batch, kept, rng)
            fewest, most = self._train.rollout
            self._steps = int(torch.randint(fewest, most + 1, (), generator=rng))
            self._rolled = []
            yield (slots, *(tensor.to(self._setup.device) for tensor in batch))

    def loss(self, step: Step, batch: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
        """The loss of a batch, or of part of one, after the rollout."""
        slots, *samples = batch
        cells = after_rollout(step, self._law, samples[0], self._steps, rng, self._train.checkpoint)
        self._rolled.append((slots, tuple(samples), cells.detach()))
        loss = self._task.loss(cells, tuple(samples))
        if not isinstance(loss, Tensor) or loss.ndim:
            given = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ConfigError(f"objective: its loss is of {given}; expected a tensor with one number, as of .mean()")
        return loss

    def after_step(self) -> None:
        """Stores the cells in the pool, and moves learned controls back into their ranges."""
        for slots, samples, cells in self._rolled:
            self._pool.store(slots, samples, cells)
        for name in self._train.learn:
            clamp_control(self._law, name)

    def state_dict(self) -> dict[str, Any]:
        """The pool, and the batch size, which may have been found by trying."""
        return {"batch": self._batch, **self._pool.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the pool and the batch size."""
        self._batch = state["batch"]
        self._pool.load_state_dict(state)


def after_rollout(step: Step, law: Law, cells: Tensor, steps: int, rng: torch.Generator, every: int | None = None) -> Tensor:
    """The cells after a rollout with fresh memory; for `every` see `last_state`."""
    if cells.ndim == 4:
        cells = cells.contiguous(memory_format=torch.channels_last)
    seed = int(torch.randint(2**62, (), generator=rng))
    return last_state(step, (cells, *fresh_memory(law, cells, seed)), steps, every)[0]


def train_task(
    config: TaskConfig,
    folder: Path,
    *,
    objective: Objective | None = None,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trackers: Sequence[Tracker] | None = None,
    started: Callable[[Setup, Task], None] = lambda *_: None,
    progress: Progress[TrainStatus] = None,
) -> TaskResult:
    """Trains a law for a task, until the end or the first SIGINT or SIGTERM.

    Args:
        objective: replaces the config's: a subclass of `Task`, or a loss `(cells, batch) -> scalar`.

    Other arguments and errors as for `imitate`.
    """
    train = config.train
    law, task = learner_and_task(config, objective)
    with ExitStack() as stack:
        stack.callback(task.close)
        processes = stack.enter_context(join_processes(device or config.device))
        check_processes(train.batch, processes)
        if processes.leads:
            prepare_folder(folder, resume, overwrite)
        processes.any(False)  # the others wait for the folder
        setup = set_up(config, law, task, processes, try_batches=not resume)
        processes.same_weights(law)
        started(setup, task)
        reports = stack.enter_context(open_trackers(trackers, folder, default=processes.leads))
        toml = config.to_toml()
        work = TaskObjective(task, law, train, setup, config.seed, processes)
        trainer = Trainer(
            law,
            train,
            work,
            setup,
            folder,
            seed=config.seed,
            config=toml,
            completed=completed(config),
            trackers=reports,
            processes=processes,
        )
        if resume:
            trainer.resume(folder / "last.pt")
        validation = Validation(task, config, setup)
        best = BestWeights(folder, train.keep if processes.leads else 0, config.law, toml)
        status, exit_code = train_until_signal(trainer, _validate(trainer, validation, best, reports), progress, float("inf"))
        learned, last_error = module_of(trainer.average.eval().requires_grad_(False)), trainer.error
        if status == "interrupted" or not processes.leads:
            return TaskResult(status, exit_code, trainer.step, {}, folder, learned, last_error)
        if (folder / "best.pt").exists():
            trainer.resume(folder / "best.pt")
        figures = write_results(trainer.average, validation, config, folder)
        return TaskResult(status, exit_code, trainer.step, figures, folder, learned, last_error)


def learner_and_task(config: TaskConfig, objective: Objective | None = None) -> tuple[Law, Task]:
    """The law to train, and its task. Raises AetheriaError for a config that is refused."""
    grid = config.grid.sides
    law = build_learner(config.law, config.d_state, config.train.learn, len(grid))
    check_grid(law, grid)
    chosen = config.train.objective if objective is None else objective
    return law, build_task(chosen, law, grid, config.objective.parameters)


def check_processes(batch: int | str, processes: Processes) -> None:
    """Raises ConfigError for a batch that several processes cannot share."""
    if isinstance(batch, int):
        processes.share(range(batch))
    elif processes.size > 1:
        raise ConfigError('[train] batch: "auto" given, in several processes; expected a number, shared between them')


def set_up(config: TaskConfig, law: Law, task: Task, processes: Processes, try_batches: bool) -> Setup:
    """The setup of a training; finds the batch, if it is "auto", by trying."""
    train = config.train

    def trial_step(setup: Setup, samples: int) -> None:
        batch = tuple(tensor.to(setup.device) for tensor in task.batch(samples, generator(config.seed, _BATCHES)))
        rng = torch.Generator().manual_seed(0)
        with setup.numerics(), setup.autocast():
            cells = after_rollout(training_step(law), law, batch[0], train.rollout[1], rng, train.checkpoint)
            loss = task.loss(cells, batch)
        setup.scaler().scale(loss).backward()  # type: ignore[no-untyped-call]

    return setup_training(
        law,
        device=processes.device,
        precision=train.precision,
        deterministic=train.deterministic,
        workers=0,
        batch=None if train.batch == "auto" else train.batch,
        step=trial_step if try_batches else None,
    )


class Validation:
    """A validation: held-out samples, the same each time, rolled out as far as the config says."""

    def __init__(self, task: Task, config: TaskConfig, setup: Setup) -> None:
        self.task, self._config, self._setup = task, config, setup

    def samples(self) -> Batch:
        """The samples, on the device."""
        rng = generator(self._config.seed, _HELD_OUT)
        return tuple(tensor.to(self._setup.device) for tensor in self.task.held_out(self._config.train.validation, rng))

    @torch.no_grad()
    def run(self, law: Law) -> tuple[Figures, Tensor, Batch]:
        """Figures, cells after the rollout, and samples."""
        batch, rng, train = self.samples(), generator(self._config.seed, _SHOWN), self._config.train
        longest = train.rollout[1]  # in parts of so many steps, of which a kernel stores all
        cells = after_rollout(training_step(law), law, batch[0], train.validation_rollout or longest, rng, longest)
        return self.task.figures(cells, batch), cells, batch


def _validate(
    trainer: Trainer, validation: Validation, best: BestWeights, trackers: Sequence[Tracker]
) -> Callable[[Law], float]:
    def validate(average: Law) -> float:
        figures, cells, batch = validation.run(average)
        error = next(iter(figures.values()))
        if trackers or best.wants(error):
            pixels = validation.task.picture(cells, batch)
            best.offer(error, trainer.step, figures, average, pixels)
            for tracker in trackers:
                tracker.picture(trainer.step, "validation", pixels)
                tracker.numbers(trainer.step, {f"validation: {name}": value for name, value in figures.items()})
        return error

    return validate


def write_results(law: Law, validation: Validation, config: TaskConfig, folder: Path) -> Figures:
    """Writes the results of a finished training; returns its figures."""
    law.eval()
    figures, cells, batch = validation.run(law)
    with torch.no_grad():
        figures |= validation.task.after_training(law)
    with atomic_write(folder / "result.png") as temporary:
        Image.fromarray(validation.task.picture(cells, batch)).save(temporary)
    with atomic_write(folder / "start.npy") as temporary, temporary.open("wb") as file:
        np.save(file, batch[0][:1].cpu().numpy())
    write_law(law, config.law, config.to_toml(), folder / "weights.safetensors")
    with atomic_write(folder / "run.toml") as temporary:
        temporary.write_text(run_toml(law, config))
    return figures


def run_toml(law: Law, config: TaskConfig) -> str:
    """The config of a run of the trained law from the first cells of a held-out sample."""
    run: dict[str, Any] = {"title": f"{config.title or config.train.objective}, learned", "steps": 1000, "seed": config.seed}
    if config.d_state:
        run["d_state"] = config.d_state
    tables = {"law": law_table(law, config.law, "weights.safetensors"), "initial": {"kind": "npy", "path": "start.npy"}}
    return tomli_w.dumps(run | {"grid": {"shape": list(config.grid.sides)}} | tables)
