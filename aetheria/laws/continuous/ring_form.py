"""Laws with ring-shaped kernels in the form for kernels, `RingKernels`."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from aetheria.laws.continuous.kernel_law import KernelLaw
from aetheria.laws.ring_forms import CURVES, MatterFlow, RingKernels, RingNumbers, Update


def ring_form(
    law: KernelLaw, update: Update, *, mean: bool = False, shares: bool = False, flow: MatterFlow | None = None
) -> RingKernels | None:
    """A law in the form for kernels; None for a step as its growth, where rounding decides.

    Args:
        mean, shares: as of `KernelLaw.added`; with `shares` cells go towards the sum.
    """
    if law.growth not in CURVES:
        return None
    rings = (law.b,) if law.kernels_number == 1 else law.b
    return RingKernels(
        lambda: [law.kernel(), *(law.kernel_of(k) for k in range(1, law.kernels_number))],
        tuple(law.c0),
        tuple(law.c1),
        law.kernel_channels,
        law.growth,
        partial(_numbers, law, mean, shares),
        update,
        float(shares),
        law.boundary,
        (law.R, tuple(law.r), tuple(map(tuple, rings)), law.core),
        flow,
    )


def _numbers(law: KernelLaw, mean: bool, shares: bool, cells: Tensor) -> RingNumbers:
    numbered = [f"_{k}" for k in range(law.kernels_number)] if law.kernels_number > 1 else [""]
    growths = torch.stack([by_universe(law, [name + number for number in numbered], cells) for name in "msh"], -1)
    targets = one_hot(torch.tensor(law.c1), law.kernel_channels).double()
    if mean:
        growths[:, :, 2] /= growths[:, :, 2] @ targets @ targets.T
    if shares:
        growths[:, :, 2] /= 2
    return RingNumbers(growths, float(shares) * (growths[:, :, 2] @ targets), 1 / by_universe(law, ["T"], cells)[:, 0])


def by_universe(law: KernelLaw, names: list[str], cells: Tensor) -> Tensor:
    """Numbers of a law, `(B, names)` in float64 on the CPU."""
    values = [getattr(law, name) for name in names]
    if not any(isinstance(value, Tensor) for value in values):
        return torch.tensor(values, dtype=torch.float64).expand(len(cells), -1)
    own = [law.spread(name, cells).detach().cpu() if isinstance(getattr(law, name), Tensor) else None for name in names]
    columns = [torch.tensor(value, dtype=torch.float64) if one is None else one for one, value in zip(own, values, strict=True)]
    return torch.stack([column.double().flatten().expand(len(cells)) for column in columns], 1)
