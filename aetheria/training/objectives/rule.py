"""Objective "rule": the law becomes another law of whole states, from random cells alone."""

from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law, as_law
from aetheria.laws.rules import law_from_rule
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import run_steps
from aetheria.training.task import Batch, Figures, Task

_MOST_CELLS = 16  # of a neighbourhood of two states that is tried in full


class Rule(Task):
    """A law learns a rule in its first channel; the other channels are free, and zero in the first cells.

    A batch: first cells, and the rule's cells after as many steps as the law takes. All settings of a neighbourhood up to 16
    cells of two states are tried in the end, where the law's radius is that of the rule or less.
    """

    def __init__(
        self,
        law: Law,
        grid: tuple[int, ...],
        /,
        *,
        rule: str = "B3/S23",
        start: Literal["random", "all"] = "random",
        density: float = 0.5,
    ) -> None:
        """
        Args:
            rule: of two states, as in "B3/S23" or "W110".
            start: first cells: "random" ones, or "all" settings of a torus of the size of a neighbourhood up to shifts, which
                hold every neighbourhood: 64 for the 512 of Life. A smaller batch has some of them, drawn anew in each step.
            density: chance of a 1 in random first cells, 0..1.

        Raises:
            ConfigError: an unknown rule, one of more states or of chance, or for other grids than the law; with "all", a grid
                of another size than the neighbourhood, or a neighbourhood of more than 16 cells.
        """
        super().__init__(law, grid)
        self.rule = as_law(law_from_rule(rule))
        if self.rule.states != 2 or self.rule.stochastic or self.rule.channels != 1:
            raise ConfigError(f"[objective] rule: {rule} given; expected a rule of two states without chance, as B3/S23")
        if len(grid) not in self.rule.ranks:
            raise ConfigError(f"[objective] rule: {rule} steps other grids than one of {len(grid)} axes")
        if not 0 < density < 1:
            raise ConfigError(f"[objective] density: {density} given; expected 0 < density < 1")
        self.density = density
        self._all = self._tori() if start == "all" else None

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        if self._all is None:
            first = (torch.rand(size, 1, *self.grid, generator=rng) < self.density).float()
        elif size == len(self._all):
            first = self._all
        else:
            count = len(self._all)
            first = self._all[torch.cat([torch.randperm(count, generator=rng) for _ in range(-(-size // count))])[:size]]
        return self._widened(first), self._after(first)

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """Mean squared error, which also has a gradient at 0 and 1."""
        return F.mse_loss(cells[:, :1], batch[1])

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        wrong = ((cells[:, :1] > 0.5) != (batch[1] > 0.5)).float().mean()
        return {"cells wrong": float(wrong)} | super().figures(cells, batch)

    def after_training(self, law: Law) -> Figures:
        """The share of neighbourhoods with a wrong next cell, each in the middle of a small torus."""
        side = self._side()
        cells = side ** len(self.grid)
        if cells > _MOST_CELLS or law.radius is None or law.radius > (self.rule.radius or 0):
            return {}
        bits = self._settings(side)
        device = next(law.parameters()).device
        first = self._widened(bits).to(device)
        found = run_steps(law, (first, *fresh_memory(law, first, 0)), 1)[0]
        middle = cells // 2
        wrong = (found[:, 0].flatten(1)[:, middle].cpu() > 0.5) != (self._after(bits).flatten(1)[:, middle] > 0.5)
        return {"neighbourhoods": float(len(bits)), "neighbourhoods wrong": float(wrong.sum())}

    def _side(self) -> int:
        """Cells of a side of the rule's neighbourhood."""
        return 2 * (self.rule.radius or 0) + 1

    def _settings(self, side: int) -> Tensor:
        """All settings `(2^cells, 1, *grid)` of a grid of `side` cells along each axis."""
        bits = list(product((0.0, 1.0), repeat=side ** len(self.grid)))
        return torch.tensor(bits).view(-1, 1, *[side] * len(self.grid))

    def _tori(self) -> Tensor:
        """The settings of a torus of the size of a neighbourhood, one of each set that shifts make of each other."""
        side, axes = self._side(), tuple(range(2, 2 + len(self.grid)))
        if set(self.grid) != {side} or side ** len(self.grid) > _MOST_CELLS:
            raise ConfigError(
                f'[objective] start "all": grid {list(self.grid)} given; expected that of a neighbourhood, '
                f"{[side] * len(self.grid)}, of at most {_MOST_CELLS} cells"
            )
        settings = self._settings(side)
        powers = 2.0 ** torch.arange(side ** len(self.grid))
        shifted = [settings.roll(by, axes).flatten(1) @ powers for by in product(range(side), repeat=len(self.grid))]
        return settings[torch.stack(shifted).argmin(0) == 0]

    def _after(self, cells: Tensor) -> Tensor:
        return run_steps(self.rule, (cells, *self.rule.initial_memory(cells)), 1)[0]

    def _widened(self, first: Tensor) -> Tensor:
        free = first.new_zeros(len(first), self.law.channels - 1, *first.shape[2:])
        return torch.cat((first, free), 1)
