"""The answers of a source: rendered frames and the values of single cells. No Qt."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.region import Region
from viewer.model.view_settings import Levels


@dataclass(frozen=True)
class RenderedFrame:
    """What a source answers.

    Attributes:
        step: of the cells shown.
        field, universe, region: what they show.
        pixels: uint8, `(h, w)` to go through a colour map, or `(h, w, 3)` colours.
        levels: the values that are shown as pixels 0 and 255.
        finite: whether what is shown holds no NaN or Inf; a picture that does is not worth showing.
    """

    step: int
    field: str
    universe: int
    region: Region
    pixels: NDArray[np.uint8]
    levels: Levels
    finite: bool = True


@dataclass(frozen=True)
class CellValues:
    """What is known of one cell.

    Attributes:
        step: of the values.
        y, x, universe: where it is.
        channels: `(C,)` as they are stored; empty where they are not known (a recording without them).
        d_state: how many amplitudes there are, psi_k = channels[k] + i channels[d_state + k]; None for real cells.
        fields: values by name of field, three for "rgb": of a live source the field that is shown, of a recording all that
            were recorded.
    """

    step: int
    y: int
    x: int
    universe: int
    channels: NDArray[np.float64]
    d_state: int | None
    fields: Mapping[str, NDArray[np.float64]]
