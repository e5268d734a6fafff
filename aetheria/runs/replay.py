"""A recorded run again: the motor of its config, with every edit made at its step."""

from collections.abc import Sequence

from aetheria.core.device import find_device
from aetheria.core.errors import RecordingError
from aetheria.motor.edits import ControlEdit, Edit, StateEdit
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.recording.metadata import weights_hash
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor


def replay(recording: Recording, step: int | None = None, device: str | None = None) -> Aetheria_Motor:
    """The motor that was recorded, as it was at `step`: built from the recording's config, edited as it was, stepped there.

    At a step that was recorded it is as in the frame; at another the edits made at that step are made. By the same plan on
    the same machine the cells are the same to the last bit, unless the plan was made in the background.

    Args:
        recording: of a run with a config.
        step: steps done; None for the last frame's.
        device: instead of the config's.

    Raises:
        RecordingError: no config, no frame, a step that the run did not come by, or weights that have changed since.
        AetheriaError: whatever building the motor raises.
    """
    if not recording.config:
        raise RecordingError(f"{recording.path}: was recorded without a config; build its motor, and use repeat")
    config = config_of(recording, recording.config)
    steps = recording.steps
    if step is None and not len(steps):
        raise RecordingError(f"{recording.path}: holds no frame; give the step to go to")
    wanted = int(steps[-1]) if step is None else step
    edits = edits_until(recording, wanted)
    motor = build_motor(by_plan(config, recording, str(recording.attributes["plan"]), device), device)
    recorded = recording.attributes["weights_sha256"]
    if weights_hash(motor.law) != recorded:
        raise RecordingError(f"{recording.path}: the law's weights are not those that were recorded (sha256 {recorded[:16]})")
    repeat(motor, edits, wanted)
    return motor


def repeat(motor: Aetheria_Motor, edits: Sequence[Edit], step: int) -> None:
    """Makes edits, each at its step, on a motor as it was at the start, and goes on to `step`.

    What came before a whole state was loaded is not stepped through: the state says it all.

    Raises:
        RecordingError: an edit, or `step`, lies behind the step that the motor has come to.
    """
    loaded = max((i for i, edit in enumerate(edits) if isinstance(edit, StateEdit)), default=0)
    for edit in edits[:loaded]:
        if isinstance(edit, ControlEdit):
            edit.apply(motor)
    for i, edit in enumerate(edits[loaded:]):
        if i or not isinstance(edit, StateEdit):
            _advance(motor, edit.step)
        edit.apply(motor)
    _advance(motor, step)


def _advance(motor: Aetheria_Motor, step: int) -> None:
    if step < motor.step_count:
        raise RecordingError(f"step {step}: lies before step {motor.step_count}, to which the edits lead")
    motor.step(step - motor.step_count)


def config_of(recording: Recording, text: str) -> RunConfig:
    """A config as TOML that was kept with a recording. Raises ConfigError when it is none."""
    return RunConfig.from_toml(text, f"{recording.path}: its config")


def by_plan(config: RunConfig, recording: Recording, used: str, device: str | None) -> RunConfig:
    """The config with the plan that was used, where it left that open and the device is of the kind that was recorded on."""
    changes: dict[str, object] = {"plan_in_background": False}
    on = str(recording.attributes["device"])
    if config.motor.plan == "auto" and used and find_device(device or config.device).type == on.partition(":")[0]:
        changes["plan"] = used
    return config.model_copy(update={"motor": config.motor.model_copy(update=changes)})


def edits_until(recording: Recording, step: int) -> list[Edit]:
    """The edits that had been made when the run was at `step`."""
    edits, steps = recording.edits, recording.steps
    before = int((steps <= step).sum())
    if before and int(steps[before - 1]) == step:
        return edits[: recording[before - 1].edits]
    made = recording[before - 1].edits if before else 0
    while made < len(edits) and edits[made].step <= step:
        made += 1
    return edits[:made]
