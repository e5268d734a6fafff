"""Where a recording stands, and how it moves on: counting only; no file, no Qt."""

import threading

_CATCH_UP_S = 0.25  # seconds of missed beats that are made up for by leaving frames out


class Playhead:
    """A position among frames that are counted from 0; any thread may ask or change it.

    Attributes:
        count: frames there are; grows while a run is being recorded.
        at: the frame in view, 0 as long as there is none.
        playing: it moves by itself.
        loop: after the last frame comes the first.
        newest: stays at the last frame, however many come.
        speed: beats a second, None for as fast as frames can be read. stride: frames a beat.
        skipped: beats whose frames were left out to keep up with `speed`.
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
        """Stands still at a frame, the nearest there is; negative ones count from the end."""
        with self._lock:
            self.playing = self.newest = False
            self.at = self._inside(index + self.count if index < 0 else index)

    def move_by(self, frames: int) -> None:
        """Moves by so many frames, backwards for negative ones, and stands still there."""
        with self._lock:
            self.playing = self.newest = False
            self._move(frames)

    def play(self, playing: bool, now: float) -> None:
        """Goes on from here, or from the first frame when at the last; or stands still."""
        with self._lock:
            if playing and not self.playing:
                self.newest = False
                if self.at >= self.count - 1:
                    self.at = 0
                self._due = now + (1 / self.speed if self.speed else 0.0)
            self.playing = playing

    def halt(self) -> None:
        """Stands still here."""
        with self._lock:
            self.playing = self.newest = False

    def follow(self, newest: bool) -> None:
        """Stays at the newest frame from now on, or no longer."""
        with self._lock:
            self.newest = newest
            if newest:
                self.playing = False
                self.at = self._inside(self.count - 1)

    def grow(self, count: int) -> None:
        """There are so many frames now."""
        with self._lock:
            self.count = count
            if self.newest:
                self.at = self._inside(count - 1)

    def update(self, now: float) -> tuple[int, float | None]:
        """Moves on if it is time: frames moved by, and seconds until the next beat, None for never."""
        with self._lock:
            if not self.playing:
                return 0, None
            updates = 1
            if self.speed is not None:
                if now < self._due:
                    return 0, self._due - now
                updates = 1 + min(int((now - self._due) * self.speed), int(_CATCH_UP_S * self.speed))
                self._due += updates / self.speed
                if self._due < now:  # it stood still for long, which is not made up for
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
