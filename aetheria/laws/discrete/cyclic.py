"""Cyclic automaton: states in a circle, each of which is overrun by the next."""

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS, check_whole
from aetheria.laws.forms import CircleRule
from aetheria.laws.neighbourhoods import Neighbourhood, Surroundings
from aetheria.laws.registry import register
from aetheria.laws.states import MOST_STATES, StateLaw, wheel_palette


@register
class Cyclic(StateLaw):
    """A cell takes the next state of the circle where enough neighbours have it.

    Cells: one channel of states 0 .. n - 1. k becomes k + 1 mod n if at least `threshold` neighbours are k + 1 mod n.

    Source: R. Fisch, J. Gravner, D. Griffeath, "Threshold-range scaling of excitable cellular automata", Statistics and
    Computing 1 (1991) 23; the rule is D. Griffeath's.
    """

    ranks = RANKS

    def __init__(
        self,
        states: int = 14,
        *,
        threshold: int = 1,
        radius: int = 1,
        neighbourhood: Neighbourhood = "von_neumann",
        boundary: str = "periodic",
    ) -> None:
        """
        Args:
            states: number n of states, 2 to 256.
            threshold: neighbours in the next state that it takes, 1 or more.
            radius: range of the neighbourhood in cells, 1 to 20.
            neighbourhood: "moore", "von_neumann", "circular" or "cross".
            boundary: "periodic", "zero" (cells beyond the edge have state 0), "reflect", or edges joined with a twist or shift
                of two axes; see `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range, or a threshold that no neighbourhood reaches.
        """
        super().__init__()
        self.set_states(check_whole("[law.cyclic]", 2, MOST_STATES, states=states), wheel_palette(states))
        self.around = Surroundings.checked("cyclic", neighbourhood, radius, boundary)
        self.radius, self.boundary = self.around.radius, self.around.boundary
        self.threshold = self.around.check_threshold("cyclic", threshold)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        return self.around.why_not_threshold(self.threshold, grid)

    def circle_rule(self) -> CircleRule | None:
        assert self.states is not None
        moves = self.around.from_threshold(self.threshold)
        return self.around.circle_rule(self.states, follows=True, moves=(moves, moves, moves))

    def forward(self, cells: Tensor) -> Tensor:
        state = cells.to(torch.uint8)
        after = self.following(state)
        moves = self.around.count_equal(state, after) >= self.threshold
        return torch.where(moves, after, state).to(cells.dtype)
