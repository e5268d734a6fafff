"""The fields of a recorded frame, read from the file when they are asked for."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray


class FrameFields(Mapping[str, NDArray[np.generic]]):
    """A mapping from names to values of one frame."""

    def __init__(self, names: tuple[str, ...], index: int, read: Callable[[str, int], NDArray[np.generic]]) -> None:
        """
        Args:
            names: of the fields and observables.
            index: of the frame.
            read: gives the values of a field of a frame.
        """
        self._names, self._index, self._read = names, index, read

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name, self._index)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
