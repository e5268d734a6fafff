"""`LatticeGas`: base of the laws on particles that hop along the directions of a lattice, with their observables."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aetheria.core.sums import Sums
from aetheria.laws.base import PLOTTED
from aetheria.laws.first_cells import by_parts, places, sides_of
from aetheria.laws.law_field import LawField
from aetheria.laws.states import StateLaw


def _density(law: "LatticeGas", cells: Tensor) -> Tensor:
    state = cells[:, 0].to(torch.int32)
    return sum((state >> bit & 1 for bit in range(law.bits)), torch.zeros_like(state)).to(cells.dtype)


def _mass(law: "LatticeGas", cells: Tensor, sums: Sums) -> Tensor:
    return sums.total(_density(law, cells))


def _momentum(axis: int) -> Any:
    def compute(law: "LatticeGas", cells: Tensor, sums: Sums) -> Tensor:
        state = cells[:, 0].to(torch.int32)
        # Whole numbers are summed, so that what is conserved stays the same to the last digit.
        each = sum(
            ((state >> bit & 1) * direction[axis] for bit, direction in enumerate(law.directions)), torch.zeros_like(state)
        )
        return sums.total(each) * law.units[axis]

    return compute


class LatticeGas(StateLaw):
    """Particles of unit mass, at most one for each direction in a cell: a cell's state has a bit for each.

    Attributes:
        bits: number of bits.
        directions: (x, y) that a particle of each bit travels in a step, y down, in `units`; (0, 0) at rest.
        units: lengths of a step along x and y.
    """

    radius = 1
    bits: int
    directions: Sequence[tuple[int, int]]
    units: tuple[float, float] = (1.0, 1.0)
    default_field = "density"
    fields = ("density", "state", "channel", "mass", "momentum_x", "momentum_y", "energy", *PLOTTED)
    own_fields = (
        LawField("density", "number of particles in the cell", "particles", (0, 7), _density),
        LawField("mass", "number of particles", "particles", (0, None), _mass, scalar=True, summed=True),
        LawField(
            "momentum_x",
            "sum of the particles' velocities along x",
            "cells/step",
            (None, None),
            _momentum(0),
            scalar=True,
            summed=True,
        ),
        LawField("momentum_y", "the same along y, down", "cells/step", (None, None), _momentum(1), scalar=True, summed=True),
    )

    def __init__(self, boundary: str) -> None:
        super().__init__()
        self.set_states(1 << self.bits)
        self.boundary = boundary

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A thin gas in which each direction is taken with chance 0.15, and around the middle with chance 0.9."""
        near, sides = torch.zeros((), dtype=torch.float64), sides_of(grid)
        for place, side in zip(places(grid), sides, strict=True):
            near = near + (place - side / 2).square()
        chance = torch.where(near < (min(sides) / 8) ** 2, 0.9, 0.15)
        taken = torch.rand(self.bits, *grid, generator=generator) < chance
        return sum((taken[bit] * (1 << bit) for bit in range(self.bits)), torch.zeros(grid)).float()[None]

    def seed_cell(self) -> Tensor:
        """A particle in every direction."""
        return torch.tensor([float(self.states or 0) - 1])


SQRT3_2 = math.sqrt(3) / 2
