"""Samples and computes for one panel, in the thread of the source, while the panel can be seen. No Qt."""

import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from viewer.controllers.component import Component, ComponentHost
from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, Sampler, SampleRequest
from viewer.sources.sampling import sampler, why_not_sampled
from viewer.sources.source import FrameSource

R = TypeVar("R", covariant=True)
T = TypeVar("T")
_REST_S = 0.1  # between two computations
_SHARE = 0.2  # largest share of time for computing
_NOTHING_OPEN = "Open a simulation or a recording first."
_NO_SAMPLES = "This source cannot be sampled."


class DynamicsView(Protocol[R]):
    """What one panel samples and computes."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        """What is to be sampled now, or the reason why there is nothing to sample; compared at every tick."""

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], R | None]:
        """Makes the computation for a new request: called with new samples, it returns the result, or None for none yet.

        It may keep samples. It runs in the thread of the source.
        """


class Watch(Component, Generic[T]):
    """Brings a view of dynamics up to date while its panel is visible; otherwise nothing is sampled or computed.

    Attributes:
        view: what is sampled and computed.
        shown: whether the panel is visible.
        result: the newest result; None without one.
        reason: why there can be no result; empty otherwise.
        listeners: called after a change of these.
    """

    def __init__(self, controller: ComponentHost, view: DynamicsView[T]) -> None:
        super().__init__(controller)
        self.view = view
        self.shown = False
        self.result: T | None = None
        self.reason = _NOTHING_OPEN
        self.listeners: list[Callable[[], None]] = []
        self._request: SampleRequest | str | None = None
        self._sampler: Sampler | None = None
        self._collect: Callable[[list[Sample]], T | None] | None = None
        self._asked = False
        self._due = 0.0

    def opened(self, source: FrameSource) -> None:
        self._end("")

    def closed(self) -> None:
        self._end(_NOTHING_OPEN)

    def restarted(self) -> None:
        self._end(self.reason)

    def tick(self) -> None:
        source = self.controller.source
        if source is None:
            return
        if not (self.shown and self.controller.visible):
            self._stop()
            return
        request = self.view.request(source, self.controller.model)
        if request != self._request:
            self._begin(source, request)
        if self._sampler is not None and not self._asked and time.monotonic() >= self._due and self._sampler.due():
            self._ask(source, self._sampler)

    def _begin(self, source: FrameSource, request: SampleRequest | str) -> None:
        if isinstance(request, SampleRequest) and request.timing == "newest" and not self.reason:
            self._stop()  # the old picture stays until the new one is there
        else:
            self._end("")
        self._request = request
        if isinstance(request, str):
            self._end(request)
            self._request = request
            return
        self._sampler, self._collect = sampler(source, request), self.view.collector(request)
        if self._sampler is None:
            self._end(why_not_sampled(source, request) or _NO_SAMPLES)
            self._request = request

    def _ask(self, source: FrameSource, asked: Sampler) -> None:
        collect = self._collect
        assert collect is not None
        self._asked = True

        def compute() -> tuple[T | None, float]:
            began = time.thread_time()
            return collect(asked.take()), time.thread_time() - began

        def done(answer: tuple[T | None, float]) -> None:
            if asked is self._sampler:  # not an answer to an earlier request
                self._done(*answer)

        source.submit(compute, done)  # after an error nothing is asked again, until something else is requested

    def _done(self, result: T | None, took: float) -> None:
        self._asked = False
        self._due = time.monotonic() + max(_REST_S, took / _SHARE)
        if result is not None:
            self.result = result
            self._changed()

    def _stop(self) -> None:
        """Ends sampling; the result stays until the panel is shown again."""
        if self._sampler is not None:
            self._sampler.close()
        self._sampler, self._collect, self._request, self._asked, self._due = None, None, None, False, 0.0

    def _end(self, reason: str) -> None:
        self._stop()
        self.result, self.reason = None, reason
        self._changed()

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


def newest(samples: list[Sample]) -> Sample | None:
    """The last sample: the result of a view that computes nothing."""
    return samples[-1] if samples else None
