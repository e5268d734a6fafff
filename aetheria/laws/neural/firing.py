"""`FiringLaw`: base of the neural laws in which a random share of the cells updates in each step."""

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.controls import Control
from aetheria.laws.hash_noise import hash_words, noise_memory, threshold, thresholds


class FiringLaw(Law):
    """A law whose cells update with chance `fire_rate`, drawn anew for each cell, step and universe.

    Memory, both int64: seed `(B, 2)` (the motor's seed, and the universe's number) and step `(B,)`.
    """

    stochastic = True
    tipping = True
    spreads_controls = True
    controls = (
        Control(
            "fire_rate",
            "chance that a cell updates in a step",
            0.05,
            1.0,
            lambda value: 0 < value <= 1,
            "0 < fire_rate <= 1",
            lambda value: torch.tensor(threshold(value)),
        ),
    )

    def initial_memory(self, cells: Tensor, seed: int = 0) -> tuple[Tensor, ...]:
        return noise_memory(cells, seed)

    def fired(self, cells: Tensor, change: Tensor, seed: Tensor, step: Tensor) -> Tensor:
        """Cells `(B, C, *grid)` plus the change of those that fire."""
        below = self.spread("fire_rate", cells)
        if below.is_floating_point():  # the user's own tensor: one number, or one for each universe
            below = thresholds(below)
            below = below.squeeze(1) if below.ndim else below
        fire = hash_words(seed, step, cells.shape[2:], self.place) < below
        return cells + torch.where(fire[:, None], change, 0.0)
