"""Blocks of 3x3 cells as numbers, and tables of next states as tensors."""

import torch
from torch import Tensor

from aetheria.laws.rules.block_table import BLOCKS


def block_numbers(halo: Tensor) -> Tensor:
    """For each cell the number of the block around it, of zeros and ones `(B, 1, H, W)` int32 that are padded by one.

    The nine cells, read row by row with the north-west one first, are the binary digits of the number.
    """
    height, width = (side - 2 for side in halo.shape[-2:])
    west, middle, east = (halo.narrow(-1, x, width) for x in range(3))
    rows = 4 * west + 2 * middle + east
    north, here, south = (rows.narrow(-2, y, height) for y in range(3))
    return 64 * north + 8 * here + south


def table_tensor(bits: int) -> Tensor:
    """A table of 512 bits as a tensor, uint8."""
    return torch.tensor([bits >> block & 1 for block in range(BLOCKS)], dtype=torch.uint8)
