"""A run in progress: steps a recorded motor, saves checkpoints when they are due, and stops for signals."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from aetheria.core.errors import DivergedError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.runs.checkpoint import Checkpoints
from aetheria.runs.full_frames import FullFrames
from aetheria.runs.signals import Interrupted, SignalHandler
from aetheria.runs.steering import Steering

_REPORT_S = 0.1  # seconds between two reports of the progress: a chunk may take microseconds


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run.

    Attributes:
        first: steps done when the session began.
        done: steps done now.
        total: steps done at the end.
        seconds: since the session began.
    """

    motor: Aetheria_Motor
    recorder: Recorder
    first: int
    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class RunEnding:
    """The end of a run: "done", "interrupted" or "diverged", with an exit code and a message for the user."""

    status: str
    exit_code: int = 0
    message: str = ""


class Session:
    """Steps a motor to the end of its recording."""

    def __init__(
        self,
        motor: Aetheria_Motor,
        recorder: Recorder,
        checkpoints: Checkpoints | None,
        signals: SignalHandler,
        total: int,
        progress: Callable[[RunProgress], None],
        steering: Steering | None = None,
        full_frames: FullFrames | None = None,
    ) -> None:
        """
        Args:
            motor: to step.
            recorder: of the motor; closed at the end.
            checkpoints: of both; None for none.
            signals: from now on the first signal ends the run in order, and the second raises.
            total: steps done at the end.
            progress: called about ten times a second, between two chunks of steps, and at the end.
            steering: by which other threads pause and slow the run; None for a run that nobody steers.
            full_frames: at full resolution, beside the recording; None for none.
        """
        self.motor, self.recorder, self.checkpoints, self.signals = motor, recorder, checkpoints, signals
        self.total = total
        self._progress = progress
        self._full_frames = full_frames
        self._steering = steering or Steering()
        self._first, self._began = motor.step_count, time.perf_counter()
        self._next_report = self._began
        signals.ignored = 1

    def run(self, work: Callable[["Session"], None]) -> RunEnding:
        """Calls `work`, saves a checkpoint and closes the recording, which is closed on any error, too.

        Raises:
            AetheriaError: any error other than cells that turned NaN or Inf.
        """
        try:
            with self.recorder:
                self._work_and_save(work)
                if not self.signals.received:
                    return RunEnding("done")
                self.recorder.finish("interrupted")
        except DivergedError as error:  # found in the cells or by the recorder
            return RunEnding("diverged", error.exit_code, str(error))
        where = f"interrupted at step {self.motor.step_count} of {self.total}"
        return RunEnding("interrupted", self.signals.exit_code, where)

    def step_to(self, step: int) -> None:
        """Steps until `step` steps are done, or a signal has come."""
        self.motor.step(0)  # publishes the frames that are due here
        self._save_full_frame()
        while (left := step - self.motor.step_count) > 0 and not self.signals.received:
            dues = [one.steps_left() for one in (self.checkpoints, self._full_frames) if one]
            steps = min([left, *(due for due in dues if due is not None)])
            self._steering.step(self.motor, steps, self._between_chunks)
            self._save_full_frame()
            if self.checkpoints and self.checkpoints.due():
                self.checkpoints.save()
        self._report()

    def _save_full_frame(self) -> None:
        if self._full_frames:
            self._full_frames.save()

    def _between_chunks(self) -> bool:
        """True ends the call of `step`, for a signal or a checkpoint."""
        if time.perf_counter() >= self._next_report:
            self._report()
        return bool(self.signals.received) or (self.checkpoints is not None and self.checkpoints.due())

    def _report(self) -> None:
        now = time.perf_counter()
        self._next_report = now + _REPORT_S
        done, seconds = self.motor.step_count, now - self._began
        self._progress(RunProgress(self.motor, self.recorder, self._first, done, self.total, seconds))

    def _work_and_save(self, work: Callable[["Session"], None]) -> None:
        try:
            work(self)
            if self.checkpoints:
                self.checkpoints.save()
        except Interrupted:
            pass  # by the second signal: no checkpoint
        finally:
            self.signals.ignored = math.inf  # the recording is closed, whatever signals come
