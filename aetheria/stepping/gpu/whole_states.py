"""`WholeStatesOnCuda`: base of the packed plans on CUDA for whole states, whose Triton kernels take one step in a pass."""

import importlib.util
from typing import Any, ClassVar

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.topology import around
from aetheria.stepping.packed_states import PackedStates, minus_modulo
from aetheria.stepping.plan import State
from aetheria.stepping.unmodified import form_of, keeps


class WholeStatesOnCuda(PackedStates):
    """Steps a law of one form exactly; the state is a tensor of the subclass's own, by default the states `(B, *grid)`, uint8.

    Attributes:
        form: the form of a law that it steps.
    """

    form: ClassVar[type]

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law of this form, for which `why_not` is empty.
            cells: `(B, 1, *grid)`; only the shape, the type and the device matter.
        """
        self._rule: Any = form_of(law, self.form)
        assert isinstance(self._rule, self.form), self._rule
        self._law = law
        self._shape, self._type = cells.shape, cells.dtype
        self.prepare(self._rule, cells.device)

    @classmethod
    def why_not(cls, law: Law) -> str:
        """Why the kernel cannot step a law, for people; empty if it can."""
        rule: Any = form_of(law, cls.form)
        if isinstance(rule, str):
            return rule
        return cls.unfit(rule) or ("" if importlib.util.find_spec("triton") else "Triton is not installed")

    @classmethod
    def unfit(cls, rule: Any) -> str:  # noqa: ARG003 - for subclasses
        """Why the kernel cannot step a rule of this form, for people; empty if it can."""
        return ""

    def prepare(self, rule: Any, device: torch.device) -> None:
        """Makes what the kernel needs of a rule."""

    def take(self, before: Tensor, after: Tensor) -> None:
        """Launches the kernel: one step from `before` to `after`."""
        raise NotImplementedError

    def pack(self, state: State) -> State:
        return ((state[0][:, 0] + 0.5).to(torch.uint8).contiguous(),)

    def unpack(self, held: State) -> State:
        return (held[0][:, None].to(self._type),)

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        assert self._law.states is not None
        return minus_modulo(states, past, self._law.states)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        """The state after `steps` steps; every second one overwrites the given one."""
        before = held[0]
        after = torch.empty_like(before)
        with torch.cuda.device_of(before):  # type: ignore[no-untyped-call]  # by torch's stubs
            for _ in range(steps):
                self.take(before, after)
                before, after = after, before
        return (before,)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)


def power_of_two(size: int) -> int:
    """The next power of two from `size` on."""
    return 1 << (size - 1).bit_length()


def edges_of(grid: tuple[int, ...], boundary: str, reach: int, device: torch.device) -> Tensor:
    """The cells up to `reach` beyond the edges of a grid, as in `topology.around`, in the type of an offset in it."""
    height, width = grid
    places = torch.from_numpy(around((height, width), boundary, reach))
    return places.to(device, torch.int32 if height * width < 1 << 31 else torch.int64)
