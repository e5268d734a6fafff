"""The fair lock between the stepping thread and everybody else."""

import threading
import time
from types import SimpleNamespace

import pytest

from aetheria.core.fair_lock import FairLock


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


@pytest.mark.parametrize("granted", [False, True])
def test_one_who_is_interrupted_while_waiting_leaves_no_gap(granted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = FairLock()
    served: list[object] = []

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if granted:
                super().wait(10)
            raise KeyboardInterrupt

    def wait_and_be_interrupted() -> None:
        with pytest.raises(KeyboardInterrupt), turns:
            served.append("interrupted")

    with turns:
        fake = SimpleNamespace(Event=Interrupted, get_ident=threading.get_ident)
        monkeypatch.setattr("aetheria.core.fair_lock.threading", fake)
        thread = threading.Thread(target=wait_and_be_interrupted)
        thread.start()
        _wait_for(turns, 1) if granted else thread.join(10)
        monkeypatch.undo()
    thread.join(10)
    with turns:
        served.append("next")
    assert served == ["next"]


def _serve(turns: FairLock, served: list[object], name: object) -> None:
    with turns:
        served.append(name)


def _wait_for(turns: FairLock, waiting: int) -> None:
    deadline = time.monotonic() + 10
    while len(turns._waiting) < waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)
