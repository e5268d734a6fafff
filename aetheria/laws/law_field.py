"""`LawField`: a field or an observable that one law adds to those of every law."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LawField:
    """A view of the cells that a law offers under a name of its own; it hides a common field of the same name.

    Attributes:
        name: as asked for; without a component.
        meaning: the formula, in words.
        unit: of the values; "1" where they have none.
        range: (lowest, highest) possible value; None where unbounded.
        compute: from (law, cells `(B, C, *grid)`): `(B, *grid)`, or `(B,)` in float64 for an observable; with `summed` from
            (law, cells, sums).
        scalar: an observable, one number per universe.
        local: its value at a cell depends on this cell alone.
        colour_map: the default one.
        cyclic: an angle; averages are taken on the circle.
        summed: an observable that adds values `(B, *grid)` over the grid by `sums` (`aetheria.core.sums.Sums`) alone, so that
            the processes of a split grid compute it by parts. The values of a cell depend on the cells within the law's
            radius at most, and where `local` is true on this cell alone.
    """

    name: str
    meaning: str
    unit: str
    range: tuple[float | None, float | None]
    compute: Callable[..., Tensor]
    scalar: bool = False
    local: bool = True
    colour_map: str = "ember"
    cyclic: bool = False
    summed: bool = False
