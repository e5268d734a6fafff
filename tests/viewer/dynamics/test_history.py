"""Histograms and activity over time against counts made by hand."""

import numpy as np
import pytest

from viewer.dynamics.activity import ActivityView, activity
from viewer.dynamics.histogram import HistogramView, histograms
from viewer.sources.samples import Sample, SampleRequest


def test_histograms_share_their_edges_and_leave_out_nan() -> None:
    rows = np.array([[0, 0, 1, 4], [4, 4, 4, np.nan]], np.float32)
    shares, edges = histograms(rows, bins=4)
    assert edges.tolist() == [0, 1, 2, 3, 4]
    assert shares.tolist() == [[0.5, 0.25, 0, 0.25], [0, 0, 0, 1]]


@pytest.mark.parametrize("value", [2.0, np.nan])
def test_histograms_of_one_value_or_none_have_edges_that_rise(value: float) -> None:
    shares, edges = histograms(np.full((2, 3), value, np.float32))
    assert (np.diff(edges) > 0).all()
    assert shares.sum(1).tolist() == ([1, 1] if np.isfinite(value) else [0, 0])


def test_a_histogram_begins_anew_when_the_steps_go_back() -> None:
    collect = HistogramView().collector(SampleRequest(("u",), "every"))
    samples = [Sample(step, {"u": np.full((2, 2), float(step))}) for step in (5, 6, 2)]
    first = collect(samples[:2])
    assert first is not None
    assert first.steps.tolist() == [5, 6]
    second = collect(samples[2:])
    assert second is not None
    assert second.steps.tolist() == [2]


def test_activity_is_the_mean_change_per_step_of_each_channel() -> None:
    before = np.zeros((2, 4, 4))
    after = before.copy()
    after[0, 0, 0], after[1] = -8.0, 0.5
    assert activity(before, after, 2).tolist() == [0.25, 0.25]


def test_activity_is_of_pairs_whose_steps_rise() -> None:
    collect = ActivityView().collector(SampleRequest(("u",), "pairs"))
    one, two = (Sample(step, {"u": np.full((2, 2), float(step))}) for step in (3, 4))
    assert collect([one]) is None
    result = collect([one, two])
    assert result is not None
    assert (result.steps.tolist(), result.values.tolist()) == ([4], [[1.0]])
