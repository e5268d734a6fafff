"""The thread that steps a motor for the viewer; it can be stopped within a chunk of steps. No Qt."""

import threading
import time
from collections.abc import Callable
from typing import Any

from aetheria.motor.motor import Aetheria_Motor
from viewer.sources.source import close_at_exit

_UNLIMITED = 1 << 62  # steps: until interrupted


class Runner:
    """Steps a motor in a thread: `speed` updates of `stride` steps per second, or as fast as possible.

    Attributes:
        playing: it steps until stopped.
        speed: updates per second, None for unlimited. stride: steps per update.
    """

    def __init__(self, motor: Aetheria_Motor, failed: Callable[[Exception], None]) -> None:
        self.motor = motor
        self.playing = False
        self.speed: float | None = None
        self.stride = 1
        self._failed = failed
        self._remaining = 0  # steps to take: requested ones, or those left of the present update
        self._in_progress = 0  # steps of the present call of `motor.step`; 0 when unlimited, or cancelled
        self._stepping = False
        self._interrupted = False
        self._due = 0.0  # time of the next update
        self._closing = False
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, name="motor", daemon=True)
        self.thread.start()
        close_at_exit(self)

    def set(self, **changes: Any) -> None:
        """Sets playing, speed or stride."""
        with self._changed:
            for name, value in changes.items():
                setattr(self, name, value)
            if "playing" in changes:
                self._remaining = self._in_progress = 0
            self._due = time.monotonic()
            self._interrupt()

    def run_steps(self, steps: int) -> None:
        """Stops playing and takes so many steps, in addition to those still requested."""
        with self._changed:
            self.playing = False
            self._remaining += max(0, steps)
            self._interrupt()

    def halt(self) -> None:
        """Stops, and waits for the end of the present chunk of steps; not for the window's thread."""
        with self._changed:
            self.playing, self._remaining, self._in_progress = False, 0, 0
            self._interrupt()
            self._changed.wait_for(lambda: not self._stepping or self._closing)

    @property
    def busy(self) -> bool:
        """Whether it steps, or will."""
        return self.playing or self._remaining + self._in_progress > 0

    def close(self) -> None:
        """Ends the thread after the present chunk of steps."""
        with self._changed:
            self._closing = True
            self._interrupt()

    def _interrupt(self) -> None:
        """Ends the present call of `motor.step` after its chunk; `_run` decides anew."""
        self._interrupted = True
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._stepping = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self.busy or self._closing)
                if self.playing and self.speed is not None and not self._remaining:
                    self._wait_for_update(self.speed)
                if self._closing:
                    return
                unlimited = self.playing and self.speed is None and not self._remaining
                self._in_progress, self._remaining = self._remaining, 0
                self._stepping, self._interrupted = unlimited or self._in_progress > 0, False
                steps = _UNLIMITED if unlimited else self._in_progress
            if steps:
                self._step(steps)

    def _wait_for_update(self, speed: float) -> None:
        """Waits until an update is due and begins it, unless something changes."""
        self._due = max(self._due, time.monotonic() - 1 / speed)  # makes up for at most one missed update
        wait = self._due - time.monotonic()
        if not self._changed.wait_for(lambda: self._closing or not self.playing or self.speed != speed, wait):
            self._remaining = self.stride
            self._due += 1 / speed

    def _step(self, steps: int) -> None:
        try:
            taken = self.motor.step(steps, until=lambda: self._interrupted)
        except Exception as error:  # noqa: BLE001 - any error is reported, and the window stays open
            with self._changed:
                self.playing, self._remaining, self._in_progress = False, 0, 0
            self._failed(error)
            return
        with self._changed:
            self._remaining += max(0, self._in_progress - taken)
            self._in_progress = 0
