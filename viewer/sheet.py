"""The picture on the canvas, and beyond the edges of a torus once more."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from viewer.model import Picture, Region
from viewer.sight import Sight

_AGAIN = 0.55  # how opaque cells are that are in sight a second time
_AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))


class Sheet:
    """Images in a box whose coordinates are cells.

    Attributes:
        picture: what is drawn; None for nothing.
    """

    def __init__(self, box: pg.ViewBox) -> None:
        self.picture: Picture | None = None
        self._table: NDArray[np.uint8] | None = None
        self._images = [pg.ImageItem(axisOrder="row-major") for _ in range(1 + len(_AROUND))]
        for image in self._images:
            box.addItem(image, ignoreBounds=True)

    def clear(self) -> None:
        """Draws nothing."""
        self.picture = None
        for image in self._images:
            image.clear()

    def show(self, picture: Picture, table: NDArray[np.uint8] | None, sight: Sight) -> None:
        """Draws a picture where its region is, through a colour table `(256, 3)` if it holds no colours."""
        self.picture, self._table = picture, table
        first, *around = self._images
        self._paint(first, 0, 0)
        for image, (down, right) in zip(around, _AROUND, strict=True):
            image.setVisible(sight.wraps)
            if sight.wraps:
                image.setOpacity(_AGAIN if sight.twice else 1.0)
                self._paint(image, down * sight.grid[0], right * sight.grid[1])

    def show_again(self, sight: Sight) -> None:
        """Draws the same picture in another sight."""
        if self.picture is not None:
            self.show(self.picture, self._table, sight)

    def crowded(self, scale: float) -> bool:
        """Whether the picture has more pixels than the screen: an old one, until the new one comes."""
        picture = self.picture
        return picture is not None and picture.pixels.shape[1] > 1.02 * picture.region.width * scale

    def seen(self, sight: Sight) -> Region | None:
        """The part of the picture that is in sight."""
        return None if self.picture is None else self.picture.region.shared(sight.region())

    def _paint(self, image: pg.ImageItem, down: int, right: int) -> None:
        assert self.picture is not None
        pixels, region = self.picture.pixels, self.picture.region
        colours = pixels.ndim == 3
        # uint8 through 256 colours between 0 and 255 needs no arithmetic at all: pyqtgraph hands both to Qt as they are.
        image.setLookupTable(None if colours else self._table, update=False)
        image.setImage(pixels, autoLevels=False, levels=None if colours else (0, 255))
        image.setRect(region.left + right, region.top + down, region.width, region.height)
