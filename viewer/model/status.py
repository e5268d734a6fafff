"""The figures of the status bar. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """How the source is doing, in numbers; what it cannot know is None.

    Attributes:
        playing: steps are being taken, or frames played.
        frame_index, frames: of a recording, counted from 0; None for a live source.
        plan_reason: why the law is stepped by this plan.
        dropped: frames that were due and not made, because the window was busy.
        recording: what a recorder is doing, for people; empty without one.
    """

    step: int
    playing: bool
    steps_per_s: float = 0.0
    cells_per_s: float = 0.0
    frames_per_s: float = 0.0
    dropped: int = 0
    device: str = ""
    plan: str = ""
    plan_reason: str = ""
    memory_mb: float | None = None
    bytes_per_s: float = 0.0
    recording: str = ""
    frame_index: int | None = None
    frames: int | None = None
