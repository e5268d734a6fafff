"""Elementary: one-dimensional rules by Wolfram's number."""

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import Boundary, check_boundary, check_whole
from aetheria.laws.forms import RowRule
from aetheria.laws.layers import pad, window
from aetheria.laws.registry import register
from aetheria.laws.rule_numbers import digits, parse_number
from aetheria.laws.states import MOST_STATES, StateLaw

_MOST_ENTRIES = 1 << 20  # of a table


@register
class Elementary(StateLaw):
    """One-dimensional rule by Wolfram's number: the next colour by the colours of all cells within the radius.

    Cells: one channel of colours 0 .. colours - 1. The 2 radius + 1 cells around and at a cell, left to right, are the
    digits of a number i in base `colours`; digit i (the lowest is 0) of the rule's number in that base is the next colour.

    Source: S. Wolfram, "Statistical mechanics of cellular automata", Rev. Mod. Phys. 55 (1983) 601.
    """

    ranks = (1,)
    radius = 1
    table: Tensor

    def __init__(self, rule: int | str = 30, *, colours: int = 2, radius: int = 1, boundary: Boundary = "periodic") -> None:
        """
        Args:
            rule: Wolfram's number, as 110, "110" or "W110"; a text where it has too many digits for a config's numbers.
            colours: number of colours k, 2 to 256.
            radius: r in cells; the table has k^(2 r + 1) entries, at most 2^20.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: a number that is none, or has more digits than the table entries; too large a table.
        """
        super().__init__()
        where = "[law.elementary]"
        self.set_states(check_whole(where, 2, MOST_STATES, colours=colours))
        self.radius = check_whole(where, 1, radius=radius)
        self.boundary: Boundary = check_boundary(boundary, "elementary")
        if colours ** (2 * radius + 1) > _MOST_ENTRIES:
            raise ConfigError(
                f"{where} radius: {radius} given; {colours} colours within {radius} cells make a table of more than 2^20 "
                "entries; expected a smaller radius or fewer colours, or the law Totalistic"
            )
        entries = colours ** (2 * radius + 1)
        self.rule = parse_number(rule, where, "rule", colours, entries)
        outcomes = digits(self.rule, colours, entries)
        self.register_buffer("table", torch.tensor(outcomes, dtype=torch.uint8), persistent=False)
        # Not read from the buffer, for which a GPU would have to finish its work.
        self._outcomes = tuple(outcomes) if (colours, radius) == (2, 1) else None

    def forward(self, cells: Tensor) -> Tensor:
        assert self.states is not None
        size, halo = cells.shape[2:], pad(cells.to(torch.int32), self.radius, self.boundary)
        index = torch.zeros_like(cells, dtype=torch.int32)
        for place in range(2 * self.radius + 1):
            index = index * self.states + window(halo, (place,), size)
        return self.table.index_select(0, index.flatten()).view_as(cells).to(cells.dtype)

    def row_rule(self) -> RowRule | None:
        return None if self._outcomes is None else RowRule(self._outcomes, self.boundary)

    @property
    def rule_string(self) -> str:
        return f"W{self.rule}" if (self.states, self.radius) == (2, 1) else f"{{{self.rule},{self.states},{self.radius}}}"
