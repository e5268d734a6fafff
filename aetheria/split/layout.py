"""The layout of a split: which laws can be split, where tiles may begin, how wide their margins are."""

from math import lcm

from aetheria.core.errors import LawError
from aetheria.laws.base import Law
from aetheria.laws.topology import is_twisted
from aetheria.split.halo import WORD
from aetheria.split.tiles import Tiling


def check_law(law: Law) -> None:
    """Raises LawError, with the reason, for a law that cannot be stepped tile by tile."""
    if why := why_not(law):
        raise LawError(f"[law.{law.name.lower()}] split: {why}")


def why_not(law: Law) -> str:
    """Why a law cannot be stepped tile by tile, for people; empty if it can."""
    if law.reach is None:
        return (
            f"{law.name} states no radius: a far-away cell can matter in one step, or the module does not say how far a change "
            "travels (its attribute `radius`); expected a law with a radius"
        )
    if is_twisted(law.boundary):
        return (
            f'boundary "{law.boundary}" joins edges with a twist or a shift, so that neighbouring tiles do not lie side by '
            'side; expected "periodic", "zero" or "reflect"'
        )
    return law.why_not_split()


def tiling_for(law: Law, grid: tuple[int, ...], split: tuple[int, ...], every: int) -> Tiling:
    """The tiles of a grid for a law, with margins for `every` steps.

    Raises:
        ConfigError: a tile would be narrower than its margin.
    """
    assert law.reach is not None
    reach = max(1, every * law.reach)  # gradients need a neighbour
    align = alignments(law, grid, split, reach)
    margin = tuple(-(-reach // unit) * unit for unit in align)
    return Tiling(grid, split, align, margin, law.boundary == "periodic")


def alignments(law: Law, grid: tuple[int, ...], split: tuple[int, ...], reach: int) -> tuple[int, ...]:
    """Cells at whose multiples tiles begin: of the law's divisor, and of 64 along x for plans that hold bits in words."""
    unit = lcm(law.divisor, law.spatial_period)
    along_x = unit
    if split[-1] > 1 and _in_words(law):
        words = lcm(unit, WORD)
        narrowest = grid[-1] // words // split[-1] * words
        closes = law.boundary != "periodic" or grid[-1] % words == 0
        along_x = words if closes and narrowest >= -(-reach // words) * words else unit
    return (*[unit] * (len(grid) - 1), along_x)


def _in_words(law: Law) -> bool:
    return any(form is not None for form in (law.bit_rule(), law.row_rule(), law.block_rule()))
