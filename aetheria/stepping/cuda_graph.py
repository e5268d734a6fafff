"""The graphed plan on CUDA: many steps recorded as one graph and launched at once."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from aetheria.stepping.plan import Plan, State

LENGTHS = (16, 8, 4, 2, 1)  # steps of the graphs there are


class Graphed(Plan):
    """Replays graphs of 16 to 1 steps of another plan, over buffers that stay where they are.

    Weights edited in place count from the next replay. What was held before is overwritten by the next `advance`.
    """

    def __init__(self, name: str, inner: Plan, law: nn.Module, state: State) -> None:
        """Captures, on the calling thread, which is to be the one that steps. Raises whatever capturing does."""
        self.name = name
        self._inner = inner
        self._law = law
        self._buffers = tuple(tensor.clone() for tensor in inner.pack(state))
        self._addresses = _addresses(law)
        self._warm_up()
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        for steps in LENGTHS:
            self._graphs[steps] = self._captured(steps)

    def _warm_up(self) -> None:
        """Steps once outside any graph: what compiles or asks for memory at a first call may not do so while captured."""
        device = self._buffers[0].device
        with torch.cuda.device(device):
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._inner.advance(self._buffers, 2)
            torch.cuda.current_stream().wait_stream(stream)

    def _captured(self, steps: int) -> torch.cuda.CUDAGraph:
        device = self._buffers[0].device
        graph = torch.cuda.CUDAGraph()
        # One pool for all: they never run at the same time. Other threads (a recorder, a viewer) may use CUDA meanwhile.
        pool = next((other.pool() for other in self._graphs.values()), None)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own is for the first device it met
        with torch.cuda.device(device), torch.cuda.graph(graph, pool, stream, capture_error_mode="thread_local"):
            _copy(self._inner.advance(self._buffers, steps), self._buffers)
        return graph

    def pack(self, state: State) -> State:
        return self._inner.pack(state)

    def unpack(self, held: State) -> State:
        return self._inner.unpack(held)

    def probe(self, held: State) -> Tensor:
        return self._inner.probe(held)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        self._inner.refresh()  # a replay calls no Python
        with torch.cuda.device_of(held[0]):  # type: ignore[no-untyped-call]
            if held is not self._buffers:
                _copy(held, self._buffers)
            for length in LENGTHS:
                for _ in range(steps // length):
                    self._graphs[length].replay()
                steps %= length
        return self._buffers

    def stale(self) -> bool:
        return self._addresses != _addresses(self._law) or self._inner.stale()


def _copy(tensors: Iterable[Tensor], to: Iterable[Tensor]) -> None:
    for source, target in zip(tensors, to, strict=True):
        target.copy_(source)


def _addresses(law: nn.Module) -> list[int]:
    return [tensor.data_ptr() for tensor in (*law.parameters(), *law.buffers())]
