"""Values requested from a server and not confirmed by it yet. No Qt."""

import time
from typing import Any

_LONGEST_S = 1.5  # in which a server may still send the value before


class RequestedValues:
    """Values by name; each holds until the server confirms it, at most 1.5 s."""

    def __init__(self) -> None:
        self._requested: dict[str, tuple[Any, float]] = {}

    def add(self, **values: object) -> None:
        """These are requested now."""
        until = time.monotonic() + _LONGEST_S
        self._requested |= {name: (value, until) for name, value in values.items()}

    def forget(self, name: str) -> None:
        """Holds a value no longer."""
        self._requested.pop(name, None)

    def value(self, name: str, sent: Any) -> Any:
        """The requested value, until it equals the one that the server `sent` last; then that one."""
        requested, until = self._requested.get(name, (sent, 0.0))
        if requested == sent or time.monotonic() > until:
            self._requested.pop(name, None)
            return sent
        return requested
