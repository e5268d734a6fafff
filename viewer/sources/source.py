"""Where pictures come from: a live motor or a recording, each behind a thread of its own that the window never waits for."""

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

from aetheria.observe.fields import FIELDS
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.status import Status
from viewer.model.view_settings import FieldChoice, FrameRequest, ViewSettings

T = TypeVar("T")
_WINDOW_S = 1.0  # seconds that rates are measured over


class FrameSource(Protocol):
    """What the controller asks of a live motor or a recording. Nothing here waits.

    Attributes:
        title: for people.
        grid: (height, width) in cells.
        universes: how many there are.
        fields: what can be shown, the one to begin with first.
        observables: names of numbers per universe that can be plotted.
        live: cells can be stepped and edited.
        runs: it can be started and stopped here; not a run that the user's own code steps.
        first_look: how it is shown at first.
        samples: the newest sample of the cells in view, if there is one: its step, and values `(1, [3,] h, w)` of the field.
    """

    title: str
    grid: tuple[int, int]
    universes: int
    fields: tuple[FieldChoice, ...]
    observables: tuple[str, ...]
    live: bool
    runs: bool
    first_view_settings: ViewSettings
    samples: deque[tuple[int, NDArray[np.generic]]]

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        """Asks for pictures like this from now on; None: nobody is looking, and nothing is computed or moved."""

    def next_frame(self) -> RenderedFrame | None:
        """The newest picture that was not taken yet."""

    def status(self) -> Status:
        """How it is doing."""

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        """Reads one cell; `then` is called with it, from `settle`. Of calls that wait only the newest is answered."""

    def submit(self, job: Callable[[], T], then: Callable[[T], None] | None = None, name: str = "") -> None:
        """Does a job in the source's own thread; `then` is called with its result, from `settle`."""

    def run_callbacks(self) -> None:
        """Calls back, in the caller's thread, for each job that is done."""

    def play(self, playing: bool) -> None:
        """Goes on, or stands still."""

    def advance_updates(self, updates: int) -> None:
        """Takes so many beats from a standstill (of a recording: frames, negative ones backwards)."""

    def go_to(self, step: int) -> None:
        """Goes to a step and stands still there."""

    def set_speed(self, speed: float | None, stride: int) -> None:
        """Sets beats a second, None for as many as it can, and steps a beat."""

    def close(self) -> None:
        """Ends its threads, soon; does not wait for them."""


class ThreadOwner(Protocol):
    """What has a thread that `close` ends."""

    thread: threading.Thread

    def close(self) -> None:
        """Ends the thread, soon."""


_OPEN: "weakref.WeakSet[ThreadOwner]" = weakref.WeakSet()
_PATIENCE_S = 10.0  # for one thread to end


def close_at_exit(one: ThreadOwner) -> None:
    """Has it closed before Python ends: a thread that is torn down inside torch takes the program with it."""
    _OPEN.add(one)


def close_all_threads() -> None:
    """Closes whatever is open, and waits for it."""
    still = list(_OPEN)
    for one in still:
        one.close()
    for one in still:
        one.thread.join(_PATIENCE_S)


@atexit.register
def _end() -> None:
    close_all_threads()
    # A motor's thread may have begun one after Python waited for the threads it knew.
    for thread in threading.enumerate():
        if thread.name == "plan":
            thread.join()


class RateMeter:
    """A count's growth per second, over the last second or so."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def __call__(self, count: float) -> float:
        """Notes the present count; the rate so far."""
        now = time.monotonic()
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()  # a restart
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] > _WINDOW_S:
            self._seen.popleft()
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


class Worker:
    """A thread that does jobs in turn, and hands their results back to whoever calls `settle`.

    Jobs of one name replace each other while they wait: only the newest is done.
    """

    runs = True

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
        """Who is told, from `settle`, of jobs that failed."""
        self._failed = failed

    def submit(self, job: Callable[[], T], then: Callable[[T], None] | None = None, name: str = "") -> None:
        """Does `job` in the worker's thread; then `then` is called with its result, from `settle`."""

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - told to whoever asked, whatever it is
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
        """Who is told, from `settle`, of restarts that nobody asked for as such."""
        self._restarted = restarted

    def report_error(self, error: Exception) -> None:
        """Reports a failure, from any thread."""
        self._done.put(lambda: self._failed(error))

    def report_restart(self) -> None:
        """Reports a restart, from any thread."""
        self._done.put(lambda: self._restarted())

    def run_callbacks(self) -> None:
        """Calls back, in the caller's thread, for each job that is done."""
        while True:
            try:
                callback = self._done.get_nowait()
            except queue.Empty:
                return
            callback()

    def close(self) -> None:
        """Forgets the jobs that wait and ends the thread after the one being done."""
        with self._condition:
            self._closing = True
            self._waiting.clear()
            self._condition.notify_all()

    def background_work(self) -> float | None:
        """Called when there is no job: does what is due, and says how many seconds until more is; None for never."""
        return None

    def on_exit(self) -> None:
        """Called in the thread when it ends."""

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
        except Exception as error:  # noqa: BLE001 - told, and tried again a second later
            self.report_error(error)
            return 1.0

    def _next_job(self) -> Callable[[], None] | None:
        if not self._waiting:
            return None
        return self._waiting.pop(next(iter(self._waiting)))


def _raise(error: Exception) -> None:
    raise error


def field_choices(offered: tuple[str, ...], d_state: int | None, channels: int, first: str) -> tuple[FieldChoice, ...]:
    """The fields of a law that have a picture, component by component, with `first` in front."""
    choices: list[FieldChoice] = []
    for stem in offered:
        field = FIELDS[stem]
        if field.scalar:
            continue
        count = {"": 0, "d": d_state or 0, "c": channels}[field.counted]
        names = [f"{stem}_{k}" for k in range(count)] if field.counted else [stem]
        choices += [FieldChoice(name, field.meaning, field.unit, field.range, field.colour_map, field.cyclic) for name in names]
    return tuple(sorted(choices, key=lambda choice: choice.name != first))


def observable_names(offered: tuple[str, ...]) -> tuple[str, ...]:
    """The observables of a law."""
    return tuple(stem for stem in offered if FIELDS[stem].scalar)
