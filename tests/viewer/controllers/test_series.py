"""Numbers over time: collected, thinned and written; no Qt."""

import csv
import doctest
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.observe.request import Request
from aetheria.recording import Recorder, Recording
from tests.viewer.fakes import FakeView, life, live, wait_until
from tests.viewer.recordings import record_nca
from viewer.controllers.controller import Controller
from viewer.controllers.series import RATE, SeriesController
from viewer.model import wording
from viewer.model.time_series import Measurement, Quantity, TimeSeries, capacity_for, write_csv
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(live(life(batch=2)))
    controller.series.shown = True
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


def motor_of(controller: Controller) -> Aetheria_Motor:
    assert isinstance(controller.source, LiveSource)
    return controller.source.motor


def newest(series: SeriesController) -> int:
    return int(series.stretches[-1].steps[-1]) if series.stretches and len(series.stretches[-1]) else -1


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=600), st.sampled_from([4, 6, 16, 64]))
def test_a_run_is_bounded_and_keeps_its_first_and_its_newest_sample(gaps: list[int], capacity: int) -> None:
    run = TimeSeries(capacity)
    steps = np.cumsum(gaps)
    for count, step in enumerate(steps, 1):
        run.append(Measurement(int(step), float(step), {"mass": np.array([step / 7])}))
        assert len(run) <= capacity
        assert run.steps[0] == steps[0]
        assert run.steps[-1] == step
        assert len(run) >= min(count, capacity // 2)
    kept = run.steps
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(run.values("mass")[:, 0], kept / 7)
    assert np.array_equal(run.times, kept)
    # Evenly among what was offered; only the newest may come early.
    places = np.flatnonzero(np.isin(steps, kept))
    assert set(np.diff(places[:-1])) <= {run.interval}


def test_a_number_chosen_later_is_missing_before() -> None:
    run = TimeSeries(4)
    run.append(Measurement(0, 0.0, {"mass": np.array([1.0])}))
    run.append(Measurement(1, 1.0, {"mass": np.array([2.0]), "population": np.array([5.0])}))
    run.append(Measurement(2, 2.0, {"population": np.array([np.inf])}))
    assert run.values("mass")[:, 0].tolist()[:2] == [1.0, 2.0]
    assert np.isnan(run.values("mass")[2, 0])
    assert run.values("population")[:, 0].tolist()[1] == 5.0
    assert np.isnan(run.values("population")[[0, 2], 0]).all()


def test_the_newest_sample_is_that_of_the_cells_where_the_run_stops(controller: Controller) -> None:
    series, motor = controller.series, motor_of(controller)
    series.choose(["population", RATE])
    controller.step_many(40)
    wait_until(lambda: newest(series) == 40, controller)
    alive = motor.cells[:, 0].sum((1, 2)).numpy()
    assert np.array_equal(series.stretches[-1].values("population")[-1], alive)
    assert series.stretches[-1].values(RATE).shape == (len(series.stretches[-1]), 1)


def test_nothing_is_asked_of_the_motor_unless_somebody_looks_something_is_chosen_and_steps_are_taken(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    series, motor = controller.series, motor_of(controller)
    wait_until(lambda: newest(series) == 0, controller)
    looks = []
    look = motor.look

    def counted(request: Request) -> Frame:
        looks.append([field.name for field in request.fields if field.scalar])
        return look(request)

    monkeypatch.setattr(motor, "look", counted)

    def plotted() -> int:
        return sum(bool(names) for names in looks)

    def go_on() -> None:
        before = motor.step_count
        controller.step_many(30)
        wait_until(lambda: motor.step_count == before + 30, controller)
        until = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > until, controller)

    until = time.monotonic() + 0.3
    wait_until(lambda: time.monotonic() > until, controller)
    assert plotted() == 0  # it stands still
    series.shown = False
    go_on()
    assert plotted() == 0
    series.shown = True
    series.choose([RATE])
    go_on()
    assert plotted() == 0  # a rate needs no cells
    assert newest(series) == motor.step_count
    controller.set_visible(False)
    series.choose(["population"])
    go_on()
    assert plotted() == 0
    controller.set_visible(True)
    wait_until(lambda: ["population"] in looks, controller)


def test_a_restart_begins_another_run_and_the_one_before_stays(controller: Controller) -> None:
    series = controller.series
    controller.step_many(10)
    wait_until(lambda: newest(series) == 10, controller)
    controller.reset()
    wait_until(lambda: newest(series) == 0, controller)
    assert [int(run.steps[-1]) for run in series.stretches] == [10, 0]
    controller.go_to(4)
    wait_until(lambda: newest(series) == 4, controller)
    controller.go_to(2)
    wait_until(lambda: newest(series) == 2, controller)
    assert [int(run.steps[-1]) for run in series.stretches][:2] == [10, 4]
    series.clear()
    assert not series.stretches


class Counts(nn.Module):
    """Has a mass, but no cells that are alive."""

    def forward(self, cells: Tensor) -> Tensor:
        return cells + 1


def counting() -> LiveSource:
    return live(Aetheria_Motor(Counts(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8)))


def test_what_was_chosen_stays_chosen_for_the_next_source(controller: Controller) -> None:
    series = controller.series
    assert series.chosen == ("population",)
    series.choose([RATE, "mass"])
    assert list(series.chosen) == [RATE]
    controller.open(counting())
    assert list(series.chosen) == ["mass", RATE]
    assert not series.stretches


def test_a_source_begins_with_its_first_quantity_where_it_has_none_of_the_chosen(controller: Controller) -> None:
    series = controller.series
    controller.open(counting())
    assert series.chosen == ("mass",)
    series.choose(["mass"])
    controller.open(live(life()))
    assert series.chosen == ("population",)
    controller.open(counting())
    assert series.chosen == ("mass",)


def test_a_number_that_fails_is_told_once_and_chosen_no_longer(view: FakeView, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(view)
    controller.open(counting())
    series: SeriesController = controller.series
    series.shown = True
    wait_until(lambda: newest(series) == 0, controller)
    motor = motor_of(controller)
    look = motor.look

    def breaks(request: Request) -> Frame:
        if any(field.scalar for field in request.fields):
            raise ZeroDivisionError("division by zero")
        return look(request)

    monkeypatch.setattr(motor, "look", breaks)
    controller.step_many(3)
    wait_until(lambda: view.messages, controller)
    assert "division by zero" in view.messages[0].text
    assert series.chosen == ()
    controller.close()


def test_a_table_holds_what_was_collected(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    series = controller.series
    controller.step_many(20)
    wait_until(lambda: newest(series) == 20, controller)
    controller.reset()
    wait_until(lambda: newest(series) == 0, controller)
    path = tmp_path / "numbers.csv"
    series.save_csv(path)
    wait_until(lambda: view.messages, controller)
    assert view.messages[0].text == "Saved numbers.csv."
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["run", "step", "time [s]", "population_0 [cells]", "population_1 [cells]"]
    assert {row[0] for row in rows} == {"1", "2"}
    for number, run in enumerate(series.stretches, 1):
        mine = [row for row in rows if row[0] == str(number)]
        assert [int(row[1]) for row in mine] == run.steps.tolist()
        assert np.array_equal([[float(x) for x in row[3:5]] for row in mine], run.values("population"))


def test_a_table_that_cannot_be_written_is_told_and_leaves_nothing(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    controller.series.save_csv(tmp_path / "missing" / "numbers.csv")
    wait_until(lambda: view.messages, controller)
    assert "missing" in view.messages[0].text
    assert not list(tmp_path.iterdir())


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_in_a_table_are_exact(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    run = TimeSeries(64)
    for step, number in enumerate(numbers):
        run.append(Measurement(step, 0.5, {"mass": np.array([number])}))
    path = tmp_path_factory.mktemp("table") / "exact.csv"
    write_csv(path, [run], [Quantity("mass", "", "1"), Quantity("population", "", "cells")])
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head[3:] == ["mass [1]"]
    assert np.array_equal([float(row[3] or "nan") for row in rows], numbers, equal_nan=True)


def test_the_numbers_of_a_recording_are_those_in_the_file(view: FakeView, tmp_path: Path) -> None:
    path = record_nca(tmp_path / "run.h5", steps=20, batch=2)
    controller = Controller(view)
    controller.open(RecordingSource(Recording(path)))
    series = controller.series
    series.shown = True
    series.choose(["population", RATE])
    wait_until(lambda: newest(series) == 20, controller)
    with Recording(path) as recording:
        assert np.array_equal(series.stretches[-1].values("population"), recording.observable("population"))
        assert np.array_equal(series.stretches[-1].times, recording.wall_times)
        seconds = np.diff(recording.wall_times)
    assert np.array_equal(series.stretches[-1].steps, np.arange(0, 21, 2))
    assert np.allclose(series.stretches[-1].values(RATE)[1:, 0], 2 / seconds, equal_nan=True)
    series.save_csv(tmp_path / "run.csv")
    wait_until(lambda: view.messages, controller)
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 12
    controller.close()


def test_the_numbers_of_a_recording_that_grows_are_read_again(view: FakeView, tmp_path: Path) -> None:
    motor = life()
    controller = Controller(view)
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0", "population"]) as recorder:
        motor.step(3)
        wait_until(lambda: recorder.frames == 4)
        controller.open(RecordingSource(Recording(tmp_path / "run.h5")))
        controller.series.shown = True
        controller.series.choose(["population"])
        wait_until(lambda: newest(controller.series) == 3, controller)
        motor.step(4)
        wait_until(lambda: newest(controller.series) == 7, controller)
    assert controller.series.stretches[-1].values("population")[-1, 0] == motor.cells.sum()
    controller.close()


def test_a_long_recording_is_thinned_evenly(tmp_path: Path) -> None:
    steps = np.arange(0, 50_000, 5)
    run = TimeSeries.from_columns(steps, steps / 10, {"mass": np.sqrt(steps)[:, None]}, capacity=64)
    assert len(run) == 64
    assert (run.steps[0], run.steps[-1]) == (0, 49_995)
    assert np.array_equal(run.values("mass")[:, 0], np.sqrt(run.steps))
    assert np.ptp(np.diff(run.steps)) <= 5


@pytest.mark.parametrize("universes", [1, 255, 256, 300, 100_000])
def test_many_universes_are_kept_in_bounded_memory(universes: int) -> None:
    capacity = capacity_for(universes)
    TimeSeries(capacity)
    assert 64 <= capacity <= 4096
    assert capacity == 64 or capacity * universes <= 1 << 20


def test_numbers_are_worded_as_the_examples_say() -> None:
    failures, tried = doctest.testmod(wording)
    assert tried > 3
    assert failures == 0
