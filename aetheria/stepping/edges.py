"""Distances of live cells to the edges of a grid, and the cells at its edges: of states, and of words of 64 cells."""

import torch
from torch import Tensor

from aetheria.stepping.bit_sliced_life import WORD


def edge_cells(cells: Tensor) -> Tensor:
    """`(B, *grid)` to the cells of the first and last row, column and layer `(B, n)`; those at corners come repeatedly."""
    faces = (cells.select(axis, side) for axis in range(1, cells.ndim) for side in (0, -1))
    return torch.cat([face.reshape(len(cells), -1) for face in faces], 1)


def edge_words(words: Tensor, width: int) -> Tensor:
    """Words `(B, ..., H, ceil(W / 64))` to those of the edges `(B, n)`, without bits inside the grid or beyond it."""
    last = (width - 1) % WORD
    left, right = words[..., 0] & 1, (words[..., -1] >> last) & 1
    rows = words[..., [0, -1], :].clone()
    if last < WORD - 1:
        rows[..., -1] &= (1 << (last + 1)) - 1
    return torch.cat([part.reshape(len(words), -1) for part in (rows, left, right)], 1)


def margin(cells: Tensor) -> Tensor:
    """Distance `(B,)` of the cells other than 0 in `(B, *grid)` to the nearest edge, 0 at an edge.

    The shortest side of the grid where all cells are 0.
    """
    live, axes = cells != 0, range(1, cells.ndim)
    along = [live.amax([other for other in axes if other != axis]) if cells.ndim > 2 else live for axis in axes]
    return torch.stack([_margin_along(each) for each in along]).amin(0)


def margin_of_words(words: Tensor, width: int) -> Tensor:
    """The same of words `(B, ..., H, ceil(W / 64))`."""
    words = words.flatten(1, -3) if words.ndim > 3 else words[:, None]
    rows = (words != 0).any(-1).any(1)
    columns = words.flatten(1, 2)
    while (count := columns.shape[1]) > 1:  # torch has no reduction by "or"
        half = count // 2
        columns = torch.cat((columns[:, :half] | columns[:, half : 2 * half], columns[:, 2 * half :]), 1)
    bits = (columns[:, 0, :, None] >> torch.arange(WORD, device=words.device)) & 1
    return torch.minimum(_margin_along(rows), _margin_along(bits.flatten(1)[:, :width] != 0))


def _margin_along(occupied: Tensor) -> Tensor:
    """Distance of the first True from either end of `(B, n)`."""
    size = occupied.shape[1]
    from_end = torch.arange(size, device=occupied.device)
    distance = torch.minimum(from_end, size - 1 - from_end)
    return torch.where(occupied, distance, size).amin(1)
