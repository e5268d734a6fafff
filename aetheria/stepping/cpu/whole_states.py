"""`WholeStatesOnCpu`: base of the packed plans on the CPU, whose C++ kernels take any number of steps in a call."""

import ctypes
import math
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.stepping.cpu.build import is_cached, native_kernel
from aetheria.stepping.edges import edge_cells, margin
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps

Form = TypeVar("Form")


class WholeStatesOnCpu(Plan, Generic[Form]):
    """Steps a law of one form exactly; the state is a tensor of the subclass's own, by default the states `(B, H, W)`, uint8.

    Attributes:
        form: the form of a law that it steps.
        source: of the kernel.
        job: the structure with which the kernel is called.
        thread_updates: cell updates that are worth starting a thread for.
    """

    name = "packed"
    form: ClassVar[type]
    source: ClassVar[str]
    job: ClassVar[type[ctypes.Structure]]
    thread_updates: ClassVar[int]

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            law: a law of this form.
            cells: `(B, 1, H, W)`; only the shape and the type matter.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule: Any = form_of(law, self.form)
        assert isinstance(rule, self.form), rule
        self._law = law
        self._rule = cast("Form", rule)
        self._shape, self._type = cells.shape, cells.dtype
        self._kernel = native_kernel(self.source, self.job, **self.macros(self._rule))
        self.prepare(self._rule)

    @classmethod
    def is_built(cls, law: Law) -> bool:
        """Whether the kernel for a law is in the cache of this machine."""
        rule: Any = form_of(law, cls.form)
        return isinstance(rule, cls.form) and is_cached(cls.source, **cls.macros(rule))

    @staticmethod
    def macros(rule: Any) -> dict[str, int]:  # noqa: ARG004 - for subclasses
        """Macros with which the kernel is compiled for a rule; none where it steps any."""
        return {}

    def prepare(self, rule: Form) -> None:
        """Makes what the kernel needs of a rule."""

    def call(self, before: Tensor, after: Tensor, spare: Tensor, steps: int, threads: int) -> None:
        """Calls the kernel: `steps` steps from `before` to `after`, by way of `spare`."""
        raise NotImplementedError

    def pack(self, state: State) -> State:
        return ((state[0][:, 0] + 0.5).to(torch.uint8),)

    def unpack(self, held: State) -> State:
        return (held[0][:, None].to(self._type),)

    def edges(self, held: State) -> Tensor:
        return edge_cells(held[0])

    def margin(self, held: State) -> Tensor:
        return margin(held[0])

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        before = held[0].contiguous()
        after, spare = torch.empty_like(before), torch.empty_like(before)
        threads = max(1, min(torch.get_num_threads(), steps * math.prod(self._shape) // self.thread_updates))
        self.call(before, after, spare, steps, threads)
        return (after,)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)


def pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    """The addresses of the tensors' first values, for calls without a structure."""
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
