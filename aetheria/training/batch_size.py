"""Training within the available memory: the largest batch that fits, and batches split into smaller parts."""

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
    """The largest batch whose step leaves a share `margin` of the memory free, found by trying.

    Doubles from `start` while it fits, then bisects. A size whose predicted need is too large is not tried: on a CPU the system
    would kill the process.

    Args:
        probe: takes a training step on the given number of samples, and returns its peak memory in bytes; may run out
                of memory.
        room: bytes available in total.
        start: the first size to try.
        most: the largest size to try.
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
        if _predicted(needs, size) > allowed:
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


def _predicted(needs: dict[int, int], size: int) -> float:
    """Bytes of a step on `size` samples, extrapolated from the two largest sizes measured below it; 0 if unknown."""
    below = sorted(n for n in needs if n < size)[-2:]
    if len(below) < 2:
        return 0
    less, more = below
    return needs[more] + max(0, needs[more] - needs[less]) / (more - less) * (size - more)


def peak_memory(action: Callable[[], object], device: torch.device) -> int:
    """The most bytes in use while `action` runs: by torch on a CUDA device, by this process on the CPU.

    On systems other than Linux, whose peak cannot be reset, the CPU's figure is the peak of the process so far.
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
    """Gradients of a batch in parts that fit into memory: when memory runs out, the parts are halved and the batch is repeated.

    The gradients of the parts add up to those of the batch, because the loss is a mean over samples.

    Attributes:
        size: samples of a part; None for the whole batch, until that does not fit.
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
            loss: of a part of the batch: a mean over its samples.
            clear: removes the gradients of parts computed before memory ran out: `optimizer.zero_grad`.
            scale: applied to the loss before its gradients are taken, as by a `GradScaler`.

        Raises:
            StateError: not even one sample fits.
        """
        while True:
            total = self._in_parts(batch, loss, scale)
            if total is not None:
                return total
            # Outside the exception handler, where the traceback would still hold the tensors.
            clear()
            self._halve(len(batch[0]))

    def _in_parts(
        self, batch: tuple[Tensor, ...], loss: Callable[..., Tensor], scale: Callable[[Tensor], Tensor]
    ) -> Tensor | None:
        """The mean loss, or None when memory ran out."""
        samples = len(batch[0])
        size = min(self.size or samples, samples)
        total: Tensor | None = None
        try:
            for part in zip(*(torch.split(tensor, size) for tensor in batch), strict=True):
                share = len(part[0]) / samples
                value = loss(*part)
                scale(value * share).backward()  # type: ignore[no-untyped-call]
                contribution = value.detach() * share
                total = contribution if total is None else total + contribution
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
            f"out of memory with {before} samples at once: continuing with {self.size} at a time and summed gradients",
            RuntimeWarning,
            stacklevel=3,
        )
