"""Messages to the user: wording of exceptions, and the stack of unread messages. No Qt."""

import errno
import time
from dataclasses import dataclass
from typing import Literal

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import AetheriaError, DiskFullError
from aetheria.core.printable import printable

Severity = Literal["note", "warning", "error"]
_MOST = 20  # unread messages kept; the oldest are dropped
_REPEATS_S = 5.0  # a dismissed message that repeats within this time stays hidden


@dataclass(frozen=True)
class Message:
    """A message to the user: the event and the remedy. `kind` is its severity."""

    kind: Severity
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text, keep="\n"))  # it may hold text of a file


def error_text(error: Exception) -> str:
    """Error text for the user, with a remedy where one is known."""
    text = str(error).strip()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            f"The disk is full: {text}. Free some space, or choose another folder, and try again; existing files are unchanged."
        )
    if isinstance(error, DiskFullError):
        return f"{text}. Free some space, or choose another folder, and try again."
    if isinstance(error, AetheriaError | OSError):
        return text
    if is_out_of_memory(error) or isinstance(error, MemoryError):
        return f"Out of memory: {_first_line(text)}. Close other programs, or open a smaller grid or batch."
    if "CUDA error" in text or type(error).__name__ == "AcceleratorError":
        return (
            f"The GPU failed: {_first_line(text)}. Restart Aetheria before using it again; until then open runs on the "
            'CPU (device = "cpu" in the config).'
        )
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _first_line(text: str) -> str:
    return (text.splitlines() or ["no reason given"])[0].rstrip(".")


class MessageStack:
    """Warnings and errors that the user has not dismissed, the newest on top."""

    def __init__(self) -> None:
        self._stack: list[Message] = []
        self._dismissed: dict[Message, float] = {}  # time of the last repetition

    @property
    def top(self) -> Message | None:
        """The newest message."""
        return self._stack[-1] if self._stack else None

    def __len__(self) -> int:
        return len(self._stack)

    def push(self, message: Message) -> None:
        """Adds a message on top, unless it repeats an unread or a recently dismissed one."""
        now = time.monotonic()
        told = self._dismissed.get(message)
        if told is not None and now - told < _REPEATS_S:
            self._dismissed[message] = now
            return
        self._dismissed.pop(message, None)
        if message not in self._stack:
            self._stack = [*self._stack, message][-_MOST:]

    def dismiss(self) -> None:
        """Removes the message on top."""
        if self._stack:
            self._dismissed[self._stack.pop()] = time.monotonic()

    def clear(self) -> None:
        """Removes all messages."""
        self._stack.clear()
        self._dismissed.clear()
