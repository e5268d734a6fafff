"""The field of a run or recording that windows, pages and terminals show first."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from aetheria.laws.registry import LAWS

STORED = "channel_0"  # the default field of laws that name no other


class Named(Protocol):
    """A field to choose."""

    @property
    def name(self) -> str:
        """Of the field, component included."""


Choice = TypeVar("Choice", bound=Named)


def first_field(names: Iterable[str], wanted: str, states: int | None) -> str:
    """Name of the field to show first: where cells hold whole states, these instead of the channel that stores them.

    Args:
        names: the fields to choose from.
        wanted: the field of the config, or the default of the law.
        states: number of whole states of a cell; None for real values.

    Returns:
        "alive" for two states and "state" for more, if `wanted` is the stored channel and the field is offered; else `wanted`.

    >>> first_field(["channel_0", "state", "alive"], "channel_0", 2)
    'alive'
    >>> first_field(["channel_0", "gradient"], "channel_0", None)
    'channel_0'
    """
    name = shown_for_stored(states)
    return name if name is not None and wanted == STORED and name in set(names) else wanted


def shown_for_stored(states: int | None) -> str | None:
    """Name of the field with the values of the stored channel, by the number of whole states; None for real values."""
    return None if states is None else "alive" if states == 2 else "state"


def states_of(law: str) -> int | None:
    """Number of whole states of a law by name; None for real values, and where it depends on the law's settings."""
    states = getattr(LAWS.get(law), "states", None)
    return states if isinstance(states, int) else None


def with_first(choices: Iterable[Choice], first: str) -> tuple[Choice, ...]:
    """The choices with that of name `first` in front, the others in their order."""
    return tuple(sorted(choices, key=lambda choice: choice.name != first))
