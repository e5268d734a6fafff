"""The step loop: advances a law in chunks, and publishes the frames that fall due between them."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from aetheria.core.errors import StateError
from aetheria.core.fair_lock import FairLock
from aetheria.motor.edge_watch import EdgeWatch
from aetheria.motor.edit_log import EditLog
from aetheria.motor.optimizer import GPUOptimizer
from aetheria.motor.pace import Pace, chunk_timer
from aetheria.motor.stepper import Stepper
from aetheria.observe.feed import Feed, Subscription, next_multiple
from aetheria.observe.frame import Frame
from aetheria.observe.request import Request

_LEAST_STEPS, _LEAST_UPDATES = 100, 1 << 24


def check_interval(shape: tuple[int, ...]) -> int:
    """Steps between checks of cells `(B, C, *grid)`, such that a check costs next to nothing beside them."""
    return max(_LEAST_STEPS, _LEAST_UPDATES // (shape[0] * math.prod(shape[2:])))


class StepLoop:
    """Steps by chunks that end at the next frame or check, and after 50 ms at the latest.

    One thread steps; others read and edit between two chunks, while they hold the lock.

    Attributes:
        lock: of the state; first come, first served.
        stepper: holds the state.
        optimizer: of the state's device; cleans up every `empty_cache_interval` steps, or after a chunk of more.
        feed: the subscriptions.
        edits: the log of edits.
        edge_watch: notices live cells at the edges.
    """

    def __init__(self, stepper: Stepper, optimizer: GPUOptimizer, edits: EditLog, check_every: int) -> None:
        """
        Args:
            check_every: steps between checks for NaN and Inf, 0 for never.
        """
        self.lock = FairLock()
        self.stepper, self.optimizer, self.edits = stepper, optimizer, edits
        self.feed = Feed()
        self.edge_watch = EdgeWatch(stepper, check_interval(tuple(stepper.own_state[0].shape)))
        self._calls: dict[str, object] = {}  # "now": the call of `step` that is under way
        self._check_interval = check_every
        self._pace = Pace()
        self._timer = chunk_timer(optimizer.device)

    def step(self, n: int, until: Callable[[], bool] | None = None) -> int:
        """Takes up to `n` steps, frame by due frame; returns their number. See `Aetheria_Motor.step`."""
        if not isinstance(n, int) or n < 0:
            raise StateError(f"step({n!r}): a law cannot be stepped backwards or in part; expected a whole number")
        call, depth = object(), self.lock.depth
        try:
            if self._calls.setdefault("now", call) is not call:
                raise StateError("step(): another thread is stepping this motor; only one may")
            taken = self._steps(n, until)
            self._end(call)
        except BaseException:  # Ctrl-C too, wherever it struck: in `_end`, or where a block of the lock ends
            self._end(call)
            self.lock.release_to(depth)
            raise
        return taken

    def _steps(self, n: int, until: Callable[[], bool] | None) -> int:
        with self.lock:
            self.edge_watch.check()
        self.publish()
        taken = 0
        while taken < n:
            with self.lock:
                taken += self._chunk(n - taken)
            self.publish()
            if until is not None and until():
                break
        return taken

    def _end(self, call: object) -> None:
        """Lets others step; may be repeated."""
        if self._calls.get("now") is call:
            self._calls.clear()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Holds the lock for a change of the state that is then logged; what an exception keeps out of the log is undone."""
        depth, stepper, before = self.lock.depth, self.stepper, None
        # No `with` of the lock, and no `try` in another: what strikes at their lines is caught by neither.
        try:
            self.lock.__enter__()
            before = stepper.moment, stepper.own.saved(), self.edits.version
            with torch.inference_mode():
                yield
            self.lock.release_to(depth)
        except BaseException:
            if before is not None and self.lock.depth > depth and self.edits.version.same(before[2]):
                stepper.restore(before[0])
                stepper.own.restore(before[1])
            self.lock.release_to(depth)
            raise

    # -- frames ----------------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Makes the frames that are due at the present step and delivers them."""
        if self.feed.idle:
            return
        with self.lock:
            due = self.feed.due(self.stepper.step)
            if any(s.delivery == "lossless" for s in due):
                self.stepper.check_finite()
            if due:
                self.feed.keep(list(zip(due, self._frames(due), strict=True)))
                self.edge_watch.look()
        # Without the lock: a reader that is waited for may itself be reading cells.
        self.feed.deliver()

    def refresh(self) -> None:
        """Makes a frame of the present cells for every "latest" reader that has none waiting."""
        with self.lock:
            self.feed.offer_again()
            due = self.feed.due(self.stepper.step, "latest")
            for subscription, frame in zip(due, self._frames(due), strict=True):
                subscription.put(frame)

    def frame(self, request: Request) -> Frame:
        """One frame of the present cells."""
        with self.lock:
            return self._frame(request)

    def rendered(self, request: Request) -> dict[str, torch.Tensor]:
        """The fields of a request, by name, on the device; they may share memory with the cells. For the lock's holder."""
        return self._rendered(request)

    def _frames(self, due: list[Subscription]) -> list[Frame]:
        return [self._frame(subscription.request) for subscription in due]

    def _frame(self, request: Request) -> Frame:
        fields = self.optimizer.transfer(self._rendered(request))
        return Frame(self.stepper.step, time.time(), fields, request, self.edits.count)

    def _rendered(self, request: Request) -> dict[str, torch.Tensor]:
        with self.optimizer.numerics():
            return self.stepper.rendered(request)

    # -- chunks ----------------------------------------------------------------------------------------------------

    def _chunk(self, most: int) -> int:
        """Takes a chunk of at most `most` steps; returns their number. Raises DivergedError when a check finds NaN or Inf."""
        before = self.stepper.step
        plan = self.stepper.current()  # not to be timed: it may compile
        steps = self._next_stop(before + most) - before
        self._timer.start()
        self.stepper.advance(plan, steps)
        if timed := self._timer.stop(steps):
            self._pace.took(*timed, self.feed.rate())
        # Chunks end at multiples of the interval, as `_next_stop` says, unless there is nothing to check.
        if self._check_interval and self.stepper.step % self._check_interval == 0:
            self.stepper.check_finite()
        self.edge_watch.check()
        self._clean_up(before)
        return steps

    def _next_stop(self, end: int) -> int:
        """The step at which the next frame, check, plan or pause for other threads is due."""
        step = self.stepper.step
        stops = [end, step + self._pace.steps]
        if (switch := self.stepper.switch) is not None:
            stops.append(switch)
        if self._check_interval and self.stepper.may_diverge:
            stops.append(next_multiple(step, self._check_interval))
        if (edges := self.edge_watch.due) is not None and edges > step:
            stops.append(edges)
        due = self.feed.next_due(step)
        return min(stops if due is None else [*stops, due])

    def _clean_up(self, before: int) -> None:
        interval = self.optimizer.empty_cache_interval
        if interval and (due := self.stepper.step // interval - before // interval):
            self.optimizer.clean_up_after_steps(due)
