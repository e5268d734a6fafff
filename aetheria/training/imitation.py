"""Training from recordings: a law learns to continue recorded trajectories."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.core.progress import Progress
from aetheria.files.atomic import atomic_write
from aetheria.laws.base import Law, check_grid, module_of
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training import learner, report
from aetheria.training.batches import Batches, SampleSchedule
from aetheria.training.distributed import Processes, join_processes
from aetheria.training.folder import prepare_folder
from aetheria.training.learner import clamp_control
from aetheria.training.rollout import RolloutConfig, observable, rollout_loss
from aetheria.training.setup import Setup, setup_training
from aetheria.training.trackers import Tracker, open_trackers
from aetheria.training.train_config import TrainConfig, completed
from aetheria.training.trainer import Trainer, TrainStatus, train_until_signal
from aetheria.training.trajectories import TrajectoryDataset

_MOST_SAMPLES = 1024  # of a step, for batch "auto": more add little, and take long to try


@dataclass(frozen=True)
class TrainResult:
    """The result of a training.

    Attributes:
        status: "done", "stopped early", "interrupted", or "diverged": the last error has exploded (see
            `aetheria.training.trainer.exploded`), and the result is the best before, if any was better.
        exit_code: 0, that of the signal, or 4 for "diverged".
        step: of the training to which the results belong.
        errors: mean absolute error of a cell after 1, 2 .. steps, on held-out data; empty when interrupted, and in all
            processes but the leading one.
        folder: holds weights.safetensors, run.toml, rollout.png, errors.csv, last.pt, best.pt.
        law: with the weights of that step, on the device of the training, ready to step; as it was given for a module that is
            no `Law`.
        last_error: of the last validation; None before the first.
    """

    status: str
    exit_code: int
    step: int
    errors: NDArray[np.float64]
    folder: Path
    law: nn.Module
    last_error: float | None = None


class ImitationObjective:
    """The objective that the law's own rollouts follow windows of recordings."""

    def __init__(
        self,
        law: Law,
        dataset: TrajectoryDataset,
        config: TrainConfig,
        rollout: RolloutConfig,
        setup: Setup,
        processes: Processes,
    ) -> None:
        self._law, self._dataset, self._rollout, self._setup, self._processes = law, dataset, rollout, setup, processes
        self._train, self._seed = config.train, config.seed
        self._batch = setup.batch

    def batches(self, first: int) -> Batches:
        """Windows `(B, frames, C, h, w)`, read ahead."""
        schedule = SampleSchedule(
            len(self._dataset), self._batch, self._train.frames, first, self._train.steps, self._seed, self._processes
        )
        return Batches(self._dataset, schedule, self._setup.device, self._setup.workers)

    def loss(self, step: Step, batch: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
        """See `rollout_loss`."""
        return rollout_loss(step, self._law, batch[0], self._rollout, rng)

    def after_step(self) -> None:
        """Moves learned controls back into their ranges."""
        for name in self._train.learn:
            clamp_control(self._law, name)

    def state_dict(self) -> dict[str, Any]:
        """The batch size, which may have been found by trying; the samples follow from the step."""
        return {"batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the batch size."""
        self._batch = state.get("batch", self._batch)  # missing in files of earlier versions


def imitate(
    config: TrainConfig,
    folder: Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trackers: Sequence[Tracker] | None = None,
    started: Callable[[Setup, TrajectoryDataset], None] = lambda *_: None,
    progress: Progress[TrainStatus] = None,
) -> TrainResult:
    """Learns a law's next state from recordings, until the end or the first SIGINT or SIGTERM.

    Args:
        folder: for the results; made if it is missing.
        device: replaces the config's.
        resume: continue from the folder's last.pt.
        overwrite: replace an existing training in the folder.
        trackers: receive the figures of the training; None for TensorBoard if it is installed.
        progress: called after each training step; or whether a bar is shown: None for one where a person watches.

    Raises:
        AetheriaError: for bad input before anything is written; later errors keep the last good checkpoint.
    """
    law = build_learner(config)
    train, held_out = datasets(config)
    rollout = rollout_config(config, law, train)
    with ExitStack() as stack:
        processes = stack.enter_context(join_processes(device or config.device))
        _check_batch(config, processes)
        if processes.leads:
            prepare_folder(folder, resume, overwrite)
        processes.any(False)  # the others wait for the folder
        setup = _set_up(config, law, train, rollout, processes, try_batches=not resume)
        processes.same_weights(law)
        started(setup, train)
        stack.enter_context(train)
        stack.enter_context(held_out)
        reports = stack.enter_context(open_trackers(trackers, folder, default=processes.leads))
        objective = ImitationObjective(law, train, config, rollout, setup, processes)
        trainer = Trainer(
            law,
            config.train,
            objective,
            setup,
            folder,
            seed=config.seed,
            config=config.to_toml(),
            completed=completed(config),
            trackers=reports,
            processes=processes,
        )
        if resume:
            trainer.resume(folder / "last.pt")
        validate = _validation(trainer, held_out, reports, setup)
        status, exit_code = train_until_signal(trainer, validate, progress, report.empty_error(held_out))
        learned, last_error = module_of(trainer.average.eval().requires_grad_(False)), trainer.error
        if status == "interrupted" or not processes.leads:
            return TrainResult(status, exit_code, trainer.step, np.zeros(0), folder, learned, last_error)
        if (folder / "best.pt").exists():
            trainer.resume(folder / "best.pt")
        errors = write_results(trainer.average, config, held_out, folder, setup)
        return TrainResult(status, exit_code, trainer.step, errors, folder, learned, last_error)


def build_learner(config: TrainConfig) -> Law:
    """The law to train. Raises ConfigError for a law without parameters."""
    return learner.build_learner(config.law, config.d_state, config.train.learn)


def datasets(config: TrainConfig) -> tuple[TrajectoryDataset, TrajectoryDataset]:
    """The datasets for training and for validation: parts of the same recordings without a common frame."""
    data, train_config = config.data, config.train
    most = max(train_config.rollout[1], train_config.horizon) + 1
    every = TrajectoryDataset(data.recordings, most, stride=data.stride, periodic=data.periodic)
    train, held_out = every.split(data.validation, data.split)
    crop = (data.crop[0], data.crop[1]) if data.crop else None
    train = train.with_windows(train_config.rollout[1] + 1, crop=crop, symmetries=data.symmetries)
    return train, held_out.with_windows(train_config.horizon + 1)


def rollout_config(config: TrainConfig, law: Law, train: TrajectoryDataset) -> RolloutConfig:
    """The settings of rollouts. Raises ConfigError when law, recordings and crop do not fit together."""
    run, settings = train.runs[0], config.train
    if law.channels != run.channels:
        raise ConfigError(f"[law] {law.name} has {law.channels} channels; the recordings of {run.law} have {run.channels}")
    check_grid(law, train.shape[1:])
    check_grid(law, (run.height, run.width))
    for name in settings.conserve:
        observable(name, law)
    shrink = 0
    if train.shape[1:] != (run.height, run.width):
        if law.radius is None:
            raise ConfigError(
                f"[data] crop: {law.name} with these parameters depends on cells outside a crop; leave crop out, or give the "
                'law a local norm (normalise = "cell" or "none")'
            )
        shrink = law.radius
        if min(train.shape[1:]) <= 2 * shrink * settings.rollout[1]:
            raise ConfigError(
                f"[data] crop: {list(train.shape[1:])} given; after {settings.rollout[1]} steps of radius {shrink} none of its "
                f"cells is known; expected more than {2 * shrink * settings.rollout[1]} on each side, or a shorter rollout"
            )
    return RolloutConfig(settings.loss, settings.noise, settings.truncate, settings.checkpoint, shrink, settings.conserve)


def write_results(
    law: Law, config: TrainConfig, held_out: TrajectoryDataset, folder: Path, setup: Setup
) -> NDArray[np.float64]:
    """Writes the results of a finished training; returns the errors by horizon."""
    errors = report.horizon_errors(law, held_out, setup.device)
    report.write_errors(errors, folder / "errors.csv")
    with atomic_write(folder / "rollout.png") as temporary:
        report.rollout_strip(law, held_out[0].to(setup.device)).save(temporary)
    learner.write_law(law, config.law, config.to_toml(), folder / "weights.safetensors")
    with atomic_write(folder / "run.toml") as temporary:
        temporary.write_text(report.run_toml(law, config, held_out.runs[0].path, "weights.safetensors"))
    return errors


def _check_batch(config: TrainConfig, processes: Processes) -> None:
    batch = config.train.batch
    if batch != "auto":
        processes.share(range(batch))
    elif processes.size > 1:
        raise ConfigError('[train] batch: "auto" given, in several processes; expected a number, shared between them')


def _set_up(
    config: TrainConfig,
    law: Law,
    train: TrajectoryDataset,
    rollout: RolloutConfig,
    processes: Processes,
    try_batches: bool,
) -> Setup:
    def trial_step(setup: Setup, samples: int) -> None:
        """Computes the gradients of the longest rollout on copies of the first recorded window."""
        window = train[0][None].to(setup.device)
        rng = torch.Generator().manual_seed(0)
        with setup.numerics(), setup.autocast():
            loss = rollout_loss(training_step(law), law, window.repeat(samples, 1, 1, 1, 1), rollout, rng)
        setup.scaler().scale(loss).backward()  # type: ignore[no-untyped-call]

    batch = config.train.batch
    return setup_training(
        law,
        device=processes.device,
        precision=config.train.precision,
        deterministic=config.train.deterministic,
        workers=config.data.workers,
        batch=None if batch == "auto" else batch,
        step=trial_step if try_batches else None,
        most=min(len(train), _MOST_SAMPLES),
    )


def _validation(
    trainer: Trainer, held_out: TrajectoryDataset, trackers: Sequence[Tracker], setup: Setup
) -> Callable[[Law], float]:
    def validate(average: Law) -> float:
        if trackers:
            pixels = np.asarray(report.rollout_strip(average, held_out[0].to(setup.device)))
            for tracker in trackers:
                tracker.picture(trainer.step, "recorded above, learned below", pixels)
        return float(report.horizon_errors(average, held_out, setup.device).mean())

    return validate
