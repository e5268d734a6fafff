"""Totalistic: one-dimensional rules that depend on the sum of the cells in reach, by Wolfram's code."""

import torch
from torch import Tensor

from aetheria.laws.checks import Boundary, check_boundary, check_whole
from aetheria.laws.forms import RowRule
from aetheria.laws.layers import pad
from aetheria.laws.neighbourhoods import box_sum
from aetheria.laws.registry import register
from aetheria.laws.rule_numbers import digits, parse_number
from aetheria.laws.states import MOST_STATES, StateLaw


@register
class Totalistic(StateLaw):
    """One-dimensional rule by Wolfram's totalistic code: the next colour by the sum of all cells within the radius.

    Cells: one channel of colours 0 .. colours - 1. Digit s (the lowest is 0) of the code in base `colours` is the next
    colour where the 2 radius + 1 cells around and at a cell sum to s.

    Source: S. Wolfram, "A New Kind of Science", 2002, chapter 3.
    """

    ranks = (1,)
    radius = 1
    table: Tensor

    def __init__(self, code: int | str = 777, *, colours: int = 3, radius: int = 1, boundary: Boundary = "periodic") -> None:
        """
        Args:
            code: the totalistic code; a text where it has too many digits for a config's numbers.
            colours: number of colours k, 2 to 256.
            radius: r in cells, up to 100.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: a code that is no number, or has digits for sums that cannot occur.
        """
        super().__init__()
        where = "[law.totalistic]"
        self.set_states(check_whole(where, 2, MOST_STATES, colours=colours))
        self.radius = check_whole(where, 1, 100, radius=radius)
        self.boundary: Boundary = check_boundary(boundary, "totalistic")
        sums = (colours - 1) * (2 * radius + 1) + 1
        self.code = parse_number(code, where, "code", colours, sums)
        outcomes = digits(self.code, colours, sums)
        self.register_buffer("table", torch.tensor(outcomes, dtype=torch.uint8), persistent=False)
        of_two_colours = (colours, radius) == (2, 1)
        self._outcomes = tuple(outcomes[cells.bit_count()] for cells in range(8)) if of_two_colours else None

    def forward(self, cells: Tensor) -> Tensor:
        total = box_sum(pad(cells.to(torch.int32), self.radius, self.boundary), self.radius)
        return self.table.index_select(0, total.flatten()).view_as(cells).to(cells.dtype)

    def row_rule(self) -> RowRule | None:
        return None if self._outcomes is None else RowRule(self._outcomes, self.boundary)

    @property
    def rule_string(self) -> str:
        return f"{{{self.code},{{{self.states},1}},{self.radius}}}"
