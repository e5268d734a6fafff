"""Samples of fields and observables over time, for the views of dynamics. No Qt."""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aetheria.observe.downsample import downsample, sample
from aetheria.observe.feed import Subscription
from aetheria.observe.frame import Frame
from aetheria.serve.protocol import MAX_OBSERVABLES
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.sources.samples import RemotelySampled, Sample, Sampler, SampleRequest, cell_of, is_whole, numbers_only
from viewer.sources.source import FrameSource

_RATE = 5.0  # frames a second of "newest"
_WAITING = 4096  # numbers that may wait to be read, in frames
_WAITING_BYTES = 1 << 25  # the same of images, in bytes


def why_not_sampled(source: FrameSource, request: SampleRequest) -> str:
    """Why this cannot be sampled, for people; empty where it can. A server sends pictures of one view, as they come."""
    if not source.elsewhere:
        return ""
    if numbers_only(source, request):
        return "" if len(request.fields) <= MAX_OBSERVABLES else f"A server sends up to {MAX_OBSERVABLES} observables."
    if request.timing == "pairs":
        return "A server does not send the pictures of two steps in a row, which this view compares."
    if request.timing == "every":
        return "A server sends pictures as they come, not at equal numbers of steps, which this view needs."
    if request.universe is None or len(request.fields) > 1:
        return "A server sends pictures of one universe and one field at a time."
    if is_whole(source.plane, request):
        return "A server sends slices of a volume, not the whole of it."
    if request.nearest and max(replace(source.plane, slice=request.slice).grid) > request.size:
        return f"A server sends means of cells of a grid with more than {request.size} along a side; this view needs cells."
    return ""


def sampler(source: FrameSource, request: SampleRequest) -> Sampler | None:
    """Begins sampling; None for a source that cannot be sampled."""
    if isinstance(source, LiveSource):
        return LiveSampler(source, request)
    if isinstance(source, RecordingSource):
        return RecordedNumbers(source, request) if numbers_only(source, request) else RecordedImages(source, request)
    if isinstance(source, RemotelySampled) and not why_not_sampled(source, request):
        return source.sampler(request)
    return None


class LiveSampler:
    """Samples a motor by a subscription, which exists only while it is needed."""

    def __init__(self, source: LiveSource, request: SampleRequest) -> None:
        self._motor, self._request = source.motor, request
        shown = 3 if is_whole(source.plane, request) else 1 if source.plane.space_time else 2
        self._rank = shown if request.universe is not None else shown + 1
        self._flat = source.plane.space_time
        self._plane = source.plane
        self._capacity = _WAITING if numbers_only(source, request) else max(2, _WAITING_BYTES // (4 * request.size**2))
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
        return Sample(frame.step, values, cell_of(self._plane, self._request, values))


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
        return Sample(int(self._source.steps[index]), values, cell_of(self._source.plane, self._request, values))

    def _image(self, name: str, index: int) -> NDArray[np.float64]:
        wanted, source = self._request, self._source
        whole, plane = is_whole(source.plane, wanted), replace(source.plane, slice=wanted.slice)
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
