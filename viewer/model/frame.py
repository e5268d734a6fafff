"""Results of a source: rendered frames, and the values of single cells. No Qt."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.plane import PlaneSlice
from viewer.model.region import Region
from viewer.model.view_settings import Levels


@dataclass(frozen=True)
class RenderedFrame:
    """A frame, rendered for display.

    Attributes:
        step: step of the displayed cells.
        field, universe, region, slice: the displayed part of the cells; the region is one of the plane.
        pixels: uint8, `(h, w)` indices into a colour table, or `(h, w, 3)` colours.
        levels: the values of pixels 0 and 255. log: pixels are of the logarithms of the values.
        mix: kind and fields of a mix, whose pixels are colours, and `other_levels` the levels of these fields.
        finite: the displayed values hold no NaN or Inf. Other frames are not drawn.
    """

    step: int
    field: str
    universe: int
    region: Region
    pixels: NDArray[np.uint8]
    levels: Levels
    finite: bool = True
    slice: PlaneSlice | None = None
    log: bool = False
    mix: tuple[str, ...] = ()
    other_levels: tuple[Levels, ...] = ()


@dataclass(frozen=True)
class CellValues:
    """The values of one cell.

    Attributes:
        step: step of the values.
        y, x, universe: position of the cell on the plane.
        channels: `(C,)` as stored; empty where they are unknown (a recording without channels).
        d_state: number of amplitudes, psi_k = channels[k] + i channels[d_state + k]; None for real cells.
        fields: values by field name, three for "rgb": the displayed field of a live source, all recorded fields of a
            recording.
    """

    step: int
    y: int
    x: int
    universe: int
    channels: NDArray[np.float64]
    d_state: int | None
    fields: Mapping[str, NDArray[np.float64]]
