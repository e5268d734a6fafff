"""Pacing: the number of steps in a chunk, from the time that the last chunks took."""

_LONGEST_S = 0.05
_MOST_STEPS = 1 << 14


class Pace:
    """Grows or shrinks the number of steps in a chunk, so that a chunk takes 50 ms, or half the time between two frames.

    A reader in another thread waits that long at the most, unless a single step takes longer.

    Attributes:
        steps: in the next chunk.
    """

    def __init__(self) -> None:
        self.steps = 1

    def took(self, steps: int, seconds: float, rate: float = 0.0) -> None:
        """Adapts to the time that a chunk took, which another limit may have cut short.

        Args:
            rate: frames a second that are wanted, 0 for none.
        """
        longest = min(_LONGEST_S, 0.5 / rate) if rate else _LONGEST_S
        wanted = min(max(self.steps, 2 * steps), int(steps * longest / max(seconds, 1e-9)))
        self.steps = max(1, min(_MOST_STEPS, wanted))
