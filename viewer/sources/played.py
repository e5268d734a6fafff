"""A source that is a recording, as the timeline uses it. No Qt."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class PlaybackPosition:
    """Position of a recording.

    Attributes:
        frame_index: counted from 0. frames: number of frames so far.
        step, time: of the frame; the time in the law's own units.
        playing: it moves by itself.
        ending: how the run ended; "running" while it is still being written.
        newest: it stays at the newest frame while the file grows.
        loop: the first frame follows the last.
    """

    frame_index: int
    frames: int
    step: int
    time: float
    playing: bool
    ending: str
    newest: bool = False
    loop: bool = False


@runtime_checkable
class PlayedSource(Protocol):
    """A recording, in this process or elsewhere. No method waits.

    Attributes:
        shared: others see it at the same position; it is shown as they left it.
    """

    shared: bool

    @property
    def place_in_frames(self) -> PlaybackPosition:
        """The present position."""

    def seek(self, frame: int) -> None:
        """Goes to a frame, negative ones from the end, and stops."""

    def move_by(self, frames: int) -> None:
        """Moves by so many frames (negative ones backwards) and stops."""

    def follow(self, newest: bool) -> None:
        """Stays at the newest frame of a growing file, or ends that."""

    def repeat(self, loop: bool) -> None:
        """Starts again after the last frame from now on, or stops there."""

    def play(self, playing: bool) -> None:
        """Starts or stops."""
