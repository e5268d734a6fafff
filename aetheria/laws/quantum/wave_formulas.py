"""Complex amplitudes as formulas: unitary laws in the form `FormulaRule`, with the operations of their steps in their order."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from torch import Tensor

from aetheria.laws.forms import CellNumbers, FormulaRule
from aetheria.laws.formula import Formula, named

Number = complex | str  # by name: a real one that may change between steps


@dataclass(frozen=True)
class Amplitude:
    """A complex number of a cell."""

    real: Formula
    imag: Formula

    def at(self, place: tuple[int, ...]) -> "Amplitude":
        """That of another cell."""
        return Amplitude(self.real.at(place), self.imag.at(place))

    def turned(self) -> "Amplitude":
        """Times i."""
        return Amplitude(-self.imag, self.real)

    def times(self, number: Number) -> "Amplitude":
        """Times a number, as `unitary.scaled`."""
        if isinstance(number, str):
            return Amplitude(named(number) * self.real, named(number) * self.imag)
        if not number.imag:
            return self._by(number.real)
        turned = self.turned()._by(number.imag)
        return self._by(number.real) + turned if number.real else turned

    def _by(self, number: float) -> "Amplitude":
        if abs(number) == 1:
            return self if number == 1 else Amplitude(-self.real, -self.imag)
        return Amplitude(number * self.real, number * self.imag)

    def rotated(self, cos: str, sin: str) -> "Amplitude":
        """Times exp(i angle), whose cosine and sine have these names."""
        return self.times(cos) + self.turned().times(sin)

    def __add__(self, other: "Amplitude") -> "Amplitude":
        return Amplitude(self.real + other.real, self.imag + other.imag)

    def __sub__(self, other: "Amplitude") -> "Amplitude":
        return Amplitude(self.real - other.real, self.imag - other.imag)

    def __truediv__(self, number: float) -> "Amplitude":
        return Amplitude(self.real / number, self.imag / number)


def amplitudes(number: int) -> list[Amplitude]:
    """The components of a cell."""
    return [Amplitude(named(f"re{k}"), named(f"im{k}")) for k in range(number)]


def mixed(row: Sequence[Number], parts: Sequence[Amplitude]) -> Amplitude:
    """A row of a matrix times the components, as `unitary.mixed`. A unitary matrix has no row of zeros.

    A power of two that all numbers have in common becomes a factor of their sum, which changes no rounding.
    """
    numbers = [number for number in row if not isinstance(number, str)]
    sizes = {abs(number) for number in numbers if number}
    if len(numbers) == len(row) and len(sizes) == 1 and math.frexp(size := sizes.pop())[0] == 0.5:
        return _sum([number / size for number in numbers], parts).times(complex(size))
    return _sum(row, parts)


def _sum(row: Sequence[Number], parts: Sequence[Amplitude]) -> Amplitude:
    return reduce(add, (part.times(number) for number, part in zip(row, parts, strict=True) if number))


def wave_rule(
    after: Sequence[Amplitude],
    numbers: Callable[[Tensor], Mapping[str, Any]],
    boundary: str,
    *,
    moves: Sequence[tuple[int, ...]] = (),
    beyond: Sequence[int] = (),
    by_cell: CellNumbers | None = None,
) -> FormulaRule:
    """The rule by which the components become `after`.

    Args:
        moves, beyond: of a `FormulaRule`, by component.
        numbers, boundary, by_cell: as in a `FormulaRule`.
    """
    size = len(after)
    names = tuple(f"{kind}{k}" for kind in ("re", "im") for k in range(size))
    channels = (*beyond, *(size + k for k in beyond))
    return FormulaRule(
        names, _channels(after), numbers, boundary, wide=True, moves=(*moves, *moves), beyond=channels, by_cell=by_cell
    )


def _channels(parts: Sequence[Amplitude]) -> tuple[Formula, ...]:
    return (*(part.real for part in parts), *(part.imag for part in parts))
