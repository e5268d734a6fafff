"""The interface of sources, and the worker thread behind each of them; the window never waits for it. No Qt."""

import atexit
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aetheria.laws.base import Law
from aetheria.observe.first_field import first_field, with_first
from aetheria.observe.law_fields import known_fields
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.plane import Plane
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice, FrameRequest, ViewSettings

T = TypeVar("T")
_WINDOW_S = 1.0  # seconds that rates are averaged over


class FrameSource(Protocol):
    """A live motor or a recording, as the controller uses it. No method waits.

    Attributes:
        title: title shown to the user.
        plane: the initial plane of the grid.
        universes: number of universes.
        fields: the fields to choose from, the initial one first.
        observables: names of the numbers per universe that can be plotted.
        live: its cells can be stepped and edited.
        runs: the viewer can start and stop it; False for a run that the user's own code steps.
        starts: it plays as soon as it is opened.
        elsewhere: a server steps or plays it.
        first_view_settings: the initial view.
        samples: the newest sample of the visible cells, if any: its step, and values `(1, [3,] h, w)` of the displayed field.
    """

    title: str
    plane: Plane
    universes: int
    fields: tuple[FieldChoice, ...]
    observables: tuple[str, ...]
    live: bool
    runs: bool
    starts: bool
    elsewhere: bool
    first_view_settings: ViewSettings
    samples: deque[tuple[int, NDArray[np.generic]]]

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        """Requests frames like this from now on; None: the window is hidden, and nothing is computed or transferred."""

    def next_frame(self) -> RenderedFrame | None:
        """The newest unread frame, None if there is none."""

    def status(self) -> Status:
        """State of the source in numbers."""

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        """Reads one cell; `run_callbacks` calls `then` with it. Of several waiting calls the newest is answered."""

    def submit(self, job: Callable[[], T], then: Callable[[T], None] | None = None, name: str = "") -> None:
        """Runs a job in the source's own thread; `run_callbacks` calls `then` with its result."""

    def run_callbacks(self) -> None:
        """Calls back, in the calling thread, for each finished job."""

    def play(self, playing: bool) -> None:
        """Starts or stops."""

    def advance_updates(self, updates: int) -> None:
        """Makes so many updates and stops (of a recording: frames, negative ones backwards)."""

    def go_to(self, step: int) -> None:
        """Goes to a step and stops."""

    def set_speed(self, speed: float | None, stride: int) -> None:
        """Sets updates per second, None for unlimited, and steps per update."""

    def close(self) -> None:
        """Ends the threads soon; does not wait for them."""


class ThreadOwner(Protocol):
    """An object with a thread that `close` ends."""

    thread: threading.Thread

    def close(self) -> None:
        """Ends the thread, soon."""


_OPEN: "weakref.WeakSet[ThreadOwner]" = weakref.WeakSet()
_PATIENCE_S = 10.0  # seconds to wait for one thread


def close_at_exit(one: ThreadOwner) -> None:
    """Closes the object before Python ends: a thread that is killed inside torch crashes the program."""
    _OPEN.add(one)


def close_all_threads() -> None:
    """Closes all registered objects and waits for their threads."""
    still = list(_OPEN)
    for one in still:
        one.close()
    for one in still:
        one.thread.join(_PATIENCE_S)


@atexit.register
def _end() -> None:
    close_all_threads()
    # A motor's thread may have started one after Python waited for the known threads.
    for thread in threading.enumerate():
        if thread.name == "plan":
            thread.join()


