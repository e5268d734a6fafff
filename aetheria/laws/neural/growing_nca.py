"""Growing NCA: a neural automaton that grows a picture from one cell and heals it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_positive, check_rank
from aetheria.laws.controls import Control
from aetheria.laws.hash_noise import hash_words, threshold
from aetheria.laws.layers import correlate, make_dense, pad
from aetheria.laws.local_network import CellNetwork, Dense, one_hot
from aetheria.laws.registry import register

ALPHA = 3
ALIVE = 0.1
_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@register
class GrowingNCA(Law):
    """Perceive (identity, Sobel x, Sobel y), then a per-cell network, at a random half of the cells each step.

    Cells: channels 0..2 colour premultiplied by alpha, channel 3 alpha, the rest hidden. A cell lives while alpha > 0.1
    somewhere in its Moore neighbourhood before and after the update; a dead cell is zero. Memory: seed `(B, 2)` (the motor's
    seed and the universe's number) and step `(B,)`, both int64, from which the fire mask is drawn. On grids of one and three
    axes there is one gradient for each axis.

    Source: A. Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020, doi:10.23915/distill.00023.
    """

    ranks = RANKS
    sobel: Tensor

    radius = 2  # the alive mask reads neighbours that were updated from their own neighbours
    stochastic = True
    alive = (ALPHA, ALIVE)
    tipping = True
    default_field = "rgb"
    fields = ("rgb", "channel", "population", "mass", "energy", "density", "gradient", *PLOTTED)
    default_initial = "seed"
    controls = (
        Control(
            "fire_rate",
            "chance that a cell updates in a step",
            0.05,
            1.0,
            lambda value: 0 < value <= 1,
            "0 < fire_rate <= 1",
            lambda value: torch.tensor(threshold(value)),
        ),
    )

    def __init__(
        self,
        channels: int = 16,
        hidden_channels: int = 128,
        *,
        rank: int = 2,
        fire_rate: float = 0.5,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            channels: C >= 4.
            hidden_channels: width of the hidden layer.
            rank: number of grid axes, 1, 2 or 3.
            fire_rate: chance that a cell updates in a step, 0 < fire_rate <= 1.
            boundary: of perception and of the alive mask.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        check_positive("[law.growingnca]", channels=channels, hidden_channels=hidden_channels)
        if channels < 4:
            raise ConfigError(f"[law.growingnca] channels: {channels} given; expected at least 4 (RGBA)")
        self.channels = channels
        self.ranks = (check_rank(rank, "growingnca"),)
        self.fire_rate = fire_rate
        self.boundary: Boundary = check_boundary(boundary, "growingnca")
        self.hidden = make_dense(rank, (1 + rank) * channels, hidden_channels)
        self.update = make_dense(rank, hidden_channels, channels)
        # As in the paper: an untrained law leaves the seed as it is.
        for parameter in self.update.parameters():
            nn.init.zeros_(parameter)
        kernels = torch.cat([kernel.expand(channels, 1, *kernel.shape) for kernel in sobel_kernels(rank)])
        self.register_buffer("sobel", kernels, persistent=False)

    def initial_memory(self, cells: Tensor, seed: int = 0) -> tuple[Tensor, ...]:
        batch = len(cells)
        universe = torch.arange(batch, device=cells.device)
        return torch.stack((torch.full_like(universe, seed), universe), 1), torch.zeros_like(universe)

    def perceive(self, cells: Tensor) -> Tensor:
        """`(B, (1 + n) C, *grid)`: the cells, then their gradients along x, y and z (cross-correlation)."""
        halo = pad(cells, 1, self.boundary)
        (rank,) = self.ranks
        kernels = self.sobel.to(halo.dtype).chunk(rank)
        return torch.cat((cells, *(correlate(halo, kernel, groups=self.channels) for kernel in kernels)), 1)

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        """The network's output, before the fire and alive masks."""
        out: Tensor = self.update(F.relu(self.hidden(self.perceive(cells))))
        return out

    def living(self, cells: Tensor) -> Tensor:
        """`(B, 1, *grid)` bool: alpha > 0.1 somewhere in the Moore neighbourhood."""
        alpha = pad(cells[:, ALPHA : ALPHA + 1], 1, self.boundary)
        return _POOL[cells.ndim - 2](alpha, 3, stride=1) > ALIVE

    def forward(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        fire = hash_words(seed, step, cells.shape[2:], self.place) < self.live("fire_rate")
        moved = cells + torch.where(fire[:, None], self.change(cells), 0.0)
        return torch.where(self.living(cells) & self.living(moved), moved, 0.0), seed, step + 1

    def cell_network(self) -> CellNetwork | None:
        if self.ranks != (2,):
            return None
        sobel = (tuple(map(tuple, kernel.tolist())) for kernel in sobel_kernels(2))
        layers = (
            Dense(self.hidden.weight.flatten(1), self.hidden.bias, "relu"),
            Dense(self.update.weight.flatten(1), self.update.bias, "none"),
        )
        return CellNetwork(
            (*one_hot((1, 1)), *sobel),
            layers,
            self.boundary,
            fire_rate=self.fire_rate,
            alive=(ALPHA, ALIVE),
            place=self.place,
        )

    def seed_cell(self) -> Tensor:
        """Colourless, opaque, hidden channels 1."""
        values = torch.ones(self.channels)
        values[:ALPHA] = 0
        return values


def sobel_kernels(rank: int) -> list[Tensor]:
    """Gradients along x, y and z, each `(3,) * rank`: central difference along one axis, [1, 2, 1] / 4 along the others."""
    smooth, slope = torch.tensor([0.25, 0.5, 0.25]), torch.tensor([-0.5, 0.0, 0.5])
    kernels = []
    for along in reversed(range(rank)):
        kernel = torch.ones(())
        for axis in range(rank):
            kernel = kernel[..., None] * (slope if axis == along else smooth)
        kernels.append(kernel)
    return kernels
