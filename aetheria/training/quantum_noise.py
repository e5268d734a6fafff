"""Noise of qubits on cells of complex amplitudes: phase flips and bit flips, which keep the norm."""

import torch
from torch import Tensor


def with_flips(cells: Tensor, phase_flip: float, bit_flip: float, rng: torch.Generator) -> Tensor:
    """Cells `(B, 2 d, *grid)`, d even, with flips of the last qubit of a cell: pairs of amplitudes (0, 1), (2, 3) ...

    Args:
        phase_flip: chance at each cell that the second of each pair changes its sign (Pauli Z).
        bit_flip: chance at each cell that those of each pair change places (Pauli X).
        rng: on the CPU; draws nothing for chances of 0.
    """
    if not (phase_flip or bit_flip):
        return cells
    batch, channels, *grid = cells.shape
    pairs = cells.reshape(batch, channels // 2, 2, *grid)
    swapped = _where(rng, bit_flip, batch, grid)
    pairs = torch.where(swapped, pairs.flip(2), pairs)
    sign = torch.tensor([1.0, -1.0]).view(1, 1, 2, *[1] * len(grid))
    turned = _where(rng, phase_flip, batch, grid)
    return torch.where(turned, pairs * sign.to(pairs), pairs).reshape(cells.shape)


def _where(rng: torch.Generator, chance: float, batch: int, grid: list[int]) -> Tensor:
    return (torch.rand(batch, *grid, generator=rng) < chance)[:, None, None]
