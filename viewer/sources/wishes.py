"""What a reader asked a server for, until the server has told it. No Qt."""

import time
from typing import Any

_PATIENCE_S = 1.5  # in which a server may still tell what was before


class Wishes:
    """Values that were asked for, by name; each holds until the server tells it, at most 1.5 s."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[Any, float]] = {}

    def ask(self, **values: object) -> None:
        """These were asked for now."""
        until = time.monotonic() + _PATIENCE_S
        self._asked |= {name: (value, until) for name, value in values.items()}

    def forget(self, name: str) -> None:
        """Holds a value no longer."""
        self._asked.pop(name, None)

    def value(self, name: str, told: Any) -> Any:
        """The value that was asked for, until it is `told`; then what is told."""
        asked, until = self._asked.get(name, (told, 0.0))
        if asked == told or time.monotonic() > until:
            self._asked.pop(name, None)
            return told
        return asked
