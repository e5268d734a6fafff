"""Objective "texture": the cells get the texture of a picture: sliced optimal transport between the patches of both.

Sources: E. Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021. Patches instead of features of a
trained network: A. Elnekave, Y. Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV 2022. Cells:
E. Niklasson et al., "Self-Organising Textures", Distill 2021.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.training.target_images import read_picture
from aetheria.training.task import Batch, Task

_SIDE = 5  # cells of a patch's side
_SHOWN, _SCALE = 4, 4  # samples in a picture, pixels of a cell's side


class Texture(Task):
    """The first three channels, in 0..1, become a sample of the texture of a picture.

    Features: random 5 x 5 filters, that is projections of the patches around all cells on random directions, at several scales;
    other filters in each step of a training. The loss is the mean squared distance of the sorted values of both pictures: where
    it is 0 for all filters, every patch is as frequent in one picture as in the other.
    """

    def __init__(
        self, law: Law, grid: tuple[int, ...], /, *, path: str, size: int = 48, scales: int = 3, directions: int = 48
    ) -> None:
        """
        Args:
            path: of the picture, which should go on at its opposite edge.
            size: of its longer side, to which it is scaled. [cells]
            scales: number of scales, each half of the one before.
            directions: number of random filters of a scale.

        Raises:
            ConfigError: a law of fewer than three channels, a grid of other axes than two, or numbers out of range.
            FileUnreadableError: no picture.
        """
        super().__init__(law, grid)
        if len(grid) != 2 or law.channels < 3:
            raise ConfigError(
                f"[law] {law.name} of {law.channels} channels on {len(grid)} axes; a texture needs three, on two axes"
            )
        if scales < 1 or directions < 1 or min(*grid, size) < _SIDE << (scales - 1):
            raise ConfigError(
                f"[objective] scales {scales}, directions {directions}: expected 1 or more, "
                f"and sides of {_SIDE << (max(1, scales) - 1)} or more"
            )
        rgba = read_picture(path, size)
        self.target = rgba[:3] + 1 - rgba[3:]  # on white
        self.scales, self.directions = scales, directions

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """First cells, and a seed of the directions."""
        return (*super().batch(size, rng), torch.randint(2**31, (size,), generator=rng))

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """The distance, and a penalty on values beyond -1..2, which would not last."""
        rng = torch.Generator().manual_seed(int(batch[1][0]))
        total = (cells - cells.clamp(-1, 2)).abs().mean()
        seen, wanted = cells[:, :3], self.target[None].to(cells)
        for scale in range(self.scales):
            filters = torch.randn(self.directions, 3, _SIDE, _SIDE, generator=rng)
            filters = (filters / filters.flatten(1).norm(dim=1)[:, None, None, None]).to(cells)
            total = total + _distance(_projected(seen, filters, scale), _projected(wanted, filters, scale))
        return total

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """The picture, then the first three channels of some samples."""
        side = max(*self.grid, *self.target.shape[1:])
        rows = [self.target, *cells[:_SHOWN, :3].cpu()]
        tiles = [F.pad(one, (0, side - one.shape[2], 0, side - one.shape[1])) for one in rows]
        pixels: NDArray[np.uint8] = torch.cat(tiles, 2).clamp(0, 1).mul(255).byte().permute(1, 2, 0).numpy()
        return pixels.repeat(_SCALE, 0).repeat(_SCALE, 1)


def _projected(rgb: Tensor, filters: Tensor, scale: int) -> Tensor:
    """`(B, filters, places)`: pictures `(B, 3, H, W)` on a torus, made smaller by `2^scale`, through the filters."""
    small = F.avg_pool2d(rgb, 1 << scale) if scale else rgb
    return F.conv2d(F.pad(small, (_SIDE // 2,) * 4, "circular"), filters).flatten(2)


def _distance(seen: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of the sorted values, those of the fewer places interpolated."""
    one, other = seen.sort(-1).values, wanted.sort(-1).values
    if one.shape[-1] != other.shape[-1]:
        other = F.interpolate(other, one.shape[-1], mode="linear", align_corners=True)
    return (one - other).square().mean()
