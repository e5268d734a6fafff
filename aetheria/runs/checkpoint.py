"""Checkpoints: the newest states of a run, saved beside its recording, from which it can be resumed."""

import re
import time
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path

from aetheria.core.errors import AetheriaError, FileUnreadableError
from aetheria.core.failpoints import reached
from aetheria.core.printable import get_logger
from aetheria.files.atomic import FAILPOINTS as WRITE_FAILPOINTS
from aetheria.files.atomic import remove_leftovers
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.runs.full_frames import FullFrames
from aetheria.runs.state_file import SavedState, capture, describe_state, open_state, read_state, write_state
from aetheria.runs.state_parts import parts_beside, remove_state
from aetheria.runs.state_tiles import capture_tiles

log = get_logger(__name__)
KEPT = 2
FAILPOINTS = ("recording on disk", *WRITE_FAILPOINTS, "old checkpoints gone")


class Checkpoints:
    """Saves the state of a recorded motor when a checkpoint is due; keeps the newest two.

        with Recorder(motor, "run.h5") as recorder:
            checkpoints = Checkpoints(motor, recorder, every=1000)
            while motor.step_count < 100_000:
                motor.step(100)
                if checkpoints.due():
                    checkpoints.save()

    A checkpoint is "run.h5.checkpoint-1000.safetensors", a saved state with the position of the recording. The recording is
    synced to the disk up to that position before the checkpoint is written. On a split grid each process writes a part first,
    "run.h5.checkpoint-1000.part-<token>-<rank>.safetensors".
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
        full_frames: FullFrames | None = None,
    ) -> None:
        """
        Args:
            motor: steps in the thread that calls `save`.
            recorder: of that motor. Checkpoints of an older recording of this name are removed.
            every: steps between checkpoints, 0 for no such rule.
            minutes: minutes between checkpoints, 0 for no such rule.
            config: the run's full config as TOML.
            newest: the checkpoint from which the run is resumed.
            full_frames: of that motor, beside the recording; synced to the disk with it.
        """
        self._motor, self._recorder, self._full_frames = motor, recorder, full_frames
        self._every, self._interval_s = every, 60 * minutes
        self._config = config
        self._began = motor.step_count
        # A run that is resumed with another config, of more steps perhaps, saves one at once, which holds that config.
        self._saved_at = newest.description.step if newest and newest.description.config == config else None
        self._next = time.monotonic() + self._interval_s
        self._remove_stale()

    def due(self) -> bool:
        """Whether a checkpoint is due at the present step."""
        last, step = self._began if self._saved_at is None else self._saved_at, self._motor.step_count
        by_steps = bool(self._every) and step // self._every > last // self._every
        by_time = bool(self._interval_s) and time.monotonic() >= self._next
        return by_steps or by_time

    def steps_left(self) -> int | None:
        """Steps to the next checkpoint; None where only the time decides."""
        return self._every - self._motor.step_count % self._every if self._every else None

    def save(self) -> None:
        """Saves the present state, unless the newest checkpoint holds it, and removes all but the newest two.

        Raises:
            DivergedError: the state holds NaN or Inf; earlier checkpoints stay.
            RecordingError: the file cannot be written, or the recorder has failed. DiskFullError: no space is left.
        """
        motor, config, step = self._motor, self._config, self._motor.step_count
        if self._saved_at != step:
            with motor.turn:  # no edit may come between the position and the state
                position = self._recorder.sync()
                if self._full_frames:
                    self._full_frames.sync()
                reached("recording on disk")
                path, whole = path_of(self._recorder.path, step), self._motor.split is None
                saved = capture(motor, config, position) if whole else capture_tiles(motor, path, config, position)
            write_state(saved, path)
            self._saved_at = step
            for old in checkpoints_of(self._recorder.path)[KEPT:]:
                remove_state(old)
            _remove_unlisted(self._recorder.path)
            reached("old checkpoints gone")
        self._next = time.monotonic() + self._interval_s

    def _remove_stale(self) -> None:
        """Removes partial files of killed runs, and checkpoints of another recording or of steps that will be made again."""
        recording = self._recorder.path
        remove_leftovers(recording.parent, lambda name: name.startswith(f"{recording.name}.checkpoint-"))
        for path in checkpoints_of(recording):
            if step_of(path) > self._began or not _belongs_to(path, self._recorder.id):
                remove_state(path)
        _remove_unlisted(recording)


def path_of(recording: Path, step: int) -> Path:
    """The file of the checkpoint of a recording at `step`."""
    return recording.with_name(f"{recording.name}.checkpoint-{step}.safetensors")


def checkpoints_of(recording: Path) -> list[Path]:
    """The checkpoints beside a recording, the newest first."""
    found = [path for path in recording.parent.glob("*.safetensors") if step_of(path) >= 0]
    return sorted((path for path in found if path == path_of(recording, step_of(path))), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name; -1 for any other file."""
    found = re.search(r"\.checkpoint-(\d+)\.safetensors$", path.name)
    return int(found[1]) if found else -1


def newest_checkpoint(recording: Recording, *, whole: bool = True) -> SavedState | None:
    """The newest checkpoint that is undamaged and not ahead of the recording. A warning names each newer one.

    Args:
        whole: with all tensors; False leaves cells and memory in their files, for the processes of a split grid.
    """
    return next(_usable(recording, read_state if whole else open_state), None)


def _usable(recording: Recording, read: Callable[[Path], SavedState]) -> Iterator[SavedState]:
    frames, edit_bytes = len(recording), recording.edit_bytes
    for path in checkpoints_of(recording.path):
        try:
            saved = read(path)
        except FileUnreadableError as error:
            log.warning("%s; it is skipped", error)
            continue
        position = saved.description.position
        if position is None or position.recording != recording.attributes.get("id"):
            log.warning("%s: belongs to another recording; it is skipped", path)
        elif position.frames > frames or position.edit_bytes > edit_bytes:
            log.warning("%s: was made after frame %s, and the recording holds %s; it is skipped", path, position.frames, frames)
        else:
            yield saved


def _remove_unlisted(recording: Path) -> None:
    """Removes files of tiles that no checkpoint lists: those of a run that was killed before it wrote the checkpoint."""
    listed: set[Path] = set()
    for path in checkpoints_of(recording):
        try:
            listed.update(part.path(path) for part in describe_state(path).parts)
        except AetheriaError:
            listed.update(parts_beside(path))  # not readable just now
    for part in recording.parent.glob(f"{escape(recording.name)}.checkpoint-*.part-*.safetensors"):
        if part not in listed:
            part.unlink(missing_ok=True)


def _belongs_to(path: Path, recording: str) -> bool:
    try:
        position = describe_state(path).position
    except AetheriaError:
        return False
    return position is not None and position.recording == recording
