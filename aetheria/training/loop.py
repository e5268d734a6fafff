"""The training loop: steps, looks at what was held out, checkpoints; resumable to the bit on the CPU."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from aetheria.core.errors import DivergedError
from aetheria.laws.base import Law
from aetheria.motor.initial import generator
from aetheria.stepping.cpu.training_step import Step, training_step
from aetheria.training import train_state
from aetheria.training.batch_size import MicroBatches, peak_so_far
from aetheria.training.distributed import ALONE, Processes
from aetheria.training.setup import Setup
from aetheria.training.trackers import Tracker
from aetheria.training.train_config import OptimConfig

MOST_BAD = 3  # losses in a row that are no number, after which it stops
_GRADIENTS_EVERY = 100


@dataclass(frozen=True)
class TrainStatus:
    """Where a training stands.

    Attributes:
        error: of the last look at what was held out; None before the first.
        waited: share of the time that went into waiting for data.
    """

    step: int
    steps: int
    loss: float
    error: float | None
    rate: float
    waited: float


class Objective(Protocol):
    """What a law is taught: batches to learn from, and what is wrong with what it makes of them."""

    def batches(self, first: int) -> AbstractContextManager["Source"]:
        """The batches of the training from step `first` to its end."""

    def loss(self, step: Step, batch: tuple[Tensor, ...], chance: torch.Generator) -> Tensor:
        """The mean loss over the samples of a batch, or of a piece of one; `step` steps the law."""

    def learned(self) -> None:
        """A step is over."""

    def state_dict(self) -> dict[str, Any]:
        """What the batches to come depend on, beside their number."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict`."""


class Source(Protocol):
    """Batches: tensors whose first axis is the sample.

    Attributes:
        waited_s: seconds that the training waited for them.
    """

    waited_s: float

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]: ...


