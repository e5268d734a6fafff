"""The packed plan for rules of second order: the packed plan of the rule itself, whose past is subtracted after every step."""

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import DifferenceRule
from aetheria.stepping.packed_states import PackedStates
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps


class SecondOrderPlan(Plan):
    """Steps a `DifferenceRule` exactly; the state is present and past, each packed as the rule's own plan does."""

    name = "packed"

    def __init__(self, law: Law, inner: PackedStates) -> None:
        """
        Args:
            law: a law with a `DifferenceRule`.
            inner: the packed plan of that rule's law.
        """
        rule = form_of(law, DifferenceRule)
        assert isinstance(rule, DifferenceRule), rule
        self._law, self._rule, self._inner = law, rule, inner

    def pack(self, state: State) -> State:
        return tuple(self._inner.pack((channel,))[0] for channel in (state[0][:, :1], state[0][:, 1:]))

    def unpack(self, held: State) -> State:
        return (torch.cat([self._inner.unpack((each,))[0] for each in held], 1),)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        present, past = held
        for _ in range(steps):
            (after,) = self._inner.advance((present,), 1)
            present, past = self._inner.minus(after, past), present
        return (present, past)

    def edges(self, held: State) -> Tensor:
        return self._inner.edges(held[:1])

    def margin(self, held: State) -> Tensor:
        return self._inner.margin(held[:1])

    def stale(self) -> bool:
        return self._inner.stale() or not keeps(self._law, self._rule)
