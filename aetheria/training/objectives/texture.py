"""Objective "texture": the cells get the texture of a picture, compared by sliced optimal transport over random features.

Sources: E. Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", CVPR 2021; E. Niklasson et al.,
"Self-Organising Textures", Distill 2021. Random filters instead of a trained network: I. Ustyuzhaninov et al., "What does it
take to generate natural textures?", ICLR 2017.
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

_FEATURES = 32  # filters of each scale
_SIDE = 5  # cells of a filter
_SHOWN, _SCALE = 4, 4  # samples in a picture, pixels of a cell's side


class Texture(Task):
    """The first three channels, in 0..1, become a sample of the texture of a picture.

    Features: colours, and random 5 x 5 filters with ReLU, of the picture at several scales. The loss is the mean squared
    distance of the sorted projections of both pictures' features on random directions.
    """

    def __init__(
        self, law: Law, grid: tuple[int, ...], /, *, path: str, size: int = 48, scales: int = 3, directions: int = 32
    ) -> None:
        """
        Args:
            path: of the picture.
            size: of its longer side, to which it is scaled. [cells]
            scales: number of scales, each half of the one before.
            directions: number of random directions of a loss.

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
        rng = torch.Generator().manual_seed(0)  # the same features in every training
        filters = torch.randn(_FEATURES, 3, _SIDE, _SIDE, generator=rng)
        self.filters = filters - filters.mean((1, 2, 3), keepdim=True)  # blind to brightness, which the colours tell
        self.filters /= self.filters.flatten(1).norm(dim=1)[:, None, None, None]

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        """First cells, and a seed of the directions."""
        return (*super().batch(size, rng), torch.randint(2**31, (size,), generator=rng))

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """The distance, and a penalty on values beyond -1..2, which would not last."""
        rng = torch.Generator().manual_seed(int(batch[1][0]))
        seen = self.features(cells[:, :3])
        wanted = self.features(self.target[None].to(cells))
        total = (cells - cells.clamp(-1, 2)).abs().mean()
        for one, other in zip(seen, wanted, strict=True):
            total = total + self._distance(one, other[0], rng)
        return total

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """The picture, then the first three channels of some samples."""
        side = max(*self.grid, *self.target.shape[1:])
        rows = [self.target, *cells[:_SHOWN, :3].cpu()]
        tiles = [F.pad(one, (0, side - one.shape[2], 0, side - one.shape[1])) for one in rows]
        pixels: NDArray[np.uint8] = torch.cat(tiles, 2).clamp(0, 1).mul(255).byte().permute(1, 2, 0).numpy()
        return pixels.repeat(_SCALE, 0).repeat(_SCALE, 1)

    def features(self, rgb: Tensor) -> list[Tensor]:
        """For each scale `(B, features, places)` of pictures `(B, 3, H, W)`, on a torus."""
        found = []
        for scale in range(self.scales):
            small = F.avg_pool2d(rgb, 1 << scale) if scale else rgb
            margin = _SIDE // 2
            filtered = F.conv2d(F.pad(small, (margin,) * 4, "circular"), self.filters.to(rgb)).relu()
            found.append(torch.cat((small, filtered), 1).flatten(2))
        return found

    def _distance(self, seen: Tensor, wanted: Tensor, rng: torch.Generator) -> Tensor:
        directions = F.normalize(torch.randn(self.directions, len(wanted), generator=rng), dim=1).to(seen)
        one, other = (directions @ seen).sort(-1).values, (directions @ wanted).sort(-1).values
        if one.shape[-1] != other.shape[-1]:
            other = F.interpolate(other[None], one.shape[-1], mode="linear", align_corners=True)[0]
        return (one - other).square().mean()