class RateMeter:
    """Rate of growth of a counter, averaged over a second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def __call__(self, count: float) -> float:
        """Adds the present count; returns the rate per second."""
        now = time.monotonic()
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()  # a restart
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] > _WINDOW_S:
            self._seen.popleft()
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


class Worker:
    """A thread that runs jobs in order; `run_callbacks` hands their results to the caller.

    A job replaces a waiting one of the same name.
    """

    runs = True
    starts = True
    elsewhere = False

    def __init__(self, name: str) -> None:
        self._waiting: dict[str, Callable[[], None]] = {}
        self._unnamed = 0
        self._condition = threading.Condition()
        self._done: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closing = False
        self._failed: Callable[[Exception], None] = _raise
        self._restarted: Callable[[], None] = lambda: None
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.thread.start()
        close_at_exit(self)

    def on_failure(self, failed: Callable[[Exception], None]) -> None:
        """Sets the handler of failed jobs, called by `run_callbacks`."""
        self._failed = failed

    def submit(self, job: Callable[[], T], then: Callable[[T], None] | None = None, name: str = "") -> None:
        """Runs `job` in the worker thread; `run_callbacks` calls `then` with its result."""

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - any error is reported to the user
                self.report_error(error)
            else:
                if then is not None:
                    self._done.put(lambda: then(result))

        with self._condition:
            if self._closing:
                return
            if not name:
                self._unnamed += 1
                name = f"#{self._unnamed}"
            self._waiting[name] = run
            self._condition.notify_all()

    def on_restart(self, restarted: Callable[[], None]) -> None:
        """Sets the handler of restarts as a side effect of other requests, called by `run_callbacks`."""
        self._restarted = restarted

    def report_error(self, error: Exception) -> None:
        """Reports a failure; safe to call from any thread."""
        self._done.put(lambda: self._failed(error))

    def report_restart(self) -> None:
        """Reports a restart; safe to call from any thread."""
        self._done.put(lambda: self._restarted())

    def run_callbacks(self) -> None:
        """Calls back, in the calling thread, for each finished job."""
        while True:
            try:
                callback = self._done.get_nowait()
            except queue.Empty:
                return
            callback()

    def close(self) -> None:
        """Drops the waiting jobs and ends the thread after the present one."""
        with self._condition:
            self._closing = True
            self._waiting.clear()
            self._condition.notify_all()

    def background_work(self) -> float | None:
        """Work between jobs; returns the seconds until the next call, None for never."""
        return None

    def on_exit(self) -> None:
        """Called in the thread before it ends."""

    def _work(self) -> None:
        try:
            while True:
                with self._condition:
                    job = self._next_job()
                    if self._closing:
                        return
                if job is not None:
                    job()
                    continue
                wait = self._background_work_safely()
                with self._condition:
                    if not self._waiting and not self._closing:
                        self._condition.wait(wait)
        finally:
            self.on_exit()

    def _background_work_safely(self) -> float | None:
        try:
            return self.background_work()
        except Exception as error:  # noqa: BLE001 - reported, and tried again a second later
            self.report_error(error)
            return 1.0

    def _next_job(self) -> Callable[[], None] | None:
        if not self._waiting:
            return None
        return self._waiting.pop(next(iter(self._waiting)))


def _raise(error: Exception) -> None:
    raise error


def field_choices(law: Law, wanted: str | None = None) -> tuple[FieldChoice, ...]:
    """The fields of a law that have images, one per component; first the `first_field`, for `wanted` or the default."""
    choices: list[FieldChoice] = []
    known = known_fields(law)
    for stem in law.fields:
        field = known[stem]
        if field.scalar:
            continue
        count = {"": 0, "d": law.d_state or 0, "c": law.channels}[field.counted]
        names = [f"{stem}_{k}" for k in range(count)] if field.counted else [stem]
        choices += [FieldChoice(name, field.meaning, field.unit, field.range, field.colour_map, field.cyclic) for name in names]
    names = [choice.name for choice in choices]
    return with_first(choices, first_field(names, wanted or law.default_field, law.states))


def observable_names(law: Law, rank: int) -> tuple[str, ...]:
    """The observables of a law on a grid with so many axes, one per component."""
    known, names = known_fields(law), []
    for stem in law.fields:
        field = known[stem]
        if field.scalar and field.least_rank <= rank:
            names += [f"{stem}_{k}" for k in range(field.components or 1)] if field.counted else [stem]
    return tuple(names)
