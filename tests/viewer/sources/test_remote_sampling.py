"""Views of dynamics on a served run: what its stream gives, and a word on what it does not."""

from typing import Any

import numpy as np
import pytest

from tests.viewer.served import motor_of, served, until, window_on
from viewer.dynamics.flow import FlowView
from viewer.dynamics.spectrum import SpectrumView
from viewer.dynamics.universes import UniversesView
from viewer.dynamics.watch import Watch
from viewer.model.plane import PlaneSlice
from viewer.sources.samples import SampleRequest
from viewer.sources.sampling import sampler, why_not_sampled


def samples_of(controller: Any, request: SampleRequest, count: int = 1) -> list[Any]:
    found: list[Any] = []
    taken: Any = sampler(controller.source, request)
    assert taken is not None

    def enough() -> bool:
        if taken.due():
            found.extend(taken.take())
        return len(found) >= count

    until(controller, enough)
    taken.close()
    return found


def test_the_newest_cells_of_a_field_are_sampled_whatever_the_window_shows() -> None:
    motor = motor_of("Life3D", (5, 6, 7))
    with served(motor) as (server, _), window_on(server.url) as (controller, _):
        (sample, *_) = samples_of(controller, SampleRequest(("channel_0",), slice=PlaneSlice("y", 3)))
        assert np.array_equal(sample.values["channel_0"] > 0.5, motor.cells[0, 0, :, 3].numpy() > 0)
        assert (sample.step, sample.cell) == (0, (1.0, 1.0))
        until(controller, lambda: server.readers == 1)  # a sampler that is closed leaves


def test_observables_are_sampled_with_each_picture() -> None:
    motor = motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, _):
        steering.limit(40)
        steering.pause(False)
        found = samples_of(controller, SampleRequest(("population", "count_1"), "every"), 4)
        steering.pause(True)
        steering.limit(None)
        alike = motor_of()
        for sample in found:
            alike.step(sample.step - alike.step_count)
            assert float(sample.values["population"]) == float(sample.values["count_1"]) == float(alike.cells.sum())


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (SampleRequest(("channel_0",), "pairs"), "two steps in a row"),
        (SampleRequest(("channel_0",), "every"), "equal numbers of steps"),
        (SampleRequest(("channel_0",), universe=None), "one universe"),
        (SampleRequest(("channel_0",), size=8, nearest=True), "means of cells"),
    ],
)
def test_what_a_stream_does_not_give_is_said(request_: SampleRequest, word: str) -> None:
    with served(motor_of()) as (server, _), window_on(server.url) as (controller, _):
        assert controller.source is not None
        assert word in why_not_sampled(controller.source, request_)
        assert sampler(controller.source, request_) is None


def test_a_panel_shows_the_spectrum_or_the_reason() -> None:
    with served(motor_of(batch=2)) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        spectrum, flow, many = (Watch(controller, made()) for made in (SpectrumView, FlowView, UniversesView))
        for watch in (spectrum, flow, many):
            watch.shown = True
        until(controller, lambda: spectrum.result is not None)
        until(controller, lambda: "two steps in a row" in flow.reason and "one universe" in many.reason)
        assert flow.result is None
