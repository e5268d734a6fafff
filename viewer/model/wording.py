"""Numbers and states as text. No Qt."""

import math

from viewer.model.status import Status

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_FIGURE_SPACE = "\N{FIGURE SPACE}"  # as wide as a digit


def compact(value: float, unit: str = "") -> str:
    """A number with three digits and an SI prefix.

    >>> compact(12_345_678, "cells/s"), compact(0.5), compact(999.9)
    ('12.3 Mcells/s', '0.5', '1.00 k')
    """
    size, power = abs(value), 0
    while size >= 999.5 and power < len(_PREFIXES) - 1:
        size, power = size / 1000, power + 1
    if not size < 999.5 or (power == 0 and size < 1):
        return f"{value:.3g} {unit}".rstrip()
    decimals = 0 if size >= 99.95 or (power == 0 and size == int(size)) else 1 if size >= 9.995 else 2
    return f"{math.copysign(size, value):.{decimals}f} {_PREFIXES[power]}{unit}".rstrip()


def bytes_in_words(count: float) -> str:
    """Bytes with a binary prefix.

    >>> bytes_in_words(512), bytes_in_words(3 * 2**20), bytes_in_words(12.5 * 2**30)
    ('512 B', '3.00 MiB', '12.5 GiB')
    """
    power = 0
    while count >= 1023.5 and power < 5:
        count, power = count / 1024, power + 1
    if power == 0:
        return f"{count:.0f} B"
    return f"{count:.{0 if count >= 99.95 else 1 if count >= 9.995 else 2}f} {' KMGTP'[power]}iB"


def shortened(name: str, most: int = 24) -> str:
    """
    >>> shortened("orbium-a-glider-of-lenia-000886.h5"), shortened("run.h5")
    ('orbium-a-gl…ia-000886.h5', 'run.h5')
    """
    half = most // 2
    return name if len(name) <= most else f"{name[: half - 1]}…{name[-half:]}"


def duration_in_words(seconds: float) -> str:
    """
    >>> duration_in_words(45), duration_in_words(600), duration_in_words(36_000), duration_in_words(1e6)
    ('45 seconds', '10 minutes', '10 hours', '12 days')
    """
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"


def padded(text: str, width: int) -> str:
    """Right-aligned with figure spaces, so that the following text does not move."""
    return text.rjust(width, _FIGURE_SPACE)


def speed_in_words(speed: float | None, stride: int) -> str:
    """Target speed of a live run, for `speed` updates per second of `stride` steps.

    >>> speed_in_words(60.0, 1), speed_in_words(0.25, 2), speed_in_words(None, 4)
    ('60 steps a second', '0.5 steps a second', 'unlimited')
    """
    if speed is None:
        return "unlimited"
    steps = speed * stride
    return f"{steps:,.0f} steps a second" if steps >= 100 else f"{steps:.3g} steps a second"


def playing_in_words(status: Status) -> str:
    """Playing, following the newest frame, or paused."""
    return "playing" if status.playing else "following" if status.following else "paused"
