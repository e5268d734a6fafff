"""A file's frames as a sequence: whole numbers, negative ones and slices as indices."""

import operator
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import SupportsIndex, overload

from aetheria.core.errors import NoSuchFrameError
from aetheria.observe.frame import Frame


class FrameSequence(Sequence[Frame]):
    """A sequence of frames that are made when they are asked for.

    Attributes:
        path: of the file that holds them, for errors.
    """

    path: Path

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """Frame `index`, from 0; there is such a frame."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Frame | list[Frame]:
        """Frame `index`, negative from the end, or the frames of a slice; their fields are read when asked for.

        Raises:
            NoSuchFrameError: no such frame; it is an IndexError, too.
            TypeError: the index is no whole number.
        """
        if isinstance(index, slice):
            return [self.frame(number) for number in range(len(self))[index]]
        return self.frame(self.checked_index(index))

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(index) for index in range(len(self)))

    def checked_index(self, index: SupportsIndex) -> int:
        """The index of a frame, counted from 0; raises as indexing does."""
        if isinstance(index, bool) or not hasattr(index, "__index__"):
            raise TypeError(f"frames are numbered by whole numbers or slices, not {type(index).__name__}")
        number, count = operator.index(index), len(self)
        if not -count <= number < count:
            there = f"it has frames 0 to {count - 1:,}" if count else "it has no frames yet"
            raise NoSuchFrameError(f"{self.path}: frame {number:,} asked for; {there}")
        return number % count
