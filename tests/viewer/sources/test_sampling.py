"""Samples of runs and recordings against the cells themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.viewer.fakes import life, live, wait_until
from tests.viewer.grids import shift
from tests.viewer.recordings import record_life, record_nca
from viewer.model.plane import PlaneSlice
from viewer.sources.opening import open_recording
from viewer.sources.samples import Sample, Sampler, SampleRequest
from viewer.sources.sampling import LiveSampler, sampler


def taken(source: Any, one: Sampler, until: Callable[[], bool] | None = None) -> list[Sample]:
    """What a sampler gives in the thread of the source, once there is something."""
    wait_until(lambda: one.due() or (until is not None and until()))
    found: list[list[Sample]] = []
    source.submit(one.take, found.append)
    wait_until(lambda: (source.run_callbacks(), found)[1])
    return found[0]


def test_the_newest_sample_of_a_run_is_its_present_cells() -> None:
    source = live(life())
    one = sampler(source, SampleRequest(("channel_0",)))
    assert isinstance(one, LiveSampler)
    (sample,) = taken(source, one)
    assert np.array_equal(sample.values["channel_0"], source.motor.cells[0, 0].numpy())
    source.motor.step(3)
    (sample,) = taken(source, one)
    assert sample.step == 3
    assert sample.cell == (1.0, 1.0)
    source.motor.set_cells(torch.ones(1, 24, 32))
    source.motor.refresh()
    (sample,) = taken(source, one)
    assert sample.values["channel_0"].min() == 1, "an edit shows without a step"
    assert not one.due()
    source.close()


def test_pairs_of_a_run_are_one_step_apart_and_nothing_is_sampled_between_them() -> None:
    source = live(life())
    one = sampler(source, SampleRequest(("channel_0", "population"), "pairs"))
    assert one is not None
    assert not one.due()
    source.motor.step(7)
    before, after = taken(source, one)
    assert (before.step, after.step) == (6, 7)
    assert float(after.values["population"]) == after.values["channel_0"].sum()
    assert source.motor._loop.feed.idle or not source.motor._loop.feed.due(8), "no frame is due until the next pair"
    source.close()


def test_every_sample_of_a_run_comes_in_order() -> None:
    source = live(life(batch=2))
    one = sampler(source, SampleRequest(("population",), "every", every=2, universe=1))
    assert one is not None
    assert [sample.step for sample in taken(source, one)] == [0], "the present cells come first"
    source.motor.step(8)
    samples = taken(source, one)
    assert [sample.step for sample in samples] == [2, 4, 6, 8]
    assert float(samples[-1].values["population"]) == float(source.motor.cells[1].sum())
    source.close()


@pytest.mark.parametrize(
    ("grid", "part", "shape"), [((40,), None, (1, 40)), ((4, 5, 6), PlaneSlice("y", 2), (4, 6)), ((64, 32), None, (16, 16))]
)
def test_samples_are_planes_at_most_as_large_as_asked(
    grid: tuple[int, ...], part: PlaneSlice | None, shape: tuple[int, int]
) -> None:
    source = live(shift(*grid))
    one = sampler(source, SampleRequest(("channel_0",), size=40 if len(grid) < 2 else 16, slice=part))
    assert one is not None
    (sample,) = taken(source, one)
    assert sample.values["channel_0"].shape == shape
    assert sample.cell == ((4.0, 2.0) if grid == (64, 32) else (1.0, 1.0))
    source.close()


def test_samples_of_a_recording_follow_the_frame_in_view(tmp_path: Path) -> None:
    source = open_recording(record_life(tmp_path / "run.h5", steps=10, every=2))
    newest = sampler(source, SampleRequest(("channel_0",)))
    pairs = sampler(source, SampleRequest(("channel_0",), "pairs"))
    assert newest is not None
    assert pairs is not None
    assert taken(source, newest)[0].step == 0
    assert not newest.due()
    source.seek(3)
    wait_until(newest.due)
    (sample,) = taken(source, newest)
    assert np.array_equal(sample.values["channel_0"], source.recording.read("channel_0", 3, 0)[0])
    assert [sample.step for sample in taken(source, pairs)] == [4, 6]
    source.close()


def test_observables_of_a_recording_are_there_at_once(tmp_path: Path) -> None:
    source = open_recording(record_life(tmp_path / "run.h5", steps=10))
    one = sampler(source, SampleRequest(("population",), "every"))
    assert one is not None
    samples = taken(source, one)
    assert [sample.step for sample in samples] == list(range(11))
    assert [float(sample.values["population"]) for sample in samples] == source.recording.observable("population")[
        :, 0
    ].tolist()
    assert not one.due()
    source.close()


def test_colours_are_averaged_and_all_universes_come_together(tmp_path: Path) -> None:
    source = open_recording(record_nca(tmp_path / "nca.h5", batch=3))
    one = sampler(source, SampleRequest(("rgb",), universe=None))
    assert one is not None
    (sample,) = taken(source, one)
    assert sample.values["rgb"].shape == (3, 12, 20)
    assert sample.values["rgb"].max() <= 1, "in the unit of the field"
    source.close()
