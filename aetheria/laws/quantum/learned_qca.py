"""LearnedQCA: a walk whose coin a network chooses at each cell, by the densities around it; unitary and reversible."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

import torch
from torch import Tensor

from aetheria.laws.checks import RANKS, check_choice, check_positive, check_rank, check_whole
from aetheria.laws.first_cells import by_parts
from aetheria.laws.layers import make_dense, start_small
from aetheria.laws.neighbourhoods import checkerboard, offsets, shifted
from aetheria.laws.quantum.lifting import on_grid, rotate, rounds_of_pairs
from aetheria.laws.quantum.unitary import UnitaryLaw, cells_of, components, walk_velocities, walked, walked_back
from aetheria.laws.registry import register

Walls = Literal["periodic", "reflect"]
_WHERE = "[law.learnedqca]"


@register
class LearnedQCA(UnitaryLaw):
    """A walk with a coin of its own at each cell: a network's answer to the densities |psi_k|^2 of the 2 n nearest cells.

    First the cells with an even sum of coordinates are mixed, which read odd cells; then the odd ones, which read even cells;
    then components 2a and 2a + 1 move one cell back and ahead along axis a, and any others stay. The network reads nothing
    that its own half of the step changes: `reverse` reads the same and undoes it.

    The coin is a product of rotations of all pairs of components and of phases, which reaches every unitary matrix near
    1; the network gives tangents of half angles, each in -1 .. 1 (Cayley's transform of a rotation). In eval mode amplitudes
    are multiples of 2^-21 (2^-50 in float64), below 8 in size, and rotations are undone to the last bit: an eager run can be
    taken back to its start whatever its length, and the norm changes by rounding only. Under compiled plans angles differ in
    their last digits from those of `reverse`, and so do the cells it gives. In train mode nothing is rounded, and gradients
    flow. Cells have a mean density of 1, not a norm of 1, so that the network reads numbers of like size on every grid.
    """

    ranks = RANKS
    radius = 3  # even cells read odd ones, odd ones read those, and components move
    default_initial = "noise"
    boundary: Walls

    def __init__(
        self,
        hidden_channels: int = 16,
        *,
        d_state: int | None = None,
        rank: int = 1,
        boundary: Walls = "periodic",
        output_scale: float = 1.0,
    ) -> None:
        """
        Args:
            hidden_channels: width of the network's hidden layer.
            d_state: components d, at least 2n on n axes; None for 2n.
            rank: number of grid axes n, 1, 2 or 3.
            boundary: "periodic" (even sides), or "reflect": what would leave turns round.
            output_scale: standard deviation of the weights and biases of the network's last layer; 0 for a fixed walk.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        check_positive(_WHERE, hidden_channels=hidden_channels)
        moving = 2 * check_rank(rank, "learnedqca")
        d = moving if d_state is None else check_whole(_WHERE, moving, 64, d_state=d_state)
        check_choice(boundary, ("periodic", "reflect"), f"{_WHERE} boundary")
        self.set_components(d, rank, boundary)
        if boundary == "periodic":
            self.divisor = 2
            self.divisor_reason = "its even and odd cells alternate around the torus"
        self.velocities = walk_velocities(d, rank)
        self.hidden = make_dense(rank, moving * d, hidden_channels)
        self.out = start_small(make_dense(rank, hidden_channels, d * d), output_scale)
        if output_scale and self.out.bias is not None:
            torch.nn.init.normal_(self.out.bias, std=output_scale)

    def forward(self, cells: Tensor) -> Tensor:
        held = cells if self.training else on_grid(cells)
        for parity in (0, 1):
            held = self._mixed(held, parity, back=False)
        return cells_of(walked(components(held, held.dtype), self.boundary), cells)

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before, in eval mode to the last bit."""
        held = cells if self.training else on_grid(cells)
        held = cells_of(walked_back(components(held, held.dtype), self.boundary), cells)
        for parity in (1, 0):
            held = self._mixed(held, parity, back=True)
        return held

    def half_angles(self, cells: Tensor, parity: int) -> Tensor:
        """The network's answer `(B, d^2, *grid)` for the cells of one parity, tangents in -1 .. 1; 0 at the others."""
        assert self.d_state is not None
        d, grid = self.d_state, cells.shape[2:]
        density = cells[:, :d].square() + cells[:, d:].square()
        around = torch.cat(list(shifted(density, offsets("von_neumann", 1, len(grid)), self.boundary)), 1)
        # In the type of the cells under autocast, too: `reverse` runs outside of it, and is to find the same angles.
        with torch.autocast(cells.device.type, enabled=False):
            answer = self.out(torch.tanh(self.hidden(around / (1 + around))))
        return torch.where(checkerboard(grid, parity, cells.device), answer.tanh(), 0.0)

    def _mixed(self, cells: Tensor, parity: int, *, back: bool) -> Tensor:
        """The cells of one parity times their coins, or times the inverse ones."""
        halves = self.half_angles(cells, parity)
        channels = list(cells.unbind(1))
        rotations = list(self._rotations(halves))
        for firsts, seconds, half in reversed(rotations) if back else rotations:
            rotate(channels, firsts, seconds, -half if back else half, rounded=not self.training)
        return torch.stack(channels, 1)

    def _rotations(self, halves: Tensor) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], Tensor]]:
        """The rotations of a coin: first and second channels, and tangents of half angles `(B, pairs, *grid)`."""
        assert self.d_state is not None
        d, used = self.d_state, 0
        for firsts, seconds in rounds_of_pairs(d):
            phase, turn = (halves[:, used + n * len(firsts) : used + (n + 1) * len(firsts)] for n in range(2))
            used += 2 * len(firsts)
            yield seconds, tuple(k + d for k in seconds), phase  # a phase turns the real into the imaginary part
            both = tuple(chain(firsts, (k + d for k in firsts))), tuple(chain(seconds, (k + d for k in seconds)))
            yield *both, torch.cat((turn, turn), 1)
        yield tuple(range(d)), tuple(range(d, 2 * d)), halves[:, used:]

    @by_parts
    def normalised(self, cells: Tensor) -> Tensor:
        """The cells themselves: the step keeps any norm."""
        return cells

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Complex white noise of mean density 1 a cell, on the fixed grid."""
        return on_grid(torch.randn(self.channels, *grid, generator=generator) / self.channels**0.5)

    def seed_cell(self) -> Tensor:
        return on_grid(super().seed_cell())
