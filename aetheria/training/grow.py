"""Training to grow a picture: from a config to weights, the config of a run, and an evaluation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.core.progress import Progress
from aetheria.files.atomic import atomic_write
from aetheria.laws.base import Law, check_grid
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training.damage import Damage
from aetheria.training.distributed import process_count
from aetheria.training.folder import prepare_folder
from aetheria.training.growth import GrowthPool
from aetheria.training.growth_report import GrowthEvaluation, contact_sheet, evaluate
from aetheria.training.learner import build_learner, write_law
from aetheria.training.setup import Setup, setup_training
from aetheria.training.target_images import draw_emoji, read_picture
from aetheria.training.trackers import Tracker, open_trackers
from aetheria.training.train_config import GrowConfig, completed
from aetheria.training.trainer import Trainer, TrainStatus, train_until_signal


@dataclass(frozen=True)
class GrowResult:
    """The result of a training to grow a picture.

    Attributes:
        status: "done", "stopped early", "interrupted", or "diverged": the last error has exploded (see
            `aetheria.training.trainer.exploded`), and the result is the best before, if any was better.
        exit_code: 0, that of the signal, or 4 for "diverged".
        step: of the training to which the results belong.
        errors, healed: see `GrowthEvaluation`; empty and 0 when interrupted.
        folder: holds weights.safetensors, run.toml, grown.png, last.pt, best.pt.
        law: with the weights of that step, on the device of the training, ready to step.
        last_error: of the last validation; None before the first.
    """

    status: str
    exit_code: int
    step: int
    errors: dict[int, float]
    healed: float
    folder: Path
    law: Law
    last_error: float | None = None


class GrowthObjective:
    """The objective that states of a pool become the picture."""

    def __init__(self, pool: GrowthPool, last: int, device: torch.device) -> None:
        """
        Args:
            pool: gives and takes the states.
            last: steps of the whole training.
            device: of the training.
        """
        self._pool, self._last, self._device = pool, last, device
        self._steps = 1
        self._grown: list[tuple[Tensor, Tensor]] = []
        self.waited_s = 0.0

    @contextmanager
    def batches(self, first: int) -> Iterator["GrowthObjective"]:
        """Batches `(cells, slots, *memory)` from training step `first` on."""
        self._number = first
        yield self

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self._number < self._last:
            batch = self._pool.draw(self._number, self._number / self._last)
            self._steps = batch.steps
            self._grown = []
            yield batch.cells.to(self._device), batch.slots, *(tensor.to(self._device) for tensor in batch.memory)
            self._number += 1

    def loss(self, step: Step, batch: tuple[Tensor, ...], _: torch.Generator) -> Tensor:
        """The loss of the states that grow from part of a batch."""
        cells, slots, *memory = batch
        grown = self._pool.grow(step, cells, tuple(memory), self._steps)
        self._grown.append((slots, grown.detach()))
        return self._pool.loss(grown)

    def after_step(self) -> None:
        """Stores the grown states in the pool."""
        for slots, grown in self._grown:
            self._pool.store(slots, grown)

    def state_dict(self) -> dict[str, Any]:
        """The pool, and the batch size, which may have been found by trying."""
        return {"batch": torch.tensor(self._pool.batch), **self._pool.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the pool and the batch size."""
        self._pool.load_state_dict(state)
        self._pool.set_batch(int(state.get("batch", self._pool.batch)))  # missing in files of earlier versions


def grow(
    config: GrowConfig,
    folder: Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trackers: Sequence[Tracker] | None = None,
    started: Callable[[Setup], None] = lambda _: None,
    progress: Progress[TrainStatus] = None,
) -> GrowResult:
    """Trains a law to grow a picture from one cell, to keep it and to heal it, until the end or the first SIGINT or SIGTERM.

    Arguments and errors as for `imitate`; also ConfigError for a law without colour channels and for several processes, and
    StateError for a picture larger than the grid.
    """
    if process_count() > 1:
        raise ConfigError("several processes: expected one; a pool of states is not shared between them")
    law = growing_law(config)
    pool = growth_pool(config, law)
    prepare_folder(folder, resume, overwrite)
    train = config.train
    setup = set_up(config, law, pool, device, try_batches=not resume)
    pool.set_batch(setup.batch)
    started(setup)
    with open_trackers(trackers, folder) as reports:
        objective = GrowthObjective(pool, train.steps, setup.device)
        toml, fill = config.to_toml(), completed(config)
        trainer = Trainer(law, train, objective, setup, folder, seed=config.seed, config=toml, completed=fill, trackers=reports)
        if resume:
            trainer.resume(folder / "last.pt")
        validate = _validation(trainer, pool, reports)
        status, exit_code = train_until_signal(trainer, validate, progress, pool.empty_error())
        learned, last_error = trainer.average, trainer.error
        learned.eval().requires_grad_(False)
        if status == "interrupted":
            return GrowResult(status, exit_code, trainer.step, {}, 0.0, folder, learned, last_error)
        if (folder / "best.pt").exists():
            trainer.resume(folder / "best.pt")
        found = write_results(learned, pool, config, folder)
        return GrowResult(status, exit_code, trainer.step, found.errors, found.healed, folder, learned, last_error)


