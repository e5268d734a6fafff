"""CUDA on the CPU, as far as capture, replay, streams and events go: graphs replay recorded operations on fixed tensors.

An `EmulatedDevice` has a clock of its own: work is queued, events say when it is done, and waiting moves the clock. A graph
records the operations of torch between tensors as a capture does, so that numbers of Python and addresses are fixed in it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aetheria.stepping import compiled
from aetheria.stepping.plan_factory import StepProblem

READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default)  # of a value, for which the host waits


class EmulatedGraph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self) -> None:
        self.operations: list[Callable[[], None]] = []

    def replay(self) -> None:
        """Does what was recorded again."""
        for operation in self.operations:
            operation()

    def pool(self) -> object:
        """Of memory, which the CPU shares anyway."""
        return self


class _Recording(TorchDispatchMode):
    """Notes each operation, to be done again with its results in the same tensors."""

    def __init__(self, graph: EmulatedGraph) -> None:
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in READS:
            raise RuntimeError("operation not permitted when stream is capturing")
        out = func(*args, **kwargs)
        before = [t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        fresh = [t.untyped_storage().data_ptr() not in before for t in tree_leaves(out) if isinstance(t, Tensor)]

        def again() -> None:
            results = [t for t in tree_leaves(func(*args, **kwargs)) if isinstance(t, Tensor)]
            held = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
            for result, target, new in zip(results, held, fresh, strict=True):
                if new:
                    target.copy_(result)

        self.graph.operations.append(again)
        return out


class EmulatedDevice:
    """A device with a queue of work and a clock in seconds, and the parts of `torch.cuda` that address it.

    Attributes:
        now: time on the host.
        free_at: time at which all queued work is done.
        captures: graphs captured so far.
        waits: number of times that the host waited.
    """

    def __init__(self) -> None:
        self.now = self.free_at = 0.0
        self.captures = self.waits = 0
        self.stream: object = "default"
        self.recording: EmulatedGraph | None = None

    def queue(self, seconds: float) -> None:
        """Launches work that takes so long."""
        self.free_at = max(self.free_at, self.now) + seconds

    def synchronize(self, _: object = None) -> None:
        """Waits for all work."""
        self.waits += 1
        self.now = max(self.now, self.free_at)

    def event(self, **_: bool) -> "EmulatedEvent":
        return EmulatedEvent(self)

    def set_stream(self, stream: object) -> None:
        self.stream = stream

    @contextmanager
    def graph(self, graph: EmulatedGraph, pool: object, stream: object, capture_error_mode: str) -> Iterator[None]:
        """A capture. Like torch's it leaves the stream of a capture that failed."""
        assert capture_error_mode == "thread_local"
        before, self.stream = self.stream, stream
        self.captures += 1
        self.recording = graph
        try:
            with _Recording(graph):
                yield
        finally:
            self.recording = None
        self.stream = before


class EmulatedEvent:
    """Stands in for `torch.cuda.Event`."""

    def __init__(self, device: EmulatedDevice) -> None:
        self._device = device
        self.time = 0.0

    def record(self, _: object = None) -> None:
        self.time = max(self._device.now, self._device.free_at)

    def synchronize(self) -> None:
        self._device.waits += 1
        self._device.now = max(self._device.now, self.time)

    def elapsed_time(self, end: "EmulatedEvent") -> float:
        """Milliseconds, as torch has it."""
        return (end.time - self.time) * 1e3


class _Stream:
    def __init__(self, _: object = None) -> None: ...

    def wait_stream(self, other: object) -> None: ...


@contextmanager
def _nothing(*_: object) -> Iterator[None]:
    yield


def emulate(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    """Puts an emulated device in place of `torch.cuda`, and plans for CUDA in place of those for the CPU, uncompiled."""
    device, cuda = EmulatedDevice(), torch.cuda
    replaced: dict[str, Any] = {
        "Event": device.event,
        "Stream": _Stream,
        "CUDAGraph": EmulatedGraph,
        "graph": device.graph,
        "current_stream": lambda _=None: device.stream,
        "set_stream": device.set_stream,
        "synchronize": device.synchronize,
        "device": _nothing,
        "device_of": _nothing,
        "stream": _nothing,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(cuda, name, value)
    device.stream = _Stream()
    monkeypatch.setattr(StepProblem, "on_cuda", True)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    return device
