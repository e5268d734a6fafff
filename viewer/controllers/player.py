"""Playback of a recording: position, and the actions that change it. No Qt."""

from collections.abc import Callable

from viewer.controllers.component import Component, ComponentHost
from viewer.sources.played import PlaybackPosition as PlaybackPosition
from viewer.sources.played import PlayedSource
from viewer.sources.source import FrameSource

_LEAP = 10  # frames


class Player(Component):
    """Moves through the open recording; does nothing without one.

    Attributes:
        source: the recording.
        position: the present position; None without a recording.
        listeners: called when the position changed, and when a recording was opened or closed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.source: PlayedSource | None = None
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
            self.source.follow(not self.source.place_in_frames.newest)
            self.tick()

    def _move(self, frames: int) -> None:
        if self.source is not None:
            self.source.move_by(frames)
            self.tick()

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        played: object = source
        if isinstance(played, PlayedSource):
            self.source = played
            if not played.shared:
                played.repeat(self.controller.model.loop)
        self._goes_on = False
        self.tick()

    def closed(self) -> None:
        self.source = None
        self.controller.model.set(newest=False)
        self.tick()

    def tick(self) -> None:
        source = self.source
        before, self.position = self.position, None if source is None else source.place_in_frames
        if self.position is not None:
            self.controller.model.set(newest=self.position.newest, loop=self.position.loop)
        if self.position != before:
            for listener in self.listeners:
                listener()

    def _model_changed(self, changed: frozenset[str]) -> None:
        if "loop" in changed and self.source is not None:
            self.source.repeat(self.controller.model.loop)
