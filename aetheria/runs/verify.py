"""Verification of a recorded run: it is run again, with its edits, and compared frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aetheria.motor.edits import Edit
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.recording import Recording, checksums, schema
from aetheria.recording.metadata import describe
from aetheria.runs.replay import config_of, repeat, replay
from aetheria.runs.run import record_request

_COMPARED = (
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
class VerifyResult:
    """The comparison of a recording with a second run.

    Attributes:
        frames: number of equal frames before the first that differs.
        step, field, universe: the first difference; `step` is None when all frames are equal.
        largest: the largest difference in that field of that frame.
        provenance: a line for each version or setting that differs from the recording's.
    """

    frames: int
    step: int | None = None
    field: str = ""
    universe: int = 0
    largest: float = 0.0
    provenance: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether all frames are equal to the last bit."""
        return self.step is None


def verify(
    recording: Recording, device: str | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> VerifyResult:
    """Runs a recorded run again and compares the checksum of each field of each frame with the recording's.

    Frames are made by the recorder's own code in the recorded size and type; edits are repeated, each at its step.

    Args:
        device: replaces the config's.
        progress: called with the frames done and the number of frames.

    Raises:
        RecordingError: as for `replay`, or the file is damaged.
        AetheriaError: the motor cannot be built.
    """
    edits, count = recording.edits, len(recording)
    with replay(recording, int(recording.steps[0]) if count else None, device) as motor:
        made = recording[0].edits
        request = record_request(config_of(recording, recording.config).record, motor)
        for index in range(count):
            frame = recording[index]
            _step_to(motor, edits[made : frame.edits], frame.step)
            made = frame.edits
            difference = _difference(frame, motor.look(request))
            if difference:
                return VerifyResult(index, frame.step, *difference, _provenance_differences(recording, motor))
            progress(index + 1, count)
        return VerifyResult(count, provenance=_provenance_differences(recording, motor))


def _step_to(motor: Aetheria_Motor, edits: list[Edit], step: int) -> None:
    for edit in edits:
        repeat(motor, [], edit.step)
        edit.apply(motor)
    repeat(motor, [], step)


def _difference(stored: Frame, made: Frame) -> tuple[str, int, float] | None:
    """Name, universe and largest difference of the first field that differs."""
    for name, values in stored.fields.items():
        then, now = (np.ascontiguousarray(schema.to_file(np.asarray(v), name, len(values))) for v in (values, made[name]))
        pairs = zip(checksums.of_field(then, len(values)), checksums.of_field(now, len(values)), strict=True)
        for universe, (expected, found) in enumerate(pairs):
            if expected != found:
                largest = np.abs(values.astype(np.float64) - made[name].astype(np.float64)).max()
                return name, universe, float(largest)
    return None


def _provenance_differences(recording: Recording, motor: Aetheria_Motor) -> tuple[str, ...]:
    then, now = recording.attributes, describe(motor, recording.config)
    return tuple(f"{key} {then.get(key)}, now {now[key]}" for key in _COMPARED if str(then.get(key)) != str(now[key]))
