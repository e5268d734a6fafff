"""The graphed plan on CUDA: many steps recorded as one graph and launched at once."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from aetheria.stepping.plan import Plan, State

STEPS = 16  # in the longer graph; what is left over is launched one by one


class Graphed(Plan):
    """Replays graphs of 1 and of 16 steps of another plan, over buffers that stay where they are.

    Weights edited in place count from the next replay. What was held before is overwritten by the next `advance`.
    """

    def __init__(self, name: str, inner: Plan, law: nn.Module, state: State) -> None:
        """Captures, on the calling thread, which is to be the one that steps. Raises whatever capturing does."""
        self.name = name
        self._inner = inner
        self._law = law
        self._buffers = tuple(tensor.clone() for tensor in inner.hold(state))
        self._addresses = _addresses(law)
        # The allocator may not meet its first request, nor a kernel its first compile, while capturing.
        stream = torch.cuda.Stream(self._buffers[0].device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            inner.advance(self._buffers, 2)
        torch.cuda.current_stream().wait_stream(stream)
        self._one, self._many = self._capture(1), self._capture(STEPS)

    def _capture(self, steps: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # Other threads (a recorder, a viewer) may use CUDA meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            _copy(self._inner.advance(self._buffers, steps), self._buffers)
        return graph

    def hold(self, state: State) -> State:
        return self._inner.hold(state)

    def show(self, held: State) -> State:
        return self._inner.show(held)

    def advance(self, held: State, steps: int) -> State:
        if held is not self._buffers:
            _copy(held, self._buffers)
        for _ in range(steps // STEPS):
            self._many.replay()
        for _ in range(steps % STEPS):
            self._one.replay()
        return self._buffers

    def stale(self) -> bool:
        return self._addresses != _addresses(self._law) or self._inner.stale()


def _copy(tensors: Iterable[Tensor], to: Iterable[Tensor]) -> None:
    for source, target in zip(tensors, to, strict=True):
        target.copy_(source)


def _addresses(law: nn.Module) -> list[int]:
    return [tensor.data_ptr() for tensor in (*law.parameters(), *law.buffers())]
