"""The rows of a space-time picture: which are kept, and where they lie."""

import numpy as np
import pytest

from viewer.model.region import Region
from viewer.sources.row_history import RowHistory


def filled(steps: range, capacity: int = 5, interval: int = 1) -> RowHistory:
    history = RowHistory(capacity, interval)
    for step in steps:
        history.append(step, np.full(3, step, np.float32))
    return history


def rows(history: RowHistory) -> list[float]:
    """The steps that are there, from the oldest row to the newest."""
    found = history.values(Region(0, 0, history.capacity, 3))
    return [] if found is None else found[1][0, :, 0].tolist()


@pytest.mark.parametrize("count", [1, 4, 5, 6, 9, 10, 11, 37])
def test_the_newest_rows_are_kept_in_order(count: int) -> None:
    history = filled(range(count))
    assert rows(history) == list(range(max(0, count - 5), count))
    assert (len(history), history.step) == (min(count, 5), count - 1)


def test_rows_lie_at_the_bottom_of_the_plane() -> None:
    history = filled(range(2))
    found = history.values(Region(0, 1, 5, 2))
    assert found is not None
    assert found[0] == Region(3, 1, 2, 2)
    assert history.values(Region(0, 0, 3, 3)) is None


def test_a_gap_removes_the_rows_before_it() -> None:
    history = filled(range(4))
    history.append(9, np.full(3, 9, np.float32))
    assert rows(history) == [9]
    history.append(10, np.full(3, 10, np.float32))
    assert rows(history) == [9, 10]


def test_rows_of_an_interval_are_no_gap() -> None:
    assert rows(filled(range(0, 20, 4), interval=4)) == [0, 4, 8, 12, 16]


def test_a_row_of_the_same_step_replaces_the_newest() -> None:
    history = filled(range(3))
    history.append(2, np.full(3, -1, np.float32))
    assert rows(history) == [0, 1, -1]


def test_colours_keep_their_channels() -> None:
    history = RowHistory(4)
    for step in range(6):
        history.append(step, np.full((3, 2), step, np.float32))
    found = history.values(Region(0, 0, 4, 2))
    assert found is not None
    assert found[1].shape == (1, 3, 4, 2)
    assert found[1][0, 1, :, 0].tolist() == [2, 3, 4, 5]
