"""Recurrence and survival: what a row of states or samples tells of a run."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

TOLERANCE = 1e-3


def period(states: Sequence[Tensor], tolerance: float = TOLERANCE, moved: bool = True) -> float:
    """The least number p of samples after which the last state came back; 0 where it did not.

    State x_T came back after p samples where its greatest correlation with x_(T-p), over all shifts s on the torus, is its
    power to within `tolerance`:

        max over s of sum over y of x_T(y) x_(T-p)(y + s) >= (1 - tolerance) max(sum x_T^2, sum x_(T-p)^2)

    so that a glider has the period of its shape. With `moved` False only s = 0 is tried. An empty grid has period 1.

    Args:
        states: `(*grid)` each, in order of time.
    """
    return first_return(states[-1], reversed(states[:-1]), tolerance, moved)


def first_return(state: Tensor, others: Iterable[Tensor], tolerance: float = TOLERANCE, moved: bool = True) -> float:
    """The number of the first of `others` that is the state, in the sense of `period`, counted from 1; 0 where none is.

    Args:
        state: `(*grid)`.
        others: `(*grid)` each; read up to the one that is found.
    """
    state = state.double()
    power, waves = state.square().sum(), torch.fft.fftn(state).conj()
    for number, given in enumerate(others, 1):
        other = given.double()
        match = torch.fft.ifftn(waves * torch.fft.fftn(other)).real.amax() if moved else (state * other).sum()
        if match >= (1 - tolerance) * torch.maximum(power, other.square().sum()) - 1e-12:
            return float(number)
    return 0.0


def survival(steps: Sequence[int], living: Sequence[float]) -> float:
    """The last step with anything alive; 0 where nothing ever was.

    Args:
        steps: of the samples, rising.
        living: for each, the number of live cells or the mass.
    """
    return float(max((step for step, alive in zip(steps, living, strict=True) if alive > 0), default=0))
