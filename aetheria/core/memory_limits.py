"""Memory limits: sizes are checked against the free memory before memory is allocated."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from aetheria.core.errors import StateError

SHARE = 0.8  # of the free memory; the rest is for allocations that no estimate counts
# States that are alive at once, at the least, measured over laws; wide networks need more. Eager steps: the present one, the
# next one, and the intermediates of a step. A plan that is compared with eager steps of the whole grid: the states of both.
# A kernel of ours, which is tried on a small grid: the present one, the next one, and one between two steps.
EAGER_STATES, PLANNED_STATES, KERNEL_STATES = 6, 10, 3
_forced = False


@contextmanager
def forced() -> Iterator[None]:
    """Inside the block nothing is refused for its size, in any thread; the system decides when memory runs out."""
    global _forced
    before, _forced = _forced, True
    try:
        yield
    finally:
        _forced = before


def available_bytes(device: torch.device | None = None) -> int:
    """Free memory of a CUDA device, or of the machine."""
    if device is not None and device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def check_room(nbytes: int, what: str, instead: str, available: int | None = None) -> None:
    """Raises StateError for more than 80 % of the memory that is free.

    Args:
        nbytes: bytes needed.
        what: the purpose, as the error begins.
        instead: advice, as the error ends.
        available: free bytes; None for the machine's memory.
    """
    free = available_bytes() if available is None else available
    if nbytes > SHARE * free and not _forced:
        raise StateError(
            f"{what} needs at least {size(nbytes)}, {size(free)} are free, of which {SHARE:.0%} are taken at most; "
            f"{instead}, or --force it (aetheria.forced() in code)"
        )


def check_states(shape: tuple[int, ...], nbytes: int, states: int, available: int) -> None:
    """Raises StateError when there is no room to step cells `(B, C, *grid)`.

    Args:
        shape: of the cells, for the error.
        nbytes: of one state: the cells, and the law's memory where it is known.
        states: that are alive at once.
        available: bytes free on the device.
    """
    check_room(
        states * nbytes,
        f"grid {' x '.join(map(str, shape[2:]))}, {shape[0]} universes of {shape[1]} channels: stepping",
        "use a smaller grid or batch" + (', or plan "eager"' if states == PLANNED_STATES else ""),
        available,
    )


def bytes_of(shape: tuple[int, ...], itemsize: int) -> int:
    """Bytes of an array of this shape."""
    return math.prod(map(int, shape)) * itemsize


def size(nbytes: float) -> str:
    """A number of bytes for people.

    >>> size(3 * 2**30), size(100)
    ('3.0 GiB', '100 bytes')
    """
    return (
        f"{nbytes / 2**30:,.1f} GiB"
        if nbytes >= 2**27
        else f"{nbytes / 2**20:,.1f} MiB"
        if nbytes >= 2**20
        else f"{nbytes:,.0f} bytes"
    )
