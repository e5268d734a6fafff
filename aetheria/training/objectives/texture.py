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
    """The first three channels, in 0..1, become a sample of the texture of a picture; alpha, if the law shows one, becomes 1.

    Features: 5 x 5 filters, that is projections of the patches around all cells; other filters in each step of a training. At
    scale s a patch is of 5 x 5 means over squares of 2^s x 2^s cells, one beside the other, around each cell. Half of the
    filters are random, and half are differences of two random patches of the picture: in random directions noise of the right
    strength looks much like any picture. The loss is the mean squared distance of the sorted values of both pictures: where it
    is 0 for all filters, every patch is as frequent in one picture as in the other.
    """

    def __init__(
        self, law: Law, grid: tuple[int, ...], /, *, path: str, size: int = 48, scales: int = 3, directions: int = 48
    ) -> None:
        """
        Args:
            path: of the picture, which should go on at its opposite edge.
            size: of its longer side, to which it is scaled. [cells]
            scales: number of scales, each twice as coarse as the one before.
            directions: number of filters of a scale.

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
        self.has_alpha = "rgb" in law.fields and law.channels > 3  # such a law is shown over white by alpha

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """First cells, and a seed of the directions."""
        return (*super().batch(size, rng), torch.randint(2**31, (size,), generator=rng))

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """The distance, that of alpha from 1, and a penalty on values beyond -1..2, which would not last."""
        rng = torch.Generator().manual_seed(int(batch[1][0]))
        total = (cells - cells.clamp(-1, 2)).abs().mean()
        if self.has_alpha:
            total = total + (cells[:, 3] - 1).square().mean()
        for apart in (1 << scale for scale in range(self.scales)):
            seen, wanted = (_means(one, apart) for one in (cells[:, :3], self.target[None].to(cells)))
            filters = self._filters(wanted, apart, rng)
            total = total + _distance(_projected(seen, filters, apart), _projected(wanted, filters, apart))
        return total

    def _filters(self, picture: Tensor, apart: int, rng: torch.Generator) -> Tensor:
        """Filters `(directions, 3, 5, 5)` of length 1: some differences of patches of `(1, 3, H, W)`, others random."""
        filters = torch.randn(self.directions, 3, _SIDE, _SIDE, generator=rng).to(picture)
        patches = F.unfold(_on_a_torus(picture, apart), _SIDE, dilation=apart)[0].T
        pairs = torch.randint(len(patches), (2, self.directions // 2), generator=rng).to(picture.device)
        between = patches[pairs[0]] - patches[pairs[1]]
        # A little noise: two patches may be equal.
        filters[: len(between)] = between.view(-1, 3, _SIDE, _SIDE) + 1e-3 * filters[: len(between)]
        return filters / filters.flatten(1).norm(dim=1)[:, None, None, None]

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """The picture, then the first three channels of some samples."""
        side = max(*self.grid, *self.target.shape[1:])
        rows = [self.target, *cells[:_SHOWN, :3].cpu()]
        tiles = [F.pad(one, (0, side - one.shape[2], 0, side - one.shape[1])) for one in rows]
        pixels: NDArray[np.uint8] = torch.cat(tiles, 2).clamp(0, 1).mul(255).byte().permute(1, 2, 0).numpy()
        return pixels.repeat(_SCALE, 0).repeat(_SCALE, 1)


def _means(picture: Tensor, side: int) -> Tensor:
    """The mean of the square of `side` cells at each cell of `(B, 3, H, W)`: at all of them, so that no place is special."""
    return F.avg_pool2d(F.pad(picture, (0, side - 1, 0, side - 1), "circular"), side, stride=1)


def _on_a_torus(picture: Tensor, apart: int) -> Tensor:
    """The picture with the cells beyond its edges that a filter reads."""
    return F.pad(picture, (_SIDE // 2 * apart,) * 4, "circular")


def _projected(picture: Tensor, filters: Tensor, apart: int) -> Tensor:
    """`(B, filters, places)`: pictures `(B, 3, H, W)` through the filters, which read cells that are `apart` cells apart."""
    return F.conv2d(_on_a_torus(picture, apart), filters, dilation=apart).flatten(2)


def _distance(seen: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of the sorted values, those of the fewer places interpolated."""
    one, other = seen.sort(-1).values, wanted.sort(-1).values
    if one.shape[-1] != other.shape[-1]:
        other = F.interpolate(other, one.shape[-1], mode="linear", align_corners=True)
    return (one - other).square().mean()
