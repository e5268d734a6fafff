"""Where cells can live: devices by name, sizes, and whether a grid fits."""

import math

import torch

from aetheria.errors import ConfigError, StateError


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
    except RuntimeError:
        raise ConfigError(f"{wanted}; expected auto, cpu, cuda or cuda:<number>") from None
    if found.type == "cpu":
        return torch.device("cpu")
    if found.type != "cuda":
        raise ConfigError(f"{wanted}; expected auto, cpu, cuda or cuda:<number>")
    count = torch.cuda.device_count()
    if (found.index or 0) >= count:
        raise ConfigError(f"{wanted}; {count or 'no'} CUDA devices found (torch {torch.__version__}); use cpu")
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)


def size_of(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) from a side or a pair.

    Raises:
        ConfigError: not one or two positive whole numbers.
    """
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in pair):
        raise ConfigError(f"size: {size!r} given; expected a positive number of cells, or (height, width)")
    return pair


def check_memory(shape: tuple[int, ...], itemsize: int, available: int) -> None:
    """Raises StateError when stepping cells `(B, C, H, W)` cannot fit: input, output and one intermediate.

    Args:
        shape: of the cells.
        itemsize: bytes a value.
        available: bytes free on the device.
    """
    needed = 3 * itemsize * math.prod(shape)
    if needed > available:
        raise StateError(
            f"grid {shape[2]} x {shape[3]}, {shape[0]} universes of {shape[1]} channels: stepping needs at least "
            f"{needed / 2**30:,.1f} GiB, {available / 2**30:,.1f} GiB are free; use a smaller grid or batch"
        )
