"""Recording of a live run: settings, size estimate and the session in progress. No Qt."""

import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aetheria.core.errors import AetheriaError
from aetheria.files.atomic import check_output
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.request import PixelType
from aetheria.recording import Recorder
from aetheria.recording.disk_space import frame_bytes, free_bytes
from aetheria.recording.schema import Codec
from viewer.controllers.component import Component, ComponentHost
from viewer.model.messages import Message, error_text
from viewer.model.view_settings import Levels
from viewer.model.wording import bytes_in_words, duration_in_words, shortened
from viewer.sources.live import LiveSource

_SIZE_S = 1.0  # seconds between two checks of the file size


@dataclass(frozen=True)
class RecordSettings:
    """Settings of a recording: as for `Recorder`, and `levels` for uint8."""

    path: Path
    fields: tuple[str, ...]
    every: int = 10
    size: tuple[int, ...] | None = None
    dtype: PixelType = "float32"
    codec: Codec = "gzip"
    levels: tuple[tuple[str, Levels], ...] = ()


@dataclass(frozen=True)
class SizeEstimate:
    """Upper bound of the size of a recording, for incompressible data.

    Attributes:
        frame: bytes per frame.
        per_s: frames per second, at the present speed.
        free: free bytes on the disk.
    """

    frame: int
    per_s: float
    free: int

    def text(self) -> str:
        """Text for the user."""
        rate = self.frame * self.per_s
        text = f"At most {bytes_in_words(self.frame)} per frame"
        if rate > 0:
            text += f"; at the present speed {self.per_s * 60:,.0f} frames and {bytes_in_words(60 * rate)} per minute"
        text += f". {bytes_in_words(self.free)} are free"
        if rate > 0 and math.isfinite(self.free / rate):
            text += f", enough for {duration_in_words(self.free / rate)}"
        return text + "."


@dataclass(frozen=True)
class RecordForecast:
    """Forecast for a recording: its size, or the problem with its settings; and whether the file exists."""

    text: str
    wrong: bool
    exists: bool


class RecordingSession:
    """One recording: its recorder is made in the source's thread, and finished in a thread of its own."""

    def __init__(self, settings: RecordSettings) -> None:
        self.settings = settings
        self.recorder: Recorder | None = None
        self.size = 0  # bytes of the file at the last check
        self._ended = False
        self._lock = threading.Lock()

    def begin(self, motor: Aetheria_Motor, config: str, title: str) -> None:
        """Opens the file. Raises the errors of `Recorder`."""
        wanted = self.settings
        recorder = Recorder(
            motor,
            wanted.path,
            fields=wanted.fields,
            every=wanted.every,
            size=wanted.size,
            dtype=wanted.dtype,
            levels=dict(wanted.levels),
            codec=wanted.codec,
            overwrite=True,  # the user has agreed
            config=config,
            title=title,
            essential=False,
        )
        with self._lock:
            self.recorder, ended = recorder, self._ended
        if ended:
            recorder.finish()

    def finish(self, told: Callable[[Message], None]) -> None:
        """Closes the file in another thread, because pending writes take time, and reports the result."""
        with self._lock:
            recorder, ended, self._ended = self.recorder, self._ended, True
        if recorder is not None and not ended:
            # Not a daemon: the program ends after the file is complete.
            threading.Thread(target=lambda: told(self._finished(recorder)), name="end of a recording").start()

    def _finished(self, recorder: Recorder) -> Message:
        name = self.settings.path.name
        try:
            recorder.finish()
            size = self.settings.path.stat().st_size
        except (AetheriaError, OSError) as error:
            return Message("error", f"The recording ended, and the run continues without it. {error_text(error)}")
        return Message("note", f"Recorded {recorder.frames:,} frames in {name}, {bytes_in_words(size)}.")


class RecordController(Component):
    """Starts and stops recordings of the open run.

    Attributes:
        session: the recording in progress, or about to start.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.session: RecordingSession | None = None
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._size_due = 0.0

    @property
    def recording(self) -> bool:
        """Whether a recording is in progress, or about to start."""
        return self.session is not None

    def status_text(self) -> str:
        """Progress, for the status bar."""
        session = self.session
        if session is None:
            return ""
        frames = session.recorder.frames if session.recorder is not None else 0
        name, size = shortened(session.settings.path.name), bytes_in_words(session.size)
        return f"\N{BLACK CIRCLE} recording {name}: {frames:,} frames, {size}"

    def start(self, settings: RecordSettings) -> None:
        """Records from the present step on; the config and all edits go into the file."""
        source = self.controller.source
        if not isinstance(source, LiveSource) or self.recording:
            return
        session = self.session = RecordingSession(settings)
        config = source.config.to_toml() if source.config is not None else ""

        def begin(motor: Aetheria_Motor) -> Exception | None:
            try:
                session.begin(motor, config, source.title)
            except (AetheriaError, OSError) as error:
                return error
            return None

        source.submit_with_motor(begin, lambda error: self._began(session, error))

    def stop(self) -> None:
        """Ends the recording; the file is completed in a thread of its own."""
        session, self.session = self.session, None
        if session is not None:
            session.finish(self._messages.put)

    def estimate(self, settings: RecordSettings, then: Callable[[RecordForecast], None]) -> None:
        """Calls back with a forecast; of several waiting calls the newest is answered."""
        source = self.controller.source
        if not isinstance(source, LiveSource):
            return
        runner, status = source.runner, source.status()
        pace = runner.speed * runner.stride if runner is not None and runner.speed is not None else 0.0
        steps_per_s = status.steps_per_s if status.playing and status.steps_per_s else pace
        source.submit_with_motor(lambda motor: _forecast(motor, settings, steps_per_s), then, name="estimate")

    # -- component -----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        while not self._messages.empty():
            self.controller.view.show_message(self._messages.get())
        session, source = self.session, self.controller.source
        if session is None or source is None or session.recorder is None:
            return
        if session.recorder.error is not None:
            self.stop()
        elif time.monotonic() > self._size_due:
            self._size_due = time.monotonic() + _SIZE_S
            source.submit(lambda: _size_of(session.settings.path), lambda size: setattr(session, "size", size), name="size")

    def closed(self) -> None:
        self.stop()

    def _began(self, session: RecordingSession, error: Exception | None) -> None:
        if error is None:
            every = f"every {session.settings.every:,} steps" if session.settings.every > 1 else "every step"
            self.controller.view.show_message(Message("note", f"Recording to {session.settings.path.name}, {every}."))
            return
        if self.session is session:
            self.session = None
        self.controller.failed(error)


def _forecast(motor: Aetheria_Motor, settings: RecordSettings, steps_per_s: float) -> RecordForecast:
    try:
        exists = settings.path.exists()
        request = motor.request(settings.fields, settings.size, settings.dtype, dict(settings.levels))
        check_output(settings.path, overwrite=True)
        free = free_bytes(settings.path.parent)
    except (AetheriaError, OSError) as error:
        return RecordForecast(str(error), wrong=True, exists=False)
    estimate = SizeEstimate(frame_bytes(request, motor.shape), steps_per_s / settings.every, free)
    return RecordForecast(estimate.text(), wrong=False, exists=exists)


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
