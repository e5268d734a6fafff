"""SmoothLife: the Game of Life with real space and real states."""

from typing import Literal

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED, Law
from aetheria.laws.checks import check_choice, check_positive
from aetheria.laws.controls import Control
from aetheria.laws.first_cells import by_parts, in_blocks
from aetheria.laws.laplacian import check_time_step
from aetheria.laws.layers import pad, window
from aetheria.laws.registry import register

Time = Literal["discrete", "smooth", "relaxed"]


def _share(name: str, meaning: str) -> Control:
    return Control(name, meaning, 0.001, 1.0)


@register
class SmoothLife(Law):
    """A cell is born, or survives, by the filling n of a ring around the filling m of a disc at the cell.

        s(n, m) = sigma(n - lower) (1 - sigma(n - upper)), from b1..b2 where the disc is dead to d1..d2 where it lives

    with logistic steps of widths alpha_n and alpha_m; the rims of disc and ring are smooth over one cell. Time: "discrete",
    A <- s; "smooth", A <- clip(A + dt (2 s - 1), 0, 1); "relaxed", A <- A + dt (s - A). Cells: one channel in 0..1.

    Source: S. Rafler, "Generalization of Conway's Game of Life to a continuous domain - SmoothLife", 2011,
    arXiv:1111.1567.
    """

    channels = 1
    ranks = (2,)
    spreads_controls = True
    value_range = (0.0, 1.0)
    reads_patterns = True
    alive = (0, 0.5)
    fields = ("channel", "population", "mass", "energy", "gradient", *PLOTTED)
    controls = (
        _share("b1", "least filling of the ring for birth"),
        _share("b2", "most filling of the ring for birth"),
        _share("d1", "least filling of the ring for survival"),
        _share("d2", "most filling of the ring for survival"),
        _share("alpha_n", "width of the steps at these fillings"),
        _share("alpha_m", "width of the step between a dead and a live disc"),
    )

    def __init__(
        self,
        b1: float = 0.278,
        b2: float = 0.365,
        d1: float = 0.267,
        d2: float = 0.445,
        *,
        alpha_n: float = 0.028,
        alpha_m: float = 0.147,
        R: float = 6.0,  # noqa: N803 - the outer radius
        inner: float | None = None,
        time: Time = "discrete",
        dt: float = 0.1,
        boundary: Literal["periodic", "zero"] = "periodic",
    ) -> None:
        """
        Args:
            b1: lowest filling of the ring for birth.
            b2: highest filling of the ring for birth.
            d1: lowest filling of the ring for survival.
            d2: highest filling of the ring for survival.
            alpha_n: width of the steps in the filling of the ring.
            alpha_m: width of the step in the filling of the disc.
            R: outer radius of the ring, cells.
            inner: inner radius of the ring, which is that of the disc, cells; None for R / 3.
            time: "discrete", "smooth" or "relaxed".
            dt: time units per step of "smooth" and "relaxed".
            boundary: "periodic" or "zero".

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__()
        where = self._where()
        self.b1, self.b2, self.d1, self.d2 = b1, b2, d1, d2
        self.alpha_n, self.alpha_m = alpha_n, alpha_m
        check_positive(where, R=R)
        self.R = float(R)
        self.inner = self.R / 3 if inner is None else float(inner)
        check_positive(where, inner=self.inner)
        if self.inner > self.R - 0.5 or self.R > 500:
            raise ConfigError(f"{where} R: {self.R:g} given with inner {self.inner:g}; expected inner + 1/2 to 500")
        self.time: Time = check_choice(time, ("discrete", "smooth", "relaxed"), f"{where} time")
        self.dt = check_time_step(dt, "smoothlife") if time != "discrete" else 1.0
        self.boundary = check_choice(boundary, ("periodic", "zero"), f"{where} boundary")
        self._spectra: dict[tuple[object, ...], Tensor] = {}

    @property
    def radius(self) -> int:  # type: ignore[override]  # follows R
        return int(self.R + 0.5)

    def kernels(self) -> Tensor:
        """The disc and the ring, `(2, side, side)`, float64, each of sum 1."""
        offset = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        distance = torch.hypot(offset[:, None], offset)
        disc, all_of_it = ((0.5 + radius - distance).clamp(0, 1) for radius in (self.inner, self.R))
        ring = all_of_it - disc
        return torch.stack((disc / disc.sum(), ring / ring.sum()))

    def prepare(self, cells: Tensor) -> None:
        """Makes the spectra of disc and ring for cells of this size, type and device."""
        kind = self._kind(cells)
        if kind in self._spectra:  # a captured graph goes on reading it
            return
        halo = 0 if self.boundary == "periodic" else 2 * self.radius
        height, width = (size + halo for size in cells.shape[2:])
        around = torch.arange(-self.radius, self.radius + 1)
        placed = torch.zeros(2, height, width, dtype=torch.float64)
        # Added up: on a small torus a disc reaches round it.
        for kernel, onto in zip(self.kernels(), placed, strict=True):
            onto.index_put_((around[:, None] % height, around % width), kernel, accumulate=True)
        self._spectra[kind] = torch.fft.rfft2(placed).real.to(cells.device, cells.dtype)

    def fillings(self, cells: Tensor) -> Tensor:
        """The fillings m of the disc and n of the ring at each cell, `(B, 2, H, W)`."""
        if self._kind(cells) not in self._spectra:
            self.prepare(cells)
        halo = 0 if self.boundary == "periodic" else self.radius
        wide = pad(cells, halo, self.boundary)
        waves = torch.view_as_real(torch.fft.rfft2(wide)) * self._spectra[self._kind(cells)][..., None]
        found = torch.fft.irfft2(torch.view_as_complex(waves), s=wide.shape[2:])
        return window(found, (halo, halo), cells.shape[2:])

    def _kind(self, cells: Tensor) -> tuple[object, ...]:
        return *cells.shape[2:], cells.dtype, cells.device, self.R, self.inner, self.boundary

    def forward(self, cells: Tensor) -> Tensor:
        found = self.fillings(cells)
        m, n = found[:, :1], found[:, 1:]
        b1, b2, d1, d2, alpha_n, alpha_m = (self.spread(control.name, cells) for control in self.controls)
        lives = torch.sigmoid(4 * (m - 0.5) / alpha_m)
        lower, upper = b1 + (d1 - b1) * lives, b2 + (d2 - b2) * lives
        wanted = torch.sigmoid(4 * (n - lower) / alpha_n) * torch.sigmoid(4 * (upper - n) / alpha_n)
        if self.time == "discrete":
            return wanted
        if self.time == "smooth":
            return (cells + self.dt * (2 * wanted - 1)).clamp(0, 1)
        return cells + self.dt * (wanted - cells)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Squares of the size of the disc, on a third of the grid, and a little noise."""
        side = max(1, round(2 * self.inner))
        full = (in_blocks(1, side, grid, generator) < 0.35).float()
        return 0.99 * full + 0.01 * torch.rand(1, *grid, generator=generator)
