"""Replay of a recorded run: the motor of its config, with every edit repeated at its step."""

from collections.abc import Sequence

from torch.distributed.device_mesh import DeviceMesh

from aetheria.core.device import find_device
from aetheria.core.errors import RecordingError
from aetheria.motor.edits import ControlEdit, Edit, StateEdit
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.recording.metadata import weights_hash
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.split.join import shared_text


def replay(
    recording: Recording, step: int | None = None, device: str | None = None, mesh: DeviceMesh | None = None
) -> Aetheria_Motor:
    """The recorded motor at `step`: built from the recording's config, with its edits repeated.

    At a recorded step the motor is as in the frame; at any other, the edits of that step are made, too. The cells are equal to
    the last bit by the same plan on the same machine, unless the plan was made in the background.

    Args:
        recording: of a run with a config.
        step: steps done; None for the last frame's.
        device: replaces the config's.
        mesh: processes over which the grid is split, as for `run`.

    Raises:
        RecordingError: no config, no frame, a step before the first, or weights that have changed since.
        AetheriaError: the motor cannot be built.
    """
    if not recording.config:
        raise RecordingError(f"{recording.path}: was recorded without a config; build its motor, and use repeat")
    config = config_of(recording, recording.config)
    steps = recording.steps
    if step is None and not len(steps):
        raise RecordingError(f"{recording.path}: holds no frame; give the step to go to")
    target = int(steps[-1]) if step is None else step
    edits = edits_until(recording, target)
    config = with_recorded_plan(config, recording, str(recording.attributes["plan"]), device)
    if mesh is not None:
        shared_text(config.to_toml())
    motor = build_motor(config, device, mesh=mesh)
    recorded = recording.attributes["weights_sha256"]
    if weights_hash(motor.law) != recorded:
        raise RecordingError(f"{recording.path}: the law's weights are not those that were recorded (sha256 {recorded[:16]})")
    repeat(motor, edits, target)
    return motor


def repeat(motor: Aetheria_Motor, edits: Sequence[Edit], step: int) -> None:
    """Repeats edits, each at its step, on a motor at its first step, and goes on to `step`.

    Steps before the last edit that replaces the whole state are not taken.

    Raises:
        RecordingError: an edit, or `step`, lies before the motor's present step.
    """
    loaded = max((i for i, edit in enumerate(edits) if isinstance(edit, StateEdit)), default=0)
    for edit in edits[:loaded]:
        if isinstance(edit, ControlEdit):
            edit.apply(motor)
    for i, edit in enumerate(edits[loaded:]):
        if i or not isinstance(edit, StateEdit):
            _step_to(motor, max(edit.step, motor.first_step))  # a change of the start is logged at step 0
        edit.apply(motor)
    _step_to(motor, step)


def _step_to(motor: Aetheria_Motor, step: int) -> None:
    if step < motor.step_count:
        raise RecordingError(f"step {step}: lies before step {motor.step_count}, to which the edits lead")
    motor.step(step - motor.step_count)


def config_of(recording: Recording, text: str) -> RunConfig:
    """A config in TOML from a recording or one of its checkpoints. Raises ConfigError when it is not a config."""
    return RunConfig.from_toml(text, f"{recording.path}: its config")


def with_recorded_plan(config: RunConfig, recording: Recording, plan: str, device: str | None) -> RunConfig:
    """The config with the recorded plan in place of "auto", if the device is of the recorded kind."""
    changes: dict[str, object] = {"plan_in_background": False}
    recorded_on = str(recording.attributes["device"])
    if config.motor.plan == "auto" and plan and find_device(device or config.device).type == recorded_on.partition(":")[0]:
        changes["plan"] = plan
    return config.model_copy(update={"motor": config.motor.model_copy(update=changes)})


def edits_until(recording: Recording, step: int) -> list[Edit]:
    """The edits before `step`: at a recorded step those that its frame shows, at any other those of that step, too."""
    edits, steps = recording.edits, recording.steps
    before = int((steps <= step).sum())
    if before and int(steps[before - 1]) == step:
        return edits[: recording[before - 1].edits]
    made = recording[before - 1].edits if before else 0
    while made < len(edits) and edits[made].step <= step:
        made += 1
    return edits[:made]
