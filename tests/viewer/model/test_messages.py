"""Errors in words, messages that wait, and the process's own warnings: no Qt."""

import errno
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import aetheria
from aetheria.core.errors import ConfigError, DiskFullError
from tests.viewer.fakes import FakeView
from viewer.controllers.controller import Controller
from viewer.controllers.notices import Notices
from viewer.model.messages import Message, MessageStack, error_text


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConfigError("[grid] hieght: unknown key; did you mean height?"), "[grid] hieght: unknown key; did you mean height?"),
        (OSError(errno.ENOSPC, "No space left on device", "run.h5"), "The disk is full"),
        (
            DiskFullError("run.h5: no space is left; 12 frames are readable"),
            "12 frames are readable. Free some space, or choose another",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "run.h5"), "run.h5"),
        (MemoryError(), "Out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), "smaller grid"),
        (RuntimeError("CUDA error: unspecified launch failure\nCompile with ..."), 'device = "cpu"'),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_error_says_what_went_wrong_and_what_to_do(error: Exception, says: str) -> None:
    assert says in error_text(error)


def test_the_newest_message_is_on_top_and_dismissing_it_shows_the_one_before() -> None:
    messages = MessageStack()
    first, second = Message("warning", "one"), Message("error", "two")
    messages.push(first)
    messages.push(second)
    messages.push(first)
    assert (messages.top, len(messages)) == (second, 2)
    messages.dismiss()
    assert messages.top == first
    messages.dismiss()
    assert messages.top is None


def test_what_repeats_itself_stays_away_once_dismissed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    messages, lost = MessageStack(), Message("error", "the GPU failed")
    messages.push(lost)
    messages.dismiss()
    for clock[0] in (1.0, 5.0, 9.0):
        messages.push(lost)
        assert messages.top is None
    clock[0] = 15.0
    messages.push(lost)
    assert messages.top == lost


@pytest.fixture
def notices(view: FakeView) -> Iterator[Notices]:
    notices = Notices(Controller(view), lambda: None)
    yield notices
    notices.stop()


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_log_warnings_of_any_thread_are_told_at_the_next_tick(notices: Notices, view: FakeView) -> None:
    in_a_thread(lambda: logging.getLogger("aetheria.motor.initial").warning("%s was made for rule %s", "a.rle", "B2/S"))
    logging.getLogger("aetheria.motor.initial").info("not worth telling")
    logging.getLogger("somebody.else").warning("not ours")
    assert view.messages == []
    notices.tick()
    assert view.messages == [Message("warning", "a.rle was made for rule B2/S")]


def test_python_warnings_of_ours_are_told_each_time_and_those_of_others_are_not(view: FakeView) -> None:
    inside = str(Path(aetheria.__file__).parent / "motor" / "stepper.py")
    with warnings.catch_warnings(record=True) as terminal:
        warnings.resetwarnings()
        notices = Notices(Controller(view), lambda: None)
        seen: dict[Any, int] = {}
        for _ in range(2):
            warnings.warn_explicit("Life goes on by plan eager", RuntimeWarning, inside, 137, "aetheria.motor.stepper", seen)
        warnings.warn_explicit("an overflow", RuntimeWarning, "elsewhere.py", 1, "elsewhere")
        notices.tick()
        notices.stop()
        warnings.warn_explicit("too late", RuntimeWarning, inside, 1, "aetheria.motor.stepper")
        notices.tick()
    assert [message.text for message in view.messages] == ["Life goes on by plan eager"] * 2
    assert len(terminal) == 4


def test_an_uncaught_error_is_told_and_still_reaches_whoever_listened_before(
    view: FakeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: before.append(what[1]))
    mine = sys.excepthook
    pressed: list[str] = []
    notices = Notices(Controller(view), lambda: pressed.append("Ctrl-C"))
    error = ZeroDivisionError("division by zero")
    sys.excepthook(ZeroDivisionError, error, None)
    assert "ZeroDivisionError: division by zero" in view.messages[0].text
    in_a_thread(lambda: sys.excepthook(ValueError, ValueError("of the user's own code"), None))
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [type(e) for e in before] == [ZeroDivisionError, ValueError]
    assert len(view.messages) == 1
    assert pressed == ["Ctrl-C"]
    notices.stop()
    assert sys.excepthook is mine


def test_hooks_stay_until_the_last_window_stops_listening(view: FakeView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    mine = sys.excepthook
    one, other = Notices(Controller(view), lambda: None), Notices(Controller(FakeView()), lambda: None)
    one.stop()
    sys.excepthook(ValueError, ValueError("x"), None)
    assert view.messages == []
    assert sys.excepthook is not mine
    other.stop()
    assert sys.excepthook is mine
    assert not [h for h in logging.getLogger("aetheria").handlers if type(h).__module__ == "viewer.controllers.notices"]
