"""Steering of a run from other threads: pause, single steps, a limit of speed."""

import math
import threading
import time
from collections.abc import Callable

from aetheria.core.errors import ConfigError
from aetheria.motor.motor import Aetheria_Motor

_POLL_S = 0.05  # seconds between two looks at the caller's `until` while no step is due
_BURST_S = 0.25  # of steps at the limited speed, the most that are made up for after a delay
MOST_STEPS = 1_000_000  # asked for at once
_FASTEST = 1e9


class Steering:
    """Steps a motor as readers request: one thread calls `step`, any thread the other methods.

    Without a request the steps are those of `motor.step`, in the same chunks.

    Attributes:
        paused: no steps but those asked for with `step_once`.
        speed: steps a second at the most; None for no limit.
    """

    def __init__(self) -> None:
        self.paused = False
        self.speed: float | None = None
        self._stepping = False
        self._asked = 0  # single steps that are still to be made
        self._version = 0  # of the requests: a chunk of steps ends when they change
        self._changed = threading.Condition()
        self._due = 0.0  # when the next step is due at `speed`, by the monotonic clock

    @property
    def waits(self) -> bool:
        """Whether no step is made until somebody asks for it."""
        return self.paused and not self._asked

    def pause(self, paused: bool) -> None:
        """Stops the steps, or lets them go on."""
        self._change(paused=paused, _asked=0)

    def halt(self) -> None:
        """Pauses, and waits for the end of the steps in progress; not for the thread that steps."""
        self.pause(True)
        with self._changed:
            self._changed.wait_for(lambda: not self._stepping)

    def step_once(self, steps: int = 1) -> None:
        """Pauses, and takes so many steps.

        Raises:
            ConfigError: less than one step, or more than a million.
        """
        if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
            raise ConfigError(f"step: {steps!r} given; expected a whole number from 1 to {MOST_STEPS:,}")
        self._change(paused=True, _asked=min(self._asked + steps, MOST_STEPS))

    def limit(self, speed: float | None) -> None:
        """Limits the steps a second; None for no limit.

        Raises:
            ConfigError: a speed that is not above 0.
        """
        if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed <= _FASTEST):
            raise ConfigError(f"speed: {speed!r} given; expected steps a second above 0, or null for no limit")
        self._change(speed=speed, _due=time.monotonic())

    def step(self, motor: Aetheria_Motor, n: int, until: Callable[[], bool] | None = None) -> int:
        """Takes `n` steps of `motor`, as `motor.step` does; returns their number.

        Args:
            until: asked between two chunks of steps, and while none is due; True ends the call early.
        """
        ended = False
        taken = 0
        while taken < n and not ended:
            version, steps = self._next_steps(n - taken)
            if not steps:
                self._wait(version)
                ended = until is not None and until()
                continue

            def interrupted(version: int = version) -> bool:
                nonlocal ended
                ended = until is not None and until()
                return ended or version != self._version

            done = 0
            try:
                done = motor.step(steps, interrupted)
            finally:
                self._took(done, version)
            taken += done
        return taken

    def _next_steps(self, most: int) -> tuple[int, int]:
        """The version of the requests, and the number of steps that are due now and begin."""
        with self._changed:
            steps = min(most, self._due_steps(most))
            self._stepping = steps > 0
            return self._version, steps

    def _due_steps(self, most: int) -> int:
        if self.paused:
            return self._asked
        if self.speed is None:
            return most
        late = time.monotonic() - self._due
        return max(0, 1 + math.floor(min(late, _BURST_S) * self.speed)) if late >= 0 else 0

    def _took(self, steps: int, version: int) -> None:
        with self._changed:
            self._stepping = False
            self._changed.notify_all()
            if self.paused:
                self._asked = max(0, self._asked - steps) if version == self._version else self._asked
            elif self.speed is not None:
                self._due = max(self._due, time.monotonic() - _BURST_S) + steps / self.speed

    def _wait(self, version: int) -> None:
        """Waits until a step may be due, the requests change, or `until` is to be asked again."""
        with self._changed:
            left = _POLL_S
            if not self.paused and self.speed is not None:
                left = min(left, max(0.0, self._due - time.monotonic()))
            if version == self._version:
                self._changed.wait(left)

    def _change(self, **requested: object) -> None:
        with self._changed:
            vars(self).update(requested)
            self._version += 1
            self._changed.notify_all()
