"""The budget of readers, by a clock that the test sets."""

import asyncio

import pytest

from aetheria import Aetheria_Motor
from aetheria.laws import build_law
from aetheria.serve.admission import Admission
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


def test_no_picture_is_made_while_the_part_of_its_view_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"})
    source = LiveSource(motor)
    closed, part = False, source.budget.part()
    pictures = source.pictures(View(size=8), lambda: closed, part)
    assert next(picture for picture in pictures if picture is not None)
    monkeypatch.setattr(part, "take", lambda _: False)  # nothing is left
    motor.step(1)
    assert next(pictures) is None
    closed = True
    assert list(pictures) == []


def test_a_dear_view_leaves_the_other_views_their_part(clock: list[float]) -> None:
    whole = Budget(0.04)
    dear, cheap = whole.part(), whole.part()
    shown = 0
    for _ in range(1000):
        clock[0] += 0.01
        if dear.take(0.5):
            dear.spend(0.5)
        shown += cheap.take(0.001)
    assert shown * 0.001 == pytest.approx(0.02 * 10, rel=0.05)
    whole.give_back(dear)
    before = shown
    for _ in range(1000):
        clock[0] += 0.01
        shown += cheap.take(0.001)
    assert (shown - before) * 0.001 == pytest.approx(0.04 * 10, rel=0.05)


def test_what_is_spent_for_all_is_taken_off_each_part_evenly(clock: list[float]) -> None:
    whole = Budget(0.1)
    parts = [whole.part() for _ in range(4)]
    whole.spend(0.1)
    for part in parts:
        assert part.wait == pytest.approx(1.0)
    clock[0] += 0.99
    assert not any(part.take(0.0) for part in parts)
    clock[0] += 0.02
    assert all(part.take(0.0) for part in parts)


def test_a_change_of_cells_is_shown_without_a_step() -> None:
    motor = Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"}, initial="noise")
    source = LiveSource(motor)
    pictures = source.pictures(View(), lambda: False, source.budget)
    assert next(pictures)
    motor.set_cells(motor.cells * 0)
    after = next(picture for picture in pictures if picture is not None)
    assert after.step == 0
    assert not any(after.pixels)


@pytest.fixture
def thread_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the server's thread, in a list of one."""
    spent = [0.0]
    monkeypatch.setattr("aetheria.serve.admission.time.thread_time", lambda: spent[0])
    return spent


def test_a_flood_is_not_taken_off_the_pictures_beyond_its_part(clock: list[float], thread_clock: list[float]) -> None:
    budget = Budget(0.02)
    admission, view, shown = Admission(budget, lambda: False), budget.part(), 0
    admission.charge()
    for _ in range(1000):  # strangers take half of the thread's time
        clock[0] += 0.01
        thread_clock[0] += 0.005
        admission.charge()
        shown += view.take(0.001)
    assert shown * 0.001 == pytest.approx(0.02 * 8, rel=0.05)  # all but the two seconds that what was saved may cost


def test_pictures_pay_for_what_is_sent_of_them_alone(clock: list[float], thread_clock: list[float]) -> None:
    budget = Budget(0.02)
    admission, one, other = Admission(budget, lambda: False), budget.part(), budget.part()
    admission.charge()
    with admission.sending(one):
        thread_clock[0] += 0.01
    admission.charge()
    assert one.wait == pytest.approx(1.0)
    assert other.wait == 0


@pytest.mark.parametrize("waits", [False, True])
def test_new_connections_wait_while_their_part_is_used_up_unless_the_run_waits(
    waits: bool, clock: list[float], thread_clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nap(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("aetheria.serve.admission.asyncio.sleep", nap)
    admission = Admission(Budget(0.02), lambda: waits)
    admission.charge()
    began = clock[0]
    asyncio.run(admission.admit())
    assert clock[0] == began  # a few may come at once
    thread_clock[0] += 10.0
    asyncio.run(admission.admit())
    assert clock[0] - began == pytest.approx(0.0 if waits else 2.0, abs=0.01)
