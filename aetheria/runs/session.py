"""A run in progress: steps a motor while it is recorded, saves its state when that is due, and heeds signals."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from aetheria.core.errors import DivergedError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.runs.checkpoint import Checkpoints
from aetheria.runs.signals import Interrupted, Interrupts

_PIECE_S = 0.1  # how long a piece of the run may take before signals and progress are looked at


@dataclass(frozen=True)
class Progress:
    """A moment of a run, for whoever shows it: steps done, of how many, and seconds since it began with `first` steps done."""

    motor: Aetheria_Motor
    recorder: Recorder
    first: int
    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class Ending:
    """How a run ended: "done", "interrupted" or "diverged", its exit code, and a message where there is something to say."""

    status: str
    exit_code: int = 0
    message: str = ""


class Session:
    """From a motor that stands ready to the end of its recording."""

    def __init__(
        self,
        motor: Aetheria_Motor,
        recorder: Recorder,
        checkpoints: Checkpoints | None,
        interrupts: Interrupts,
        total: int,
        progress: Callable[[Progress], None],
    ) -> None:
        """
        Args:
            motor: to step.
            recorder: of the motor; closed at the end.
            checkpoints: of both; None where none are wanted.
            interrupts: taken from here on so: the first signal is noted, the second raised.
            total: steps done at the end.
            progress: called about ten times a second.
        """
        self.motor, self.recorder, self.checkpoints, self.interrupts = motor, recorder, checkpoints, interrupts
        self.total = total
        self._progress = progress
        self._first, self._began = motor.step_count, time.perf_counter()
        interrupts.patience = 1

    def run(self, work: Callable[["Session"], None]) -> Ending:
        """Does `work`, saves the state and closes the recording; closes it whatever happens.

        Raises:
            AetheriaError: what went wrong, other than cells that turned NaN or Inf.
        """
        try:
            with self.recorder:
                self._carry_out(work)
                if not self.interrupts.received:
                    return Ending("done")
                self.recorder.finish("interrupted")
        except DivergedError as error:  # of the cells, or of what the recorder was given
            return Ending("diverged", error.exit_code, str(error))
        where = f"interrupted at step {self.motor.step_count} of {self.total}"
        return Ending("interrupted", self.interrupts.exit_code, where)

    def step_to(self, step: int) -> None:
        """Steps until `step` steps are done, or a signal has come."""
        self.motor.step(0)  # publishes what is due here
        piece = 1
        while (left := step - self.motor.step_count) > 0 and not self.interrupts.received:
            before = time.perf_counter()
            due = self.checkpoints.steps_left() if self.checkpoints else None
            self.motor.step(min(piece, left, left if due is None else due))
            now = time.perf_counter()
            piece = max(1, piece * 2 if now - before < _PIECE_S / 2 else int(piece * _PIECE_S / (now - before)))
            if self.checkpoints and self.checkpoints.due():
                self.checkpoints.save()
            done = self.motor.step_count
            self._progress(Progress(self.motor, self.recorder, self._first, done, self.total, now - self._began))

    def _carry_out(self, work: Callable[["Session"], None]) -> None:
        try:
            work(self)
            if self.checkpoints:
                self.checkpoints.save()
        except Interrupted:
            pass  # the second one: no checkpoint
        finally:
            self.interrupts.patience = math.inf  # the recording is closed, however many come
