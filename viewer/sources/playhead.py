"""The playhead: position among the frames of a recording, and its movement. No file, no Qt."""

import threading

_CATCH_UP_S = 0.25  # longest delay in seconds that is made up for by skipping frames


class Playhead:
    """A position among frames counted from 0; safe to use from any thread.

    Attributes:
        count: number of frames; grows while a run is being recorded.
        at: index of the frame in view, 0 before the first frame.
        playing: it moves by itself.
        loop: the first frame follows the last.
        newest: it stays at the last frame while the file grows.
        speed: updates per second, None for unlimited. stride: frames per update.
        skipped: updates skipped to keep up with `speed`.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.at = 0
        self.playing = False
        self.loop = False
        self.newest = False
        self.speed: float | None = None
        self.stride = 1
        self.skipped = 0
        self._due = 0.0
        self._lock = threading.Lock()

    def seek(self, index: int) -> None:
        """Goes to the nearest existing frame, negative indices from the end, and stops."""
        with self._lock:
            self.playing = self.newest = False
            self.at = self._inside(index + self.count if index < 0 else index)

    def move_by(self, frames: int) -> None:
        """Moves by so many frames (negative ones backwards) and stops."""
        with self._lock:
            self.playing = self.newest = False
            self._move(frames)

    def play(self, playing: bool, now: float) -> None:
        """Starts from here, or from the first frame when at the last; or stops."""
        with self._lock:
            if playing and not self.playing:
                self.newest = False
                if self.at >= self.count - 1:
                    self.at = 0
                self._due = now + (1 / self.speed if self.speed else 0.0)
            self.playing = playing

    def halt(self) -> None:
        """Stops here."""
        with self._lock:
            self.playing = self.newest = False

    def follow(self, newest: bool) -> None:
        """Stays at the newest frame from now on, or ends that."""
        with self._lock:
            self.newest = newest
            if newest:
                self.playing = False
                self.at = self._inside(self.count - 1)

    def grow(self, count: int) -> None:
        """Sets the number of frames."""
        with self._lock:
            self.count = count
            if self.newest:
                self.at = self._inside(count - 1)

    def update(self, now: float) -> tuple[int, float | None]:
        """Moves if an update is due. Returns the frames moved by, and the seconds until the next update, None for never."""
        with self._lock:
            if not self.playing:
                return 0, None
            updates = 1
            if self.speed is not None:
                if now < self._due:
                    return 0, self._due - now
                updates = 1 + min(int((now - self._due) * self.speed), int(_CATCH_UP_S * self.speed))
                self._due += updates / self.speed
                if self._due < now:  # a longer delay is not made up for
                    self._due = now + 1 / self.speed
                self.skipped += updates - 1
            moved = self._move(updates * self.stride)
            if self.count < 2 or (not self.loop and self.at >= self.count - 1):
                self.playing = False
                return moved, None
            return moved, 0.0 if self.speed is None else max(0.0, self._due - now)

    def _move(self, frames: int) -> int:
        before = self.at
        wanted = before + frames
        self.at = wanted % self.count if self.loop and self.count else self._inside(wanted)
        return self.at - before

    def _inside(self, index: int) -> int:
        return min(max(index, 0), max(self.count - 1, 0))
