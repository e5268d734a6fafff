"""How many steps to take before asking whether anybody wants something."""

_LONGEST_S = 0.05
_MOST_STEPS = 1 << 14


class Pace:
    """Grows or shrinks the number of steps in a chunk, so that a chunk takes 25 to 50 ms.

    A reader in another thread waits that long at the most, unless one step takes longer.
    """

    def __init__(self) -> None:
        self.steps = 1

    def took(self, seconds: float) -> None:
        """Learns from a chunk."""
        wanted = self.steps * 2 if seconds < _LONGEST_S / 2 else int(self.steps * _LONGEST_S / seconds)
        self.steps = max(1, min(_MOST_STEPS, wanted))


def next_multiple(step: int, interval: int) -> int:
    """The first multiple of `interval` after `step`."""
    return step - step % interval + interval
