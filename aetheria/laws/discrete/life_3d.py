"""Life3D: birth and survival by the number of live neighbours in three dimensions."""

from functools import partial
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.checks import Boundary, check_boundary, check_choice, check_whole
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import CircleRule, ranges_of
from aetheria.laws.layers import moore_sum, pad
from aetheria.laws.neighbourhoods import Offset, shifted
from aetheria.laws.registry import register
from aetheria.laws.rules import same_rule
from aetheria.laws.rules.life_3d import read_lists, written
from aetheria.laws.states import MOST_STATES, StateLaw

Neighbours = Literal[26, 18, 12, 8, 6]
# By the number of coordinates in which a neighbour differs: 6 share a face with the cell, 12 an edge, 8 a corner.
_DIFFERING: dict[int, tuple[int, ...]] = {26: (1, 2, 3), 18: (1, 2), 12: (2,), 8: (3,), 6: (1,)}


@register
class Life3D(StateLaw):
    """Outer-totalistic rule on a three-dimensional grid, with decaying states as an option.

    Cells: one channel, 0 dead, 1 alive, 2 .. states - 1 decaying. A dead cell is born, a live one survives, where the number
    of live neighbours is in the rule's list; a live cell that does not survive decays, state by state, and is dead after
    the last. Source: C. Bays, "Candidates for the game of Life in three dimensions", Complex Systems 1 (1987) 373.
    """

    ranks = (3,)
    radius = 1
    reads_patterns = True
    table: Tensor

    def __init__(
        self, rule: str = "B5/S4,5", *, neighbours: Neighbours = 26, states: int = 2, boundary: Boundary = "periodic"
    ) -> None:
        """
        Args:
            rule: live neighbours for birth and survival, lists of numbers and ranges, as in "B5/S4,5" or "B5-7/S6".
            neighbours: 26 (all), 18 (sharing a face or an edge), 12 (an edge), 8 (a corner) or 6 (a face).
            states: 2, or up to 256 where cells decay.
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: a rule that is none, or that counts more neighbours than there are.
        """
        super().__init__()
        check_choice(neighbours, tuple(_DIFFERING), "[law.life3d] neighbours")
        self.neighbours = neighbours
        self.set_states(check_whole("[law.life3d]", 2, MOST_STATES, states=states))
        self.boundary: Boundary = check_boundary(boundary, "life3d")
        try:
            self.birth, self.survival = read_lists(rule, neighbours)
        except ValueError as error:
            wanted = 'expected B<list>/S<list>, as in "B5-7/S4,5"'
            raise ConfigError(f'[law.life3d] rule: "{rule}" given; {wanted}; {error}') from None
        self.rule = written(self.birth, self.survival)
        counts = [float(n in some) for some in (self.birth, self.survival) for n in range(27)]
        self.register_buffer("table", torch.tensor(counts, dtype=torch.uint8), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        state = cells.to(torch.uint8)
        alive = (state == 1).to(torch.uint8)
        wanted = (27 * alive + self._count(alive)).to(torch.int32)
        lives = self.table.index_select(0, wanted.flatten()).view_as(state)
        if self.states == 2:
            return lives.to(cells.dtype)
        return torch.where(state > 1, self.following(state), torch.where(lives == 1, lives, 2 * alive)).to(cells.dtype)

    def circle_rule(self) -> CircleRule:
        assert self.states is not None
        dies = frozenset(range(self.neighbours + 1)) - self.survival
        moves = (ranges_of(self.birth), ranges_of(dies), ((0, self.neighbours),))
        places = partial(_places_in, self.neighbours)
        return CircleRule((self.neighbours,), places, self.states, False, moves, self.boundary)

    def _count(self, alive: Tensor) -> Tensor:
        halo = pad(alive, 1, self.boundary)
        if self.neighbours == 26:
            return moore_sum(halo) - alive
        total = torch.zeros_like(alive)
        for neighbour in shifted(alive, places_of(self.neighbours), self.boundary):
            total = total + neighbour
        return total

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup: each cell alive with chance 0.2."""
        return (torch.rand(1, *grid, generator=generator) < 0.2).float()

    @property
    def rule_string(self) -> str:
        return self.rule

    def obeys(self, rule: str) -> bool:
        return same_rule(rule, self.rule)


def _places_in(neighbours: int, rank: int) -> list[Offset]:
    assert rank == 3
    return places_of(neighbours)


def places_of(neighbours: int) -> list[Offset]:
    """The places of 26, 18, 12, 8 or 6 neighbours relative to a cell."""
    return [place for place in product((-1, 0, 1), repeat=3) if sum(map(bool, place)) in _DIFFERING[neighbours]]
