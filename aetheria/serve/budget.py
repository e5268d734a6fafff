"""The share of the time that readers may cost: pictures wait until the share has grown by what the last ones took."""

import threading
import time

_SAVED_S = 0.25  # seconds whose share is kept where nobody used it
_LONGEST_S = 2.0  # that a picture waits at the most, however much the last one took


class Budget:
    """Seconds that may be spent on readers: a share of all that pass, whole or in equal parts. For any thread."""

    def __init__(self, share: float, saved_s: float = _SAVED_S) -> None:
        """
        Args:
            share: of the time that passes, as 0.03.
            saved_s: seconds whose share is kept where nobody used it.
        """
        self.share, self._saved_s = share, saved_s
        self._left, self._at = 0.0, time.monotonic()
        self._lock = threading.RLock()
        self._parts: list[Budget] = []

    def part(self) -> "Budget":
        """A part, which nobody else spends: all open parts are of the same size. To be given back by `give_back`."""
        with self._lock:
            made = Budget(self.share / (len(self._parts) + 1))
            self._parts.append(made)
            self._divide()
        return made

    def give_back(self, part: "Budget") -> None:
        """Ends a part; the others grow."""
        with self._lock:
            self._parts.remove(part)
            self._divide()

    def spend(self, seconds: float) -> None:
        """Takes seconds off that were spent, evenly off the parts where there are any; gives back those below 0."""
        with self._lock:
            for part in self._parts:
                part.spend(seconds / len(self._parts))
            if not self._parts:
                self._grow()
                self._left = max(self._left - seconds, -_LONGEST_S * self.share)

    def take(self, seconds: float) -> bool:
        """Takes seconds off for a picture that is about to be made; False, and none are taken, while none are left."""
        with self._lock:
            self._grow()
            if self._left < 0:
                return False
            self._left -= seconds
            return True

    @property
    def wait(self) -> float:
        """Seconds until there are some left again; 0 while there are."""
        with self._lock:
            self._grow()
            return max(0.0, -self._left / self.share)

    def _divide(self) -> None:
        for part in self._parts:
            with part._lock:
                part._grow()
                part.share = self.share / len(self._parts)

    def _grow(self) -> None:
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self.share, self._saved_s * self.share)
        self._at = now
