"""NeuralCA: learned kernels, then a small network at every cell; for learning laws from recordings."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.core.device import times
from aetheria.core.errors import LawError
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import RANKS, Boundary, check_boundary, check_choice, check_positive, check_rank
from aetheria.laws.first_cells import by_parts
from aetheria.laws.layers import correlate, make_dense, pad, window
from aetheria.laws.registry import register

Values = Literal["real", "unit", "bits"]
_SPREAD = 16.0  # sum of an untrained kernel over a neighbourhood of ones
_STEEP = 2.0  # factor on the initial weights of hidden units
_SMALL = 0.1  # factor on the initial output: cells hardly change
_DIRECT = 2  # largest radius of a direct convolution; wider kernels are multiplied as spectra


@register
class NeuralCA(Law):
    """Kernels of any radius over all channels, a hidden layer (tanh) at each cell, and one output a channel.

    Cells are "real" (next = cells + output), "unit" (the same, clipped to 0..1) or "bits" (next = 1 where output > 0, else 0;
    in train mode the sigmoid of the output, the chance of a 1, which has a gradient).
    """

    radius: int
    ranks = RANKS
    default_field = "channel_0"
    fields: tuple[str, ...] = ("channel", "population", "density", "mass", "energy", "gradient", *PLOTTED)

    def __init__(
        self,
        channels: int = 1,
        hidden_channels: int = 32,
        *,
        radius: int = 1,
        kernels: int = 4,
        rank: int = 2,
        values: Values = "real",
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            channels: C.
            hidden_channels: width of the hidden layer.
            radius: of the kernels, `(2 radius + 1)^n` weights a channel.
            kernels: number of weighted sums over its neighbourhood that a cell perceives.
            rank: number of grid axes n, 1, 2 or 3.
            values: of a cell: "real", "unit" or "bits".
            boundary: "periodic", "zero" or "reflect".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        where = "[law.neuralca]"
        check_positive(where, channels=channels, hidden_channels=hidden_channels, radius=radius, kernels=kernels)
        self.channels, self.radius = channels, radius
        self.ranks = (check_rank(rank, "neuralca"),)
        self.values = check_choice(values, ("real", "unit", "bits"), f"{where} values")
        self.boundary = check_boundary(boundary, "neuralca")
        if values == "real":  # no number is that of a dead cell
            self.fields = tuple(field for field in self.fields if field != "population")
        else:
            self.alive = (0, 0.5 if values == "bits" else 0.1)
            self.value_range = (0.0, 1.0)
            self.tipping = True
        if values == "bits":
            self.states = 2
        side = 2 * radius + 1
        # All of one sign and nearly alike: a wide kernel of random signs averages everything away, and learns slowly.
        self.kernel = nn.Parameter(1 + 0.5 * torch.randn(kernels, channels, *(side,) * rank))
        self.scale = _SPREAD / (channels * side**rank)
        self.hidden = make_dense(rank, kernels, hidden_channels)
        self.out = make_dense(rank, hidden_channels, channels)
        # Each hidden unit switches at another average, so that together they can draw a narrow growth curve. Averages of bits
        # reach 1, and nothing is learned where no unit switches (B36/S23 at 6 and 7 of 8); other averages are mostly below 1/2.
        with torch.no_grad():
            self.hidden.weight.mul_(_STEEP)
            switch = _SPREAD * (1 if values == "bits" else 1 / 2) * torch.rand(self.hidden.weight.shape)
            self.hidden.bias.copy_(-(self.hidden.weight * switch).sum(tuple(range(1, rank + 2))))  # type: ignore[union-attr]  # it has a bias
            if values != "bits":
                self.out.weight.mul_(_SMALL)
                self.out.bias.mul_(_SMALL)  # type: ignore[union-attr]

    def perceive(self, cells: Tensor) -> Tensor:
        """The kernels' sums over each cell's neighbourhood `(B, kernels, *grid)`."""
        halo = 0 if self.boundary == "periodic" and self.radius > _DIRECT else self.radius
        wide = pad(cells, halo, self.boundary)
        if self.radius <= _DIRECT:
            return correlate(wide, (self.scale * self.kernel).to(cells.dtype))
        side, grid = self.kernel.shape[-1], cells.shape[2:]
        if min(wide.shape[2:]) < side:
            raise LawError(f"[law.neuralca] grid {times(grid)}: must be at least {side} on each side, the kernel's width")
        # torch has no FFT in bfloat16.
        exact = torch.promote_types(cells.dtype, torch.float32)
        summed = _correlated(wide.to(exact), self.scale * self.kernel.to(exact)).to(cells.dtype)
        return window(summed, (halo,) * len(grid), grid)

    def output(self, cells: Tensor) -> Tensor:
        """The network's output `(B, C, *grid)`."""
        out: Tensor = self.out(torch.tanh(self.hidden(self.perceive(cells))))
        return out

    def forward(self, cells: Tensor) -> Tensor:
        out = self.output(cells)
        if self.values == "bits":
            return out.sigmoid() if self.training else (out > 0).to(cells.dtype)
        after = cells + out
        if self.values == "real":
            return after
        # A clipped cell passes no gradient, and would stay clipped throughout the training.
        return after + (after.clamp(0, 1) - after).detach() if self.training else after.clamp(0, 1)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform noise; bits are 1 with chance 0.35."""
        cells = torch.rand(self.channels, *grid, generator=generator)
        return (cells < 0.35).float() if self.values == "bits" else cells


def _correlated(cells: Tensor, kernel: Tensor) -> Tensor:
    """`(B, C, *grid)` with `(K, C, *sides)` on a torus: `(B, K, *grid)`."""
    grid, side = cells.shape[2:], kernel.shape[-1]
    axes = tuple(range(-len(grid), 0))
    behind = [part for size in reversed(grid) for part in (0, size - side)]
    placed = F.pad(kernel, behind).roll((-(side // 2),) * len(grid), axes)
    # By parts: compilers have no complex numbers. The kernel's spectrum is conjugated: this is no convolution.
    x, k = (torch.view_as_real(torch.fft.rfftn(given, dim=axes)) for given in (cells[:, None], placed[None]))
    real = (x[..., 0] * k[..., 0] + x[..., 1] * k[..., 1]).sum(2)
    imag = (x[..., 1] * k[..., 0] - x[..., 0] * k[..., 1]).sum(2)
    return torch.fft.irfftn(torch.view_as_complex(torch.stack((real, imag), -1)), s=grid, dim=axes)
