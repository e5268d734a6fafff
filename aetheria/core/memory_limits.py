"""Whether what is wanted fits into memory: asked before it is taken, in whole numbers that do not overflow."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from aetheria.core.errors import StateError

SHARE = 0.8  # of the memory that is free; the rest is for what nobody counts
# States that are alive at once, at the least, measured over laws: cells and memory, the next ones, what a step makes on its
# way, and, while a plan is made, what it is compared with. Wide networks need more.
EAGER_STATES, PLANNED_STATES = 6, 10
_forced = False


@contextmanager
def forced() -> Iterator[None]:
    """Inside the block nothing is refused for its size, in any thread: what does not fit ends in the system's hands."""
    global _forced
    before, _forced = _forced, True
    try:
        yield
    finally:
        _forced = before


def available_bytes(device: torch.device | None = None) -> int:
    """Memory that could still be had: of a CUDA device, or of the machine."""
    if device is not None and device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def check_room(nbytes: int, what: str, instead: str, available: int | None = None) -> None:
    """Raises StateError for more than 80 % of the memory that is free.

    Args:
        nbytes: that are needed.
        what: needs them, as an error begins.
        instead: what to do about it.
        available: bytes that are free; None for the machine's memory.
    """
    free = available_bytes() if available is None else available
    if nbytes > SHARE * free and not _forced:
        raise StateError(
            f"{what} needs at least {size(nbytes)}, {size(free)} are free, of which {SHARE:.0%} are taken at most; "
            f"{instead}, or --force it (aetheria.forced() in code)"
        )


def check_states(shape: tuple[int, ...], nbytes: int, planned: bool, available: int) -> None:
    """Raises StateError when there is no room to step cells `(B, C, *grid)`.

    Args:
        shape: of the cells, for the error.
        nbytes: of one state: the cells, and the law's memory where it is known.
        planned: whether a plan is to be made and compared with the law as it is.
        available: bytes free on the device.
    """
    states = PLANNED_STATES if planned else EAGER_STATES
    check_room(
        states * nbytes,
        f"grid {' x '.join(map(str, shape[2:]))}, {shape[0]} universes of {shape[1]} channels: stepping",
        "use a smaller grid or batch" + (', or plan "eager"' if planned else ""),
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
