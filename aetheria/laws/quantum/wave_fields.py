"""Fields and observables of the unitary laws: probability, current, momentum, norm, mean position, variance, entanglement."""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aetheria.core.sums import Sums
from aetheria.laws.law_field import LawField

if TYPE_CHECKING:
    from aetheria.laws.quantum.unitary import UnitaryLaw


def wave_fields(rank: int) -> tuple[LawField, ...]:
    """The fields of a unitary law on a grid of `rank` axes; a current and a mean position for each."""
    axes = "zyx"[-rank:]
    currents = (
        LawField(
            f"current_{axis}",
            f"probability current along {axis}: psi* V psi, V the velocity of each component along {axis}",
            "1/cell/step",
            (None, None),
            partial(_current, number),
            colour_map="balance",
        )
        for number, axis in enumerate(axes)
    )
    means = (
        LawField(
            f"mean_{axis}",
            f"mean of {axis} weighted by probability, cell 0 at 0, not wrapped around a torus",
            "cells",
            (0, None),
            partial(_mean, number - rank),
            scalar=True,
            summed=True,
        )
        for number, axis in enumerate(axes)
    )
    return (
        LawField("probability", "share of the norm at the cell", "1/cell", (0, 1), _probability, local=False),
        *currents,
        LawField(
            "momentum",
            "share of the norm at each wave vector, 0 in the middle cell, to the right 2 pi / width more a cell",
            "1",
            (0, 1),
            _momentum,
            local=False,
        ),
        LawField("norm", "sum over cells and components of |psi|^2", "1", (0, None), _norm, scalar=True, summed=True),
        *means,
        LawField(
            "variance",
            "variance of the position weighted by probability, summed over the axes, not wrapped around a torus",
            "cells^2",
            (0, None),
            _variance,
            scalar=True,
            summed=True,
        ),
        LawField(
            "entanglement",
            "entropy -tr rho ln rho of the component alone, rho its density matrix, summed over the places",
            "nat",
            (0, None),
            _entanglement,
            scalar=True,
            summed=True,
        ),
    )


def _density(cells: Tensor) -> Tensor:
    """`(B, *grid)` in float64."""
    return cells.double().square().sum(1)


def _norm(_: "UnitaryLaw", cells: Tensor, sums: Sums) -> Tensor:
    return sums.total(_density(cells))


def _probability(_: "UnitaryLaw", cells: Tensor) -> Tensor:
    return _shares(_density(cells)).to(cells.dtype)


def _shares(values: Tensor) -> Tensor:
    """Values `(B, *grid)` divided by their sum; zeros where that is 0."""
    total = values.flatten(1).sum(1).view(-1, *[1] * (values.ndim - 1))
    return torch.where(total > 0, values / total, 0.0)


def _current(axis: int, law: "UnitaryLaw", cells: Tensor) -> Tensor:
    velocity = torch.tensor(law.velocities[axis], dtype=cells.dtype, device=cells.device)
    d = len(velocity)
    return sum((part * torch.einsum("jk,bk...->bj...", velocity, part)).sum(1) for part in (cells[:, :d], cells[:, d:]))  # type: ignore[return-value]  # two parts


def _momentum(_: "UnitaryLaw", cells: Tensor) -> Tensor:
    d, axes = cells.shape[1] // 2, tuple(range(1, cells.ndim - 1))
    wide = cells.to(torch.promote_types(cells.dtype, torch.float32))  # torch has no FFT in bfloat16
    over = tuple(axis + 1 for axis in axes)
    spectrum = torch.view_as_real(torch.fft.fftn(torch.complex(wide[:, :d], wide[:, d:]), dim=over))
    return torch.fft.fftshift(_shares(spectrum.double().square().sum((1, -1))), dim=axes).to(cells.dtype)


def _moments(cells: Tensor, sums: Sums, axis: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of the position along an axis of the grid (-1: x), each `(B,)`."""
    along = _shares(sums.along(_density(cells), axis))
    place = torch.arange(along.shape[1], dtype=along.dtype, device=along.device)
    mean = (along * place).sum(1)
    return mean, (along * (place - mean[:, None]).square()).sum(1)


def _mean(axis: int, _: "UnitaryLaw", cells: Tensor, sums: Sums) -> Tensor:
    return _moments(cells, sums, axis)[0]


def _variance(_: "UnitaryLaw", cells: Tensor, sums: Sums) -> Tensor:
    return torch.stack([_moments(cells, sums, axis)[1] for axis in range(2 - cells.ndim, 0)]).sum(0)


def _entanglement(_: "UnitaryLaw", cells: Tensor, sums: Sums) -> Tensor:
    d = cells.shape[1] // 2
    real, imag = cells[:, :d].double(), cells[:, d:].double()
    rho = torch.zeros(len(cells), d, d, dtype=torch.complex128, device=cells.device)
    for row in range(d):
        for column in range(row + 1):  # the lower triangle: rho is Hermitian
            same = sums.total(real[:, row] * real[:, column] + imag[:, row] * imag[:, column])
            turned = sums.total(imag[:, row] * real[:, column] - real[:, row] * imag[:, column])
            rho[:, row, column] = torch.complex(same, turned)
            rho[:, column, row] = torch.complex(same, -turned)
    trace = rho.diagonal(dim1=1, dim2=2).real.sum(1)
    share = torch.linalg.eigvalsh(rho).clamp_min(0) / trace.clamp_min(1e-300)[:, None]
    return -torch.xlogy(share, share).sum(1)
