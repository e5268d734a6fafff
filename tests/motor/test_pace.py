"""How many steps a chunk takes."""

import pytest

from aetheria.motor.loop import check_interval
from aetheria.motor.pace import Pace


def paced(pace: Pace, seconds: float, chunks: int, most: int = 1 << 20, rate: float = 0.0) -> int:
    """Steps of a chunk after some, when a step takes so long and a chunk is cut at `most` steps."""
    for _ in range(chunks):
        steps = min(pace.steps, most)
        pace.took(steps, steps * seconds, rate)
    return pace.steps


def test_chunks_grow_to_fifty_milliseconds_and_shrink_when_steps_get_slower() -> None:
    pace = Pace()
    assert paced(pace, 0.001, 20) == 50
    assert paced(pace, 0.01, 2) == 5
    assert paced(pace, 0.2, 2) == 1
    assert paced(pace, 0.001, 20) == 50


def test_chunks_that_are_cut_short_say_nothing_of_longer_ones_but_how_slow_steps_are() -> None:
    pace = Pace()
    assert paced(pace, 0.001, 50, most=1) == 2  # steps one by one must not make the next chunk a second long
    assert paced(pace, 0.001, 20) == 50
    assert paced(pace, 0.001, 5, most=10) == 50
    assert paced(pace, 0.01, 1, most=1) == 5


def test_chunks_take_half_a_frames_time_for_a_reader_of_frames() -> None:
    assert paced(Pace(), 0.001, 20, rate=60) == 8


@pytest.mark.parametrize(
    ("shape", "steps"), [((1, 16, 64, 64), 4096), ((4, 16, 64, 64), 1024), ((1, 1, 512, 512), 100), ((1, 1, 4096, 4096), 100)]
)
def test_checks_are_rarer_on_small_grids(shape: tuple[int, ...], steps: int) -> None:
    assert check_interval(shape) == steps
