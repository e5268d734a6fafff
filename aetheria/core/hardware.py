"""The hardware of this machine: device, memory, cores and fast precisions."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import psutil
import torch

from aetheria.core.device import find_device

GIB = 2**30
# CPU capabilities, by torch's names, that multiply bfloat16. Without one a CPU widens every value first, and loses time.
_CPU_BF16 = ("avx512_bf16", "amx_bf16", "bf16")


@dataclass(frozen=True)
class Hardware:
    """One device, and the CPU that feeds it.

    Attributes:
        name: of the device, for people.
        memory_free, memory_total: bytes on the device at the time.
        capability: of a CUDA device, as (8, 0); None on the CPU.
        cores: of the CPU, that this process may use.
        bf16, fp16: the device multiplies these types faster than float32.
        tf32: the device multiplies float32 faster with fewer digits.
    """

    device: torch.device
    name: str
    memory_free: int
    memory_total: int
    capability: tuple[int, int] | None
    cores: int
    bf16: bool
    fp16: bool
    tf32: bool

    @classmethod
    def detect(cls, device: str | torch.device | None = None) -> Self:
        """Examines a device; None or "auto" for CUDA if there is one, else the CPU.

        Raises:
            ConfigError: no such device here.
        """
        found = find_device(device)
        return cls._cuda(found) if found.type == "cuda" else cls._cpu()

    @classmethod
    def _cpu(cls) -> Self:
        memory, able = psutil.virtual_memory(), torch.cpu.get_capabilities()
        return cls(
            device=torch.device("cpu"),
            name=f"{able.get('cpu_name') or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
            memory_free=memory.available,
            memory_total=memory.total,
            capability=None,
            cores=_cores(),
            bf16=any(able.get(flag) for flag in _CPU_BF16),
            fp16=False,
            tf32=False,
        )

    @classmethod
    def _cuda(cls, device: torch.device) -> Self:
        free, total = torch.cuda.mem_get_info(device)
        capability = torch.cuda.get_device_capability(device)
        return cls(
            device=device,
            name=torch.cuda.get_device_name(device),
            memory_free=free,
            memory_total=total,
            capability=capability,
            cores=_cores(),
            # Tensor cores came with Volta, 7.0, for fp16 alone; TF32 and bf16 with Ampere, 8.0.
            bf16=capability >= (8, 0),
            fp16=capability >= (7, 0),
            tf32=capability >= (8, 0),
        )

    def describe(self) -> dict[str, str]:
        """The device in words, line by line."""
        on, capability = self.device, self.capability
        if capability is None:
            lines = {"CPU": f"{self.name}: {self.cores} cores, {torch.get_num_threads()} threads"}
        else:
            lines = {str(on): f"{self.name}, compute capability {capability[0]}.{capability[1]}"}
        fast = [name for name, has in (("tf32", self.tf32), ("fp16", self.fp16), ("bf16", self.bf16)) if has]
        lines[f"memory on {on}"] = f"{self.memory_free / GIB:.1f} of {self.memory_total / GIB:.1f} GiB free"
        lines[f"precisions on {on}"] = f"fp32, bf16, fp64; faster than fp32: {', '.join(fast) or 'none'}"
        return lines


def all_hardware() -> Iterator[Hardware]:
    """The CPU, then each CUDA device."""
    yield Hardware.detect("cpu")
    for index in range(torch.cuda.device_count()):
        yield Hardware.detect(f"cuda:{index}")


def _cores() -> int:
    # A container or a scheduler may have given this process a part of the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
