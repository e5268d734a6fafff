"""Chunks of steps: as many at a time as nobody needs to be asked anything, and no more than a reader can wait for."""

import time
from collections.abc import Iterator

import torch

from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.pace import Pace
from aetheria.motor.stepper import Stepper
from aetheria.observe.feed import Feed, next_multiple

_LEAST_STEPS, _LEAST_UPDATES = 100, 1 << 24


def check_interval(shape: tuple[int, ...]) -> int:
    """Steps between checks for NaN and Inf of cells `(B, C, H, W)`: so many that a check, and the end of a chunk that it
    asks for, cost next to nothing beside them."""
    batch, _, height, width = shape
    return max(_LEAST_STEPS, _LEAST_UPDATES // (batch * height * width))


class StepLoop:
    """Advances a stepper, and checks and cleans up when that is due. Whoever holds the motor's turn may call it."""

    def __init__(self, stepper: Stepper, optimizer: GPUOptimizer, feed: Feed, check_interval: int) -> None:
        """
        Args:
            stepper: to advance.
            optimizer: of its device; cleans up every `empty_cache_interval` steps.
            feed: knows when a frame is due, at which a chunk must end.
            check_interval: steps between checks for NaN and Inf, 0 for never.
        """
        self._stepper = stepper
        self._optimizer = optimizer
        self._feed = feed
        self._check_interval = check_interval
        self._pace = Pace()
        self._queued: torch.cuda.Event | None = None

    def take(self, most: int) -> int:
        """Takes a chunk of at most `most` steps; says how many it took.

        Raises:
            DivergedError: a check was due, and the cells hold NaN or Inf.
        """
        before = self._stepper.step
        steps = self._next_stop(before + most) - before
        plan = self._stepper.current()  # not to be timed: it may compile
        began = time.perf_counter()
        self._stepper.advance(plan, steps)
        self._wait_for_device()
        self._pace.took(steps, time.perf_counter() - began, self._feed.rate())
        # Chunks end at multiples of the interval, as `_next_stop` says, unless there is nothing to check.
        if self._check_interval and self._stepper.step % self._check_interval == 0:
            self._stepper.check_finite()
        self._clean_up(before)
        return steps

    def _wait_for_device(self) -> None:
        """On CUDA, waits for the chunk before this one, so that no more than two are queued and time is the device's."""
        device = self._optimizer.device
        if device.type == "cuda":
            before, self._queued = self._queued, torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._queued.record(torch.cuda.current_stream(device))
            if before is not None:
                before.synchronize()

    def _next_stop(self, end: int) -> int:
        """The step up to which nobody needs to be asked anything."""
        step = self._stepper.step
        stops = [end, step + self._pace.steps]
        stops += [next_multiple(step, interval) for interval in self._intervals() if interval]
        due = self._feed.next_due(step)
        return min(stops if due is None else [*stops, due])

    def _intervals(self) -> Iterator[int]:
        if self._stepper.probe().is_floating_point():
            yield self._check_interval
        if self._optimizer.device.type == "cuda":
            yield self._optimizer.empty_cache_interval

    def _clean_up(self, before: int) -> None:
        if interval := self._optimizer.empty_cache_interval:
            for _ in range(self._stepper.step // interval - before // interval):
                self._optimizer.clean_up()
