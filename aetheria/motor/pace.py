"""How many steps to take before asking whether anybody wants something."""

_LONGEST_S = 0.05
_MOST_STEPS = 1 << 14


class Pace:
    """Grows or shrinks the number of steps in a chunk, so that a chunk takes 50 ms, or half a frame's time.

    A reader in another thread waits that long at the most, unless one step takes longer.
    """

    def __init__(self) -> None:
        self.steps = 1

    def took(self, steps: int, seconds: float, rate: float = 0.0) -> None:
        """Learns from a chunk of `steps`, perhaps cut short by something else, when somebody wants `rate` frames a second."""
        longest = min(_LONGEST_S, 0.5 / rate) if rate else _LONGEST_S
        wanted = min(max(self.steps, 2 * steps), int(steps * longest / max(seconds, 1e-9)))
        self.steps = max(1, min(_MOST_STEPS, wanted))
