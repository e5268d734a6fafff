"""The training loop: steps of the optimizer, validation, and checkpoints; resumable to the bit on the CPU."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.core.errors import DivergedError, FileUnreadableError
from aetheria.core.progress import Progress, reported
from aetheria.files.untrusted import first_line
from aetheria.laws.base import Law
from aetheria.motor.initial import generator
from aetheria.runs.signals import SignalHandler
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training import train_state
from aetheria.training.batch_size import MicroBatches, peak_so_far
from aetheria.training.distributed import ALONE, Processes
from aetheria.training.objective import Objective
from aetheria.training.optimizers import SCHEDULES, make_optimizer
from aetheria.training.setup import Setup
from aetheria.training.trackers import Tracker
from aetheria.training.train_config import OptimConfig

MOST_BAD_LOSSES = 3  # losses of NaN or Inf in a row, after which the training ends
EXPLODED = 100.0  # an error of so many times that of empty cells is no imperfect law, but one whose cells grow without bound
_GRADIENTS_EVERY = 100  # steps between two histograms
# Counters in a checkpoint: key in the file, attribute of the trainer.
_COUNTERS = {"best": "best", "error": "error", "_slowed": "_rate_factor", "_bad": "_bad_losses", "_stale": "_stale_validations"}


@dataclass(frozen=True)
class TrainStatus:
    """The progress of a training.

    Attributes:
        step, steps: steps done, and steps of the whole training.
        error: of the last validation, that of this step included; None before the first.
        rate: steps per second.
        waited: share of the time spent waiting for data.
    """

    step: int
    steps: int
    loss: float
    error: float | None
    rate: float
    waited: float


class Trainer:
    """Trains a law for an objective.

    Attributes:
        law: the law in training, in train mode during a step.
        average: a copy with averaged weights, or the law itself if no average is kept; this is the result.
        step: steps done.
        best: the lowest validation error so far.
        error: the last validation error; None before the first.
        leads: this process writes, of those that train together.
    """

    def __init__(
        self,
        law: Law,
        optim: OptimConfig,
        objective: Objective,
        setup: Setup,
        folder: Path,
        *,
        seed: int = 0,
        config: str = "",
        completed: Callable[[str], str] = str,
        trackers: Sequence[Tracker] = (),
        processes: Processes = ALONE,
    ) -> None:
        """
        Args:
            law: on its device already; see `setup_training`.
            folder: for last.pt and best.pt.
            config: saved in them; a training can be resumed with the same config only.
            completed: see `train_state.load`.
            processes: the processes that train together, each of which calls this; the leading one writes.
        """
        self.law, self.optim = law, optim
        self.step, self.best = 0, math.inf
        self.error: float | None = None
        self._objective, self._setup, self._folder = objective, setup, folder
        self._seed, self._config, self._completed = seed, config, completed
        self._trackers, self._processes = trackers, processes
        self.leads = processes.leads
        self.average = copy.deepcopy(law).requires_grad_(False) if optim.average else law
        self._optimizer = make_optimizer(
            optim.optimizer, law.parameters(), optim.learning_rate, optim.weight_decay, optim.beta2, optim.epsilon
        )
        self._scaler = setup.scaler()
        self._micro_batches = MicroBatches(optim.micro_batch)
        self._law_step: Step = compiled(law, optim.compile) if optim.compile else training_step(law)
        self._rate_factor, self._bad_losses, self._stale_validations = 1.0, 0, 0

    def train(
        self,
        validate: Callable[[Law], float],
        *,
        empty_error: float = math.inf,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[TrainStatus], None] = lambda _: None,
    ) -> str:
        """Trains to the end, an early stop, or a signal, and saves a checkpoint.

        Args:
            validate: returns the error of a law, in eval mode, on held-out data.
            empty_error: the error of empty cells, by which `exploded` judges; if left out only NaN and Inf count.
            stopped: called after each step; True ends the training.

        Returns:
            "done", "stopped early", "interrupted"; or "diverged" for one of the first two with an exploded last error.

        Raises:
            DivergedError: the loss was NaN or Inf three times in a row; the last good checkpoint is kept.
            DiskFullError: a checkpoint cannot be written; the one before is kept.
        """
        began = time.perf_counter()
        with self._objective.batches(self.step) as batches, self._setup.numerics():
            first = self.step
            for batch in batches:
                loss = self.train_step(batch)
                self._objective.after_step()
                self.step += 1
                seconds = max(time.perf_counter() - began, 1e-9)
                rates = (self.step - first) / seconds, batches.waited_s / seconds
                if self.step == self.optim.steps or self.step % self.optim.validate_every == 0:
                    self._validate(validate)
                status = TrainStatus(self.step, self.optim.steps, loss, self.error, *rates)
                self._track(status)
                progress(status)
                if self.optim.patience and self._stale_validations >= self.optim.patience:
                    return "diverged" if exploded(self.error, empty_error) else "stopped early"
                if self._processes.any(stopped()):
                    self.save(self._folder / "last.pt")
                    return "interrupted"
        return "diverged" if exploded(self.error, empty_error) else "done"

    # -- a step --------------------------------------------------------------------------------------------------------

    def train_step(self, batch: tuple[Tensor, ...]) -> float:
        """Takes one step of the optimizer; returns the loss. A loss of NaN or Inf changes no weight and halves the rate."""
        self.law.train()
        rng = generator(self._seed, self.step * self._processes.size + self._processes.rank)

        def loss(*samples: Tensor) -> Tensor:
            with self._setup.autocast():
                return self._objective.loss(self._law_step, samples, rng)

        own = self._micro_batches.backward(batch, loss, self._optimizer.zero_grad, self._scaler.scale)
        value = self._processes.mean(own).item()
        if not math.isfinite(value):
            self._skip()
            return value
        self._bad_losses = 0
        for group in self._optimizer.param_groups:
            group["lr"] = self.optim.learning_rate * self._rate_factor * rate(self.step, self.optim)
        self._processes.average_gradients(self.law.parameters())
        self._scaler.unscale_(self._optimizer)
        if self.optim.normalise:
            normalise_gradients(self.law)
        norm = nn.utils.clip_grad_norm_(self.law.parameters(), self.optim.clip or math.inf)
        # Overflows of scaled gradients are normal, and handled by the scaler; any other overflow is skipped like a bad loss.
        if norm.isfinite() or self._scaler.is_enabled():
            self._scaler.step(self._optimizer)
            self._scaler.update()
        else:
            self._skip()
        self._histograms()
        self._optimizer.zero_grad()
        self._update_average()
        return value

    def _skip(self) -> None:
        self._optimizer.zero_grad()
        self._bad_losses += 1
        self._rate_factor /= 2
        if self._bad_losses == MOST_BAD_LOSSES:
            raise DivergedError(
                f"the loss was NaN or Inf {MOST_BAD_LOSSES} times in a row, up to step {self.step}, with the rate halved each "
                f"time; the last good checkpoint is kept in {self._folder}; use a lower learning_rate, or a shorter rollout"
            )

    @torch.no_grad()
    def _update_average(self) -> None:
        """Moves the averaged weights towards the present ones: faster at first, when the average is of few steps."""
        if self.average is self.law:
            return
        keep = min(self.optim.average, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.parameters(), self.law.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)

    # -- between steps -------------------------------------------------------------------------------------------------

    def _validate(self, validate: Callable[[Law], float]) -> None:
        """Validates, and writes best.pt if the error is the lowest so far, then last.pt."""
        self.average.eval()
        # The mean is the same in all processes, so that all stop early at the same step.
        error = torch.tensor(validate(self.average), dtype=torch.float64, device=self._setup.device)
        self.error = self._processes.mean(error).item()
        # Of two equal errors the later one is kept: that law has been trained longer.
        good = math.isfinite(self.error) and self.error <= self.best
        self._stale_validations = 0 if self.error < self.best else self._stale_validations + 1
        self.best = self.error if good else self.best
        if good:  # first: a training that is killed before last.pt is written comes to this validation again
            self.save(self._folder / "best.pt")
        self.save(self._folder / "last.pt")

    def _track(self, status: TrainStatus) -> None:
        if not self._trackers:
            return
        values = {"loss": status.loss, "steps per second": status.rate, "waited for data": status.waited}
        values["peak memory (MiB)"] = peak_so_far(self._setup.device) / 2**20
        values["learning rate"] = self._optimizer.param_groups[0]["lr"]
        if status.step % self.optim.validate_every == 0 and self.error is not None:
            values["validation error"] = self.error
        for tracker in self._trackers:
            tracker.numbers(status.step, values)

    def _histograms(self) -> None:
        if not self._trackers or self.step % _GRADIENTS_EVERY:
            return
        for name, parameter in self.law.named_parameters():
            if parameter.grad is not None and parameter.grad.isfinite().all():
                for tracker in self._trackers:
                    tracker.histogram(self.step, f"gradient of {name}", parameter.grad)

    # -- on disk -------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes a checkpoint: the state on which the rest of the training depends. Only the leading process writes."""
        if not self._processes.leads:
            return
        state: dict[str, Any] = {
            "config": self._config,
            "step": self.step,
            "law": self.law.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "micro_batch": self._micro_batches.size,
            "lesson": self._objective.state_dict(),
            **{key: getattr(self, name) for key, name in _COUNTERS.items()},
        }
        train_state.save(state, path)

    def resume(self, path: Path) -> None:
        """Restores a checkpoint.

        Raises:
            FileUnreadableError: it cannot be read. StateError: it is of a training with another config.
        """
        state = train_state.load(path, self._config, self._completed)
        try:
            self._restore(state)
        except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise FileUnreadableError(f"{path}: does not fit this training; {first_line(error)}") from error

    def _restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.law.load_state_dict(state["law"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self._micro_batches.size = state["micro_batch"]
        self._objective.load_state_dict(state["lesson"])
        for key, name in _COUNTERS.items():
            setattr(self, name, state[key])


def train_until_signal(
    trainer: Trainer, validate: Callable[[Law], float], progress: Progress[TrainStatus], empty_error: float
) -> tuple[str, int]:
    """Trains as `Trainer.train` does, until the first SIGINT or SIGTERM; returns status and exit code.

    Args:
        progress: see `aetheria.core.progress.reported`.

    Raises:
        Interrupted: by a second signal. Otherwise as `Trainer.train`.
    """
    shown = progress if callable(progress) or trainer.leads else False
    with reported(shown, "training", _in_a_bar) as report, SignalHandler() as signals:
        signals.ignored = 1
        status = trainer.train(validate, empty_error=empty_error, stopped=lambda: bool(signals.received), progress=report)
    return status, {"interrupted": signals.exit_code, "diverged": DivergedError.exit_code}.get(status, 0)


def _in_a_bar(status: TrainStatus) -> tuple[int, int, str]:
    error = "" if status.error is None else f", validation error {status.error:.3g}"
    return status.step, status.steps, f"loss {status.loss:.3g}{error}"


def exploded(error: float | None, empty_error: float) -> bool:
    """Whether an error is NaN, Inf, or more than a hundred times that of empty cells."""
    return error is not None and not (math.isfinite(error) and error <= EXPLODED * empty_error)


def rate(step: int, optim: OptimConfig) -> float:
    """The factor of the learning rate at a step: a linear rise, then a fall to `final_rate` by the schedule."""
    if step < optim.warm_up:
        return (step + 1) / optim.warm_up
    past = (step - optim.warm_up) / max(1, optim.steps - optim.warm_up)
    return SCHEDULES[optim.schedule](past, optim.final_rate)


def compiled(law: Law, mode: bool | str) -> Step:
    """The law through `torch.compile`, in one of its modes by name."""
    return torch.compile(law, mode=mode if isinstance(mode, str) else None)


def normalise_gradients(law: Law) -> None:
    """Divides each parameter's gradient by its norm."""
    for parameter in law.parameters():
        if parameter.grad is not None:
            parameter.grad /= parameter.grad.norm() + 1e-8
