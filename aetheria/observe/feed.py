"""Subscriptions to the fields of a motor, and the delivery of frames to them."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self, get_args

from aetheria.core.errors import ConfigError, StateError
from aetheria.core.printable import get_logger
from aetheria.observe.frame import Frame
from aetheria.observe.request import Request

log = get_logger(__name__)
Delivery = Literal["latest", "recent", "lossless"]
_EARLY = 0.25  # share of a period by which a frame may come early: chunks as long as a period must not miss every second one
_POLL = 0.05  # seconds between checks that the other side still exists
_TOLD_S = 1.0  # seconds of waiting in total after which a warning is logged
_GRACE_S = 0.5  # in which a motor reaches the next frame, most often, before it raises the error of a reader
_PATIENCE = 5.0  # seconds that a full lossless queue waits for a first reader


class Subscription:
    """Frames for one reader; made by `motor.subscribe`, closed by `close` or at the end of a `with` block.

    "latest" keeps one frame waiting and has none made while it waits. "recent" keeps the newest `capacity` frames, and the
    motor never waits. "lossless" keeps every frame in a queue of `capacity`; when it is full the motor waits. Iterating ends
    when the subscription is closed and empty.

    Attributes:
        every: steps between frames, counted from step 0.
        request: what a frame shows; may be replaced at any time, and holds from the next frame on.
        rate: frames a second at the most, or None for a frame at every due step.
        handed: frames handed over ("lossless").
        waited_s: seconds the motor has waited for this reader.
        dropped: frames that were due and not made because one was waiting, or replaced while they waited ("latest", "recent").
        behind: the last frame that was due was dropped, so that the waiting or last read frame is not the newest.
    """

    def __init__(self, every: int, request: Request, delivery: Delivery, capacity: int, rate: float | None = None) -> None:
        if not all(isinstance(n, int) and n >= 1 for n in (every, capacity)):
            raise ConfigError(f"subscription: every {every!r}, capacity {capacity!r}; expected whole numbers of 1 or more")
        if delivery not in get_args(Delivery):
            raise ConfigError(f'subscription delivery: "{delivery}" given; expected one of {", ".join(get_args(Delivery))}')
        if rate is not None and (delivery != "latest" or every != 1 or not 0 < rate <= 1000):
            raise ConfigError(
                f'subscription rate: {rate!r} given, every {every}, delivery "{delivery}"; expected up to 1000 a second, '
                'every 1 and delivery "latest"'
            )
        self.every = every
        self.request = request
        self.delivery = delivery
        self.rate = rate
        self.handed = 0
        self.waited_s = 0.0
        self.dropped = 0
        self.behind = False
        self.closed = False
        self._warned = False
        self._asked_at: int | None = None
        self._next = 0.0  # when the next frame of a `rate` is due, by the monotonic clock
        # Not a queue.Queue: it is written in Python, and Ctrl-C can interrupt it where its own lock is not held as it believes.
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()  # None wakes the reader
        self._capacity = 1 if delivery == "latest" else capacity
        self._taken: queue.SimpleQueue[None] = queue.SimpleQueue()  # wakes a motor that waits for room
        self._read_step = -1  # of the last frame that was read ("lossless")
        self._failure: BaseException | None = None
        self._failed_at = 0.0
        self._reader: threading.Thread | None = None

    def wants(self, step: int) -> bool:
        """Whether a frame is to be made at `step`: it is due, was not made before, and (for "latest") none is waiting."""
        if self.closed or step % self.every or self._asked_at == step:
            return False
        if self.delivery == "lossless":
            return True  # until `mark_seen`: an exception may come before the frame is made
        if self.rate is not None:
            return self._wants_in_time(step, 1 / self.rate)
        self._asked_at = step
        self.behind = self.delivery == "latest" and self.waiting
        self.dropped += self.behind
        return not self.behind

    def _wants_in_time(self, step: int, period: float) -> bool:
        now = time.monotonic()
        if now < self._next - _EARLY * period:
            return False
        self._asked_at = step
        self.behind = self.waiting
        # From when it was due, not from now: chunks end a little late, and that must not add up. A frame that cannot be made
        # because one waits stays due, until the next one is.
        if not self.behind or now >= self._next + period:
            self.dropped += self.behind
            self._next = self._next + period if self._next + period > now else now + period
        return not self.behind

    @property
    def waiting(self) -> bool:
        """Whether a frame is there to be read."""
        return not self._frames.empty()

    @property
    def full(self) -> bool:
        """Whether as many frames wait as may."""
        return self._frames.qsize() >= self._capacity

    def mark_seen(self, step: int) -> None:
        """Marks the frame of `step` as one that the reader has already."""
        self._asked_at = step

    def reset(self) -> None:
        """Offers the current step again."""
        self._asked_at = None
        self._next = 0.0

    def put(self, frame: Frame) -> None:
        """Hands a frame over; only a full lossless queue makes the caller wait. A closed subscription ignores it.

        Raises:
            StateError: the queue is full and no other thread reads it.
            Exception: the error that the reader reported with `fail`.
        """
        if self.delivery == "latest" and self._failure is None:
            before = self._take_back()  # two threads made one; the newer one stays
            newest = frame if before is None or frame.wall_time >= before.wall_time else before
            if not self.closed:
                self._frames.put(newest)
            return
        if self.delivery == "recent" and self._failure is None:
            if self.full:
                self._take_back()
            if not self.closed:
                self._frames.put(frame)
            return
        asked, full = time.monotonic(), self.full
        while not self.closed:
            if self._failure is not None:
                raise self._failure
            if not self.full:
                self._frames.put(frame)
                self.handed += 1
                break
            with suppress(queue.Empty):
                self._taken.get(timeout=_POLL)
            if self.full:
                self._still_waiting(time.monotonic() - asked)
        if full:
            self._warn_of_waiting(waited := time.monotonic() - asked)
            self.waited_s += waited

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; waits up to `timeout` seconds. None when closed and empty, out of time, or woken."""
        self._reader = threading.current_thread()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            # Read before the queue: a frame put just before closing must still be found.
            closed = self.closed
            left = _POLL if deadline is None else deadline - time.monotonic()
            try:
                frame = self._frames.get(left > 0 and not closed, timeout=min(_POLL, max(left, 0)))
            except queue.Empty:
                if closed or left <= 0:
                    return None
                continue
            if frame is None:
                return None
            if self._taken.empty():
                self._taken.put(None)
            # A motor that was interrupted hands a frame over again, where it does not know whether it had.
            if self.delivery != "lossless" or frame.step > self._read_step:
                self._read_step = frame.step
                return frame

    def fail(self, error: BaseException) -> None:
        """Reports that the reader is broken: the motor raises `error` at the next frame, or after half a second of steps."""
        self._failed_at = time.monotonic()
        self._failure = error

    def check(self) -> None:
        """Raises the error that the reader reported, if that was half a second ago."""
        if self._failure is not None and time.monotonic() > self._failed_at + _GRACE_S:
            raise self._failure

    def close(self) -> None:
        """Ends the subscription; waiting frames can still be read."""
        self.closed = True

    def wake(self) -> None:
        """Makes a waiting `get` return now."""
        self._frames.put(None)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _take_back(self) -> Frame | None:
        with suppress(queue.Empty):
            frame = self._frames.get_nowait()
            self.dropped += 1
            return frame
        return None

    def _still_waiting(self, waited: float) -> None:
        reader = self._reader
        nobody = waited > _PATIENCE if reader is None else not reader.is_alive()
        # Read last: a reader closes the subscription, or reports its failure, before it ends.
        if (nobody or reader is threading.current_thread()) and not self.closed and self._failure is None:
            raise StateError(
                f"lossless subscription: {self._capacity} frames wait and no other thread reads them; read them in "
                "another thread, or between calls of step() with a larger capacity"
            )
        self._warn_of_waiting(waited)

    def _warn_of_waiting(self, waited: float) -> None:
        if self.waited_s + waited > _TOLD_S and not self._warned:
            log.warning("the motor waits: a reader is behind by %d frames", self._capacity)
            self._warned = True


