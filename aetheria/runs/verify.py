"""Whether a recorded run comes out again as it was recorded: made again from its own config, edits and all, frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aetheria.motor.edits import Edit
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.feed import Frame
from aetheria.observe.request import Request
from aetheria.recording import Recording, checksums, schema
from aetheria.recording.metadata import describe
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import config_of, repeat, replay
from aetheria.runs.run import recorded

_CIRCUMSTANCES = (
    "aetheria_version",
    "torch_version",
    "numpy_version",
    "python_version",
    "platform",
    "device",
    "device_name",
    "precision",
    "deterministic",
    "plan",
)


@dataclass(frozen=True)
class Verdict:
    """What came of making a run again.

    Attributes:
        frames: compared, and found alike.
        step, field, universe: the first frame that differs; None when all are alike.
        apart: the largest difference in it.
        circumstances: what is other than when it was recorded.
    """

    frames: int
    step: int | None = None
    field: str = ""
    universe: int = 0
    apart: float = 0.0
    provenance: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every frame came out to the last bit."""
        return self.step is None


def verify(recording: Recording, device: str | None = None, progress: Callable[[int, int], None] = lambda *_: None) -> Verdict:
    """Makes a run again and compares the checksums of each field of each frame with those of the recording.

    The frames are made as they were: in the same size and type, by the same code; cells that were edited while it was recorded
    are edited again, each at its step.

    Args:
        device: instead of the config's.
        progress: called with the frames done and all frames.

    Raises:
        RecordingError: as for `replay`, and where the file is damaged.
        AetheriaError: whatever building the motor raises.
    """
    edits, count = recording.edits, len(recording)
    with replay(recording, int(recording.steps[0]) if count else None, device) as motor:
        made = recording[0].edits
        request = _request(config_of(recording, recording.config), motor)
        for index in range(count):
            frame = recording[index]
            _advance(motor, edits[made : frame.edits], frame.step)
            made = frame.edits
            differs = _difference(frame, motor.look(request))
            if differs:
                return Verdict(index, frame.step, *differs, _circumstances(recording, motor))
            progress(index + 1, count)
        return Verdict(count, provenance=_circumstances(recording, motor))


def _request(config: RunConfig, motor: Aetheria_Motor) -> Request:
    wanted = {key: value for key, value in recorded(config).items() if key in ("fields", "size", "dtype", "levels")}
    return motor.request(**wanted)


def _advance(motor: Aetheria_Motor, edits: list[Edit], step: int) -> None:
    for edit in edits:
        repeat(motor, [], edit.step)
        edit.apply(motor)
    repeat(motor, [], step)


def _difference(stored: Frame, made: Frame) -> tuple[str, int, float] | None:
    """Field, universe and distance of the first field that differs."""
    for name, values in stored.fields.items():
        then, now = (np.ascontiguousarray(schema.to_file(np.asarray(v), name, len(values))) for v in (values, made[name]))
        pairs = zip(checksums.of_field(then, len(values)), checksums.of_field(now, len(values)), strict=True)
        for universe, (wanted, found) in enumerate(pairs):
            if wanted != found:
                apart = np.abs(values.astype(np.float64) - made[name].astype(np.float64)).max()
                return name, universe, float(apart)
    return None


def _circumstances(recording: Recording, motor: Aetheria_Motor) -> tuple[str, ...]:
    then, now = recording.attributes, describe(motor, recording.config)
    return tuple(f"{key} {then.get(key)}, now {now[key]}" for key in _CIRCUMSTANCES if str(then.get(key)) != str(now[key]))
