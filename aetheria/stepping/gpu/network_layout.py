"""Layout of the kernel for small networks: tiles, groups of filters, precision of products."""

from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any

import torch

from aetheria.core.precision import Precision
from aetheria.laws.local_network import CellNetwork, Filters

Capability = tuple[int, int]  # compute capability of a GPU, as (8, 0)
Tap = tuple[int, int, float]  # row and column offset from the cell, coefficient
NO_TAP: Tap = (0, 0, 0.0)


@dataclass(frozen=True)
class Groups:
    """Filters in groups of `together`, with flat numbers, as the kernel takes them.

    Attributes:
        taps: row, column and coefficient of each tap: group by group, tap by tap, filter by filter.
        firsts: number of the first tap of each group.
        counts: taps of each filter in a group.
        together: filters in a group.
    """

    taps: tuple[int | float, ...]
    firsts: tuple[int, ...]
    counts: tuple[int, ...]
    together: int


@dataclass(frozen=True)
class KernelLayout:
    """The size of a program of the kernel, and the precision of its products.

    Attributes:
        block: cells per program.
        warps: warps per program.
        product: how matrices are multiplied: "ieee" (float32, without tensor cores), "tf32", "bf16", or "tf32x3" (three TF32
            products that together keep nearly all of float32's digits).
    """

    block: int
    warps: int
    product: str


def capability_of(device: torch.device) -> Capability | None:
    """The compute capability of a CUDA device; None for another, where the kernel can only be interpreted."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else None


def layout_for(widest: int, precision: Precision, capability: Capability | None = None) -> KernelLayout:
    """The layout for layers up to `widest` wide; where `why_not` allows it, a thread spills a few hundred bytes at most."""
    if precision == "fp32":
        # From 64 x 64 weights on, "ieee" unrolls into tens of thousands of instructions, which spill kilobytes in each thread.
        if widest > 32:
            return KernelLayout(128, 8, "tf32x3")
        # For 10.0, Triton before 3.8 computes products of 64 rows and more in TF32, even if "ieee" is asked for.
        return KernelLayout(32 if capability is not None and capability >= (10, 0) else 64, 4, "ieee")
    return KernelLayout(128 if widest <= 64 else 64, 4, precision)


def spills(network: CellNetwork, precision: Precision, capability: Capability | None) -> bool:
    """Whether the kernel would keep kilobytes of each thread in memory, and other plans are faster.

    Two layers of width 128 in a row take 2 to 16 KiB a thread, and 0.6 KiB in bfloat16, where tensor cores read both factors
    from registers. Those of 9.0 to 11.0 read the weights from shared memory.
    """
    if capability is None or capability[0] in (9, 10, 11) or precision == "bf16":
        return False
    return any(padded(len(layer.weight)) * padded(layer.weight.shape[1]) > 64 * 128 for layer in network.layers[1:])


def padded(size: int) -> int:
    """The side of a tile that holds `size` values: a power of two, at least 16, as `tl.dot` requires."""
    return max(16, 1 << (size - 1).bit_length())


def tile(block: int, height: int) -> tuple[int, int]:
    """Rows and columns of a tile of `block` cells: 32 columns (a warp), or more if the grid has too few rows."""
    rows = min(max(block // 32, 1), 1 << (height - 1).bit_length())
    return rows, block // rows


def index_type(height: int, width: int) -> Any:
    """Triton's type of an offset in a plane of this size."""
    import triton.language as tl

    return tl.int64 if height * width >= 2**31 else tl.int32


def grouped(filters: Filters, channels: int) -> Groups:
    """The taps of the filters, in groups that fill a tile of inputs: for 2 channels, 8 filters fit in 16 rows.

    Within a group all filters have as many taps as the longest, padded with coefficient 0.
    """
    share = 1 << (channels - 1).bit_length()
    together = min(padded(channels) // share, 1 << (len(filters) - 1).bit_length())
    taps = [_taps(kernel) for kernel in filters]
    taps += [[]] * (-len(taps) % together)
    groups = [_interleaved(taps[i : i + together]) for i in range(0, len(taps), together)]
    counts = tuple(len(group) // together for group in groups)
    firsts = tuple(accumulate(map(len, groups[:-1]), initial=0))
    return Groups(tuple(number for group in groups for tap in group for number in tap), firsts, counts, together)


def _interleaved(filters: list[list[Tap]]) -> list[Tap]:
    """The first tap of each filter, then the second ..."""
    return [tap for taps in zip_longest(*filters, fillvalue=NO_TAP) for tap in taps] or [NO_TAP] * len(filters)


def _taps(kernel: tuple[tuple[float, ...], ...]) -> list[Tap]:
    return [(y - 1, x - 1, kernel[y][x]) for y in range(3) for x in range(3) if kernel[y][x]]
