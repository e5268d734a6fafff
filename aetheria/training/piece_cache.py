"""A cache of decoded pieces: the least recently used ones go first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

Piece = NDArray[np.float32]


class PieceCache:
    """Holds decoded pieces up to a number of bytes.

    Attributes:
        hits, misses: reads that found their piece, and those that decoded it.
    """

    def __init__(self, most: int) -> None:
        """
        Args:
            most: bytes of pieces held; 0 for none.
        """
        self.hits, self.misses = 0, 0
        self._most, self._bytes = most, 0
        self._pieces: OrderedDict[Hashable, Piece] = OrderedDict()

    @property
    def hit_rate(self) -> float:
        """Share of the reads that found their piece; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)

    def get(self, key: Hashable, decode: Callable[[], Piece]) -> Piece:
        """The piece of a key, decoded if it is not held; not to be changed."""
        if key in self._pieces:
            self.hits += 1
            self._pieces.move_to_end(key)
            return self._pieces[key]
        self.misses += 1
        piece = decode()
        piece.setflags(write=False)
        self._pieces[key] = piece
        self._bytes += piece.nbytes
        while self._bytes > self._most:
            self._bytes -= self._pieces.popitem(last=False)[1].nbytes
        return piece
