"""Forest fire: trees grow, lightning strikes, and fire spreads from tree to tree."""

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS
from aetheria.laws.first_cells import by_parts
from aetheria.laws.hash_noise import chance_control, hash_words
from aetheria.laws.neighbourhoods import Neighbourhood, Surroundings
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw
from aetheria.laws.topology import check_joined

EMPTY, TREE, FIRE = 0, 1, 2


@register
class ForestFire(StochasticStateLaw):
    """Forest-fire model: a fire burns out in a step, and sets the trees beside it on fire.

    Cells: 0 empty, 1 a tree, 2 a fire. A fire becomes empty; a tree becomes a fire if a neighbour is one, else with chance
    `lightning`; an empty cell becomes a tree with chance `growth`. Memory: see `StochasticStateLaw`.

    Source: B. Drossel, F. Schwabl, Phys. Rev. Lett. 69 (1992) 1629.
    """

    ranks = RANKS
    controls = (
        chance_control("growth", "chance of a tree to grow in a step"),
        chance_control("lightning", "chance of a tree to be struck in a step"),
    )

    def __init__(
        self,
        growth: float = 0.01,
        lightning: float = 1e-5,
        *,
        radius: int = 1,
        neighbourhood: Neighbourhood = "von_neumann",
        boundary: str = "periodic",
    ) -> None:
        """
        Args:
            growth: chance of an empty cell to become a tree in a step.
            lightning: chance of a tree to catch fire without a burning neighbour.
            radius: range of the neighbourhood in cells, 1 to 20.
            neighbourhood: "moore", "von_neumann", "circular" or "cross".
            boundary: "periodic", "zero" (nothing burns beyond the edge), or edges joined with a twist or shift; see
                `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.set_states(3, ((24, 18, 14), (40, 140, 60), (255, 150, 40)))
        self.growth = growth
        self.lightning = lightning
        self.around = Surroundings.checked("forestfire", neighbourhood, radius, check_joined(boundary, "forestfire"))
        self.radius, self.boundary = self.around.radius, self.around.boundary

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        return self.around.why_not_grid(grid)

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        state = cells.to(torch.uint8)
        near = self.around.count(state == FIRE) > 0
        word = hash_words(seed, step, cells.shape[2:], self.place)[:, None]
        burns = TREE + (near | (word < self.live("lightning"))).to(torch.uint8)
        grows = (word < self.live("growth")).to(torch.uint8)
        after = torch.where(state == TREE, burns, torch.where(state == EMPTY, grows, 0))
        return after.to(cells.dtype), seed, step + 1

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Trees on a third of the cells, and a fire on one in a thousand."""
        drawn = torch.rand(1, *grid, generator=generator)
        return torch.where(drawn < 0.001, FIRE, (drawn < 0.334).int()).float()
