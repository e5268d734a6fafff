"""Pictures as training data: sized, normalised, cut into patches and split, each decoded when a step needs it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.training.piece_cache import PieceCache
from aetheria.training.stacks import open_stack
from aetheria.training.statistics import Statistics, statistics_of

Normalise = Literal["none", "min_max", "mean_std"]
_MOST_READ = 2048  # pictures, evenly spaced, from which statistics are taken
_MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """A picture `(C, h, w)`, its class, and the class of each of its cells `(h, w)`; each None where there is none."""

    picture: Tensor
    label: int | None
    mask: Tensor | None


class PictureData:
    """Pictures of one shape from a source of `open_stack`.

    Attributes:
        stack: the source.
        numbers: of its pictures that are used.
        shape: (C, h, w) of a sample.
        cache: of decoded pictures, shared by the parts of a split.
    """

    def __init__(
        self,
        path: str,
        side: tuple[int, int],
        *,
        masks: str | None = None,
        patches: bool = False,
        normalise: Normalise = "none",
        cache_mib: int = 256,
    ) -> None:
        """
        Args:
            path: see `open_stack`.
            side: (height, width) of a sample: pictures are scaled to it, or cut into patches of it.
            masks: path of pictures whose values are the classes of cells.
            patches: samples are random parts of the pictures, at their own size.
            normalise: "min_max" to 0..1, "mean_std" to mean 0 and standard deviation 1, for each channel over all pictures.
            cache_mib: memory for decoded pictures. [MiB]

        Raises:
            ConfigError, FileUnreadableError: as `open_stack`; masks that do not fit; pictures smaller than a patch.
        """
        self.stack = open_stack(path)
        given = None if masks is None else open_stack(masks)
        self.masks = self.stack.masks if given is None else given.states
        self.side, self.patches, self.normalise = side, patches, normalise
        self.cache = PieceCache(cache_mib * _MIB)
        self.numbers: Sequence[int] = range(self.stack.count)
        if given is not None and given.count != self.stack.count:
            raise ConfigError(f"[objective] masks: {given.count} masks of {self.stack.count} pictures; expected one each")
        self._cancelled = threading.Event()
        self.shape = (len(self._piece(0)), *side)

    def __len__(self) -> int:
        return len(self.numbers)

    def split(self, share: float) -> tuple["PictureData", "PictureData"]:
        """Data for training and for validation, evenly spread; no picture is read.

        Raises:
            ConfigError: a share out of 0..1, or one that leaves a part empty.
        """
        held = round(share * len(self.numbers))
        if not 0 < share < 1 or not 0 < held < len(self.numbers):
            raise ConfigError(f"[objective] validation: {share} of {len(self.numbers)} pictures; expected some on both sides")
        # A fixed order at random: neighbouring files are often alike, or sorted by class.
        order = np.random.default_rng(0).permutation(len(self.numbers))
        parts = []
        for chosen in (order[held:], order[:held]):
            part = object.__new__(PictureData)
            part.__dict__.update(self.__dict__ | {"numbers": [self.numbers[i] for i in sorted(chosen.tolist())]})
            parts.append(part)
        return parts[0], parts[1]

    def cancel(self) -> None:
        """Refuses every later read; may be called from another thread."""
        self._cancelled.set()

    @cached_property
    def statistics(self) -> Statistics:
        """Of the source's channels, from at most 2,048 pictures, read one at a time."""
        chosen = np.unique(np.linspace(0, self.stack.count - 1, _MOST_READ).round().astype(int)).tolist()
        return statistics_of(self._piece(number) for number in chosen)

    def sample(self, index: int, rng: torch.Generator) -> Sample:
        """A sample by its place in this part; `rng` draws the patch."""
        number = self.numbers[index]
        picture = torch.from_numpy(self._normalised(self._piece(number)))
        mask = None if self.masks is None else torch.from_numpy(self._mask(number).copy())
        if self.patches:
            top, left = self._corner(picture, rng)
            part = (..., slice(top, top + self.side[0]), slice(left, left + self.side[1]))
            picture, mask = picture[part], None if mask is None else mask[part]
        elif tuple(picture.shape[1:]) != self.side:
            picture = F.interpolate(picture[None], self.side, mode="bilinear", antialias=True)[0]
            mask = None if mask is None else F.interpolate(mask[None], self.side, mode="nearest")[0]
        labels = self.stack.labels
        return Sample(picture, None if labels is None else labels[number], None if mask is None else mask[0].round().long())

    def draw(self, size: int, rng: torch.Generator) -> list[Sample]:
        """Samples at random."""
        return [self.sample(int(torch.randint(len(self), (), generator=rng)), rng) for _ in range(size)]

    def _piece(self, number: int) -> NDArray[np.float32]:
        if self._cancelled.is_set():
            raise StateError(f"{self.stack.name}: reading was cancelled")
        piece = self.cache.get(number, lambda: self.stack.read(number))
        if hasattr(self, "shape") and len(piece) != self.shape[0]:
            piece = piece.repeat(self.shape[0], 0) if len(piece) == 1 else piece.mean(0, keepdims=True)
        return piece

    def _mask(self, number: int) -> NDArray[np.float32]:
        assert self.masks is not None
        masks = self.masks
        return self.cache.get(("mask", number), lambda: masks(number)[None])

    def _normalised(self, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.normalise == "none":
            return piece.copy()
        of = self.statistics
        zero, one = (of.low, of.high - of.low) if self.normalise == "min_max" else (of.mean, of.deviation)
        return np.asarray((piece - zero[:, None, None]) / np.maximum(one, 1e-12)[:, None, None], np.float32)

    def _corner(self, picture: Tensor, rng: torch.Generator) -> tuple[int, int]:
        room = [have - want for have, want in zip(picture.shape[1:], self.side, strict=True)]
        if min(room) < 0:
            given = " x ".join(map(str, picture.shape[1:]))
            raise ConfigError(f"{self.stack.name}: a picture of {given} is smaller than a patch of {list(self.side)} cells")
        top, left = (int(torch.randint(free + 1, (), generator=rng)) for free in room)
        return top, left
