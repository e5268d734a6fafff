"""How many messages a reader may send: so many a second, and some more at once."""

import time

MESSAGES = 20.0  # a second
BURST = 40.0  # at once


class Allowance:
    """The number of messages that may still be sent now."""

    def __init__(self, rate: float = MESSAGES, burst: float = BURST) -> None:
        """
        Args:
            rate: messages a second.
            burst: of them at once.
        """
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, time.monotonic()

    def spend(self) -> float:
        """Takes one message off; returns the seconds by which it comes too early, 0 for none."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        self._left -= 1
        return max(0.0, -self._left / self._rate)
