"""A training from config to results: law, data, loop, report."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, StateError
from aetheria.files.atomic import atomic_write, check_output
from aetheria.laws.base import Law, as_law, check_grid
from aetheria.laws.controls import Control
from aetheria.runs.run import built_law
from aetheria.runs.signals import Interrupts
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training import report
from aetheria.training.batches import Batches, Draws
from aetheria.training.distributed import Processes, team
from aetheria.training.loop import Trainer, TrainStatus
from aetheria.training.rollout import Rollout, observable, rollout_loss
from aetheria.training.setup import Setup, setup_training
from aetheria.training.trackers import Tracker, default_trackers
from aetheria.training.train_config import TrainConfig
from aetheria.training.trajectories import TrajectoryDataset

_MOST_SAMPLES = 1024  # of a step; more teach little more, and take long to try


@dataclass(frozen=True)
class TrainResult:
    """How a training ended, and what it left behind.

    Attributes:
        status: "done", "stopped early" or "interrupted".
        errors: mean absolute error of a cell after 1, 2 .. steps, on what was held out; empty when interrupted, and in all
            processes but the first.
        folder: holds weights.safetensors, run.toml, rollout.png, errors.csv, last.pt, best.pt.
    """

    status: str
    exit_code: int
    step: int
    errors: NDArray[np.float64]
    folder: Path


class Imitation:
    """The lesson of windows of recordings: the law's own rollouts shall follow them."""

    def __init__(
        self,
        law: Law,
        dataset: TrajectoryDataset,
        config: TrainConfig,
        rollout: Rollout,
        setup: Setup,
        us: Processes,
    ) -> None:
        self._law, self._dataset = law, dataset
        self._how, self._seed, self._rollout, self._setup, self._us = config.train, config.seed, rollout, setup, us
        self._batch = setup.batch

    def batches(self, first: int) -> Batches:
        """Windows `(B, frames, C, h, w)`, read ahead."""
        how = self._how
        draws = Draws(len(self._dataset), self._batch, how.frames, first, how.steps, self._seed, self._us)
        return Batches(self._dataset, draws, self._setup.device, self._setup.workers)

    def loss(self, step: Step, batch: tuple[Tensor, ...], chance: torch.Generator) -> Tensor:
        """See `rollout_loss`."""
        return rollout_loss(step, self._law, batch[0], self._rollout, chance)

    def learned(self) -> None:
        """Brings learned controls back to where the law allows them to be."""
        for name in self._how.learn:
            keep_allowed(self._law, name)

    def state_dict(self) -> dict[str, Any]:
        """How many samples a step has, which may have been found by trying; which they are is known from the step."""
        return {"batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with batches of the same size."""
        self._batch = state.get("batch", self._batch)  # which earlier versions did not keep


def imitate(
    config: TrainConfig,
    folder: Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trackers: Sequence[Tracker] | None = None,
    started: Callable[[Setup, TrajectoryDataset], None] = lambda *_: None,
    progress: Callable[[TrainStatus], None] = lambda _: None,
) -> TrainResult:
    """Learns a law's next-state dynamics from recordings; heeds SIGINT and SIGTERM.

    Args:
        folder: for what it leaves behind; made where it is missing.
        device: instead of the config's.
        resume: go on from the folder's last.pt.
        overwrite: begin anew in a folder that holds a training.
        trackers: who follows it; None for TensorBoard where it is installed.

    Raises:
        AetheriaError: before anything is written for bad input; with the last good checkpoint kept after that.
    """
    law = learner(config)
    train, held_out = datasets(config)
    how = rollout_of(config, law, train)
    with ExitStack() as open_:
        us = open_.enter_context(team(device or config.device))
        batch = config.train.batch
        if batch == "auto":
            if us.size > 1:
                raise ConfigError('[train] batch: "auto" given, in several processes; expected a number, shared between them')
        else:
            us.share(range(batch))  # refused before anything is written
        if us.leads:
            prepare(folder, resume, overwrite)
        us.any(False)  # the others wait for the folder
        setup = setup_training(
            law,
            device=us.device,
            precision=config.train.precision,
            deterministic=config.train.deterministic,
            workers=config.data.workers,
            batch=None if batch == "auto" else batch,
            step=None if resume else lambda setup, samples: trial(law, train, how, setup, samples),
            most=min(len(train), _MOST_SAMPLES),
        )
        us.same_weights(law)
        started(setup, train)
        open_.enter_context(train)
        open_.enter_context(held_out)
        reports = list(trackers or ())
        if trackers is None and us.leads:
            reports = default_trackers(folder / "tensorboard")
        for tracker in reports:
            open_.callback(tracker.close)
        lesson = Imitation(law, train, config, how, setup, us)
        kept: dict[str, Any] = {"seed": config.seed, "config": config.to_toml()}
        trainer = Trainer(law, config.train, lesson, setup, folder, trackers=reports, us=us, **kept)
        if resume:
            trainer.resume(folder / "last.pt")

        def validate(average: Law) -> float:
            if reports:
                pixels = np.asarray(report.strip(average, held_out[0].to(setup.device)))
                for tracker in reports:
                    tracker.picture(trainer.step, "recorded above, learned below", pixels)
            return float(report.horizon_errors(average, held_out, setup.device).mean())

        with Interrupts() as interrupts:
            interrupts.patience = 1  # the first signal ends the training in order
            status = trainer.train(validate, stopped=lambda: bool(interrupts.received), progress=progress)
        if status == "interrupted":
            return TrainResult(status, interrupts.exit_code, trainer.step, np.zeros(0), folder)
        if not us.leads:
            return TrainResult(status, 0, trainer.step, np.zeros(0), folder)
        if (folder / "best.pt").exists():
            trainer.resume(folder / "best.pt")
        errors = leave(trainer.average, config, held_out, folder, setup)
        return TrainResult(status, 0, trainer.step, errors, folder)


def learner(config: TrainConfig) -> Law:
    """The law that is to learn, with the controls that are learned as parameters; raises ConfigError for one without any."""
    law = as_law(*built_law(config.law, config.d_state))
    learn_controls(law, config.train.learn)
    if not any(True for _ in law.parameters()):
        raise ConfigError(f"[law] {law.name} has no weights; name controls to learn, as [train] learn = [...], or another law")
    return law


def datasets(config: TrainConfig) -> tuple[TrajectoryDataset, TrajectoryDataset]:
    """To train on and to validate with: parts of the same recordings that share no frame."""
    data, how = config.data, config.train
    most = max(how.rollout[1], how.horizon) + 1
    every = TrajectoryDataset(data.recordings, most, stride=data.stride, periodic=data.periodic)
    train, held_out = every.split(data.validation, data.split)
    crop = (data.crop[0], data.crop[1]) if data.crop else None
    return train.viewed(how.rollout[1] + 1, crop=crop, symmetries=data.symmetries), held_out.viewed(how.horizon + 1)


def rollout_of(config: TrainConfig, law: Law, train: TrajectoryDataset) -> Rollout:
    """How rollouts are taken; raises ConfigError where the law, the recordings and the crop do not go together."""
    run, how = train.runs[0], config.train
    if law.channels != run.channels:
        raise ConfigError(f"[law] {law.name} has {law.channels} channels; the recordings of {run.law} have {run.channels}")
    check_grid(law, train.shape[1:])
    check_grid(law, (run.height, run.width))
    for name in how.conserve:
        observable(name, law)
    shrink = 0
    if train.shape[1:] != (run.height, run.width):
        if law.radius is None:
            raise ConfigError(
                f"[data] crop: with {law.name} as it is a far-away cell matters, and a crop does not show it; leave crop "
                'out, or give the law a local norm (normalise = "cell" or "none")'
            )
        shrink = law.radius
        if min(train.shape[1:]) <= 2 * shrink * how.rollout[1]:
            raise ConfigError(
                f"[data] crop: {list(train.shape[1:])} given; after {how.rollout[1]} steps of radius {shrink} nothing in it is "
                f"known any more; expected more than {2 * shrink * how.rollout[1]} on each side, or a shorter rollout"
            )
    return Rollout(how.loss, how.noise, how.truncate, how.checkpoint, shrink, how.conserve)


def trial(law: Law, train: TrajectoryDataset, how: Rollout, setup: Setup, samples: int) -> None:
    """Takes the gradients of so many samples of the longest rollout, of cells like those of the first recording."""
    window = train[0][None].to(setup.device)
    chance = torch.Generator().manual_seed(0)
    with setup.numerics(), setup.autocast():
        loss = rollout_loss(training_step(law), law, window.repeat(samples, 1, 1, 1, 1), how, chance)
    setup.scaler().scale(loss).backward()  # type: ignore[no-untyped-call]


def learn_controls(law: Law, names: Sequence[str]) -> None:
    """Makes controls of a law parameters, which are trained with the others.

    Raises:
        ConfigError: no such control, or one that is no number with a gradient.
    """
    for name in names:
        value = law.get_control(name)
        control = next(c for c in law.controls if c.name == name)
        if not isinstance(control, Control) or not isinstance(value, float) or not control.as_tensor(value).is_floating_point():
            raise ConfigError(f'[train] learn: "{name}" has no gradient; expected a number that changes the cells smoothly')
        setattr(law, name, nn.Parameter(torch.tensor(value)))


@torch.no_grad()
def keep_allowed(law: Law, name: str) -> None:
    """Moves a control that is learned to the nearest end of its range, if it has left what is allowed."""
    control = next(c for c in law.controls if c.name == name)
    held = getattr(law, name)
    if isinstance(control, Control) and not control.allowed(held.item()):
        held.clamp_(control.low, control.high)


def prepare(folder: Path, resume: bool, overwrite: bool) -> None:
    """Makes the folder, or raises ConfigError where it holds a training that nobody wants replaced."""
    last = folder / "last.pt"
    if resume and not last.exists():
        raise StateError(f"{last}: no such file; there is no training to resume")
    if not resume and folder.exists() and any(folder.glob("*.pt")) and not overwrite:
        raise ConfigError(f"{folder}: holds a training; --resume goes on with it, --overwrite begins anew")
    folder.mkdir(parents=True, exist_ok=True)
    check_output(folder / "run.toml", overwrite=True)
    if not resume:
        for old in folder.glob("*.pt"):
            old.unlink()
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)


def leave(law: Law, config: TrainConfig, held_out: TrajectoryDataset, folder: Path, setup: Setup) -> NDArray[np.float64]:
    """Writes the report of a finished training; the errors by horizon."""
    errors = report.horizon_errors(law, held_out, setup.device)
    report.write_errors(errors, folder / "errors.csv")
    with atomic_write(folder / "rollout.png") as beside:
        report.strip(law, held_out[0].to(setup.device)).save(beside)
    report.write_law(law, config, folder / "weights.safetensors")
    with atomic_write(folder / "run.toml") as beside:
        beside.write_text(report.run_toml(law, config, held_out.runs[0].path, "weights.safetensors"))
    return errors
