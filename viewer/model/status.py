"""Figures of the status bar. No Qt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """State of a source in numbers; unknown ones are None.

    Attributes:
        playing: the source takes steps, or plays frames.
        following: a recording that is still being written stays at its newest frame.
        frame_index, frames: position in a recording, counted from 0, and its length; None for a live source.
        plan_reason: reason for the choice of the plan.
        dropped: frames that were due while the window was busy, and were not rendered.
        edge_step: steps by which live cells were at an edge of the grid that was empty before.
        recording: progress of a recorder or film for the user; empty without one.
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
    edge_step: int | None = None
    following: bool = False
    frame_index: int | None = None
    frames: int | None = None
