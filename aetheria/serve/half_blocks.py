"""Pictures in a terminal: half blocks, each of which shows two pixels, one above the other."""

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from aetheria.serve.protocol import Picture

_HALF = "▀"


def coloured(picture: Picture, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours `(h, w, 3)` of a picture, by a table `(256, 3)` where it has one channel."""
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, picture.channels)
    return pixels if picture.channels == 3 else table[pixels[..., 0]]


class HalfBlocks:
    """Colours `(h, w, 3)` as a picture of rich, made smaller where the terminal is: each nth pixel is then shown.

    Attributes:
        colours: that are shown.
        rows: of text, at the most.
    """

    def __init__(self, colours: NDArray[np.uint8], rows: int) -> None:
        self.colours, self.rows = colours, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = fitted(self.colours, options.max_width, self.rows)
        for upper, lower in zip(shown[::2], shown[1::2], strict=True):
            start = 0
            # Equal neighbours are one segment: fewer bytes for a terminal at the end of a slow line.
            changes = np.flatnonzero((upper[1:] != upper[:-1]).any(-1) | (lower[1:] != lower[:-1]).any(-1)) + 1
            for end in [*changes.tolist(), len(upper)]:
                yield Segment(_HALF * (end - start), Style(color=_colour(upper[start]), bgcolor=_colour(lower[start])))
                start = end
            yield Segment.line()


def fitted(colours: NDArray[np.uint8], columns: int, rows: int) -> NDArray[np.uint8]:
    """Colours of at most `columns` times twice `rows` pixels, of an even height: the last row is black where it has none."""
    height, width = colours.shape[:2]
    share = min(1.0, columns / width, 2 * rows / height)
    ys = _centres(height, max(1, int(height * share)))
    xs = _centres(width, max(1, int(width * share)))
    shown = colours[ys[:, None], xs]
    return np.pad(shown, ((0, len(shown) % 2), (0, 0), (0, 0)))


def _centres(cells: int, areas: int) -> NDArray[np.intp]:
    return (np.arange(areas) * cells + cells // 2) // areas


def _colour(rgb: NDArray[np.uint8]) -> Color:
    return Color.from_triplet(ColorTriplet(*map(int, rgb)))
