"""Boundaries, and checks of a law's arguments."""

import math
from typing import Any, Literal, get_args

from aetheria.core.errors import ConfigError

Boundary = Literal["periodic", "zero", "reflect"]
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)  # numbered in this order in the kernels (enums.h)
RANKS: tuple[int, ...] = (1, 2, 3)  # numbers of axes that a grid may have


def check_boundary(boundary: str, law: str) -> Boundary:
    """Returns `boundary` if it is one; raises ConfigError with the choices if not."""
    return check_choice(boundary, BOUNDARIES, f"[law.{law}] boundary")


def check_rank(rank: int, law: str) -> int:
    """Returns `rank` if a grid may have so many axes; raises ConfigError if not."""
    if isinstance(rank, bool):
        raise ConfigError(f"[law.{law}] rank: {rank} given; expected 1, 2 or 3 grid axes")
    return check_choice(rank, RANKS, f"[law.{law}] rank")


def check_choice(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    """Returns `value` if it is one of `choices`; raises ConfigError that lists them if not."""
    if value not in choices:
        raise ConfigError(f'{where}: "{value}" given; expected one of {", ".join(map(str, choices))}')
    return value


def check_positive(where: str, **values: int | float) -> None:
    """Raises ConfigError unless every value is a finite number above zero."""
    for key, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{where} {key}: {value} given; expected a finite number above 0")


def check_whole(where: str, low: int, high: int | None = None, **value: int) -> int:
    """Returns the one whole number given by name; raises ConfigError when it is none, below `low` or above `high`."""
    ((name, given),) = value.items()
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or given < low or (high is not None and given > high):
        wanted = f"a whole number of {low} or more" if high is None else f"a whole number from {low} to {high}"
        raise ConfigError(f"{where} {name}: {given!r} given; expected {wanted}")
    return given
