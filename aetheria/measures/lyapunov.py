"""The largest Lyapunov exponent of a law from a state on, by the spreading of damage."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.laws.base import Law
from aetheria.measures.trajectory import State, following

_DISTANCE = 1e-4  # of the two copies, relative to the state's norm
_MOST_PASSES = 4096  # of a step of whole states


def lyapunov(law: Law, state: State, steps: int = 100, first: int = 0, seed: int = 0) -> Tensor:
    """The largest Lyapunov exponent `(B,)`, per step; minus infinity where all damage heals.

    Real cells: two copies, d = 1e-4 of the norm apart in a random direction, are stepped side by side with the same random
    numbers; after each step the damage's growth |x' - x| / d is taken, and the copy is put back to the distance d along the
    present damage:

        lambda = 1/T sum over t of ln(|x'_t - x_t| / d)

    Source: G. Benettin, L. Galgani, J.-M. Strelcyn, "Kolmogorov entropy and numerical experiments", Physical Review A 14(6),
    1976.

    Whole states: J_ij = 1 where another state of cell j changes cell i one step later; N_0 is one defect in each cell, and

        N_(t+1) = J_t N_t,    lambda = 1/T ln(|N_T| / |N_0|)

    with |N| the sum. In a law of more than two states the other state is the next one. A cell's neighbours are at most
    `law.radius` away, so that cells 2 radius + 1 apart are changed at once.

    Source: F. Bagnoli, R. Rechtman, S. Ruffo, "Damage spreading and Lyapunov exponents in cellular automata", Physics Letters A
    172(1-2), 1992.

    Args:
        law: on the device of the state, in eval mode.
        state: cells `(B, C, *grid)` and the law's memory; left as it is.
        steps: T.
        first: steps done before, which decide the phase of a law that has phases.
        seed: of the random direction.

    Raises:
        LawError: a law of whole states without a radius, on a grid where each cell must be tried by itself and there are
            more than 4,096.
    """
    with torch.inference_mode():
        if law.states is None:
            return _benettin(law, state, steps, first, seed)
        return _boolean(law, state, steps, first)


def _benettin(law: Law, state: State, steps: int, first: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    cells = state[0]
    axes = tuple(range(1, cells.ndim))
    norm = partial(_norm, axes=axes)
    damage = torch.randn(cells.shape, generator=generator, dtype=torch.float64).to(cells.device, cells.dtype)
    distance = _DISTANCE * norm(cells).clamp_min(1.0)
    damage = damage * _wide(distance / norm(damage), cells)
    total = torch.zeros(len(cells), dtype=torch.float64, device=cells.device)
    for number in range(first, first + steps):
        other = following(law, (state[0] + damage, *state[1:]), number)
        state = following(law, state, number)
        damage = other[0] - state[0]
        length = norm(damage)
        total += (length.double() / distance.double()).log()
        damage = torch.where(_wide(length, cells) > 0, damage * _wide(distance / length.clamp_min(1e-30), cells), 0.0)
    return total / steps


def _boolean(law: Law, state: State, steps: int, first: int) -> Tensor:
    grid = state[0].shape[2:]
    apart = [_spacing(side, law.radius) for side in grid]
    if math.prod(apart) > _MOST_PASSES:
        raise LawError(
            f"lyapunov: {law.name} on this grid needs {math.prod(apart):,} passes a step; expected at most {_MOST_PASSES:,}: "
            "a smaller grid, or sides with small divisors"
        )
    defects = torch.ones(state[0].shape[0], *grid, dtype=torch.float64, device=state[0].device)
    total = torch.zeros(len(defects), dtype=torch.float64, device=defects.device)
    axes = tuple(range(1, defects.ndim))
    before = defects.sum(axes)
    for number in range(first, first + steps):
        after = following(law, state, number)
        defects = _spread(law, state, after, defects, apart, partial(following, law, number=number))
        count = defects.sum(axes)
        total += (count / before).log()
        defects = torch.where(_wide(count, defects) > 0, defects / _wide(count.clamp_min(1e-300), defects), 0.0)
        before, state = torch.where(count > 0, 1.0, 0.0), after
    return torch.where(total.isnan(), -math.inf, total) / steps


def _spread(law: Law, state: State, after: State, defects: Tensor, apart: list[int], step: Callable[[State], State]) -> Tensor:
    """J N: every cell's defects go to the cells that its change reaches."""
    other = law.other_values(state[0])
    spread = torch.zeros_like(defects)
    for corner in product(*map(range, apart)):
        sites = torch.zeros(defects.shape[1:], dtype=torch.bool, device=defects.device)
        sites[tuple(slice(start, None, stride) for start, stride in zip(corner, apart, strict=True))] = True
        changed = step((torch.where(sites, other, state[0]), *state[1:]))
        reached = (changed[0] != after[0]).any(1)
        spread += reached * _cells_around(defects * sites, law.radius, apart)
    return spread


def _cells_around(values: Tensor, radius: int | None, apart: list[int]) -> Tensor:
    """For each cell the sum of `values` at most `radius` away on the torus: that of the only changed cell that is so near."""
    for axis, (side, stride) in enumerate(zip(values.shape[1:], apart, strict=True), 1):
        if radius is None or stride == side:  # the only one on this axis
            values = values.sum(axis, keepdim=True).expand(*(-1 if a != axis else side for a in range(values.ndim)))
        else:
            values = torch.stack([values.roll(shift, axis) for shift in range(-radius, radius + 1)]).sum(0)
    return values


def _spacing(side: int, radius: int | None) -> int:
    """The least divisor of a side that is 2 radius + 1 or more; the side itself where there is none."""
    wanted = side if radius is None else 2 * radius + 1
    return next((stride for stride in range(wanted, side) if side % stride == 0), side)


def _norm(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    return values.square().sum(axes, dtype=torch.float64).sqrt().to(values.dtype)


def _wide(numbers: Tensor, like: Tensor) -> Tensor:
    """Numbers `(B,)` with as many axes as `like`."""
    return numbers.reshape(-1, *(1,) * (like.ndim - 1))
