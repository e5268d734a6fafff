"""Update rules around a network: `Quantum` and its base `QuantumLaw` for complex amplitudes, `Residual` for real cells."""

import math

import torch
from torch import Tensor, nn

from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_positive, check_rank
from aetheria.laws.controls import Control
from aetheria.laws.first_cells import Sums, by_parts, norm_sum, with_norm
from aetheria.laws.layers import Norm
from aetheria.laws.local_network import NORMALISATIONS, Normalise

_TINY = 1e-30


class QuantumLaw(Law):
    """A law on complex amplitudes psi: psi' = psi + Delta - decay * psi, then normalised.

    Cells are `(B, 2d, *grid)`: the real parts of psi_0 .. psi_{d-1}, then the imaginary parts. A subclass gives `predict`,
    the network's Delta. Normalising keeps probability: "grid" makes the sum over cells and components of |psi|^2 equal 1
    in each universe (and lets a far-away cell matter: radius is None), "cell" makes it 1 at each cell (so density is flat),
    "none" leaves it. The step is not unitary: different states may become the same one. Base of unitary laws: `UnitaryLaw`.
    """

    spreads_controls = True
    controls = (Control("decay", "share of psi lost per step", 0.0, 0.5, lambda value: 0 <= value < 1, "0 <= decay < 1"),)
    default_field = "density"
    fields = (
        *("density", "phase", "real", "imag", "magnitude", "channel", "mass", "energy", "gradient", "entropy", "coherence"),
        *("mean_entropy", *PLOTTED),
    )

    def __init__(
        self,
        d_state: int,
        *,
        decay: float = 0.0,
        normalise: Normalise = "grid",
        boundary: Boundary = "periodic",
        radius: int | None = None,
        norm: Norm = "none",
        rank: int | None = None,
    ) -> None:
        """
        Args:
            d_state: complex amplitudes d per cell.
            decay: share of psi lost per step, 0 <= decay < 1.
            normalise: "grid", "cell" or "none".
            boundary: of the network's convolutions.
            radius: of the network, in cells.
            rank: number of grid axes that the network is built for; None for those that the class states.
            norm: the network's norm; "group" averages over the grid and takes the radius away.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        name = type(self).__name__.lower()
        check_positive(f"[law.{name}]", d_state=d_state)
        self.d_state = d_state
        self.channels = 2 * d_state
        self.decay = decay
        self.normalise = check_choice(normalise, NORMALISATIONS, f"[law.{name}] normalise")
        self.boundary: Boundary = check_boundary(boundary, name)
        self.sums_grid = normalise == "grid"
        self._reach = None if norm == "group" else radius
        self.radius = None if self.sums_grid else self._reach
        if rank is not None:
            self.ranks = (check_rank(rank, name),)

    @property
    def reach(self) -> int | None:
        return self._reach

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        return self.predict(cells, *memory)[0]

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """The network's Delta `(B, 2d, *grid)`, followed by the next memory."""
        raise NotImplementedError

    def forward(self, cells: Tensor, *memory: Tensor) -> Tensor | tuple[Tensor, ...]:
        delta, *rest = self.predict(cells, *memory)
        after = normalised(cells + delta - self.spread("decay", cells) * cells, self.normalise, self.square_sum)
        return (after, *rest) if rest else after

    @by_parts
    def normalised(self, cells: Tensor) -> Tensor:
        return normalised(cells, self.normalise, norm_sum(self.square_sum) if self.sums_grid else None)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Complex white noise, normalised as the law normalises ("none": to mean density 1 per cell)."""

        def draw() -> Tensor:
            return torch.randn(self.channels, *grid, generator=generator)

        cells = with_norm(draw) if self.sums_grid else draw()
        if self.normalise == "none":
            return cells / math.sqrt(self.channels)
        return QuantumLaw.normalised(self, cells[None])[0]

    def seed_cell(self) -> Tensor:
        """psi_0 = 1, the other amplitudes 0."""
        return torch.eye(self.channels)[0]


def normalised(cells: Tensor, normalise: Normalise, square_sum: Sums | None = None) -> Tensor:
    """Divides `(B, 2d, *grid)` by its norm over the grid, at each cell, or not at all; zero cells stay zero.

    Args:
        square_sum: gives the sum over the grid; None for torch's, whose last digits depend on the order.
    """
    if normalise == "none":
        return cells
    axes = tuple(range(1, cells.ndim)) if normalise == "grid" else (1,)
    if normalise == "grid" and square_sum is not None:
        total = square_sum(cells).to(cells.dtype).view(-1, *[1] * (cells.ndim - 1))
    else:
        total = cells.square().sum(axes, keepdim=True)
    # 1 / sqrt(Inf) is 0: cells that diverged would become zeros, and nobody would notice.
    return cells * torch.where(total.isfinite(), total.clamp_min(_TINY).rsqrt(), torch.nan)


class Quantum(QuantumLaw):
    """A network of the user's own, `(B, 2d, *grid) -> Delta`, applied as `QuantumLaw` says."""

    ranks = RANKS  # the network knows which

    def __init__(
        self,
        net: nn.Module,
        d_state: int,
        *,
        decay: float = 0.0,
        normalise: Normalise = "grid",
        radius: int | None = None,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__(d_state, decay=decay, normalise=normalise, radius=radius, boundary=boundary)
        self.net = net

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        out = self.net(cells, *memory)
        return (out,) if isinstance(out, Tensor) else out


class Residual(Law):
    """A network of the user's own on real cells, `(B, C, *grid) -> Delta`: the next cells are cells + Delta."""

    ranks = RANKS  # the network knows which

    def __init__(self, net: nn.Module, channels: int, *, radius: int | None = None, boundary: Boundary = "periodic") -> None:
        """
        Args:
            net: the network.
            channels: real channels C.
            radius: of the network, in cells; None if a far-away cell can matter.
            boundary: of the network.
        """
        super().__init__()
        check_positive("[law.residual]", channels=channels)
        self.net = net
        self.channels = channels
        self.radius = radius
        self.boundary: Boundary = check_boundary(boundary, "residual")

    def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
        out: Tensor = self.net(cells)
        return out

    def forward(self, cells: Tensor) -> Tensor:
        return cells + self.change(cells)