class Feed:
    """All subscriptions of one motor. It knows no motor: it is given the step and returns the subscriptions that are due.

    Attributes:
        enabled: False: no frames are made.
        changes: times that something else than a step changed what is shown.
    """

    def __init__(self) -> None:
        self.enabled = True
        self.changes = 0
        # Without a lock, which Ctrl-C could leave locked: threads add and remove one subscription at a time.
        self._subscriptions: list[Subscription] = []
        self._undelivered: list[tuple[Subscription, Frame]] = []

    def add(self, subscription: Subscription) -> Subscription:
        """Adds a subscription; frames are due at multiples of its `every`, the present step included."""
        self._subscriptions.append(subscription)
        return subscription

    def due(self, step: int, delivery: Delivery | None = None) -> list[Subscription]:
        """The subscriptions, of one kind of delivery or any, that want a frame at `step`; each is asked once per step."""
        if not self.enabled:
            return []
        return [s for s in self._open() if delivery in (None, s.delivery) and s.wants(step)]

    def rate(self) -> float:
        """The highest `rate` of all subscriptions, in frames a second; 0 without one."""
        return max((s.rate or 0.0 for s in self._open()), default=0.0) if self.enabled else 0.0

    def next_due(self, step: int) -> int | None:
        """The first step after `step` at which a frame may be due; None for never."""
        if not self.enabled:
            return None
        return min((next_multiple(step, s.every) for s in self._open() if s.rate is None), default=None)

    def keep(self, frames: list[tuple[Subscription, Frame]]) -> None:
        """Takes frames to be delivered. Until then, those who miss none want them still."""
        self._undelivered += frames
        for subscription, frame in frames:
            if subscription.delivery == "lossless":
                subscription.mark_seen(frame.step)

    def deliver(self) -> None:
        """Hands the frames over that were kept, those first that an earlier error left undelivered. For the stepping thread.

        Raises:
            StateError: a lossless queue is full and no other thread reads it; its frame is kept for the next call.
            Exception: the error of a reader.
        """
        while self._undelivered:
            subscription, frame = self._undelivered[0]
            subscription.put(frame)
            del self._undelivered[0]
        for subscription in self._open():
            subscription.check()

    def lossless(self) -> int:
        """Number of open subscriptions that must not miss a frame."""
        return sum(s.delivery == "lossless" for s in self._open())

    def show_again(self) -> None:
        """Counts a change, and offers the present step again to "latest" subscriptions."""
        self.changes += 1
        self.offer_again()

    def offer_again(self) -> None:
        """Offers the present step again to "latest" subscriptions."""
        for subscription in self._open():
            if subscription.delivery == "latest":
                subscription.reset()

    def close(self) -> None:
        """Closes every subscription."""
        for subscription in self._open():
            subscription.close()

    @property
    def idle(self) -> bool:
        """Whether there are no subscriptions and no undelivered frames."""
        return not self._subscriptions and not self._undelivered

    def _open(self) -> list[Subscription]:
        for subscription in (found := list(self._subscriptions)):
            if subscription.closed:
                with suppress(ValueError):  # another thread was faster
                    self._subscriptions.remove(subscription)
        return [subscription for subscription in found if not subscription.closed]


def next_multiple(step: int, interval: int) -> int:
    """The first multiple of `interval` after `step`."""
    return step - step % interval + interval
