"""What there is to tell the user: errors in words, and the messages that wait to be read. No Qt."""

import errno
import time
from dataclasses import dataclass
from typing import Literal

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import AetheriaError, DiskFullError

_MOST = 20  # messages that wait; older ones are forgotten
_REPEATS_S = 5.0  # a message dismissed stays away while it is told again within so many seconds


@dataclass(frozen=True)
class Message:
    """Something to tell the user: what happened and what to do about it; kind says how bad it is, in words."""

    kind: Literal["note", "warning", "error"]
    text: str


def explain(error: Exception) -> str:
    """What went wrong and, where that is known, what to do about it."""
    text = str(error).strip()
    if isinstance(error, DiskFullError):
        return f"{text}. Make room, or choose another folder, and try again."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full: {text}. Make room, or choose another folder, and try again; what was there before is kept."
    if isinstance(error, AetheriaError | OSError):
        return text
    if is_out_of_memory(error) or isinstance(error, MemoryError):
        return f"There is not enough memory: {_first_line(text)}. Close other programs, or open a smaller grid or batch."
    if "CUDA error" in text or type(error).__name__ == "AcceleratorError":
        return (
            f"The GPU failed: {_first_line(text)}. Nothing can be computed on it before Aetheria is started again; until then "
            'open runs on the CPU (device = "cpu" in the config).'
        )
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _first_line(text: str) -> str:
    return (text.splitlines() or ["no reason was given"])[0].rstrip(".")


class MessageStack:
    """Warnings and errors that the user has not dismissed, the newest on top."""

    def __init__(self) -> None:
        self._stack: list[Message] = []
        self._dismissed: dict[Message, float] = {}  # and when it was last told

    @property
    def top(self) -> Message | None:
        """The one to show."""
        return self._stack[-1] if self._stack else None

    def __len__(self) -> int:
        return len(self._stack)

    def push(self, message: Message) -> None:
        """Puts a message on top, unless it only repeats one that waits or was just dismissed."""
        now = time.monotonic()
        told = self._dismissed.get(message)
        if told is not None and now - told < _REPEATS_S:
            self._dismissed[message] = now
            return
        self._dismissed.pop(message, None)
        if message not in self._stack:
            self._stack = [*self._stack, message][-_MOST:]

    def dismiss(self) -> None:
        """Forgets the one on top."""
        if self._stack:
            self._dismissed[self._stack.pop()] = time.monotonic()

    def clear(self) -> None:
        """Forgets all of them."""
        self._stack.clear()
        self._dismissed.clear()
