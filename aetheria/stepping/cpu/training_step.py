"""A training step of laws whose cells fire at random: only cells that fire, and could live, are computed, in C++.

What the law itself computes at every cell and then throws away is never computed here: half of it at the usual fire rate,
nearly all of it while a pattern is small. Cells, gradients and masks are the law's own, to rounding.
"""

import ctypes
import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.laws.base import Law
from aetheria.laws.hash_noise import threshold
from aetheria.laws.local_network import CellNetwork, Filters
from aetheria.stepping.cpu.build import NativeKernelError, native_kernel
from aetheria.stepping.unmodified import network_of

log = logging.getLogger(__name__)

Step = Callable[..., Any]  # (cells, *memory) -> what the law gives
_BOUNDARIES = ("periodic", "zero")  # numbered as in the kernel, like the next
_ACTIVATIONS = ("none", "elu", "relu")


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "weight_grad", "bias_grad")),
        *((name, ctypes.c_int32) for name in ("inputs", "outputs", "activation")),
    )


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("layers", "filters", "cells", "asked", "kept")),
        *((name, ctypes.c_void_p) for name in ("seed", "step", "grad", "back")),
        *((name, ctypes.c_int64) for name in ("batch", "channels", "height", "width", "steps", "fire_below")),
        *((name, ctypes.c_int32) for name in ("layer_count", "filter_count", "boundary", "alive_channel", "threads")),
        ("alive_above", ctypes.c_float),
    )


def training_step(law: nn.Module) -> Step:
    """The fastest step with the law's values and gradients: the law itself, or only its firing cells.

    The second is for laws on the CPU, in float32, whose `cell_network` fires at random.
    """
    if not isinstance(law, Law):
        return law
    network = network_of(law)
    if isinstance(network, str) or not _picks(network):
        return law
    # On a GPU the whole grid is one launch, and picking cells costs the CPU a look at how many there are.
    if any(parameter.device.type != "cpu" or parameter.dtype != torch.float32 for parameter in law.parameters()):
        return law
    try:
        return FiringStep(law)
    except NativeKernelError as error:
        log.warning("training steps every cell, also those that do not fire: %s", error)
        return law


def _picks(network: CellNetwork) -> bool:
    """Whether this form is what `FiringStep` steps."""
    return (
        network.fire_rate is not None
        and network.normalise == "none"
        and network.decay == 0
        and network.boundary in _BOUNDARIES
        and network.layers[-1].activation == "none"
        and all(layer.scale is None and layer.bias is not None for layer in network.layers)
    )


class FiringStep:
    """`forward(cells, seed, step)` of a law in `CellNetwork` form with a fire rate, at the cells that fire.

    In float32, also where torch's autocast is on: a CPU computes the layers of some cells faster in its cache than in bfloat16
    through memory.
    """

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law = law
        self._kernel = native_kernel("firing.cpp")

    def __call__(self, cells: Tensor, seed: Tensor, step: Tensor, *, steps: int = 1) -> tuple[Tensor, ...]:
        network = self._law.cell_network()
        assert network is not None
        tensors = [tensor for layer in network.layers for tensor in (layer.weight, layer.bias)]
        given = (self._kernel, network, seed, step, steps, cells, *tensors)
        after = _Steps.apply(*given)  # type: ignore[no-untyped-call]  # by torch's stubs
        return after, seed, step + steps


def several(step: Step, state: Sequence[Tensor], steps: int) -> Sequence[Tensor]:
    """The state after some steps, of which none between is wanted: by one call where the law has one for them."""
    if isinstance(step, FiringStep):
        return step(*state, steps=steps) if steps else state
    for _ in range(steps):
        state = step(*state)
    return state


class _Steps(torch.autograd.Function):
    """Some steps: `(B, C, H, W)` cells and the tensors of each layer in, the last cells out; all contiguous by channel."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: ctypes.CDLL,
        network: CellNetwork,
        seed: Tensor,
        step: Tensor,
        steps: int,
        cells: Tensor,
        *tensors: Tensor,
    ) -> Tensor:
        batch, channels, height, width = cells.shape
        each = cells.new_empty(steps + 1, batch, height, width, channels)
        each[0] = cells.permute(0, 2, 3, 1)
        asked, kept = (torch.empty(steps, batch, height, width, dtype=torch.uint8) for _ in range(2))
        grids = {"cells": each, "asked": asked, "kept": kept, "seed": seed.contiguous(), "step": step.contiguous()}
        _run(kernel.forwards, network, tensors, (), grids)
        ctx.kernel, ctx.network = kernel, network
        ctx.save_for_backward(each, asked, kept, *tensors)
        return each[-1].clone().permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        each, asked, kept, *tensors = ctx.saved_tensors
        grad = grads[0].permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        back, own = torch.empty_like(grad), [tensor.new_empty(tensor.shape) for tensor in tensors]
        grids = {"cells": each, "asked": asked, "kept": kept, "grad": grad, "back": back}
        _run(ctx.kernel.backwards, ctx.network, tensors, own, grids)
        before = back if len(asked) % 2 else grad
        return None, None, None, None, None, before.permute(0, 3, 1, 2), *own


@cache
def _numbers(filters: Filters) -> Tensor:
    return torch.tensor(filters, dtype=torch.float32)


def _run(
    kernel: Callable[..., int],
    network: CellNetwork,
    tensors: Sequence[Tensor],
    grads: Sequence[Tensor],
    grids: dict[str, Tensor],
) -> None:
    """Calls the kernel; `grids` by the names of the job's fields."""
    steps, batch, height, width, channels = grids["cells"].shape
    steps -= 1  # the first are before any
    # Kept in these names until the kernel returns: it gets bare addresses.
    plain = [tensor.detach().contiguous() for tensor in tensors]
    filters = _numbers(network.filters)
    layers = (_Layer * len(network.layers))()
    for number, (layer, dense) in enumerate(zip(layers, network.layers, strict=True)):
        layer.weight, layer.bias = (tensor.data_ptr() for tensor in plain[2 * number : 2 * number + 2])
        if grads:
            layer.weight_grad, layer.bias_grad = (grad.data_ptr() for grad in grads[2 * number : 2 * number + 2])
        layer.outputs, layer.inputs = dense.weight.shape
        layer.activation = _ACTIVATIONS.index(dense.activation)
    alive_channel, alive_above = network.alive or (-1, 0.0)
    products = batch * height * width * sum(math.prod(layer.weight.shape) for layer in network.layers)
    assert network.fire_rate is not None
    job = _Job(
        layers=ctypes.addressof(layers),
        filters=filters.data_ptr(),
        **{name: tensor.data_ptr() for name, tensor in grids.items()},
        batch=batch,
        channels=channels,
        height=height,
        width=width,
        steps=steps,
        fire_below=threshold(network.fire_rate),
        layer_count=len(layers),
        filter_count=len(filters),
        boundary=_BOUNDARIES.index(network.boundary),
        alive_channel=alive_channel,
        alive_above=alive_above,
        # As many as torch uses, but none that would be started for less than its start takes.
        threads=max(1, min(torch.get_num_threads(), products // 4_000_000)),
    )
    if kernel(ctypes.byref(job)):
        raise MemoryError("the buffers of a training step")
