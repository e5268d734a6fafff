"""Resuming a run that was interrupted, killed or finished: from its newest checkpoint, in the same recording."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch.distributed.device_mesh import DeviceMesh

from aetheria.core.errors import AetheriaError, ConfigError, RecordingError, StateError
from aetheria.core.printable import get_logger
from aetheria.files.atomic import leftovers
from aetheria.motor.edits import Edit
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder, Recording
from aetheria.recording.append import ResumePoint
from aetheria.recording.lock import WriteLock, is_being_written
from aetheria.recording.metadata import weights_hash
from aetheria.runs.checkpoint import checkpoints_of, newest_checkpoint
from aetheria.runs.config import RunConfig
from aetheria.runs.provenance import Provenance
from aetheria.runs.replay import config_of, edits_until, replay, with_recorded_plan
from aetheria.runs.run import RunResult, build_motor, checkpoints_for, finish, full_frames_for, recorder_settings
from aetheria.runs.session import RunProgress, Session
from aetheria.runs.signals import SignalHandler
from aetheria.runs.state_file import SavedState
from aetheria.runs.steering import Steering
from aetheria.split.join import shared_text

log = get_logger(__name__)
_AT_REST = Initial(kind="seed")  # for the processes of a split grid, each of which then reads its part of the checkpoint
LaterEdit = tuple[Edit, bool]  # and whether the frame of the edit's step shows it


@dataclass(frozen=True)
class ResumePlan:
    """The starting point and the remaining work of a resumed run.

    Attributes:
        config: of the run, with the steps wanted now.
        saved: the checkpoint; None to begin at the recording's first frame.
        position: of the recording at that checkpoint.
        first_step: of the first frame.
        later_edits: the edits after the checkpoint.
    """

    config: RunConfig
    saved: SavedState | None
    position: ResumePoint
    first_step: int
    later_edits: list[LaterEdit]


def resume(
    path: Path,
    *,
    steps: int | None = None,
    from_start: bool = False,
    device: str | None = None,
    mesh: DeviceMesh | None = None,
    started: Callable[[Aetheria_Motor], None] = lambda _: None,
    progress: Callable[[RunProgress], None] = lambda _: None,
    steering: Steering | None = None,
) -> RunResult:
    """Resumes a run and its recording from the newest checkpoint that is undamaged and not ahead of the recording.

    Frames after the checkpoint are made again, and edits after it are repeated, each at its step. With equal versions, device
    model, precision, deterministic mode and plan, frames and state are those of a run never interrupted, to the last bit;
    otherwise a warning names the differences.

    Args:
        path: the recording.
        steps: done at the end; None for the config's.
        from_start: if there is no such checkpoint, make all frames again from the first.
        device: replaces the config's.
        mesh, started, progress, steering: as for `run`.

    Raises:
        RecordingError: no recording, one that cannot be resumed, or no checkpoint.
        ConfigError: the run is at its end, or past the steps given.
        AetheriaError: the motor cannot be built.
    """
    plan = _plan(path, steps, from_start, whole=mesh is None)
    with SignalHandler() as signals, _motor(path, plan, device, mesh) as motor:
        started(motor)
        motor.warm_up()
        if plan.saved is not None:
            _restore(path, motor, plan.saved)
        signals.check()
        signals.ignored = math.inf  # until the session handles them: no file is left half made
        settings = recorder_settings(plan.config.record)
        recorder = Recorder(motor, path, **settings, resume=plan.position, until=plan.config.steps)
        full = full_frames_for(plan.config, motor, recorder, resumed=True)
        checkpoints = checkpoints_for(plan.config, motor, recorder, full, plan.saved)
        session = Session(motor, recorder, checkpoints, signals, plan.config.steps, progress, steering, full)
        return finish(session, plan.config, lambda session: _continue(session, plan.later_edits))


def _plan(path: Path, steps: int | None, from_start: bool, whole: bool) -> ResumePlan:
    if is_being_written(path):
        raise RecordingError(f"{path}: is being written; a run can be resumed when it has ended")
    with Recording(path) as recording:
        if not recording.config:
            raise RecordingError(f"{path}: was recorded without a config; build its motor, and use Recorder(..., resume=...)")
        saved = newest_checkpoint(recording, whole=whole)
        if saved is None and not from_start:
            there = "no checkpoint that can be used" if checkpoints_of(path) else "no checkpoint"
            raise RecordingError(
                f"{path}: there is {there} beside it; --from-start (from_start=True) makes its {len(recording)} frames again"
            )
        first, last = _first_and_last_step(recording)
        step, position = first, ResumePoint(recording=recording.attributes.get("id", ""), frames=0, edits=0, edit_bytes=0)
        if saved is None:
            log.warning("%s: begins again with step %d", path, first)
            position = position.model_copy(update={"edits": len(edits_until(recording, first))})
        elif saved.description.position is not None:
            step, position = saved.description.step, saved.description.position
        config = config_of(recording, saved.description.config if saved else recording.config)
        # A note says that the writer was killed, perhaps while it closed the file: then closing it is left to do. A picture
        # that was begun says that the run was killed after that.
        picture = leftovers(path.parent, path.with_suffix(".png").name.__eq__)
        ended = recording.status == "done" and not recording.note and not picture
        _check_steps(path, steps, max(last, step), ended)
        config = config.model_copy(update={"steps": steps or max(config.steps, last)})
        return ResumePlan(config, saved, position, first, _later_edits(recording, position.edits))


def _first_and_last_step(recording: Recording) -> tuple[int, int]:
    steps = recording.steps
    return (int(steps[0]), int(steps[-1])) if len(steps) else (int(recording.attributes["first_step"]),) * 2


def _check_steps(path: Path, wanted: int | None, done: int, ended: bool) -> None:
    if ended and (wanted is None or wanted <= done):
        with suppress(AetheriaError):  # a folder that cannot be written
            WriteLock(path).release()  # and with it that of a writer that was killed between its last frame and its end
        raise ConfigError(f"{path}: is at its end, step {done}; --steps with a larger number continues the run")
    if wanted is not None and wanted < done:
        raise ConfigError(f"{path}: --steps {wanted} given; expected {done} or more, which are done")


def _later_edits(recording: Recording, made: int) -> list[LaterEdit]:
    """The edits after the first `made`."""
    shown = dict(zip(recording.steps.tolist(), recording.edits_before.tolist(), strict=True))
    return [(edit, number < shown.get(edit.step, 0)) for number, edit in enumerate(recording.edits[made:], made)]


def _motor(path: Path, plan: ResumePlan, device: str | None, mesh: DeviceMesh | None) -> Aetheria_Motor:
    with Recording(path) as recording:
        if plan.saved is None:
            return replay(recording, plan.first_step, device, mesh)
        made = plan.saved.description.made
        config = with_recorded_plan(plan.config, recording, made.plan if made else "", device)
        # Not from the config's initial cells: their file may be gone.
        if mesh is not None:
            shared_text(config.model_copy(update={"initial": _AT_REST}).to_toml())
            return build_motor(config, device, _AT_REST, mesh)
        return build_motor(config, device, plan.saved.tensors["cells"])


def _restore(path: Path, motor: Aetheria_Motor, saved: SavedState) -> None:
    """Puts a motor into the state of a checkpoint."""
    then = saved.description
    for name, value in then.controls.items():
        if motor.get_control(name) != value:
            motor.set_control(name, value)
    saved.load(motor)
    # After the state: it may hold buffers of the law, which count among its weights here.
    if weights_hash(motor.law) != then.weights_sha256:
        raise StateError(f"{path}: the law's weights are not those of the checkpoint (sha256 {then.weights_sha256[:16]})")
    saved.load_random(motor)
    differences = then.made.differences(Provenance.of(motor)) if then.made else []
    if differences:
        log.warning("%s: resumed under other conditions, and not equal to the last bit: %s", path, "; ".join(differences))


def _continue(session: Session, later_edits: list[LaterEdit]) -> None:
    motor = session.motor
    if session.checkpoints:
        session.checkpoints.save()  # with the new config, if the run is to take more steps
    for edit, shown in later_edits:
        if edit.step < motor.step_count:
            raise RecordingError(f"{session.recorder.path}: an edit at step {edit.step} lies before step {motor.step_count}")
        if not shown:
            session.step_to(edit.step)
        elif edit.step > motor.step_count:
            session.step_to(edit.step - 1)
            with motor.unseen():  # the frame of that step is made after the edit
                motor.step(1)
        if session.signals.received:
            return
        edit.apply(motor)
    session.step_to(session.total)
