"""Setup of a training: device, precision, readers and batch size, found from the hardware or given."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import nn

from aetheria.core.device import keep_freed_memory
from aetheria.core.errors import ConfigError
from aetheria.core.hardware import Hardware
from aetheria.core.precision import Numerics, numerics
from aetheria.training.batch_size import largest_batch, peak_memory

TrainingPrecision = Literal["bf16", "fp16", "fp32"]
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_MOST_WORKERS = 4  # enough to keep one device busy; more only use memory


@dataclass(frozen=True)
class Setup:
    """Device and precision of a training.

    Attributes:
        hardware: the device and its capabilities.
        precision: of the network: "bf16", "fp16" with gradients scaled, or "fp32". Weights and cells are float32 in each.
        tf32: matrix products and convolutions of float32 in TF32 (CUDA).
        deterministic: cuDNN's deterministic algorithms instead of the fastest, which it finds by trying.
        workers: number of processes that read data.
        batch: samples of a training step.
    """

    hardware: Hardware
    precision: TrainingPrecision
    tf32: bool
    deterministic: bool = False
    workers: int = 0
    batch: int = 8

    @property
    def device(self) -> torch.device:
        """The device of the training."""
        return self.hardware.device

    @property
    def pin_memory(self) -> bool:
        """Whether batches use pinned memory, from which copies to the device are asynchronous."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[None]:
        """Runs the network in `precision` inside the block."""
        reduced = self.precision != "fp32"
        return torch.autocast(self.device.type, _TYPES[self.precision] if reduced else torch.bfloat16, enabled=reduced)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales gradients so that small ones do not vanish in float16; does nothing in the other precisions."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def numerics(self) -> AbstractContextManager[None]:
        """Sets TF32 and cuDNN inside the block, and restores the settings of the process after it."""
        return numerics(Numerics(self.tf32, self.deterministic))

    def summary(self) -> str:
        """One line of text."""
        scaled = " with gradients scaled" if self.precision == "fp16" else ""
        tf32 = ", float32 products in tf32" if self.tf32 else ""
        return f"{self.precision}{scaled}{tf32}, {self.workers} reading {'process' if self.workers == 1 else 'processes'}"


def recommended(hardware: Hardware) -> Setup:
    """The setup for a device: bf16 if it is fast there, else fp16, else fp32; TF32 if there is any."""
    precision: TrainingPrecision = "bf16" if hardware.bf16 else "fp16" if hardware.fp16 else "fp32"
    # One core is left for the trainer.
    return Setup(hardware, precision, hardware.tf32, workers=max(0, min(hardware.cores - 1, _MOST_WORKERS)))


def setup_training(
    model: nn.Module,
    *,
    device: str | torch.device | None = None,
    precision: Literal["auto"] | TrainingPrecision | None = "auto",
    tf32: bool | None = None,
    deterministic: bool = False,
    workers: int | None = None,
    batch: int | None = None,
    step: Callable[[Setup, int], object] | None = None,
    most: int = 1024,
) -> Setup:
    """Prepares `model` for training on a device. None stands for the default of the hardware.

    Args:
        model: moved to the device, in float32, channels last and train mode, in place.
        precision: None for "auto" on a GPU and "fp32" on a CPU, where results are then those of other CPUs, too.
        batch: samples of a step; None for the largest that fits if a `step` to try it with is given, else 8.
        step: takes a training step on the given number of samples, and changes nothing but gradients, which are cleared.
        most: largest number of samples to try.

    Raises:
        ConfigError: an unknown device, precision or number. StateError: not even one sample fits.
    """
    if precision is None:
        precision = "auto" if Hardware.detect(device).device.type == "cuda" else "fp32"
    if precision not in ("auto", *get_args(TrainingPrecision)):
        raise ConfigError(f'precision: "{precision}" given; expected one of auto, {", ".join(get_args(TrainingPrecision))}')
    for name, value, least in (("workers", workers, 0), ("batch", batch, 1)):
        if value is not None and value < least:
            raise ConfigError(f"{name}: {value} given; expected {least} or more")
    setup = recommended(Hardware.detect(device))
    if precision == "fp16" and setup.device.type == "cpu":
        raise ConfigError(
            'precision: "fp16" given, on the CPU; expected bf16 or fp32, which have the range and need no scaling'
        )
    setup = replace(
        setup,
        precision=setup.precision if precision == "auto" else precision,
        tf32=setup.tf32 if tf32 is None else tf32,
        deterministic=deterministic,
        workers=setup.workers if workers is None else workers,
        batch=batch or setup.batch,
    )
    if setup.device.type == "cpu":
        keep_freed_memory()
    # `channels_last` is of two axes alone. torch's stubs do not know that `to` takes a memory format.
    volumes = any(tensor.ndim == 5 for tensor in (*model.parameters(), *model.buffers()))
    layout = torch.preserve_format if volumes else torch.channels_last
    model.to(setup.device, memory_format=layout).float().train()  # type: ignore[call-overload]
    return setup if batch or step is None else replace(setup, batch=_found_by_trying(model, setup, step, most))


def _found_by_trying(model: nn.Module, setup: Setup, step: Callable[[Setup, int], object], most: int) -> int:
    def probe(size: int) -> int:
        try:
            return peak_memory(lambda: step(setup, size), setup.device)
        finally:
            model.zero_grad()

    room = setup.hardware.memory_free
    if setup.device.type == "cpu":
        room += peak_memory(lambda: None, setup.device)  # free memory, and that of this process
    return largest_batch(probe, room, most=most)
