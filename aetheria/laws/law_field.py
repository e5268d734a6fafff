"""`LawField`: a field or an observable that one law adds to those of every law."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class LawField:
    """A view of the cells that a law offers under a name of its own; it hides a common field of the same name.

    Attributes:
        name: as asked for; without a component.
        meaning: the formula, in words.
        unit: of the values; "1" where they have none.
        range: (lowest, highest) possible value; None where unbounded.
        compute: from (law, cells `(B, C, *grid)`): `(B, *grid)`, or `(B,)` in float64 for an observable.
        scalar: an observable, one number per universe.
        local: its value at a cell depends on this cell alone.
        colour_map: the default one.
        cyclic: an angle; averages are taken on the circle.
    """

    name: str
    meaning: str
    unit: str
    range: tuple[float | None, float | None]
    compute: Callable[[Any, Tensor], Tensor]
    scalar: bool = False
    local: bool = True
    colour_map: str = "ember"
    cyclic: bool = False
