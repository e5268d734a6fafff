"""Goes on with a run that was interrupted, killed or finished, from its newest checkpoint, and with its recording."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aetheria.core.errors import ConfigError, RecordingError, StateError
from aetheria.motor.edits import Edit
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.recording.append import ResumePoint
from aetheria.recording.lock import is_being_written
from aetheria.recording.metadata import weights_hash
from aetheria.runs.checkpoint import checkpoints_of, newest_checkpoint
from aetheria.runs.config import RunConfig
from aetheria.runs.provenance import Provenance
from aetheria.runs.replay import by_plan, config_of, edits_until, replay
from aetheria.runs.run import Outcome, build_motor, checkpoints_for, conclude, recorded
from aetheria.runs.session import Progress, Session
from aetheria.runs.signals import Interrupts
from aetheria.runs.state_file import SavedState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Past:
    """A run as its recording and its newest checkpoint tell it.

    Attributes:
        config: to go on by; its steps are those wanted now.
        saved: the checkpoint; None to begin with the recording's first frame.
        position: of the recording there.
        first: step of the first frame.
        later: edits made after it, each with whether the frame of its step shows it.
    """

    config: RunConfig
    saved: SavedState | None
    position: ResumePoint
    first: int
    later: list[tuple[Edit, bool]]


def resume(
    path: Path,
    *,
    steps: int | None = None,
    from_start: bool = False,
    device: str | None = None,
    started: Callable[[Aetheria_Motor], None] = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Continues a run and its recording from the newest checkpoint that is whole and that the recording covers.

    Frames after the checkpoint are made again; edits after it are made again, each at its step. With the same versions, device
    model, precision, deterministic mode and plan, frames and state are those of a run never interrupted, to the last bit; else
    a warning names what differs.

    Args:
        path: the recording.
        steps: done at the end; None for the config's.
        from_start: where there is no such checkpoint, make all frames again from the first.
        device: instead of the config's.
        started, progress: as for `run`.

    Raises:
        RecordingError: no recording, none that can be gone on with, or no checkpoint.
        ConfigError: the run is at its end, or beyond the steps given.
        AetheriaError: whatever building the motor raises.
    """
    past = _past(path, steps, from_start)
    with Interrupts() as interrupts, _motor(path, past, device) as motor:
        started(motor)
        motor.warm_up()
        if past.saved is not None:
            _take_up(path, motor, past.saved)
        interrupts.check()
        interrupts.patience = math.inf  # nothing is left half made; the session listens again
        recorder = Recorder(motor, path, **recorded(past.config), resume=past.position, until=past.config.steps)
        checkpoints = checkpoints_for(past.config, motor, recorder, past.saved)
        session = Session(motor, recorder, checkpoints, interrupts, past.config.steps, progress)
        return conclude(session, past.config, lambda session: _go_on(session, past.later))


def _past(path: Path, steps: int | None, from_start: bool) -> Past:
    if is_being_written(path):
        raise RecordingError(f"{path}: is being written; a run is gone on with when it has ended")
    with Recording(path) as recording:
        if not recording.config:
            raise RecordingError(f"{path}: was recorded without a config; build its motor, and use Recorder(..., resume=...)")
        saved = newest_checkpoint(recording)
        if saved is None and not from_start:
            there = "no checkpoint that can be used" if checkpoints_of(path) else "no checkpoint"
            raise RecordingError(
                f"{path}: there is {there} beside it; --from-start (from_start=True) makes its {len(recording)} frames again"
            )
        first, last = _reach(recording)
        step, position = first, ResumePoint(recording=recording.attributes.get("id", ""), frames=0, edits=0, edit_bytes=0)
        if saved is None:
            log.warning("%s: begins again with step %d", path, first)
            position = position.model_copy(update={"edits": len(edits_until(recording, first))})
        elif saved.description.position is not None:
            step, position = saved.description.step, saved.description.position
        config = config_of(recording, saved.description.config if saved else recording.config)
        ended = recording.status == "done" and not recording.note  # else it was killed as it closed, which is left to do
        _check_steps(path, steps, max(last, step), ended)
        config = config.model_copy(update={"steps": steps or max(config.steps, last)})
        return Past(config, saved, position, first, _later(recording, position.edits))


def _reach(recording: Recording) -> tuple[int, int]:
    """The steps of the first and the last frame."""
    steps = recording.steps
    return (int(steps[0]), int(steps[-1])) if len(steps) else (int(recording.attributes["first_step"]),) * 2


def _check_steps(path: Path, wanted: int | None, done: int, ended: bool) -> None:
    if ended and (wanted is None or wanted <= done):
        raise ConfigError(f"{path}: is at its end, step {done}; --steps with more than that goes on")
    if wanted is not None and wanted < done:
        raise ConfigError(f"{path}: --steps {wanted} given; expected {done} or more, which are done")


def _later(recording: Recording, made: int) -> list[tuple[Edit, bool]]:
    """The edits after the first `made`, and whether the frame of the same step shows them."""
    shown = dict(zip(recording.steps.tolist(), recording.edits_before.tolist(), strict=True))
    return [(edit, number < shown.get(edit.step, 0)) for number, edit in enumerate(recording.edits[made:], made)]


def _motor(path: Path, past: Past, device: str | None) -> Aetheria_Motor:
    with Recording(path) as recording:
        if past.saved is None:
            return replay(recording, past.first, device)
        made = past.saved.description.made
        config = by_plan(past.config, recording, made.plan if made else "", device)
        # Not the config's initial cells: they may be of a file that is gone.
        return build_motor(config, device, past.saved.tensors["cells"])


def _take_up(path: Path, motor: Aetheria_Motor, saved: SavedState) -> None:
    """Makes a motor that stands ready one that goes on from a checkpoint."""
    then = saved.description
    for name, value in then.controls.items():
        if motor.get_control(name) != value:
            motor.set_control(name, value)
    if weights_hash(motor.law) != then.weights_sha256:
        raise StateError(f"{path}: the law's weights are not those of the checkpoint (sha256 {then.weights_sha256[:16]})")
    saved.load(motor)
    saved.load_random(motor)
    differences = then.made.differences(Provenance.of(motor)) if then.made else []
    if differences:
        log.warning("%s: goes on otherwise than before, and not to the last bit: %s", path, "; ".join(differences))


def _go_on(session: Session, later: list[tuple[Edit, bool]]) -> None:
    motor = session.motor
    if session.checkpoints:
        session.checkpoints.save()  # of a run that shall go further than before, so that its config says so
    for edit, shown in later:
        if edit.step < motor.step_count:
            raise RecordingError(f"{session.recorder.path}: an edit at step {edit.step} lies before step {motor.step_count}")
        if not shown:
            session.step_to(edit.step)
        elif edit.step > motor.step_count:
            session.step_to(edit.step - 1)
            with motor.unseen():  # the frame of its step shows the edit
                motor.step(1)
        if session.interrupts.received:
            return
        edit.apply(motor)
    session.step_to(session.total)
