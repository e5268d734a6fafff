"""What a source offers whose law and cells are elsewhere. No Qt."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from aetheria.laws.base import Law
from aetheria.laws.controls import Control, TextControl, Value
from viewer.model.time_series import Measurement


@runtime_checkable
class ControlledSource(Protocol):
    """A source with parameters of a law that is elsewhere.

    Attributes:
        controls: the parameters.
        values: their present values, by name.
        law: as far as the server told it.
    """

    law: Law
    controls: tuple[Control | TextControl, ...]

    @property
    def values(self) -> Mapping[str, Value]:
        """The present values, by name."""

    def set_control(self, name: str, value: Value) -> None:
        """Asks for another value; does not wait. A refusal is reported."""


@runtime_checkable
class EditedElsewhere(Protocol):
    """A source that is told by a server which edits were made.

    Attributes:
        edits_made: grows with every edit.
        edit_lines: the edits that were told last, as text.
    """

    edit_lines: tuple[str, ...]

    @property
    def edits_made(self) -> int: ...

    def ask_for_edits(self) -> None:
        """Asks for the list; does not wait."""


@runtime_checkable
class SharedSpeed(Protocol):
    """A source whose speed is one for all its readers.

    Attributes:
        speed_known: the server has told its speed.
        shared_speed: steps, or frames of a recording, a second; None for no limit.
    """

    @property
    def speed_known(self) -> bool: ...

    @property
    def shared_speed(self) -> float | None: ...


@runtime_checkable
class ObservedSource(Protocol):
    """A source whose observables come with its pictures.

    Attributes:
        measurements: those that came and were not taken yet, the oldest first.
    """

    measurements: deque[Measurement]

    def observe(self, names: Sequence[str]) -> None:
        """Asks for these observables from now on; does not wait."""
