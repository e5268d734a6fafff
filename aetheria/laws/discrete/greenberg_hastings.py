"""Greenberg-Hastings model of an excitable medium."""

import numpy as np
import torch
from torch import Tensor

from aetheria.laws.checks import RANKS, check_whole
from aetheria.laws.forms import CircleRule, CountRule
from aetheria.laws.neighbourhoods import Neighbourhood, Surroundings, offsets
from aetheria.laws.registry import register
from aetheria.laws.states import MOST_STATES, StateLaw


@register
class GreenbergHastings(StateLaw):
    """A resting cell is excited by enough excited neighbours, then recovers state by state.

    Cells: one channel of states 0 (resting), 1 (excited), 2 .. n - 1 (recovering). 0 becomes 1 if at least `threshold`
    neighbours are 1; every other k becomes k + 1 mod n.

    Source: J. M. Greenberg, S. P. Hastings, "Spatial patterns for discrete models of diffusion in excitable media", SIAM
    Journal on Applied Mathematics 34 (1978) 515.
    """

    ranks = RANKS

    def __init__(
        self,
        states: int = 8,
        *,
        threshold: int = 1,
        radius: int = 1,
        neighbourhood: Neighbourhood = "moore",
        boundary: str = "periodic",
    ) -> None:
        """
        Args:
            states: number n of states, 2 to 256.
            threshold: excited neighbours that it takes, 1 or more.
            radius: range of the neighbourhood in cells, 1 to 20.
            neighbourhood: "moore", "von_neumann", "circular" or "cross".
            boundary: "periodic", "zero" (cells beyond the edge rest), "reflect", or edges joined with a twist or shift
                of two axes; see `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range, or a threshold that no neighbourhood reaches.
        """
        super().__init__()
        self.set_states(check_whole("[law.greenberghastings]", 2, MOST_STATES, states=states))
        self.around = Surroundings.checked("greenberghastings", neighbourhood, radius, boundary)
        self.radius, self.boundary = self.around.radius, self.around.boundary
        self.threshold = self.around.check_threshold("greenberghastings", threshold)

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        return self.around.why_not_threshold(self.threshold, grid)

    def count_rule(self) -> CountRule | None:
        assert self.states is not None
        reach = self.around.radius
        weights = np.zeros((2 * reach + 1, 2 * reach + 1), np.int64)
        for y, x in offsets(self.around.neighbourhood, reach, 2):
            weights[reach + y, reach + x] = 1
        values = tuple(int(state == 1) for state in range(self.states))
        births = ((self.threshold, self.around.number(2)),)
        text = f"{self.around.neighbourhood} {reach} {self.threshold} {self.states}"
        return CountRule(text, reach, weights, False, values, births, (), self.states, self.boundary)

    def circle_rule(self) -> CircleRule | None:
        assert self.states is not None
        always = self.around.from_threshold(0)
        moves = (self.around.from_threshold(self.threshold), always, always)
        return self.around.circle_rule(self.states, follows=False, moves=moves)

    def forward(self, cells: Tensor) -> Tensor:
        state = cells.to(torch.uint8)
        excited = (self.around.count(state == 1) >= self.threshold).to(torch.uint8)
        return torch.where(state == 0, excited, self.following(state)).to(cells.dtype)
