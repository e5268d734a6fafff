"""The graphed plan on CUDA: several steps captured as one graph and launched together."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import call, setitem
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.stepping.fingerprint import Fingerprint
from aetheria.stepping.plan import Plan, State

LENGTHS = (16, 8, 4, 2, 1)  # steps in a graph
_COPYING = -1  # the given state is not in the buffers yet


class Graphed(Plan):
    """Replays graphs of 16 to 1 steps of another plan, on buffers at fixed addresses.

    Weights edited in place count from the next replay. `advance` overwrites the packed state.
    """

    def __init__(self, name: str, inner: Plan, law: nn.Module, state: State) -> None:
        """Captures the graphs, on the thread that will step. Raises the exceptions of capturing."""
        self.name = name
        self._inner = inner
        self._buffers = tuple(tensor.clone() for tensor in inner.pack(state))
        self._warm_up()
        self._fingerprint = Fingerprint(law)  # after the warm-up, in which a law may make tensors that its steps read
        self._latest: State = ()
        self._progress: list[Any] = [None, 0]  # the state given to the newest `advance`, and its steps so far
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        for steps in LENGTHS:
            self._graphs[steps] = self._captured(steps)
        self._replays = {steps: _replay(graph) for steps, graph in self._graphs.items()}

    def _warm_up(self) -> None:
        """Steps outside any graph: first calls compile or allocate, which is not allowed during a capture."""
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
        # One pool for all graphs, which never run at the same time. Other threads (recorder, viewer) may use CUDA meanwhile.
        pool = next((other.pool() for other in self._graphs.values()), None)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's default is on the first device that it used
        with torch.cuda.device(device), _stream_restored(), torch.cuda.graph(graph, pool, stream, "thread_local"):
            _copy(self._inner.advance(self._buffers, steps), self._buffers)
        return graph

    def pack(self, state: State) -> State:
        return self._inner.pack(state)

    def unpack(self, held: State) -> State:
        return self._inner.unpack(held)

    def probe(self, held: State) -> Tensor:
        return self._inner.probe(held)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        inside = held is self._latest
        self._progress = progress = [held, 0 if inside else _COPYING]
        self._inner.refresh()  # here, because a replay calls no Python
        with torch.cuda.device_of(held[0]):  # type: ignore[no-untyped-call]
            if not inside:
                _copy(held, self._buffers)
            progress[1] = taken = 0
            for length in LENGTHS:
                for _ in range(steps // length):
                    taken += length
                    _uninterrupted(self._replays[length], partial(setitem, progress, 1, taken))
                steps %= length
        return self._in_buffers()

    def reached(self, held: State) -> tuple[State, int]:
        given, taken = self._progress
        return (held, 0) if given is not held or taken == _COPYING else (self._in_buffers(), taken)

    def _in_buffers(self) -> State:
        """The state in the buffers; another tuple each time, by which `advance` knows the newest."""
        self._latest = (*self._buffers,)
        return self._latest

    def stale(self) -> bool:
        return self._fingerprint.changed() or self._inner.stale()


@contextmanager
def _stream_restored() -> Iterator[None]:
    """Makes this thread's stream current again after a capture that fails; torch leaves that of the capture."""
    before = torch.cuda.current_stream()
    try:
        yield
    finally:
        torch.cuda.set_stream(before)


def _replay(graph: torch.cuda.CUDAGraph) -> Callable[[], object]:
    """The function that replays a graph: where there is CUDA, in C alone."""
    in_c = getattr(torch._C, "_CUDAGraph", None)
    return graph.replay if in_c is None or not isinstance(graph, in_c) else partial(in_c.replay, graph)


def _uninterrupted(*calls: Callable[[], object]) -> None:
    """Makes calls that are made in C, all or none: Python raises Ctrl-C between its own instructions."""
    deque(map(call, calls), maxlen=0)


def _copy(tensors: Sequence[Tensor], to: Sequence[Tensor]) -> None:
    # The cells that a law was given may be the memory that it returns: they are overwritten before they are copied.
    sources = [
        source.clone() if any(_same_memory(source, other) for other in to if other is not target) else source
        for source, target in zip(tensors, to, strict=True)
    ]
    for source, target in zip(sources, to, strict=True):
        target.copy_(source)


def _same_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
