"""`WholeStatesOnCpu`: base of the packed plans on the CPU, whose C++ kernels take any number of steps in a call."""

import ctypes
import math
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.stepping.cpu.build import is_cached, native_kernel
from aetheria.stepping.edges import edge_cells, margin
from aetheria.stepping.packed_states import PackedStates, minus_modulo
from aetheria.stepping.plan import State
from aetheria.stepping.unmodified import form_of, keeps

Form = TypeVar("Form")


class Steps(NamedTuple):
    """Steps that a kernel takes in one call.

    Attributes:
        number: of steps.
        threads: that share the work.
        first: steps done before these, for laws with phases.
        memory: of a stochastic law: seeds `(B, 2)` and numbers of the first step `(B,)`, int64; else empty.
    """

    number: int
    threads: int
    first: int
    memory: State


class WholeStatesOnCpu(PackedStates, Generic[Form]):
    """Steps a law of one form exactly; the state is a tensor of the subclass's own, by default the states `(B, *grid)`, uint8.

    Attributes:
        form: the form of a law that it steps.
        source: of the kernel.
        job: the structure with which the kernel is called.
        thread_updates: cell updates that are worth starting a thread for.
    """

    form: ClassVar[type]
    source: ClassVar[str]
    job: ClassVar[type[ctypes.Structure]]
    thread_updates: ClassVar[int]

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law of this form.
            cells: `(B, 1, *grid)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule: Any = form_of(law, self.form)
        assert isinstance(rule, self.form), rule
        self._law = law
        self._rule = cast("Form", rule)
        self._shape, self._type = cells.shape, cells.dtype
        self._kernel = native_kernel(self.source, self.job, generated=self.generated(self._rule), **self.macros(self._rule))
        self.prepare(self._rule)

    @classmethod
    def why_not(cls, law: Law) -> str:
        """Why the kernel cannot step a law, for people; empty if it can."""
        rule: Any = form_of(law, cls.form)
        return rule if isinstance(rule, str) else cls.unfit(rule)

    @classmethod
    def unfit(cls, rule: Any) -> str:  # noqa: ARG003 - for subclasses
        """Why the kernel cannot step a rule of this form, for people; empty if it can."""
        return ""

    @classmethod
    def is_built(cls, law: Law) -> bool:
        """Whether the kernel for a law is in the cache of this machine."""
        rule: Any = form_of(law, cls.form)
        return isinstance(rule, cls.form) and is_cached(cls.source, generated=cls.generated(rule), **cls.macros(rule))

    @staticmethod
    def macros(rule: Any) -> dict[str, int]:  # noqa: ARG004 - for subclasses
        """Macros with which the kernel is compiled for a rule; none where it steps any."""
        return {}

    @staticmethod
    def generated(rule: Any) -> str:  # noqa: ARG004 - for subclasses
        """The text of `generated.h` for a rule; empty where the kernel has none."""
        return ""

    def prepare(self, rule: Form) -> None:
        """Makes what the kernel needs of a rule."""

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: Steps) -> None:
        """Calls the kernel, which steps from `before` to `after` by way of `spare`."""
        raise NotImplementedError

    def pack(self, state: State) -> State:
        assert self._law.states is not None
        # Kernels look states up in tables: one that the law does not have must read no memory beyond them.
        return ((state[0][:, 0] + 0.5).to(torch.uint8).clamp_max_(self._law.states - 1), *state[1:])

    def unpack(self, held: State) -> State:
        return (self.states(held)[:, None].to(self._type), *held[1:])

    def states(self, held: State) -> Tensor:
        """The states of a packed state, `(B, *grid)`, uint8."""
        return held[0]

    def minus(self, states: Tensor, past: Tensor) -> Tensor:
        assert self._law.states is not None
        return minus_modulo(states, past, self._law.states)

    def edges(self, held: State) -> Tensor:
        return edge_cells(self.states(held))

    def margin(self, held: State) -> Tensor:
        return margin(self.states(held))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        before, memory = held[0].contiguous(), held[1:]
        after, spare = torch.empty_like(before), torch.empty_like(before)
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // self.thread_updates))
        self.call(before, after, spare, Steps(steps, threads, first, memory))
        return (after, memory[0], memory[1] + steps) if memory else (after,)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)


def pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    """The addresses of the tensors' first values, for calls without a structure."""
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
