"""Requests for samples of fields and observables, and the samples, for the views of dynamics. No Qt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from viewer.model.plane import Plane, PlaneSlice
from viewer.sources.source import FrameSource

Timing = Literal["newest", "pairs", "every"]


@dataclass(frozen=True)
class SampleRequest:
    """Fields to be sampled, and times.

    Attributes:
        fields: names of fields, or of observables.
        timing: "newest": the present frame, whenever there is another one, a few times a second. "pairs": two frames one step
            apart (of a recording: neighbouring ones), again and again. "every": all frames at multiples of `every` steps.
        size: largest number of values along a side; larger planes are averaged down to it.
        nearest: of larger planes, take cells at the points of a raster instead of averages.
        universe: the sampled one; None for all.
        slice: of a volume; without one all of the volume is sampled.
        colours: keep the three colours of "rgb", before the axes of the grid; otherwise their mean is taken.
    """

    fields: tuple[str, ...]
    timing: Timing = "newest"
    every: int = 1
    size: int = 512
    nearest: bool = False
    universe: int | None = 0
    slice: PlaneSlice | None = None
    colours: bool = False


@dataclass(frozen=True)
class Sample:
    """Values at one step, by name.

    Fields are `(h, w)`, observables `()`, colours the mean of the three, a row of cells `(1, w)`; with all universes
    `(B, h, w)` and `(B,)`. A whole volume is `(d, h, w)`.

    Attributes:
        cell: (height, width) of a value of a plane, in cells.
    """

    step: int
    values: Mapping[str, NDArray[np.float64]]
    cell: tuple[float, float] = (1.0, 1.0)


class Sampler(Protocol):
    """Samples of one source for one request."""

    def due(self) -> bool:
        """Whether there is something to take; never waits."""

    def take(self) -> list[Sample]:
        """The samples that wait, in order; for jobs in the thread of the source."""

    def close(self) -> None:
        """Ends sampling."""


@runtime_checkable
class RemotelySampled(Protocol):
    """A source that is sampled through a server."""

    def sampler(self, request: SampleRequest) -> Sampler:
        """Begins sampling; does not wait."""


def numbers_only(source: FrameSource, request: SampleRequest) -> bool:
    """Whether nothing but observables is sampled."""
    return set(request.fields) <= set(source.observables)


def cell_of(plane: Plane, wanted: SampleRequest, values: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Cells of the plane for each value along both axes."""
    image = next((array for array in values.values() if array.ndim > 1), None)
    if image is None or is_whole(plane, wanted):
        return 1.0, 1.0
    present = replace(plane, slice=wanted.slice).present
    return present.height / image.shape[-2], present.width / image.shape[-1]


def is_whole(plane: Plane, wanted: SampleRequest) -> bool:
    """Whether all of a volume is sampled."""
    return plane.slice is not None and wanted.slice is None
