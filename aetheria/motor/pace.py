"""Pacing: the number of steps in a chunk, from the time that the last chunks took."""

import time

import torch

_LONGEST_S = 0.05
_MOST_STEPS = 1 << 14


class Pace:
    """Grows or shrinks the number of steps in a chunk, so that a chunk takes 50 ms, or half the time between two frames.

    A reader in another thread waits that long at the most, unless a single step takes longer.

    Attributes:
        steps: in the next chunk.
    """

    def __init__(self) -> None:
        self.steps = 1

    def took(self, steps: int, seconds: float, rate: float = 0.0) -> None:
        """Adapts to the time that a chunk took, which another limit may have cut short.

        Args:
            rate: frames a second that are wanted, 0 for none.
        """
        longest = min(_LONGEST_S, 0.5 / rate) if rate else _LONGEST_S
        wanted = min(max(self.steps, 2 * steps), int(steps * longest / max(seconds, 1e-9)))
        self.steps = max(1, min(_MOST_STEPS, wanted))


class ChunkTimer:
    """Times chunks of steps, by `start` and `stop` around each."""

    def __init__(self) -> None:
        self._began = 0.0

    def start(self) -> None:
        """Begins a chunk."""
        self._began = time.perf_counter()

    def stop(self, steps: int) -> tuple[int, float] | None:
        """Ends a chunk of `steps` steps. Returns: steps and seconds of a chunk; None if none is known yet."""
        return steps, time.perf_counter() - self._began


class DeviceChunkTimer(ChunkTimer):
    """Times chunks on a CUDA device, where at most two are queued: `stop` waits for the chunk before, and tells its time."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self._start = self._marked()
        self._queued: tuple[int, torch.cuda.Event, torch.cuda.Event] | None = None

    def start(self) -> None:
        self._start = self._marked()

    def stop(self, steps: int) -> tuple[int, float] | None:
        before, self._queued = self._queued, (steps, self._start, self._marked())
        if before is None:
            return None
        done, start, end = before
        end.synchronize()
        return done, start.elapsed_time(end) / 1e3

    def _marked(self) -> torch.cuda.Event:
        """An event at the present end of the stream. Waiting for it leaves the core to other threads."""
        event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event


def chunk_timer(device: torch.device) -> ChunkTimer:
    """The timer for chunks on a device."""
    return DeviceChunkTimer(device) if device.type == "cuda" else ChunkTimer()
