"""Training in the memory there is: the largest batch that fits, and smaller pieces where it did not."""

import warnings
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from torch import Tensor

from aetheria.core.device import is_out_of_memory
from aetheria.core.errors import ConfigError, StateError

_MIB = 2**20
_RESET_PEAK = Path("/proc/self/clear_refs")  # Linux: "5" sets the peak of resident memory to what is resident now


def largest_batch(probe: Callable[[int], int], room: int, *, start: int = 1, most: int = 1024, margin: float = 0.1) -> int:
    """The largest batch whose step keeps a share `margin` of the memory free, found by trying.

    Doubles from `start` while it fits, then halves the gap; a size whose need can be foreseen from the sizes before it to be
    too large is not tried, because a CPU's allocator does not say no: the system kills instead.

    Args:
        probe: takes a training step on so many samples; the most bytes in use on the way. May run out of memory.
        room: bytes there are in all.
        start: the first size to try.
        most: never more than this.
        margin: share of `room` to leave free.

    Raises:
        StateError: not even one sample fits. ConfigError: sizes or margin out of range.
    """
    if not (1 <= start <= most and 0 <= margin < 1):
        raise ConfigError(
            f"largest_batch: start {start}, most {most}, margin {margin}; expected 1 <= start <= most, margin in 0..1"
        )
    allowed = int(room * (1 - margin))
    needs: dict[int, int] = {}

    def fits(size: int) -> bool:
        if _foreseen(needs, size) > allowed:
            return False
        try:
            needs[size] = probe(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return needs[size] <= allowed

    good, bad, size = 0, most + 1, start  # the largest known to fit, the smallest known not to, the next to try
    while bad - good > 1:
        good, bad = (size, bad) if fits(size) else (good, size)
        size = (good + bad) // 2 if bad <= most else min(2 * good, most)
    if not good:
        raise StateError(
            f"batch: not even one sample fits into {allowed / _MIB:,.0f} MiB; use a smaller grid, network or rollout"
        )
    return good


def _foreseen(needs: dict[int, int], size: int) -> float:
    """Bytes that a step on `size` samples will take, on the line through the two largest sizes measured below it; 0 unknown."""
    below = sorted(n for n in needs if n < size)[-2:]
    if len(below) < 2:
        return 0
    less, more = below
    return needs[more] + max(0, needs[more] - needs[less]) / (more - less) * (size - more)


def peak_memory(action: Callable[[], object], device: torch.device) -> int:
    """The most bytes in use while `action` runs: by torch on a CUDA device, by this process on the CPU.

    Where the system keeps no peak that can be reset (it is no Linux), the CPU's figure is the process's largest so far.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        action()
        torch.cuda.synchronize(device)
        return peak_so_far(device)
    if _RESET_PEAK.exists():
        _RESET_PEAK.write_text("5")
    action()
    return peak_so_far(device)


def peak_so_far(device: torch.device) -> int:
    """The most bytes that were in use at a time: by torch on a CUDA device, by this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


class MicroBatches:
    """Gradients of a batch in pieces that fit: at each out-of-memory the pieces are halved, and the batch begins again.

    The pieces' gradients add up to the whole batch's, as the loss is a mean over samples.

    Attributes:
        size: samples of a piece; None for the whole batch, until that does not fit.
    """

    def __init__(self, size: int | None = None) -> None:
        """
        Raises:
            ConfigError: `size` is below 1.
        """
        if size is not None and size < 1:
            raise ConfigError(f"micro_batch: {size} given; expected 1 or more samples")
        self.size = size

    def backward(
        self,
        batch: tuple[Tensor, ...],
        loss: Callable[..., Tensor],
        clear: Callable[[], object],
        scale: Callable[[Tensor], Tensor] = lambda value: value,
    ) -> Tensor:
        """Adds the gradients of `loss(*batch)` to the parameters'; returns the mean loss, detached.

        Args:
            batch: tensors whose first axis is the sample.
            loss: of a piece of the batch: a mean over its samples.
            clear: takes back the gradients of the pieces before an out-of-memory: `optimizer.zero_grad`.
            scale: of the loss before its gradients are taken; a `GradScaler`'s.

        Raises:
            StateError: not even one sample fits.
        """
        while True:
            total = self._pieces(batch, loss, scale)
            if total is not None:
                return total
            # Outside the handler: there the traceback would still hold what filled the memory.
            clear()
            self._halve(len(batch[0]))

    def _pieces(
        self, batch: tuple[Tensor, ...], loss: Callable[..., Tensor], scale: Callable[[Tensor], Tensor]
    ) -> Tensor | None:
        """The mean loss, or None where the memory did not last."""
        samples = len(batch[0])
        size = min(self.size or samples, samples)
        total: Tensor | None = None
        try:
            for pieces in zip(*(torch.split(tensor, size) for tensor in batch), strict=True):
                share = len(pieces[0]) / samples
                value = loss(*pieces)
                scale(value * share).backward()  # type: ignore[no-untyped-call]
                part = value.detach() * share
                total = part if total is None else total + part
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return total

    def _halve(self, samples: int) -> None:
        before = min(self.size or samples, samples)
        if before == 1:
            raise StateError("out of memory with one sample at a time; use a smaller grid or network, or a shorter rollout")
        self.size = before // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory with {before} samples at once: going on with {self.size}, and their gradients added up",
            RuntimeWarning,
            stacklevel=3,
        )
