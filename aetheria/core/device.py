"""Devices by name, sizes of grids, and out-of-memory errors."""

import ctypes
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

import torch

from aetheria.core.errors import AetheriaError, ConfigError, StateError


def find_device(device: str | torch.device | None) -> torch.device:
    """The device by name; None or "auto" for CUDA if there is one, else the CPU.

    Raises:
        ConfigError: no such device here.
    """
    if device is None or device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    wanted = f'device: "{device}" given'
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ConfigError(f"{wanted}; expected auto, cpu, cuda or cuda:<number>") from None
    if found.type == "cpu":
        return torch.device("cpu")
    if found.type != "cuda":
        raise ConfigError(f"{wanted}; expected auto, cpu, cuda or cuda:<number>")
    count = torch.cuda.device_count()
    if (found.index or 0) >= count:
        raise ConfigError(f"{wanted}; {count or 'no'} CUDA devices found (torch {torch.__version__}); use cpu")
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)


AXES = ("depth", "height", "width")  # of a grid with three axes; those with fewer have the last ones


def grid_of(size: int | Sequence[int], rank: int | None = None) -> tuple[int, ...]:
    """The sides of a grid: (width,), (height, width) or (depth, height, width).

    Args:
        size: the sides, or one number for the side of a square (of a cube with `rank` 3).
        rank: number of axes; None for any of 1, 2 and 3.

    Raises:
        ConfigError: not one to three positive whole numbers, or not `rank` of them.
    """
    try:
        given = tuple(size) if isinstance(size, Sequence) else (size,) * (rank or 2)
        sides = () if any(isinstance(side, bool) for side in given) else tuple(map(operator.index, given))
    except TypeError:
        sides = ()
    if not 1 <= len(sides) <= 3 or min(sides) < 1 or (rank is not None and len(sides) != rank):
        wanted = "(width,), (height, width) or (depth, height, width)" if rank is None else f"({', '.join(AXES[-rank:])})"
        raise ConfigError(f"size: {size!r} given; expected a positive number of cells, or {wanted}")
    return sides


def times(sides: Sequence[int]) -> str:
    """Sides of a grid for people.

    >>> times((32, 48)), times((64,))
    ('32 x 48', '64')
    """
    return " x ".join(map(str, sides))


@contextmanager
def memory_named(what: str) -> Iterator[None]:
    """Turns torch's out-of-memory errors inside the block into a StateError that begins with `what`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, AetheriaError) or not is_out_of_memory(error):
            raise
        first_line = str(error).splitlines()[0]
        raise StateError(f"{what}: out of memory; use a smaller grid, batch or network ({first_line})") from error


@cache
def keep_freed_memory() -> None:
    """Tells glibc to keep what this process frees for its next allocation; no-op where there is no glibc.

    A step's intermediates are megabytes, which glibc otherwise gets from the kernel and gives back at every step, a page
    fault for every 4 KiB: a fifth of a UNet's step.
    """
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX in <malloc.h>
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_max, 0)


def return_freed_memory() -> None:
    """Gives what was freed back to the system, in spite of `keep_freed_memory`; no-op where there is no glibc."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that torch or Python ran out of memory."""
    # The CPU's allocator has no error class of its own.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
