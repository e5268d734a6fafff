"""Checkpoints: the newest states of a run, beside its recording, from which it can be gone on with after whatever happened."""

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

from aetheria.core.errors import AetheriaError, FileUnreadableError
from aetheria.core.failpoints import reached
from aetheria.files.atomic import FAILPOINTS as WRITE_FAILPOINTS
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.runs.state_file import SavedState, capture, describe_state, read_state, write_state

log = logging.getLogger(__name__)
KEPT = 2
MOMENTS = ("recording on disk", *WRITE_FAILPOINTS, "old checkpoints gone")


class Checkpoints:
    """Saves the state of a motor that is being recorded when that is due; keeps the newest two.

        with Recorder(motor, "run.h5") as recorder:
            checkpoints = Checkpoints(motor, recorder, every=1000)
            while motor.step_count < 100_000:
                motor.step(100)
                if checkpoints.due():
                    checkpoints.save()

    A checkpoint is "run.h5.checkpoint-1000.safetensors", a saved state like any other. With it is kept how far the recording
    had come, which is on the disk before it.
    """

    def __init__(
        self,
        motor: Aetheria_Motor,
        recorder: Recorder,
        *,
        every: int = 0,
        minutes: float = 0.0,
        config: str = "",
        newest: SavedState | None = None,
    ) -> None:
        """
        Args:
            motor: steps in the thread that calls `save`.
            recorder: of that motor. Checkpoints of an older recording of this name are removed.
            every: steps between two, 0 for no such rule.
            minutes: between two, 0 for no such rule.
            config: the run's full configuration as TOML.
            newest: the one from which the run goes on.
        """
        self._motor, self._recorder = motor, recorder
        self._every, self._pause_s = every, 60 * minutes
        self._config = config
        self._began = motor.step_count
        # With another config, as of a run that shall go further than before, a new one is due at once.
        self._saved_at = newest.description.step if newest and newest.description.config == config else None
        self._next = time.monotonic() + self._pause_s
        self._clean()

    def due(self) -> bool:
        """Whether it is time to save the present state."""
        last, step = self._began if self._saved_at is None else self._saved_at, self._motor.step_count
        by_steps = bool(self._every) and step // self._every > last // self._every
        by_time = bool(self._pause_s) and time.monotonic() >= self._next
        return by_steps or by_time

    def steps_left(self) -> int | None:
        """Steps to the next checkpoint, as far as it is known."""
        return self._every - self._motor.step_count % self._every if self._every else None

    def save(self) -> None:
        """Saves the present state, unless it was. The one before it stays, and those before that go.

        Raises:
            DivergedError: the state holds NaN or Inf; those there are stay.
            RecordingError: it cannot be written (DiskFullError: no space is left), or what the recorder failed with.
        """
        step = self._motor.step_count
        if self._saved_at != step:
            with self._motor.turn:  # nobody edits between the two
                position = self._recorder.sync()
                reached("recording on disk")
                saved = capture(self._motor, self._config, position)
            write_state(saved, path_of(self._recorder.path, step))
            self._saved_at = step
            for old in checkpoints_of(self._recorder.path)[KEPT:]:
                old.unlink(missing_ok=True)
            reached("old checkpoints gone")
        self._next = time.monotonic() + self._pause_s

    def _clean(self) -> None:
        """Removes what killed runs left half written, and what belongs to another recording or to a future that is dropped."""
        recording = self._recorder.path
        for torn in recording.parent.glob(".*.safetensors"):
            if re.fullmatch(rf"\.{re.escape(recording.name)}\.checkpoint-\d+\.\d+\.safetensors", torn.name):
                torn.unlink(missing_ok=True)
        for path in checkpoints_of(recording):
            if step_of(path) > self._began or not _belongs(path, self._recorder.id):
                path.unlink(missing_ok=True)


def path_of(recording: Path, step: int) -> Path:
    """Where the checkpoint of a recording at `step` is kept."""
    return recording.with_name(f"{recording.name}.checkpoint-{step}.safetensors")


def checkpoints_of(recording: Path) -> list[Path]:
    """The checkpoints beside a recording, the newest first."""
    found = [path for path in recording.parent.glob("*.safetensors") if step_of(path) >= 0]
    return sorted((path for path in found if path == path_of(recording, step_of(path))), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name; -1 of another file."""
    found = re.search(r"\.checkpoint-(\d+)\.safetensors$", path.name)
    return int(found[1]) if found else -1


def newest_checkpoint(recording: Recording) -> SavedState | None:
    """The newest checkpoint that is whole and that the recording covers. Each that is newer is named in a warning."""
    return next(_usable(recording), None)


def _usable(recording: Recording) -> Iterator[SavedState]:
    frames, edit_bytes = len(recording), recording.edit_bytes
    for path in checkpoints_of(recording.path):
        try:
            saved = read_state(path)
        except FileUnreadableError as error:
            log.warning("%s; it is passed over", error)
            continue
        position = saved.description.position
        if position is None or position.recording != recording.attributes.get("id"):
            log.warning("%s: belongs to another recording; it is passed over", path)
        elif position.frames > frames or position.edit_bytes > edit_bytes:
            log.warning(
                "%s: was made after frame %s, and the recording holds %s; it is passed over", path, position.frames, frames
            )
        else:
            yield saved


def _belongs(path: Path, recording: str) -> bool:
    try:
        position = describe_state(path).position
    except AetheriaError:
        return False
    return position is not None and position.recording == recording
