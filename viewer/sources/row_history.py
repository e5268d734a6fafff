"""The newest rows of a space-time picture. No Qt."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewer.model.region import Region


class RowHistory:
    """Keeps the newest rows `([3,] W)` of a field, at equal intervals of steps; a gap removes the rows before it.

    Attributes:
        capacity: rows kept.
        interval: steps from row to row; None for rows at any later steps.
    """

    def __init__(self, capacity: int, interval: int | None = 1) -> None:
        self.capacity, self.interval = capacity, interval
        self._step: int | None = None  # of the newest row
        self._rows: NDArray[np.float32] | None = None  # ([3,] 2 capacity, W); the rows kept are contiguous and end at `_end`
        self._end = self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def step(self) -> int | None:
        """Step of the newest row; None without rows."""
        return self._step

    def clear(self) -> None:
        """Removes all rows."""
        self._step, self._rows, self._end, self._count = None, None, 0, 0

    def append(self, step: int, row: NDArray[np.generic]) -> None:
        """Adds a row, or replaces the newest one at the same step."""
        if self._rows is None or self._rows.shape[-1] != row.shape[-1] or self._rows.ndim != row.ndim + 1:
            self._rows = np.empty((*row.shape[:-1], 2 * self.capacity, row.shape[-1]), np.float32)
            self._end = self._count = 0
        if self._step is None or not (step == self._step or self._follows(step)):
            self._count = 0
        if step != self._step or not self._count:
            self._make_room()
            self._end += 1
            self._count = min(self._count + 1, self.capacity)
        self._rows[..., self._end - 1, :] = row
        self._step = step

    @property
    def width(self) -> int:
        """Values in a row; 0 without rows."""
        return 0 if self._rows is None else int(self._rows.shape[-1])

    def _follows(self, step: int) -> bool:
        """Whether a row at `step` comes next after the newest one."""
        assert self._step is not None
        return step > self._step if self.interval is None else step == self._step + self.interval

    def values(self, region: Region) -> tuple[Region, Tensor] | None:
        """The rows that are there of a region of the plane, whose last row is the newest; None if there are none.

        Returns:
            The part of the region that they cover, and its values `(1, [3,] h, w)`; a copy.
        """
        top = max(region.top, self.capacity - self._count)
        height = region.top + region.height - top
        if self._rows is None or height <= 0:
            return None
        start = self._end - self.capacity + top
        part = self._rows[..., start : start + height, region.left : region.left + region.width]
        return Region(top, region.left, height, region.width), torch.from_numpy(part.copy())[None]

    def _make_room(self) -> None:
        """Moves the rows to the start when the end of the array is reached."""
        assert self._rows is not None
        if self._end == 2 * self.capacity:
            kept = min(self._count, self.capacity - 1)
            self._rows[..., :kept, :] = self._rows[..., self._end - kept : self._end, :]
            self._end = self._count = kept
