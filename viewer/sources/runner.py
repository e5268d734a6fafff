"""What steps a motor for the viewer: a thread, in beats that can be stopped at any time."""

import threading
import time
from collections.abc import Callable
from typing import Any

from aetheria.motor.motor import Aetheria_Motor
from viewer.sources.source import close_at_exit


class Runner:
    """The thread that steps a motor: beat by beat, so many beats a second, or as fast as it goes."""

    def __init__(self, motor: Aetheria_Motor, failed: Callable[[Exception], None]) -> None:
        self.motor = motor
        self.playing = False
        self.speed: float | None = None
        self.stride = 1
        self._failed = failed
        self._remaining = 0  # steps to take from a standstill, or that the present beat still has
        self._stepping = False
        self._due = 0.0  # when the next beat is
        self._closing = False
        self._changed = threading.Condition()
        self._chunk = 1
        self.thread = threading.Thread(target=self._run, name="motor", daemon=True)
        self.thread.start()
        close_at_exit(self)

    def set(self, **changes: Any) -> None:
        """Sets playing, speed or stride."""
        with self._changed:
            for name, value in changes.items():
                setattr(self, name, value)
            if "playing" in changes:
                self._remaining = 0
            self._due = time.monotonic()
            self._changed.notify_all()

    def run_steps(self, steps: int) -> None:
        """Takes so many steps from a standstill; more are added to those that are left."""
        with self._changed:
            self.playing = False
            self._remaining += steps
            self._changed.notify_all()

    def halt(self) -> None:
        """Stops, and waits until no step is being taken; not for the window's thread."""
        with self._changed:
            self.playing, self._remaining = False, 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._stepping or self._closing)

    @property
    def busy(self) -> bool:
        """Whether steps are being taken or waited for."""
        return self.playing or self._remaining > 0

    def close(self) -> None:
        """Ends the thread after the steps it is at."""
        with self._changed:
            self._closing = True
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
                if not self.busy or (self.playing and self.speed is not None and not self._remaining):
                    continue
                # Never a whole beat at once: however long one is, it can be stopped.
                steps = min(self._remaining, self._chunk) if self._remaining else self._chunk
                self._remaining = max(0, self._remaining - steps)
                self._stepping = True
            self._step(steps)

    def _wait_for_update(self, speed: float) -> None:
        """Waits until a beat is due and begins it, unless something changes."""
        self._due = max(self._due, time.monotonic() - 1 / speed)  # never makes up for more than one missed beat
        wait = self._due - time.monotonic()
        if not self._changed.wait_for(lambda: self._closing or not self.playing or self.speed != speed, wait):
            self._remaining = self.stride
            self._due += 1 / speed

    def _step(self, steps: int) -> None:
        began = time.perf_counter()
        try:
            self.motor.step(steps)
        except Exception as error:  # noqa: BLE001 - whatever it is, the window tells and lives on
            with self._changed:
                self.playing, self._remaining = False, 0
            self._failed(error)
            return
        took = max(time.perf_counter() - began, 1e-6)
        # A piece takes a twentieth of a second: as long as it takes to stop.
        self._chunk = max(1, min(1 << 20, int(steps * min(0.05 / took, 4.0))))
