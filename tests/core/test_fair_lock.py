"""The fair lock between the stepping thread and everybody else."""

import threading
from contextlib import ExitStack, nullcontext
from functools import partial

import pytest

from aetheria.core.fair_lock import FairLock
from benchmarks.faults.strikes import Strike, free_for_others, raise_in, until


def test_threads_are_served_in_the_order_they_came() -> None:
    turns = FairLock()
    served: list[object] = []
    waiting = []
    with turns:
        for number in range(5):
            thread = threading.Thread(target=lambda n=number: _serve(turns, served, n))
            thread.start()
            waiting.append(thread)
            _wait_for(turns, number + 1)
    for thread in waiting:
        thread.join(10)
    assert served == [0, 1, 2, 3, 4]


def test_one_who_asks_again_at_once_waits_behind_the_others() -> None:
    turns = FairLock()
    served: list[object] = []
    with turns:
        other = threading.Thread(target=lambda: _serve(turns, served, "other"))
        other.start()
        _wait_for(turns, 1)
    with turns:
        served.append("again")
    other.join(10)
    assert served == ["other", "again"]


def test_the_holder_may_enter_again_and_no_two_hold_at_once() -> None:
    turns, inside, most = FairLock(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with turns, turns:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 1


def test_depth_counts_the_entries_of_this_thread_alone() -> None:
    turns, seen = FairLock(), []
    with turns:
        turns.acquire()
        thread = threading.Thread(target=lambda: seen.append(turns.depth))
        thread.start()
        thread.join(10)
        assert (turns.depth, seen) == (2, [0])
        turns.release_to(1)
        assert turns.depth == 1
    assert turns.depth == 0


def test_ctrl_c_while_waiting_leaves_no_gap() -> None:
    turns = FairLock()
    served: list[object] = []

    def wait_and_be_interrupted() -> None:
        with pytest.raises(KeyboardInterrupt), turns:
            served.append("interrupted")

    with turns:
        thread = threading.Thread(target=wait_and_be_interrupted)
        thread.start()
        _wait_for(turns, 1)
        next_one = threading.Thread(target=lambda: _serve(turns, served, "next"))
        next_one.start()
        _wait_for(turns, 2)
        raise_in(thread)
    thread.join(10)
    next_one.join(10)
    assert served == ["next"]


@pytest.mark.parametrize("events", ["line", "opcode"])
@pytest.mark.parametrize("situation", ["free", "held already", "waiting"])
def test_ctrl_c_at_every_point_of_entering_and_leaving_leaves_the_lock_to_others(events: str, situation: str) -> None:
    def work(turns: FairLock, strike: Strike) -> None:
        with ExitStack() as stack:
            if situation == "held already":
                stack.enter_context(turns)
            with strike:
                enter_and_leave(turns)
            assert turns.depth == (situation == "held already")
        assert turns.depth == 0

    number, struck = 0, True
    while struck:
        number += 1
        turns, strike = FairLock(), Strike(number, [FairLock], events)
        thread = threading.Thread(target=work, args=(turns, strike))
        with turns if situation == "waiting" else nullcontext():
            thread.start()
            if situation == "waiting":
                until(partial(_waits_or_was_struck, turns, strike))
        thread.join(10)
        assert strike.failure is None
        assert not thread.is_alive()
        assert free_for_others(turns), strike.where
        struck = strike.done
    assert number > 6


def _waits_or_was_struck(turns: FairLock, strike: Strike) -> bool:
    return bool(turns._waiting) or strike.done


def test_where_python_ends_daemon_threads_enter_no_lock_and_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = FairLock()
    entered: list[object] = []
    daemons = [threading.Thread(target=lambda n=n: _serve(turns, entered, n), daemon=True) for n in range(2)]
    with turns:
        daemons[0].start()
        _wait_for(turns, 1)
        monkeypatch.setattr(FairLock, "_parks", True)
    daemons[1].start()
    until(lambda: not turns._waiting)
    other = threading.Thread(target=lambda: _serve(turns, entered, "other"))
    other.start()
    other.join(10)
    assert entered == ["other"]
    assert all(daemon.is_alive() for daemon in daemons)


def enter_and_leave(turns: FairLock) -> None:
    with turns:
        pass


def _serve(turns: FairLock, served: list[object], name: object) -> None:
    with turns:
        served.append(name)


def _wait_for(turns: FairLock, waiting: int) -> None:
    until(lambda: len(turns._waiting) >= waiting)
