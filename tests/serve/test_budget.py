"""The budget of readers, by a clock that the test sets."""

import pytest

from aetheria import Aetheria_Motor
from aetheria.laws import build_law
from aetheria.serve.budget import Budget
from aetheria.serve.live import LiveSource
from aetheria.serve.protocol import View


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the monotonic clock, in a list of one."""
    now = [100.0]
    monkeypatch.setattr("aetheria.serve.budget.time.monotonic", lambda: now[0])
    return now


def test_pictures_take_no_more_than_their_share_in_the_long_run(clock: list[float]) -> None:
    budget, pictures = Budget(0.03), 0
    for _ in range(10_000):
        clock[0] += 0.01
        pictures += budget.take(0.005)
    assert pictures * 0.005 == pytest.approx(0.03 * 100, rel=0.02)


def test_a_picture_that_took_longer_than_foreseen_delays_the_next_one(clock: list[float]) -> None:
    budget = Budget(0.1)
    assert budget.take(0.01)
    budget.spend(0.04)
    clock[0] += 0.49
    assert not budget.take(0.01)
    clock[0] += 0.02
    assert budget.take(0.01)


def test_the_dearest_picture_delays_the_next_one_by_two_seconds_at_the_most(clock: list[float]) -> None:
    budget = Budget(0.03)
    budget.spend(60.0)
    clock[0] += 1.9
    assert not budget.take(0.0)
    clock[0] += 0.2
    assert budget.take(0.0)


def test_readers_of_several_views_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"})
    source = LiveSource(motor)
    closed = False
    one, other = (source.pictures(View(size=size), lambda: closed) for size in (8, 4))
    for pictures in (one, other):
        assert next(picture for picture in pictures if picture is not None)
    taken: list[float] = []
    monkeypatch.setattr(source.budget, "take", lambda seconds: taken.append(seconds))  # None: nothing is left
    motor.step(1)
    assert next(one) is None
    assert next(other) is None
    assert len(taken) == 2
    closed = True
    assert list(one) == []


def test_a_change_of_cells_is_shown_without_a_step() -> None:
    motor = Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"}, initial="noise")
    pictures = LiveSource(motor).pictures(View(), lambda: False)
    assert next(pictures)
    motor.set_cells(motor.cells * 0)
    after = next(picture for picture in pictures if picture is not None)
    assert after.step == 0
    assert not any(after.pixels)
