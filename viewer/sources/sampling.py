"""Samples of fields and observables over time, for the views of dynamics. No Qt."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aetheria.observe.downsample import downsample, sample
from aetheria.observe.feed import Subscription
from aetheria.observe.frame import Frame
from viewer.model.plane import Plane, PlaneSlice
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource

Timing = Literal["newest", "pairs", "every"]
_RATE = 5.0  # frames a second of "newest"
_WAITING = 4096  # numbers that may wait to be read, in frames
_WAITING_BYTES = 1 << 25  # the same of images, in bytes


@dataclass(frozen=True)
class SampleRequest:
    """What is sampled, and when.

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


def sampler(source: FrameSource, request: SampleRequest) -> Sampler | None:
    """Begins sampling; None for a source that cannot be sampled."""
    if isinstance(source, LiveSource):
        return LiveSampler(source, request)
    if isinstance(source, RecordingSource):
        return RecordedNumbers(source, request) if _numbers(source, request) else RecordedImages(source, request)
    return None


def _numbers(source: FrameSource, request: SampleRequest) -> bool:
    return set(request.fields) <= set(source.observables)


def _cell(plane: Plane, wanted: SampleRequest, values: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Cells of the plane for each value along both axes."""
    image = next((array for array in values.values() if array.ndim > 1), None)
    if image is None or _whole(plane, wanted):
        return 1.0, 1.0
    present = replace(plane, slice=wanted.slice).present
    return present.height / image.shape[-2], present.width / image.shape[-1]


def _whole(plane: Plane, wanted: SampleRequest) -> bool:
    """Whether all of a volume is sampled."""
    return plane.slice is not None and wanted.slice is None


class LiveSampler:
    """Samples a motor by a subscription, which exists only while it is needed."""

    def __init__(self, source: LiveSource, request: SampleRequest) -> None:
        self._motor, self._request = source.motor, request
        shown = 3 if _whole(source.plane, request) else 1 if source.plane.space_time else 2
        self._rank = shown if request.universe is not None else shown + 1
        self._flat = source.plane.space_time
        self._plane = source.plane
        self._capacity = _WAITING if _numbers(source, request) else max(2, _WAITING_BYTES // (4 * request.size**2))
        self._subscription: Subscription | None = None
        self._seen, self._seen_at = -1, 0.0

    def due(self) -> bool:
        if self._subscription is None:
            self._subscription = self._subscribe()
            return self._request.timing == "every"
        if self._request.timing == "pairs":
            return self._subscription.full
        if self._subscription.waiting or self._request.timing == "every":
            return self._subscription.waiting
        # The last steps before a stop may have been too close to the frame before, or the motor stood still all the time.
        return self._seen != self._motor.step_count and time.monotonic() - self._seen_at > 1 / _RATE

    def take(self) -> list[Sample]:
        if self._subscription is None:
            return []
        if self._request.timing == "newest" and not self._subscription.waiting:
            self._motor.refresh()
        received: list[Frame] = self._first() if self._request.timing == "every" and self._seen < 0 else []
        while self._subscription.waiting and (frame := self._subscription.get(0)) is not None:
            received.append(frame)
        samples = [self._sample(frame) for frame in received]
        if samples:
            self._seen, self._seen_at = samples[-1].step, time.monotonic()
        if self._request.timing == "pairs":
            self.close()  # a frame at every step until the next pair is wanted would slow the motor
        return samples

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _first(self) -> list[Frame]:
        """The present frame, unless one waits: a motor that stands still makes none."""
        assert self._subscription is not None
        with self._motor.turn:
            if self._subscription.waiting:
                return []
            frame = self._motor.look(self._subscription.request)
            self._subscription.mark_seen(frame.step)
            return [frame]

    def _subscribe(self) -> Subscription:
        wanted, motor = self._request, self._motor
        part = motor.request(
            wanted.fields,
            wanted.size,
            slice={} if wanted.slice is None else {wanted.slice.axis: wanted.slice.cut},
            universe=wanted.universe,
            reduction="nearest" if wanted.nearest else "mean",
        )
        if wanted.timing == "newest":
            return motor.watch(part, _RATE)
        every, capacity = (1, 2) if wanted.timing == "pairs" else (wanted.every, self._capacity)
        subscription = motor.subscribe(every=every, fields=wanted.fields, delivery="recent", capacity=capacity)
        subscription.request = part
        return subscription

    def _sample(self, frame: Frame) -> Sample:
        values = {}
        for name in self._request.fields:
            array = np.asarray(frame[name], np.float64)
            array = array[0] if self._request.universe is not None else array
            colours = array.ndim > self._rank and not self._request.colours
            array = array.mean(0 if self._request.universe is not None else 1) if colours else array
            values[name] = array[..., None, :] if self._flat and array.ndim >= self._rank else array
        return Sample(frame.step, values, _cell(self._plane, self._request, values))


class RecordedImages:
    """Samples the fields of a recording as it is played: the frame in view, and for pairs the one before it."""

    def __init__(self, source: RecordingSource, request: SampleRequest) -> None:
        self._source, self._request = source, request
        self._seen = -1

    def due(self) -> bool:
        return self._source.playhead.at != self._seen and self._source.playhead.at < len(self._source.steps)

    def take(self) -> list[Sample]:
        at, count = self._source.playhead.at, len(self._source.steps)
        self._seen = at
        if self._request.timing != "pairs":
            return [self._sample(at)]
        first = max(at - 1, 0)
        return [self._sample(index) for index in range(first, min(first + 2, count))]

    def close(self) -> None:
        """Does nothing: nothing is made ahead."""

    def _sample(self, index: int) -> Sample:
        values = {name: self._image(name, index) for name in self._request.fields}
        return Sample(int(self._source.steps[index]), values, _cell(self._source.plane, self._request, values))

    def _image(self, name: str, index: int) -> NDArray[np.float64]:
        wanted, source = self._request, self._source
        whole, plane = _whole(source.plane, wanted), replace(source.plane, slice=wanted.slice)
        universes = range(source.universes) if wanted.universe is None else (wanted.universe,)
        images = []
        for universe in universes:
            values = source.read_volume(name, index, universe) if whole else source.read_plane(name, index, universe, plane)
            size = tuple(min(wanted.size, side) for side in values.shape[-3 if whole else -2 :])
            values = sample(values, size) if wanted.nearest else downsample(values, size, source.cyclic(name))
            image = values[0].double().numpy()
            images.append(image.mean(0) if image.ndim > len(size) and not wanted.colours else image)
        return np.stack(images) if wanted.universe is None else images[0]


class RecordedNumbers:
    """Samples the observables of a recording: those of all its frames, at once."""

    def __init__(self, source: RecordingSource, request: SampleRequest) -> None:
        self._source, self._request = source, request
        self._read = 0

    def due(self) -> bool:
        return len(self._source.steps) > self._read

    def take(self) -> list[Sample]:
        recording, wanted = self._source.recording, self._request
        steps = recording.steps
        first, self._read = max(self._read, len(steps) - _WAITING), len(steps)
        columns = {name: np.asarray(recording.observable(name), np.float64)[: len(steps)] for name in wanted.fields}
        if wanted.universe is not None:
            columns = {name: column[:, wanted.universe] for name, column in columns.items()}
        return [Sample(int(steps[k]), {name: column[k] for name, column in columns.items()}) for k in range(first, len(steps))]

    def close(self) -> None:
        """Does nothing: nothing is made ahead."""
