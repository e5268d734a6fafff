"""The share of the time that readers may cost: pictures wait until the share has grown by what the last ones took."""

import threading
import time

_SAVED_S = 0.25  # seconds whose share is kept where nobody used it
_LONGEST_S = 2.0  # that a picture waits at the most, however much the last one took


class Budget:
    """Seconds that may be spent on readers: a share of all that pass. For any thread."""

    def __init__(self, share: float) -> None:
        """
        Args:
            share: of the time that passes, as 0.03.
        """
        self._share = share
        self._left, self._at = 0.0, time.monotonic()
        self._lock = threading.Lock()

    def spend(self, seconds: float) -> None:
        """Takes seconds off that were spent; gives them back where they are less than 0."""
        with self._lock:
            self._grow()
            self._left = max(self._left - seconds, -_LONGEST_S * self._share)

    def take(self, seconds: float) -> bool:
        """Takes seconds off for a picture that is about to be made; False, and none are taken, while none are left."""
        with self._lock:
            self._grow()
            if self._left < 0:
                return False
            self._left -= seconds
            return True

    def _grow(self) -> None:
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self._share, _SAVED_S * self._share)
        self._at = now
