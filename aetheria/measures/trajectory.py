"""Trajectories of states under a law."""

from collections.abc import Iterator

from torch import Tensor

from aetheria.laws.base import Law

State = tuple[Tensor, ...]


def following(law: Law, state: State, number: int) -> State:
    """The state after one more step.

    Args:
        state: cells `(B, C, *grid)` and the law's memory; left as it is.
        number: steps done before, which decide the phase of a law that has phases.
    """
    phase = {"phase": number % law.phases} if law.phases > 1 else {}
    out = law(*(tensor.clone() for tensor in state), **phase)
    return out if isinstance(out, tuple) else (out,)


def states_after(law: Law, state: State, first: int, steps: int) -> Iterator[State]:
    """The states after one step, two, and so on, up to `steps`; `first` steps were done before."""
    for number in range(first, first + steps):
        state = following(law, state, number)
        yield state
