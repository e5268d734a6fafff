"""A recording as a source of frames, read by a thread of its own; also one that is still being written."""

import atexit
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from aetheria.core.cpu_threads import one_thread
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.observe.first_field import first_field, states_of, with_first
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from viewer.model.frame import CellValues, RenderedFrame
from viewer.model.palette import first_view_settings
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.status import Status
from viewer.model.view_settings import FrameRequest
from viewer.sources.frame_reader import FrameReader
from viewer.sources.frame_renderer import FrameRenderer
from viewer.sources.newest_frame import NewestFrame
from viewer.sources.played import PlaybackPosition
from viewer.sources.playhead import Playhead
from viewer.sources.source import RateMeter, Worker, close_all_threads, close_at_exit

# The last function registered is called first: before h5py's own exit handler, which closes HDF5 under its readers.
atexit.register(close_all_threads)
T = TypeVar("T")
_POLL_S = 0.25  # seconds between checks for new frames


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
    shared = False

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
        choices, states = self._reader.choices, states_of(str(recording.attributes["law"]))
        self.fields = with_first(choices.values(), first_field(choices, next(iter(choices)), states))
        self.plane = self._reader.plane
        self.observables = recording.observables
        self.first_view_settings = first_view_settings(self.fields, self.plane, _config(recording))
        self.dt = float(recording.attributes["dt"])
        self.ending = recording.status
        self.steps = recording.steps
        self.playhead = Playhead(len(self.steps))
        position = recording.path.stat()
        self._file_identity = position.st_dev, position.st_ino, position.st_size
        self._renderer = FrameRenderer(self._reader.choices)
        self.samples = self._renderer.samples
        self._request: FrameRequest | None = None
        self._newest = NewestFrame()
        self._poll_due = 0.0
        self._played = 0  # steps
        self._shown, self._passed = RateMeter(), RateMeter()
        super().__init__("recording source")
        close_at_exit(self)

    # -- frames -------------------------------------------------------------------------------------------------

    def request_frames(self, frame_request: FrameRequest | None) -> None:
        self._request = frame_request
        self._submit_draw()

    def next_frame(self) -> RenderedFrame | None:
        return self._newest.take()

    def _submit_draw(self) -> None:
        self.submit(self._draw, name="draw")

    def _draw(self) -> None:
        with one_thread():
            self._draw_frame()

    def _draw_frame(self) -> None:
        frame_request, index = self._request, self.playhead.at
        if frame_request is None or index >= len(self.steps):
            return
        settings = frame_request.view_settings
        plane = replace(self.plane, slice=settings.slice)
        found = self._reader.fields(settings.fields, index, settings.universe, plane, frame_request.region)
        if found is not None:
            step, moving = int(self.steps[index]), self.playhead.playing
            self._newest.put(self._renderer.render(step, frame_request, *found, moving))

    def inspect(self, y: int, x: int, universe: int, then: Callable[[CellValues], None]) -> None:
        self.submit(lambda: self._cell(y, x, universe), lambda cell: None if cell is None else then(cell), "inspect")

    def _cell(self, y: int, x: int, universe: int) -> CellValues | None:
        """All recorded fields of a cell in the frame in view; None where there is no frame."""
        index, frame_request = self.playhead.at, self._request
        if index >= len(self.steps) or frame_request is None:
            return None
        plane, fields = replace(self.plane, slice=frame_request.view_settings.slice), {}
        for choice in self.fields:
            found = self._reader.values(choice.name, index, universe, plane, Region(y, x, 1, 1))
            if found is None:
                return None
            fields[choice.name] = found[1].double().numpy().reshape(-1)
        age = plane.grid[0] - 1 - y if plane.space_time else 0
        return CellValues(int(self.steps[index - age]), y, x, universe, np.empty(0), None, fields)

    def read_plane(self, field: str, index: int, universe: int, plane: Plane) -> Tensor:
        """A field of one frame, `(1, [3,] h, w)` in its unit, of a space-time picture the last row; only for the own thread."""
        found = self._reader.values(field, index, universe, plane, plane.present)
        assert found is not None  # the last row, or all of a frame, is always there
        return found[1]

    def read_volume(self, field: str, index: int, universe: int) -> Tensor:
        """A field of one frame, all of it, `(1, [3,] *grid)` in its unit; only for the own thread."""
        return self._reader.volume(field, index, universe)

    def cyclic(self, field: str) -> bool:
        """Whether a field is an angle."""
        return self._reader.choices[field].cyclic

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

    def repeat(self, loop: bool) -> None:
        """Starts again after the last frame from now on, or stops there."""
        self.playhead.loop = loop

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

    @property
    def place_in_frames(self) -> PlaybackPosition:
        """Position, as the timeline shows it."""
        (frame, step), head = self.position, self.playhead
        how = head.playing, self.ending, head.newest, head.loop
        return PlaybackPosition(frame, len(self.steps), step, step * self.dt, *how)

    def status(self) -> Status:
        steps = self.steps
        index, step = self.position
        return Status(
            step=step,
            playing=self.playhead.playing,
            following=self.playhead.newest and self.ending == "running",
            steps_per_s=self._passed(self._played),
            frames_per_s=self._shown(self._newest.taken),
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
