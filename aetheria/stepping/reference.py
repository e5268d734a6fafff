"""Eager steps of a law, and the comparison of a plan's results with theirs."""

import torch
from torch import Tensor

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import LawError
from aetheria.stepping.plan import State, settled
from aetheria.stepping.plan_factory import StepProblem

# Per precision: how far a plan may be from eager after two steps, relative to the largest cell.
TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp64": 1e-10}
_TIPPED = 1e-3  # share of the cells that rounding may tip over a threshold
_COMPARED = 1 << 22  # values that are compared at once: a comparison of all would take several times their memory


def eager_steps(problem: StepProblem, state: State, steps: int) -> State:
    """The state after a number of eager steps; the given one is left alone.

    Raises:
        LawError: the law cannot step this state, or returns something of another shape.
    """
    for number in range(steps):
        state = _eager_step(problem, state, number)
    return state


def _eager_step(problem: StepProblem, state: State, number: int) -> State:
    """An eager step of a copy: a law that does not fit says so here, not somewhere inside a compiler."""
    name = problem.law.name
    phase = {"phase": number % problem.law.phases} if problem.law.phases > 1 else {}
    try:
        out = problem.call()(*(tensor.clone() for tensor in state), **phase)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise LawError(
            f"{name} cannot step cells of shape {tuple(state[0].shape)}: {error}. (For a module with complex amplitudes, "
            "wrap it: Quantum(net, d_state))"
        ) from error
    shapes = [tuple(t.shape) if isinstance(t, Tensor) else type(t).__name__ for t in out]
    wanted = [tuple(t.shape) for t in state]
    if shapes != wanted:
        raise LawError(f"{name} returned {shapes} for {wanted}; a step must return cells, then memory, of the same shapes")
    return tuple(map(settled, out, state))


def check_agreement(problem: StepProblem, given: State, expected: State) -> None:
    """Raises RuntimeError unless a plan's state equals that of the eager steps, within the tolerance of the precision."""
    tolerance = 0.0 if problem.law.exact else TOLERANCE[problem.precision]
    tipped = _TIPPED if problem.law.tipping else 0.0
    for one, other in zip(given, expected, strict=True):
        if other.numel() and _different(one, other, tolerance) > tipped * other.numel():
            raise RuntimeError("its step does not agree with the eager one")


def _different(one: Tensor, other: Tensor, tolerance: float) -> int:
    """The number of values that differ by more than a share of the largest one of `other`."""
    distance = None
    if other.is_floating_point():
        low, high = other.aminmax()
        distance = tolerance * torch.maximum(-low, high).clamp_min(1e-30)
    count = 0
    for a, b in zip(_parts(one), _parts(other), strict=True):
        close = (a == b) | (a.isnan() & b.isnan())
        if distance is not None:
            close |= (a - b).abs() <= distance
        count += int((~close).sum())
    return count


def _parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """Parts of at most `_COMPARED` values, or single rows."""
    axis = max(0, tensor.ndim - 2)
    rows = tensor.shape[axis] if tensor.ndim else 1
    each = max(1, _COMPARED * rows // tensor.numel())
    return tuple(torch.split(tensor, each, axis)) if tensor.ndim else (tensor,)
