"""A recording as a source of frames, read by a thread of its own; also one that is still being written."""

import atexit
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.cpu_threads import one_thread
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.observe.downsample import downsample, finite, interleaved, quantise, sample
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import find_levels, first_view_settings
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FrameRequest, Levels, ViewSettings
from viewer.sources.frame_reader import FrameReader
from viewer.sources.playhead import Playhead
from viewer.sources.source import RateMeter, Worker, close_all_threads, close_at_exit

# The last function registered is called first: before h5py's own exit handler, which closes HDF5 under its readers.
atexit.register(close_all_threads)
T = TypeVar("T")
_POLL_S = 0.25  # seconds between checks for new frames
_LEVELS_S = 0.25  # seconds between updates of the levels during playback
_SAMPLE = 128  # side of the sample of cells for the levels


class RecordingSource(Worker):
    """A recording. Regions are in cells of the recorded frames, which may be smaller than the simulated grid.

    Only the source's own thread reads the file. Of several waiting requests the newest is served.

    Attributes:
        recording: the open file; read it through `submit_with_recording`.
        steps: of the frames found so far.
        dt: time per step, in the law's own units.
        ending: how the run ended; "running" while it is still being written (or its writer was killed).
        playhead: the position.
    """

    live = False

    def __init__(self, recording: Recording) -> None:
        """
        Args:
            recording: an open recording; the source closes it.

        Raises:
            RecordingError: it holds no field with images.
        """
        if not recording.fields:
            raise RecordingError(f"{recording.path}: holds no field to show, only {', '.join(recording.observables)}")
        self.recording = recording
        self.title = f"{recording.attributes['title'] or recording.attributes['law']} ({recording.path.name})"
        self.universes = int(recording.attributes["universes"])
        self._reader = FrameReader(recording)
        self.fields, self.grid = tuple(self._reader.choices.values()), self._reader.grid
        self.observables = recording.observables
        self.first_view_settings = first_view_settings(self.fields, _config(recording))
        self.dt = float(recording.attributes["dt"])
        self.ending = recording.status
        self.steps = recording.steps
        self.playhead = Playhead(len(self.steps))
        position = recording.path.stat()
        self._file_identity = position.st_dev, position.st_ino, position.st_size
        self.samples: deque[tuple[int, NDArray[np.generic]]] = deque(maxlen=1)
        self._request: FrameRequest | None = None
        self._ready: deque[RenderedFrame] = deque(maxlen=1)
        self._levels: tuple[ViewSettings, Levels] | None = None
        self._levels_due = self._poll_due = 0.0
        self._taken = self._played = 0  # frames shown; steps played
        self._shown, self._passed = RateMeter(), RateMeter()
        super().__init__("recording source")
        close_at_exit(self)

    # -- frames -------------------------------------------------------------------------------------------------

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        self._request = frame_request
        self._submit_draw()

    def next_frame(self) -> RenderedFrame | None:
        try:
            frame = self._ready.popleft()
        except IndexError:
            return None
        self._taken += 1
        return frame

    def _submit_draw(self) -> None:
        self.submit(self._draw, name="draw")

    def _draw(self) -> None:
        with one_thread():
            self._draw_frame()

    def _draw_frame(self) -> None:
        frame_request, index = self._request, self.playhead.at
        if frame_request is None or index >= len(self.steps):
            return
        settings, region = frame_request.view_settings, frame_request.region
        values = self._reader.values(settings.field, index, settings.universe, region)
        step = int(self.steps[index])
        levels = self._find_levels(settings, step, values)
        reduced = downsample(values, frame_request.size, self._reader.choices[settings.field].cyclic)
        pixels = interleaved(quantise(reduced, levels)[0].numpy())
        whole = bool(finite(reduced))  # a mean over NaN or Inf is not finite either
        self._ready.append(RenderedFrame(step, settings.field, settings.universe, region, pixels, levels, whole))

    def _find_levels(self, settings: ViewSettings, step: int, values: Tensor) -> Levels:
        now = time.monotonic()
        same = self._levels is not None and self._levels[0] == settings
        before = self._levels[1] if self._levels is not None and same and self.playhead.playing else None
        if before is not None and now < self._levels_due:
            return before
        seen = sample(values, (_SAMPLE, _SAMPLE)).numpy()
        self.samples.append((step, seen))
        levels = find_levels(settings, self._reader.choices[settings.field], seen, before)
        self._levels, self._levels_due = (settings, levels), now + _LEVELS_S
        return levels

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        self.submit(lambda: self._cell(y, x, universe), lambda cell: None if cell is None else then(cell), "inspect")

    def _cell(self, y: int, x: int, universe: int) -> CellValues | None:
        """All recorded fields of a cell in the frame in view; None before the first frame."""
        index = self.playhead.at
        if index >= len(self.steps):
            return None
        values = {choice.name: self._reader.values(choice.name, index, universe, Region(y, x, 1, 1)) for choice in self.fields}
        fields = {name: value.double().numpy().reshape(-1) for name, value in values.items()}
        return CellValues(int(self.steps[index]), y, x, universe, np.empty(0), None, fields)

    # -- position -----------------------------------------------------------------------------------------------

    def play(self, playing: bool) -> None:
        self.playhead.play(playing, time.monotonic())
        self._submit_draw()

    def advance_updates(self, updates: int) -> None:
        self.move_by(updates * self.playhead.stride)

    def move_by(self, frames: int) -> None:
        """Moves by so many frames (negative ones backwards) and stops."""
        self.playhead.move_by(frames)
        self._submit_draw()

    def seek(self, frame: int) -> None:
        """Goes to a frame, negative ones from the end, and stops."""
        self.playhead.seek(frame)
        self._submit_draw()

    def go_to(self, step: int) -> None:
        """Goes to the frame nearest to a step, and stops."""
        self.seek(self.nearest(step))

    def nearest(self, step: int) -> int:
        """Index of the frame nearest to a step."""
        steps = self.steps
        after = int(np.searchsorted(steps, step))
        if after == 0 or (after < len(steps) and steps[after] - step < step - steps[after - 1]):
            return after
        return after - 1

    def follow(self, newest: bool) -> None:
        """Stays at the newest frame of a growing file, or ends that."""
        self.playhead.follow(newest)
        self._submit_draw()

    def set_speed(self, speed: float | None, stride: int) -> None:
        self.playhead.speed, self.playhead.stride = speed, stride
        self.submit(lambda: None, name="wake")

    def background_work(self) -> float | None:
        """Plays, and checks whether the file has grown."""
        try:
            now = time.monotonic()
            waits = [self._poll(now), self._update_playhead(now)]
        except Exception:
            # Reported once, not at every update.
            self.playhead.halt()
            raise
        return min((wait for wait in waits if wait is not None), default=None)

    def _update_playhead(self, now: float) -> float | None:
        before = self.playhead.at
        moved, wait = self.playhead.update(now)
        if self.ending == "running" and wait is None and moved:
            self.playhead.follow(True)  # it has caught up
        if moved:
            self._played += max(0, int(self.steps[self.playhead.at] - self.steps[before]))
            self._draw()
        return wait

    def _poll(self, now: float) -> float | None:
        if self.ending != "running":
            return None
        if now >= self._poll_due:
            self._poll_due = now + _POLL_S
            try:
                self._look_for_frames()
            except Exception:
                self.ending = "no longer readable"  # and not checked again
                raise
        return self._poll_due - now

    def _look_for_frames(self) -> None:
        self._check_file()
        ending = self.recording.status  # read first: the last frame is committed before the ending is written
        before = self.playhead.at, len(self.steps)
        if len(self.recording) != len(self.steps):
            self.steps = self.recording.steps
            self.playhead.grow(len(self.steps))
        self.ending = ending
        if self.playhead.at != before[0] or not before[1]:
            self._draw()

    def _check_file(self) -> None:
        """Raises RecordingError when the path no longer leads to the open file."""
        try:
            found = self.recording.path.stat()
        except OSError as error:
            raise RecordingError(f"{self.recording.path}: file is gone; frames read so far stay visible; {error}") from error
        if (found.st_dev, found.st_ino) != self._file_identity[:2] or found.st_size < self._file_identity[2]:
            raise RecordingError(f"{self.recording.path}: file was replaced or truncated; open it again")
        self._file_identity = found.st_dev, found.st_ino, found.st_size

    # -- file and status ----------------------------------------------------------------------------------------

    def submit_with_recording(
        self, job: Callable[[Recording], T], then: Callable[[T], None] | None = None, name: str = ""
    ) -> None:
        """Runs a job with the file in the worker thread; `then` is called with the result by `run_callbacks`."""
        self.submit(lambda: job(self.recording), then, name)

    @property
    def position(self) -> tuple[int, int]:
        """Index of the frame in view, and its step; (0, 0) before the first frame."""
        steps = self.steps
        at = min(self.playhead.at, max(len(steps) - 1, 0))
        return at, int(steps[at]) if len(steps) else 0

    def status(self) -> Status:
        steps = self.steps
        index, step = self.position
        return Status(
            step=step,
            playing=self.playhead.playing,
            steps_per_s=self._passed(self._played),
            frames_per_s=self._shown(self._taken),
            dropped=self.playhead.skipped,
            device="file",
            plan="still being written" if self.ending == "running" else f"run ended: {self.ending}",
            frame_index=index if len(steps) else None,
            frames=len(steps),
        )

    def on_exit(self) -> None:
        """Closes the file."""
        self.recording.close()


def _config(recording: Recording) -> RunConfig | None:
    """The config of the run, if the file holds one that this version reads."""
    try:
        return RunConfig.from_toml(recording.config, "") if recording.config else None
    except ConfigError:
        return None