def growing_law(config: GrowConfig) -> Law:
    """The law to train. Raises ConfigError for a law without weights."""
    law = build_learner(config.law)
    check_grid(law, (config.picture.grid[0], config.picture.grid[1]))
    return law


def set_up(config: GrowConfig, law: Law, pool: GrowthPool, device: str | None, try_batches: bool) -> Setup:
    """The setup of a training; finds the batch, if it is "auto", by trying."""
    train = config.train

    def trial_step(setup: Setup, samples: int) -> None:
        cells = pool.start.to(setup.device).repeat(samples, 1, 1, 1)
        with setup.numerics(), setup.autocast():
            grown = pool.grow(training_step(law), cells, fresh_memory(law, cells, 0), train.rollout[1])
            loss = pool.loss(grown)
        setup.scaler().scale(loss).backward()  # type: ignore[no-untyped-call]

    return setup_training(
        law,
        device=device or config.device,
        precision=train.precision,
        deterministic=train.deterministic,
        workers=0,
        batch=None if train.batch == "auto" else train.batch,
        step=trial_step if try_batches else None,
        most=train.pool,
    )


def growth_pool(config: GrowConfig, law: Law) -> GrowthPool:
    """The pool of a config; raises what `read_picture`, `draw_emoji` and `GrowthPool` do."""
    train, picture, (height, width) = config.train, config.picture, config.picture.grid
    return GrowthPool(
        law,
        draw_emoji(picture.emoji, picture.size) if picture.emoji else read_picture(picture.path, picture.size),
        (height, width),
        pool=train.pool,
        batch=1 if train.batch == "auto" else train.batch,
        damaged=0 if train.batch == "auto" else train.damaged,
        damage=damage_of(config),
        checkpoint=train.checkpoint,
        steps=(train.rollout[0], train.rollout[1]),
        seed=config.seed,
    )


def damage_of(config: GrowConfig) -> Damage | None:
    """The damage of a config's table [damage]; None for discs and sides of `damaged` states."""
    given, train = config.damage, config.train
    if given is None:
        return None if train.batch != "auto" else Damage(min(0.25, train.damaged))
    return Damage(given.share, given.shapes, given.begin, given.full)


def write_results(law: Law, pool: GrowthPool, config: GrowConfig, folder: Path) -> GrowthEvaluation:
    """Evaluates a trained law and writes the results."""
    found = evaluate(law, pool)
    with atomic_write(folder / "grown.png") as temporary:
        contact_sheet(found.cells, pool.target).save(temporary)
    write_law(law, config.law, config.to_toml(), folder / "weights.safetensors")
    with atomic_write(folder / "run.toml") as temporary:
        temporary.write_text(run_toml(law, config))
    return found


def run_toml(law: Law, config: GrowConfig) -> str:
    """The config of a run of the trained law from one cell, on a grid twice as high and wide."""
    height, width = config.picture.grid
    table = {"name": config.law.name, **config.law.parameters, "weights": "weights.safetensors"}
    run: dict[str, Any] = {"title": f"{config.title or 'a picture'}, grown", "steps": 1000, "seed": config.seed}
    tables: dict[str, Any] = {"grid": {"height": 2 * height, "width": 2 * width}, "law": table}
    if law.default_initial != "seed":
        tables["initial"] = {"kind": "seed"}
    return tomli_w.dumps(run | tables)


def _validation(trainer: Trainer, pool: GrowthPool, trackers: Sequence[Tracker]) -> Callable[[Law], float]:
    def validate(average: Law) -> float:
        found = evaluate(average, pool)
        for tracker in trackers:
            pixels = np.asarray(contact_sheet(found.cells, pool.target))
            tracker.picture(trainer.step, "the picture, and what grows", pixels)
        return found.worst

    return validate
