"""Objective "restore": mosaics of flat colours out of noise, with cells that are lost; generated.

Source of the idea, denoising as the task of local attention: M. Tesfaldet, D. Nowrouzezahrai, C. Pal, "Attention-based Neural
Cellular Automata", NeurIPS 2022.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.training.growth import COLOURS
from aetheria.training.strips import strip
from aetheria.training.task import Batch, Figures, Task

_SHOWN = 8
_BLURS = 12  # widths of a blur that are tried, each a pass more than the one before


class Restore(Task):
    """The first four channels hold a picture (red, green and blue, premultiplied by alpha); the law restores it.

    A picture is a mosaic: each cell has the colour of the nearest of some points on the torus. Normal noise is added to the
    colours, which are cut to 0..1 as in a file; lost cells are transparent. Other channels are those of a live cell, or 0
    where the cell is lost, as for the initial cells "image".
    """

    def __init__(self, law: Law, grid: tuple[int, ...], /, *, pieces: int = 8, noise: float = 0.2, lost: float = 0.3) -> None:
        """
        Args:
            pieces: most pieces of a mosaic; the fewest are half as many.
            noise: its standard deviation. [1]
            lost: share of the cells that are lost, 0..1. [1]

        Raises:
            ConfigError: a law of fewer than four channels, or numbers out of range.
        """
        super().__init__(law, grid)
        if law.channels < COLOURS or "rgb" not in law.fields:
            raise ConfigError(f"[law] {law.name} of {law.channels} channels; a picture needs four or more, shown as colours")
        if pieces < 2 or not 0 <= lost < 1 or not 0 <= noise <= 1:
            raise ConfigError(
                f"[objective] pieces {pieces}, noise {noise}, lost {lost}: expected pieces >= 2, 0 <= noise <= 1 and "
                "0 <= lost < 1"
            )
        self.pieces, self.noise, self.lost = pieces, noise, lost

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """First cells, and the pictures `(size, 4, *grid)`."""
        wanted = torch.stack([self._mosaic(rng) for _ in range(size)])
        kept = torch.rand(size, 1, *self.grid, generator=rng) >= self.lost
        noise = self.noise * torch.randn(size, 3, *self.grid, generator=rng)
        live = self.law.seed_cell()[COLOURS:].view(1, -1, *[1] * len(self.grid)).expand(size, -1, *self.grid)
        noisy = (wanted[:, :3] + noise).clamp(0, 1)
        return torch.cat((noisy, wanted[:, 3:], live), 1) * kept, wanted

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """Mean squared error, and a penalty on values beyond -2..2, which would not last."""
        return F.mse_loss(cells[:, :COLOURS], batch[1]) + (cells - cells.clamp(-2, 2)).abs().mean()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        """Mean squared errors of the colours: of the cells, and of the blur that suits these very pictures best."""
        wanted = batch[1][:, :3]
        blurred = min(float(F.mse_loss(one, wanted)) for one in blurs(batch[0][:, :COLOURS], _BLURS))
        return {"error": float(F.mse_loss(cells[:, :3], wanted)), "error of the best blur": blurred}

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """First cells, cells after the rollout, and the pictures."""
        return np.asarray(strip(self.law, [batch[0][:_SHOWN], cells[:_SHOWN], batch[1][:_SHOWN]], "rgb"))

    def _mosaic(self, rng: torch.Generator) -> Tensor:
        """A picture `(4, *grid)`, opaque."""
        count = int(torch.randint((self.pieces + 1) // 2, self.pieces + 1, (), generator=rng))
        far = torch.zeros(count, *self.grid)
        for axis, side in enumerate(self.grid):
            at = torch.rand(count, 1, generator=rng) * side
            apart = (torch.arange(side) - at).abs() % side
            shape = [count, *(side if other == axis else 1 for other in range(len(self.grid)))]
            far = far + torch.minimum(apart, side - apart).square().view(shape)
        colours = torch.rand(count, 3, generator=rng)
        return torch.cat((colours[far.argmin(0)].movedim(-1, 0), torch.ones(1, *self.grid)))


def blurs(cells: Tensor, passes: int) -> list[Tensor]:
    """Colours `(B, 3, *grid)` of pictures on a torus, blurred ever wider; cells count by their alpha, lost ones not at all.

    Args:
        cells: `(B, 4, *grid)`, premultiplied.
        passes: number of blurs, each by weights 1/4, 1/2, 1/4 along each axis on top of the one before.
    """
    found = []
    for _ in range(passes):
        for axis in range(2, cells.ndim):
            cells = cells / 2 + (cells.roll(1, axis) + cells.roll(-1, axis)) / 4
        found.append(cells[:, :3] / cells[:, 3:].clamp_min(1e-6))
    return found
