"""The newest frame of a source, until the window takes it. No Qt."""

from collections import deque

from viewer.model.frame import RenderedFrame


class NewestFrame:
    """Holds one frame at the most: a newer one replaces it. One thread may put frames, another take them.

    Attributes:
        taken, dropped: numbers of frames that were taken, and that were replaced before.
    """

    def __init__(self) -> None:
        self.taken = self.dropped = 0
        self._ready: deque[RenderedFrame] = deque(maxlen=1)

    def put(self, frame: RenderedFrame) -> None:
        """Makes this the newest frame."""
        self.dropped += len(self._ready)
        self._ready.append(frame)

    def take(self) -> RenderedFrame | None:
        """The newest frame, if it was not taken yet."""
        try:
            frame = self._ready.popleft()
        except IndexError:
            return None
        self.taken += 1
        return frame
