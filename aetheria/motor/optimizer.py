"""`motor.optimizer`: cache clean-up, memory statistics, precision switches and transfers of one device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.core.memory_limits import available_bytes
from aetheria.core.precision import Numerics, Precision, numerics

MB = 1024 * 1024
_MOST_PATIENCE = 63  # clean-ups skipped between two that free memory


@dataclass
class TransferStats:
    """Transfers to the host since the motor was made: number of frames, and bytes."""

    frames: int = 0
    bytes: int = 0


@dataclass
class CleanupStats:
    """Periodic clean-ups: numbers of those that freed memory, and of those skipped because there was none to free."""

    done: int = 0
    skipped: int = 0


class HostArrays(Mapping[str, NDArray[np.generic]]):
    """Arrays on the host that may still be on their way from the device; reading one waits for it."""

    def __init__(self, tensors: dict[str, Tensor], arrived: torch.cuda.Event | None) -> None:
        self._tensors = tensors
        self._arrived = arrived

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        if self._arrived is not None:
            self._arrived.synchronize()
        array: NDArray[np.generic] = self._tensors[name].numpy()
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class GPUOptimizer:
    """The caretaker of one device for one motor. On the CPU there is no cache to clean.

    Attributes:
        transfer_stats: transfers to the host.
        cleanup_stats: clean-ups done and skipped.
        step_count: gives the steps done, for the statistics.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        precision: Precision = "fp32",
        deterministic: bool = False,
        empty_cache_interval: int = 100,
    ) -> None:
        self.device = device
        self._precision: Precision = precision
        self.deterministic = deterministic
        self.empty_cache_interval = empty_cache_interval
        self.transfer_stats = TransferStats()
        self.cleanup_stats = CleanupStats()
        self.step_count: Callable[[], int] = lambda: 0
        self._stuck = 0
        # Periodic clean-ups since memory was freed, long ago at first; and to be skipped before it is freed again.
        self._waited, self._patience = 2 * _MOST_PATIENCE, 0

    @property
    def precision(self) -> Precision:
        """ "fp32", "tf32", "bf16" or "fp64". Only "fp32" and "tf32" can be switched between."""
        return self._precision

    @precision.setter
    def precision(self, precision: Precision) -> None:
        switchable = ("fp32", "tf32")
        if precision not in switchable or self._precision not in switchable:
            raise ConfigError(
                f'precision: from "{self._precision}" to "{precision}"; only fp32 and tf32 can be switched between, '
                'others need a new motor: cfg={"precision": ...}'
            )
        self._precision = precision

    @property
    def empty_cache_interval(self) -> int:
        """Steps between clean-ups; 0 for never."""
        return self._interval

    @empty_cache_interval.setter
    def empty_cache_interval(self, steps: int) -> None:
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            raise ConfigError(f"empty_cache_interval: {steps!r} given; expected a whole number of steps, 0 for never")
        self._interval = steps

    def clean_up(self) -> bool:
        """Returns cached, unused device memory to the driver; True if there was any."""
        spare = self._spare_bytes() - self._stuck >= MB and _emptied()
        if spare:
            self._stuck = self._spare_bytes()  # kept by the pools of CUDA graphs: another attempt would only stall
            self.cleanup_stats.done += 1
        else:
            self.cleanup_stats.skipped += 1
        return spare

    def clean_up_after_steps(self, due: int) -> None:
        """The periodic clean-up; those that were due during the last chunk of steps are one.

        Freeing memory stalls the device. Memory that comes back each time is in use, as by frames for a window: it is freed
        more and more rarely.
        """
        self._waited += 1
        if self._waited <= self._patience:
            self.cleanup_stats.skipped += due
            return
        self.cleanup_stats.skipped += due - 1
        if self.clean_up():
            came_back = self._waited <= 2 * self._patience + 1
            self._patience, self._waited = (min(2 * self._patience + 1, _MOST_PATIENCE) if came_back else 0), 0

    def _spare_bytes(self) -> int:
        if self.device.type != "cuda":
            return 0
        stats = torch.cuda.memory_stats(self.device)
        # Split blocks that are partly in use cannot be given back.
        kept = stats["allocated_bytes.all.current"] + stats["inactive_split_bytes.all.current"]
        return int(stats["reserved_bytes.all.current"] - kept)

    def get_memory_stats(self) -> dict[str, str | int | float]:
        """Device, steps done, and memory in MiB: of the GPU's allocator, or the process's resident memory on the CPU."""
        stats: dict[str, str | int | float] = {"device": str(self.device), "step_count": self.step_count()}
        if self.device.type == "cuda":
            stats["gpu_allocated_mb"] = torch.cuda.memory_allocated(self.device) / MB
            stats["gpu_reserved_mb"] = torch.cuda.memory_reserved(self.device) / MB
            stats["gpu_max_allocated_mb"] = torch.cuda.max_memory_allocated(self.device) / MB
        else:
            stats["resident_mb"] = psutil.Process().memory_info().rss / MB
        return stats

    def available_bytes(self) -> int:
        """Free memory on the device."""
        return available_bytes(self.device)

    def should_keep_on_gpu(self, tensor: Tensor, size_threshold_mb: float = 10.0) -> bool:
        """Whether a tensor on a GPU is to stay there: True below `size_threshold_mb` MiB; larger ones may go."""
        return tensor.is_cuda and tensor.numel() * tensor.element_size() < size_threshold_mb * MB

    def move_to_cpu_batch(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copies tensors to the CPU with one wait for all of them; counted as one transfer."""
        moved, arrived = self._copy({str(i): tensor for i, tensor in enumerate(tensors)})
        if arrived is not None:
            arrived.synchronize()
        return list(moved.values())

    def transfer(self, tensors: dict[str, Tensor]) -> HostArrays:
        """Starts one copy of tensors to the host; counted as one transfer."""
        with torch.inference_mode():
            return HostArrays(*self._copy(tensors))

    def _copy(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], torch.cuda.Event | None]:
        self.transfer_stats.frames += 1
        self.transfer_stats.bytes += sum(t.numel() * t.element_size() for t in tensors.values())
        if self.device.type != "cuda":
            # Bytes are never the cells themselves.
            return {name: t.clone() if t.is_floating_point() else t for name, t in tensors.items()}, None
        # torch's pinned-memory allocator is the ring: a block is used again once freed and its copy is over.
        host = {name: torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for name, t in tensors.items()}
        with torch.cuda.device(self.device):
            for name, tensor in tensors.items():
                host[name].copy_(tensor, non_blocking=True)
            arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            arrived.record()
        return host, arrived

    def numerics(self) -> AbstractContextManager[None]:
        """Sets TF32 and cuDNN to this motor's settings inside the block on CUDA, and restores those of the process after it."""
        if self.device.type != "cuda":
            return nullcontext()
        return numerics(Numerics(self.precision == "tf32", self.deterministic))


def _emptied() -> bool:
    """Returns cached memory to the driver; False if a capture that failed keeps torch 2.11 from it."""
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        if "captures_underway" not in str(error):
            raise
        return False
    return True
