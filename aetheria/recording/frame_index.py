"""Step, times and edit count of each frame of a recording, read in blocks; each row's checksum is checked once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aetheria.recording import checksums
from aetheria.recording.validate import read_rows

BLOCK = 512  # rows of a chunk in the file
SERIES = ("time", "step", "wall_time", "edits_before")
_ROW = np.dtype([("time", "f8"), ("step", "i8"), ("wall_time", "f8"), ("edits_before", "i8")])


class ChecksumError(ValueError):
    """Values that do not match the checksum that was written with them."""


class FrameIndex:
    """The rows of a recording. Files before schema 3 have no checksums and are read unchecked.

    Attributes:
        count: of committed rows.
    """

    def __init__(
        self, data: Mapping[str, h5py.Dataset], sums: h5py.Dataset | None, columns: Mapping[str, slice], path: Path
    ) -> None:
        """
        Args:
            data: the datasets of `SERIES` by name.
            sums: checksums `(row, column)`: of the fields, and in the last column of the row.
            columns: of each field.
            path: of the file.
        """
        self.count = 0
        self._path = path
        self._data = data
        self._sums = sums
        self._columns = columns
        self._blocks: dict[int, NDArray[Any]] = {}
        self._last: tuple[int, NDArray[np.uint32]] | None = None

    def __getitem__(self, index: int) -> Any:
        """Committed row `index`."""
        return self._block(index // BLOCK)[index % BLOCK]

    def column(self, name: str) -> NDArray[Any]:
        """One of `SERIES`, for all committed rows."""
        blocks = [self._block(number) for number in range((self.count + BLOCK - 1) // BLOCK)]
        return np.concatenate([np.empty(0, _ROW), *blocks])[name]

    def check(self, name: str, index: int, values: NDArray[Any], batch: int, universe: int | None = None) -> None:
        """Raises ChecksumError unless `values`, as stored in the file, are those written as a field of frame `index`."""
        if self._sums is None:
            return
        last = self._last
        if last is None or last[0] != index:
            self._last = last = index, self._checked(index, self[index], read_rows(self._sums, index, index + 1, self._path)[0])
        wanted = last[1][self._columns[name]]
        found = checksums.of_field(values, batch)
        if found != list(wanted if universe is None else wanted[universe : universe + 1]):
            raise ChecksumError("its checksum does not match")

    def _block(self, number: int) -> NDArray[Any]:
        first, last = number * BLOCK, min(self.count, (number + 1) * BLOCK)
        block = self._blocks.get(number)
        if block is None or len(block) < last - first:
            block = np.zeros(last - first, _ROW)
            for name in SERIES:
                if name in self._data:  # schema 1 has no edits
                    block[name] = read_rows(self._data[name], first, last, self._path)
            if self._sums is not None:
                for row, sums in enumerate(read_rows(self._sums, first, last, self._path)):
                    self._checked(first + row, block[row], sums)
            self._blocks[number] = block
        return block

    def _checked(self, index: int, row: Any, sums: NDArray[np.uint32]) -> NDArray[np.uint32]:
        of_fields = sums[:-1].astype("<u4").tobytes()
        values = float(row["time"]), int(row["step"]), float(row["wall_time"]), int(row["edits_before"])
        if checksums.of_row(index, *values, of_fields) != sums[-1]:
            raise ChecksumError(f"the checksum of row {index} does not match")
        return sums
