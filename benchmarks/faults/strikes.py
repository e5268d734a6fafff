"""Ctrl-C at a chosen line or instruction of chosen code: an exception raised by a trace function."""

import ctypes
import dis
import inspect
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any

# Where no signal can be noticed, and nothing can be cleaned up: the call has ended, and its `with` block has not begun.
_LEAVING = {"RETURN_VALUE", "RETURN_CONST"}


class Strike(AbstractContextManager["Strike"]):
    """Raises KeyboardInterrupt in this thread, inside the block, at the event of the given number in the given code; caught.

    Attributes:
        done: it was raised.
        where: file, line and instruction at which.
        failure: any other exception that left the block.
    """

    def __init__(self, number: int, code: Sequence[object], events: str = "line") -> None:
        """
        Args:
            number: of the event, from 1.
            code: modules, classes or functions.
            events: "line" or "opcode".
        """
        self._left, self._events = number, events
        self._places = [_place(one) for one in code]
        self._names: dict[Any, list[str]] = {}
        self._ours: dict[Any, bool] = {}
        self.done, self.where = False, ""
        self.failure: BaseException | None = None

    def __enter__(self) -> "Strike":
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        sys.settrace(None)
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self.failure = error
        return error is not None

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if code not in self._ours:
            self._ours[code] = any(
                code.co_filename == file and first <= code.co_firstlineno <= last for file, first, last in self._places
            )
        if not self._ours[code] or self.done:
            return None
        if self._events == "opcode":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == self._events and not (event == "opcode" and self._leaving(frame)):
            self._left -= 1
            if not self._left:
                self.done, self.where = True, f"{code.co_filename}:{frame.f_lineno} in {code.co_name}, {frame.f_lasti}"
                raise KeyboardInterrupt
        return self._trace

    def _leaving(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code not in self._names:
            found = {one.offset: one.opname for one in dis.get_instructions(code)}
            self._names[code] = [found.get(offset, "") for offset in range(len(code.co_code))]
        return code.co_name == "__enter__" and self._names[code][frame.f_lasti] in _LEAVING


def _place(code: Any) -> tuple[str, int, int]:
    """File, first and last line."""
    file = inspect.getsourcefile(code)
    assert file is not None
    if inspect.ismodule(code):
        return file, 0, sys.maxsize
    lines, first = inspect.getsourcelines(code)
    return file, first, first + len(lines) - 1


def raise_in(thread: threading.Thread) -> None:
    """Has KeyboardInterrupt raised in a thread, when it runs Python code next."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))


def until(reached: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits until a condition holds; fails if it never does."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def free_for_others(lock: Any, seconds: float = 10.0) -> bool:
    """Whether another thread can enter a lock."""
    entered = threading.Event()

    def enter() -> None:
        with lock:
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    return entered.wait(seconds)
