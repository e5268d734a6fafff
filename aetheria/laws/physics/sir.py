"""SIR: an epidemic among susceptible, infected and recovered cells."""

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS
from aetheria.laws.controls import Control
from aetheria.laws.first_cells import by_parts, with_least
from aetheria.laws.hash_noise import chance_control, hash_words, threshold
from aetheria.laws.neighbourhoods import Neighbourhood, Surroundings
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw

SUSCEPTIBLE, INFECTED, RECOVERED = 0, 1, 2


@register
class SIR(StochasticStateLaw):
    """Every infected neighbour infects a susceptible cell with a chance; infected cells recover with another.

    Cells: 0 susceptible, 1 infected, 2 recovered. With k infected neighbours a susceptible cell is infected with chance
    1 - (1 - infection)^k; an infected one recovers with chance `recovery`; a recovered one is susceptible again with chance
    `waning` (0: never). Memory: see `StochasticStateLaw`. Mean field: R_0 = infection * neighbours / recovery.

    Source: W. O. Kermack, A. G. McKendrick, Proc. R. Soc. A 115 (1927) 700.
    """

    ranks = RANKS
    controls = (
        chance_control("infection", "chance that an infected neighbour infects in a step"),
        chance_control("recovery", "chance to recover in a step"),
        chance_control("waning", "chance to become susceptible again in a step"),
    )

    def __init__(
        self,
        infection: float = 0.2,
        recovery: float = 0.1,
        waning: float = 0.0,
        *,
        radius: int = 1,
        neighbourhood: Neighbourhood = "moore",
        boundary: str = "periodic",
    ) -> None:
        """
        Args:
            infection: chance that one infected neighbour infects a cell in a step.
            recovery: chance of an infected cell to recover in a step.
            waning: chance of a recovered cell to become susceptible in a step.
            radius: range of the neighbourhood in cells, 1 to 20.
            neighbourhood: "moore", "von_neumann", "circular" or "cross".
            boundary: "periodic", "zero", "reflect", or edges joined with a twist or shift; see `aetheria.laws.topology`.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        self.set_states(3, ((30, 40, 70), (240, 80, 60), (110, 160, 130)))
        self.around = Surroundings.checked("sir", neighbourhood, radius, boundary)
        self.radius, self.boundary = self.around.radius, self.around.boundary
        self.infection = infection
        self.recovery = recovery
        self.waning = waning

    def live_value(self, control: Control, value: float) -> Tensor:
        """Of `infection` the words below which k infected neighbours infect, by k."""
        if control.name != "infection":
            return control.as_tensor(value)
        return torch.tensor([threshold(1 - (1 - value) ** k) for k in range(self.around.number(max(RANKS)) + 1)])

    def why_not_grid(self, grid: tuple[int, ...]) -> str:
        return self.around.why_not_grid(grid)

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        state = cells.to(torch.uint8)
        near = self.around.count(state == INFECTED).to(torch.int32)
        chance = self.live("infection").index_select(0, near.flatten()).view_as(near)
        chance = torch.where(state == INFECTED, self.live("recovery"), chance)
        chance = torch.where(state == RECOVERED, self.live("waning"), chance)
        moves = hash_words(seed, step, cells.shape[2:], self.place)[:, None] < chance
        return torch.where(moves, self.following(state), state).to(cells.dtype), seed, step + 1

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Susceptible, but for one cell in five hundred that is infected; at least one is."""
        drawn, least = with_least(lambda: torch.rand(1, *grid, generator=generator))
        return (drawn <= max(0.002, least)).float()

    def seed_cell(self) -> Tensor:
        """An infected cell."""
        return torch.tensor([float(INFECTED)])
