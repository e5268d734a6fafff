"""Playback of a recording: position, and the actions that change it. No Qt."""

from collections.abc import Callable
from dataclasses import dataclass

from viewer.controllers.component import Component, ComponentHost
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource

_LEAP = 10  # frames


@dataclass(frozen=True)
class PlaybackPosition:
    """Position of a recording.

    Attributes:
        frame_index: counted from 0. frames: number of frames so far.
        step, time: of the frame; the time in the law's own units.
        playing: it moves by itself.
        ending: how the run ended; "running" while it is still being written.
    """

    frame_index: int
    frames: int
    step: int
    time: float
    playing: bool
    ending: str


class Player(Component):
    """Moves through the open recording; does nothing without one.

    Attributes:
        source: the recording.
        position: the present position; None without a recording.
        listeners: called when the position changed, and when a recording was opened or closed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.source: RecordingSource | None = None
        self.position: PlaybackPosition | None = None
        self.listeners: list[Callable[[], None]] = []
        self._goes_on = False  # play on when the slider is released
        controller.model.listeners.append(self._model_changed)

    # -- movement ------------------------------------------------------------------------------------------------

    def first(self) -> None:
        """Goes to the first frame."""
        self.seek(0)

    def last(self) -> None:
        """Goes to the newest frame."""
        self.seek(-1)

    def back(self) -> None:
        """Goes one frame back."""
        self._move(-1)

    def forward(self) -> None:
        """Goes one frame forward."""
        self._move(1)

    def leap_back(self) -> None:
        """Goes ten frames back."""
        self._move(-_LEAP)

    def leap_forward(self) -> None:
        """Goes ten frames forward."""
        self._move(_LEAP)

    def seek(self, frame: int) -> None:
        """Goes to a frame, negative ones from the end, and stops."""
        if self.source is not None:
            self.source.seek(frame)
            self.tick()

    def hold(self) -> None:
        """The slider was pressed."""
        self._goes_on = self.position is not None and self.position.playing

    def let_go(self) -> None:
        """The slider was released: plays on if it played before."""
        if self._goes_on and self.source is not None:
            self.source.play(True)
        self._goes_on = False

    def toggle_loop(self) -> None:
        """Switches between stopping and starting again after the last frame."""
        self.controller.model.set(loop=not self.controller.model.loop)

    def toggle_newest(self) -> None:
        """Starts or stops following the newest frame."""
        if self.source is not None:
            self.source.follow(not self.source.playhead.newest)
            self.tick()

    def _move(self, frames: int) -> None:
        if self.source is not None:
            self.source.move_by(frames)
            self.tick()

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        if isinstance(source, RecordingSource):
            self.source = source
            source.playhead.loop = self.controller.model.loop
        self._goes_on = False
        self.tick()

    def closed(self) -> None:
        self.source = None
        self.controller.model.set(newest=False)
        self.tick()

    def tick(self) -> None:
        source = self.source
        before, self.position = self.position, None if source is None else _position(source)
        if source is not None:
            self.controller.model.set(newest=source.playhead.newest)
        if self.position != before:
            for listener in self.listeners:
                listener()

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "loop" in changed and self.source is not None:
            self.source.playhead.loop = self.controller.model.loop


def _position(source: RecordingSource) -> PlaybackPosition:
    frame, step = source.position
    return PlaybackPosition(frame, len(source.steps), step, step * source.dt, source.playhead.playing, source.ending)
