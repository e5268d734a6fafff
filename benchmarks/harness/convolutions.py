"""A law's own convolutions and nothing else: the ceiling of a law that is mostly convolutions."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aetheria.diagnostics.bench import synchronise
from benchmarks.harness.cases import Contestant, Job, motor_for

_CONVOLUTION = torch.ops.aten.convolution.default


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Notes the arguments of each convolution."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _CONVOLUTION:
            self.calls.append(args)
        return func(*args, **(kwargs or {}))


def convolutions(job: Job) -> Contestant:
    """The convolution calls of one step, on inputs of the same shapes, channels last, in the job's precision."""
    motor = motor_for(replace(job, plan="eager"))
    dtype = torch.bfloat16 if job.precision == "bf16" else torch.float32
    calls = [_filled(call, motor.device, dtype) for call in convolutions_of(motor.law, (motor.cells, *motor.memory))]

    def advance(steps: int) -> None:
        with torch.inference_mode(), motor.optimizer.numerics():
            for _ in range(steps):
                for call in calls:
                    _CONVOLUTION(*call)
        synchronise(motor.device)

    return Contestant(advance, "convolutions", f"{len(calls)} calls")


def convolutions_of(law: torch.nn.Module, state: tuple[Tensor, ...]) -> list[tuple[Any, ...]]:
    """The arguments of each call of `aten.convolution` in one step, on the meta device."""
    shapes = [torch.empty_like(tensor, device="meta") for tensor in state]
    with torch.no_grad(), _Recorder() as recorder:
        copy.deepcopy(law).to("meta")(*shapes)
    return recorder.calls


def _filled(call: tuple[Any, ...], device: torch.device, dtype: torch.dtype) -> tuple[Any, ...]:
    return tuple(_random(part, device, dtype) if isinstance(part, Tensor) else part for part in call)


def _random(like: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    values = torch.randn(like.shape, device=device).to(dtype)
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values
