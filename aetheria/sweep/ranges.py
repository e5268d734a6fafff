"""Ranges and distributions of a parameter: `{ from = 0.1, to = 0.2, count = 5 }`, `{ uniform = [0.1, 0.2] }`."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from aetheria.core.errors import ConfigError, nearest

MOST_VALUES = 100_000  # of one parameter
_DIGITS = 12  # significant ones of a value in a range, so that 0.1 + 0.2 reads as 0.3
_RANGE_KEYS = {"from", "to", "count", "step", "scale"}
_RANGE = "a list of values, or a range as in { from = 0.1, to = 0.2, count = 5 }"
_DISTRIBUTIONS = {
    "uniform": "[low, high]",
    "log_uniform": "[low, high], both above 0",
    "integer": "[lowest, highest], whole numbers",
    "normal": "[mean, standard deviation]",
    "choice": "a list of values",
}
_DISTRIBUTION = "a distribution as in { uniform = [0.1, 0.2] }"


def parameters_in(
    table: Mapping[str, Any], where: str, entry: Callable[[dict[str, Any]], bool] = lambda _: False
) -> dict[str, Any]:
    """The entries of a table by dotted key: `"law.m" = [...]`, `law.m = [...]` and `[grid.law] m = [...]` are the same.

    Args:
        where: name of the table, for messages.
        entry: whether an inner table is an entry itself, as a range is; other tables lead to further keys.

    Raises:
        ConfigError: a key that is given twice.
    """
    found: dict[str, Any] = {}
    for key, given in _flat(table, "", entry):
        if key in found:
            raise ConfigError(f"[{where}] {key}: given twice; expected each parameter once")
        found[key] = given
    return found


def is_range(table: dict[str, Any]) -> bool:
    """Whether a table is meant as a range."""
    return bool({"from", "to"} & table.keys())


def is_distribution(table: dict[str, Any]) -> bool:
    """Whether a table is meant as a distribution: it has one key, and leads to no further table."""
    return bool(_DISTRIBUTIONS.keys() & table.keys()) or not any(isinstance(value, dict) for value in table.values())


def values_of(entry: Any, where: str) -> list[Any]:
    """The values of a list or a range.

    Raises:
        ConfigError: it is neither, empty or too long, or a range that never ends.
    """
    if isinstance(entry, list):
        values = list(entry)
    elif isinstance(entry, dict) and entry.keys() <= _RANGE_KEYS:
        values = _values_in_range(entry, where)
    else:
        raise ConfigError(f"{where}: {entry!r} given; expected {_RANGE}")
    if not 0 < len(values) <= MOST_VALUES:
        raise ConfigError(f"{where}: {len(values):,} values; expected 1 to {MOST_VALUES:,}")
    return values


class Distribution:
    """A distribution of one parameter.

    Attributes:
        kind: "uniform", "log_uniform", "integer", "normal" or "choice".
        given: its numbers, or the values to choose from.
    """

    def __init__(self, entry: Any, where: str) -> None:
        """Raises ConfigError unless `entry` is a table with one known distribution and fitting numbers."""
        if not isinstance(entry, dict) or len(entry) != 1:
            raise ConfigError(f"{where}: {entry!r} given; expected {_DISTRIBUTION}")
        ((self.kind, self.given),) = entry.items()
        if self.kind not in _DISTRIBUTIONS:
            raise ConfigError(f"{where}: {self.kind}: unknown distribution; {nearest(self.kind, list(_DISTRIBUTIONS))}")
        if not self._fits():
            raise ConfigError(f"{where}: {self.kind} = {self.given!r} given; expected {_DISTRIBUTIONS[self.kind]}")

    def draw(self, generator: np.random.Generator) -> Any:
        """A value."""
        if self.kind == "choice":
            return self.given[int(generator.integers(len(self.given)))]
        low, high = self.given
        match self.kind:
            case "uniform":
                return float(generator.uniform(low, high))
            case "log_uniform":
                return math.exp(generator.uniform(math.log(low), math.log(high)))
            case "integer":
                return int(generator.integers(low, high + 1))
            case _:
                return float(generator.normal(low, high))

    def _fits(self) -> bool:
        given = self.given
        if self.kind == "choice":
            return isinstance(given, list) and bool(given)
        if not isinstance(given, list) or len(given) != 2 or not all(map(_is_number, given)):
            return False
        low, high = given
        if self.kind == "normal":
            return bool(high > 0)
        if self.kind == "integer":
            return isinstance(low, int) and isinstance(high, int) and low <= high
        return bool(low < high and (low > 0 or self.kind == "uniform"))


def _flat(table: Mapping[str, Any], above: str, entry: Callable[[dict[str, Any]], bool]) -> Iterator[tuple[str, Any]]:
    for key, given in table.items():
        if isinstance(given, dict) and given and not entry(given):
            yield from _flat(given, f"{above}{key}.", entry)
        else:
            yield f"{above}{key}", given


def _values_in_range(entry: dict[str, Any], where: str) -> list[Any]:
    scale = entry.get("scale", "linear")
    low: Any = entry.get("from")
    high: Any = entry.get("to")
    if not (_is_number(low) and _is_number(high)) or ("count" in entry) == ("step" in entry) or scale not in ("linear", "log"):
        raise ConfigError(f"{where}: {entry!r} given; expected from, to, and count or step; scale is linear or log")
    if "step" in entry:
        step = entry["step"]
        if not _is_number(step) or not step or (high - low) / step < 0 or scale == "log":
            raise ConfigError(f"{where}: {entry!r} given; expected a step that leads from {low} to {high}")
        count = math.floor((high - low) / step + 1e-9) + 1
        _check_count(count, where)
        return [low + i * step if isinstance(low + step, int) else _rounded(low + i * step) for i in range(count)]
    count = entry["count"]
    _check_count(count, where)
    if scale == "log":
        if low <= 0 or high <= 0:
            raise ConfigError(f"{where}: {entry!r} given; a logarithmic range needs ends above 0")
        return [_rounded(float(value)) for value in np.geomspace(low, high, count)]
    values = [_rounded(float(value)) for value in np.linspace(low, high, count)]
    whole = isinstance(low, int) and isinstance(high, int) and all(map(float.is_integer, values))
    return [int(value) for value in values] if whole else values


def _check_count(count: Any, where: str) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MOST_VALUES:
        raise ConfigError(f"{where}: {count!r} values; expected 1 to {MOST_VALUES:,}")


def _rounded(value: Any) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