class Trainer:
    """Teaches a law a lesson.

    Attributes:
        law: what is trained, in train mode while it is.
        average: its averaged weights, or the law itself where none are kept; this is the result.
        step: steps done.
        best: the lowest error on what was held out.
    """

    def __init__(
        self,
        law: Law,
        how: OptimConfig,
        lesson: Objective,
        setup: Setup,
        folder: Path,
        *,
        seed: int = 0,
        config: str = "",
        trackers: Sequence[Tracker] = (),
        us: Processes = ALONE,
    ) -> None:
        """
        Args:
            law: on the device already; see `setup_training`.
            folder: where last.pt and best.pt are written.
            config: kept in them; only a training with the same resumes.
            us: the processes that train together, each of which calls this; one of them writes.
        """
        self.law, self.how = law, how
        self.step, self.best = 0, math.inf
        self.error: float | None = None
        self._lesson, self._setup, self._folder = lesson, setup, folder
        self._seed, self._config, self._trackers, self._us = seed, config, trackers, us
        self.average = copy.deepcopy(law).requires_grad_(False) if how.average else law
        self._optimizer = torch.optim.AdamW(law.parameters(), how.learning_rate, weight_decay=how.weight_decay)
        self._scaler = setup.scaler()
        self._micro = MicroBatches(how.micro_batch)
        self._stepped: Step = torch.compile(law) if how.compile else training_step(law)
        self._slowed, self._bad, self._stale = 1.0, 0, 0

    def train(
        self,
        validate: Callable[[Law], float],
        *,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[TrainStatus], None] = lambda _: None,
    ) -> str:
        """Trains to the end, an early stop, or a signal; a checkpoint is on the disk then. How it ended, in a word or two.

        Args:
            validate: the error of a law, in eval mode, on what it was not taught.
            stopped: asked after each step.

        Raises:
            DivergedError: the loss was no number three times in a row; the last good checkpoint is kept.
            DiskFullError: a checkpoint could not be written; the one before is kept.
        """
        began = time.perf_counter()
        with self._lesson.batches(self.step) as batches, self._setup.numerics():
            first = self.step
            for batch in batches:
                loss = self.learn_from(batch)
                self._lesson.learned()
                self.step += 1
                seconds = max(time.perf_counter() - began, 1e-9)
                moment = TrainStatus(
                    self.step, self.how.steps, loss, self.error, (self.step - first) / seconds, batches.waited_s / seconds
                )
                if self.step == self.how.steps or self.step % self.how.validate_every == 0:
                    self._look(validate)
                self._report(moment)
                progress(moment)
                if self.how.patience and self._stale >= self.how.patience:
                    return "stopped early"
                if self._us.any(stopped()):
                    self.save(self._folder / "last.pt")
                    return "interrupted"
        return "done"

    # -- a step --------------------------------------------------------------------------------------------------------

    def learn_from(self, batch: tuple[Tensor, ...]) -> float:
        """Takes one step of the optimizer; the loss. A loss that is no number is skipped, and the rate halved."""
        self.law.train()
        chance = generator(self._seed, self.step * self._us.size + self._us.rank)

        def loss(*piece: Tensor) -> Tensor:
            with self._setup.autocast():
                return self._lesson.loss(self._stepped, piece, chance)

        own = self._micro.backward(batch, loss, self._optimizer.zero_grad, self._scaler.scale)
        value = self._us.mean(own).item()
        if not math.isfinite(value):
            self._skip()
            return value
        self._bad = 0
        for group in self._optimizer.param_groups:
            group["lr"] = self.how.learning_rate * self._slowed * rate(self.step, self.how)
        self._us.average_gradients(self.law.parameters())
        self._scaler.unscale_(self._optimizer)
        if self.how.normalise:
            normalise_gradients(self.law)
        norm = nn.utils.clip_grad_norm_(self.law.parameters(), self.how.clip or math.inf)
        # Scaled gradients overflow now and then, and the scaler sees to it; others are lost like the loss.
        if norm.isfinite() or self._scaler.is_enabled():
            self._scaler.step(self._optimizer)
            self._scaler.update()
        else:
            self._skip()
        self._histograms()
        self._optimizer.zero_grad()
        self._follow()
        return value

    def _skip(self) -> None:
        self._optimizer.zero_grad()
        self._bad += 1
        self._slowed /= 2
        if self._bad == MOST_BAD:
            raise DivergedError(
                f"the loss was no number {MOST_BAD} times in a row, up to step {self.step}, with the rate halved each time; "
                f"the last good checkpoint is kept in {self._folder}; use a lower learning_rate, or a shorter rollout"
            )

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the averaged weights towards the present ones: faster at first, when there is nothing to remember."""
        if self.average is self.law:
            return
        keep = min(self.how.average, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.parameters(), self.law.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)

    # -- between steps -------------------------------------------------------------------------------------------------

    def _look(self, validate: Callable[[Law], float]) -> None:
        """Validates and writes last.pt, and best.pt where it is the best so far."""
        self.average.eval()
        # The same number in all processes, which stop early together or not at all.
        error = torch.tensor(validate(self.average), dtype=torch.float64, device=self._setup.device)
        self.error = self._us.mean(error).item()
        # Of two that are as good the later one: it has seen more.
        good = self.error <= self.best
        self._stale = 0 if self.error < self.best else self._stale + 1
        self.best = min(self.best, self.error)
        self.save(self._folder / "last.pt")
        if good:
            self.save(self._folder / "best.pt")

    def _report(self, moment: TrainStatus) -> None:
        if not self._trackers:
            return
        values = {"loss": moment.loss, "steps per second": moment.rate, "waited for data": moment.waited}
        values["peak memory (MiB)"] = peak_so_far(self._setup.device) / 2**20
        values["learning rate"] = self._optimizer.param_groups[0]["lr"]
        if moment.step % self.how.validate_every == 0 and self.error is not None:
            values["validation error"] = self.error
        for tracker in self._trackers:
            tracker.numbers(moment.step, values)

    def _histograms(self) -> None:
        if not self._trackers or self.step % _GRADIENTS_EVERY:
            return
        for name, parameter in self.law.named_parameters():
            if parameter.grad is not None and parameter.grad.isfinite().all():
                for tracker in self._trackers:
                    tracker.histogram(self.step, f"gradient of {name}", parameter.grad)

    # -- on disk -------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes all that the rest of the training depends on; of several processes, one does."""
        if not self._us.leads:
            return
        state: dict[str, Any] = {
            "config": self._config,
            "step": self.step,
            "law": self.law.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "micro_batch": self._micro.size,
            "lesson": self._lesson.state_dict(),
            **{name: getattr(self, name) for name in _COUNTED},
        }
        train_state.save(state, path)

    def resume(self, path: Path) -> None:
        """Goes on from what `save` wrote.

        Raises:
            FileUnreadableError, StateError: it cannot be read, or is of a training with other settings.
        """
        state = train_state.load(path, self._config)
        self.step = state["step"]
        self.law.load_state_dict(state["law"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self._micro.size = state["micro_batch"]
        self._lesson.load_state_dict(state["lesson"])
        for name in _COUNTED:
            setattr(self, name, state[name])


_COUNTED = ("best", "error", "_slowed", "_bad", "_stale")


def rate(step: int, how: OptimConfig) -> float:
    """The share of the learning rate at a step: a straight rise, then half a wave of a cosine down to `final_rate`."""
    if step < how.warm_up:
        return (step + 1) / how.warm_up
    past = (step - how.warm_up) / max(1, how.steps - how.warm_up)
    return how.final_rate + (1 - how.final_rate) * (1 + math.cos(math.pi * past)) / 2


def normalise_gradients(law: Law) -> None:
    """Divides each parameter's gradient by its norm."""
    for parameter in law.parameters():
        if parameter.grad is not None:
            parameter.grad /= parameter.grad.norm() + 1e-8
