"""Objectives "classify" and "segment": every cell says the class of the picture, or its own.

Source: E. Randazzo et al., "Self-classifying MNIST Digits", Distill 2020, doi:10.23915/distill.00027.002.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.observe.colour_maps import paint
from aetheria.training.picture_data import Normalise, PictureData, Sample
from aetheria.training.task import Batch, Figures, Task

_NOBODY = -100  # the label of cells that are not asked, as of torch's cross entropy
_WHITE = 255
_SHOWN = 10


class CellLabels(Task):
    """The first channels hold the picture, kept where the law says so (`kept`); the last ones are scores of the classes."""

    def __init__(
        self,
        law: Law,
        grid: tuple[int, ...],
        /,
        *,
        path: str,
        masks_path: str | None = None,
        classes: int | None = None,
        validation: float = 0.2,
        patches: bool = False,
        normalise: Normalise = "none",
        cache_mib: int = 256,
    ) -> None:
        """
        Args:
            path: a folder of images, in folders by class for "classify"; .npy, .npz (with labels or masks) or .zarr; "digits".
            masks_path: for "segment", pictures of the same order whose values are the classes of cells, from 0.
            classes: for "segment", their number; with 2, the value 255 is class 1, too.
            validation: share of the pictures held out.
            patches, normalise, cache_mib: see `PictureData`.

        Raises:
            ConfigError: a grid of other axes than two, too few channels, data without classes; as `PictureData`.
        """
        super().__init__(law, grid)
        if len(grid) != 2:
            raise ConfigError(f"[grid]: {len(grid)} axes given; pictures need two")
        data = PictureData(
            path, (grid[0], grid[1]), masks=masks_path, patches=patches, normalise=normalise, cache_mib=cache_mib
        )
        self.classes = self.count_classes(data, classes)
        self.colours = data.shape[0]
        if law.channels < self.colours + self.classes:
            raise ConfigError(
                f"[law] {law.name} has {law.channels} channels; {data.stack.name} needs {self.colours} for the picture and "
                f"{self.classes} for its classes"
            )
        self.data = data
        self.training, self.tested = data.split(validation)

    def count_classes(self, data: PictureData, given: int | None) -> int:
        """The number of classes. Raises ConfigError for data without."""
        raise NotImplementedError

    def wanted(self, sample: Sample, picture: Tensor) -> Tensor:
        """`(h, w)` int64: the class that each cell is to say; -100 for cells that are not asked."""
        raise NotImplementedError

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        return self._cells(self.training.draw(size, rng))

    def held_out(self, size: int, rng: torch.Generator) -> Batch:
        return self._cells(self.tested.draw(size, rng))

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """Cross entropy of the cells that are asked, and a penalty on values beyond -8..8, which would not last."""
        scores = cells[:, -self.classes :].float()
        return F.cross_entropy(scores, batch[1], ignore_index=_NOBODY) + (cells - cells.clamp(-8, 8)).abs().mean()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        asked = batch[1] != _NOBODY
        right = (cells[:, -self.classes :].argmax(1) == batch[1])[asked].float().mean()
        found = {"cells wrong": 1 - float(right), "cells right": float(right)} | super().figures(cells, batch)
        return found | {"cache hits": self.data.cache.hit_rate}

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """Pictures above, wanted classes, and what the cells say below; cells that are not asked are black."""
        scale = max(1, 64 // self.grid[0])
        asked = batch[1][:_SHOWN] != _NOBODY
        said = cells[:_SHOWN, -self.classes :].argmax(1)
        grey = batch[0][:_SHOWN, : self.colours].mean(1)
        shown = ((grey - grey.min()) / (grey.max() - grey.min()).clamp_min(1e-6)).cpu().numpy()
        rows = [np.asarray(np.repeat(shown[..., None], 3, -1) * 255, np.uint8)]
        for labels in (batch[1][:_SHOWN], said):
            colours = paint(labels.clamp_min(0).float().cpu().numpy(), (0, self.classes), "phase")
            rows.append(np.where(asked.cpu().numpy()[..., None], colours, 0).astype(np.uint8))
        sheet: NDArray[np.uint8] = np.concatenate([np.concatenate(list(row), 1) for row in rows], 0)
        return sheet.repeat(scale, 0).repeat(scale, 1)

    def close(self) -> None:
        self.data.cancel()

    def _cells(self, samples: list[Sample]) -> Batch:
        pictures = torch.stack([sample.picture for sample in samples])
        free = pictures.new_zeros(len(samples), self.law.channels - self.colours, *self.grid)
        labels = torch.stack([self.wanted(sample, sample.picture) for sample in samples])
        return torch.cat((pictures, free), 1), labels


class Classify(CellLabels):
    """Each live cell (each at all, for a law without an alive mask) says the class of the whole picture."""

    def count_classes(self, data: PictureData, given: int | None) -> int:
        if data.stack.labels is None:
            raise ConfigError(f"[objective] path: {data.stack.name}: has no classes; expected folders by class, or labels")
        return len(data.stack.classes)

    def wanted(self, sample: Sample, picture: Tensor) -> Tensor:
        assert sample.label is not None
        labels = torch.full(self.grid, sample.label)
        alive = self.law.alive
        if alive is not None and alive[0] < self.colours:
            labels[picture[alive[0]] <= alive[1]] = _NOBODY
        return labels


class Segment(CellLabels):
    """Each cell says its own class, as in a mask."""

    def count_classes(self, data: PictureData, given: int | None) -> int:
        if data.masks is None:
            raise ConfigError(f"[objective] masks_path: missing; {data.stack.name} has no masks")
        if given is None or given < 2:
            raise ConfigError(f"[objective] classes: {given} given; expected the number of classes in the masks, 2 or more")
        return given

    def wanted(self, sample: Sample, picture: Tensor) -> Tensor:
        assert sample.mask is not None
        mask = torch.where(sample.mask == _WHITE, 1, sample.mask) if self.classes == 2 else sample.mask
        if not 0 <= int(mask.min()) <= int(mask.max()) < self.classes:
            raise ConfigError(
                f"[objective] masks_path: a mask with values from {int(mask.min())} to {int(mask.max())}; expected classes "
                f"0 to {self.classes - 1}"
            )
        return mask
