"""Training steps of laws whose cells fire at random: only the cells that fire and may live are computed.

The law computes every cell and then discards those that do not fire: half of them at the usual fire rate, and nearly all while
a pattern is small. Cells, gradients and masks equal the law's, up to rounding.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.core.printable import get_logger
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.hash_noise import threshold
from aetheria.laws.local_network import ACTIVATIONS, CellNetwork, Filters
from aetheria.stepping.cpu.build import NativeKernelError, native_kernel
from aetheria.stepping.cpu.job import fields, run, threads_for
from aetheria.stepping.unmodified import form_of

log = get_logger(__name__)

Step = Callable[..., Any]  # (cells, *memory) -> the same, or the next cells alone


class Layer(ctypes.Structure):
    """As in `training_step.cpp`."""

    _fields_ = fields("weight bias weight_grad bias_grad", int32="inputs outputs activation")


class Job(ctypes.Structure):
    """As in `training_step.cpp`."""

    _fields_ = fields(
        "layers filters cells active kept seed step grad previous_grad",
        int64="batch channels height width steps fire_below",
        int32="layer_count filter_count boundary alive_channel threads",
        float32="alive_above",
    )


def training_step(law: nn.Module) -> Step:
    """The fastest step with the law's values and gradients: a `SparseTrainingStep` where there is one, else the law.

    There is one for laws on the CPU, in float32, whose `cell_network` fires at random.
    """
    if not isinstance(law, Law):
        return law
    network = form_of(law, CellNetwork)
    if isinstance(network, str) or not _fits(network):
        return law
    # On a GPU the whole grid is one launch; to select cells, the CPU would have to wait for their number.
    if any(parameter.device.type != "cpu" or parameter.dtype != torch.float32 for parameter in law.parameters()):
        return law
    try:
        return SparseTrainingStep(law)
    except NativeKernelError as error:
        log.warning("training computes every cell, including those that do not fire: %s", error)
        return law


def _fits(network: CellNetwork) -> bool:
    """Whether `SparseTrainingStep` can step this network."""
    return (
        network.plain
        and network.fire_rate is not None
        and network.normalise == "none"
        and network.decay == 0
        and network.boundary != "reflect"
        and network.layers[-1].activation == "none"
        and all(layer.scale is None and layer.bias is not None for layer in network.layers)
    )


class SparseTrainingStep:
    """`forward(cells, seed, step)` of a law with a `CellNetwork` and a fire rate, computed at the cells that fire.

    In float32, even under autocast: a CPU computes some cells in its cache faster than all cells in bfloat16 in memory.
    """

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law = law
        self._kernel = native_kernel("training_step.cpp", Layer, Job)

    def __call__(self, cells: Tensor, seed: Tensor, step: Tensor, *, steps: int = 1) -> tuple[Tensor, ...]:
        network = self._law.cell_network()
        assert network is not None
        tensors = [tensor for layer in network.layers for tensor in (layer.weight, layer.bias)]
        given = (self._kernel, network, seed, step, steps, cells, *tensors)
        after = _Steps.apply(*given)  # type: ignore[no-untyped-call]  # by torch's stubs
        return after, seed, step + steps


def run_steps(step: Step, state: Sequence[Tensor], steps: int) -> Sequence[Tensor]:
    """The state after some steps, without the states between them: in one kernel call where there is a kernel."""
    if isinstance(step, SparseTrainingStep):
        return step(*state, steps=steps) if steps else state
    for _ in range(steps):
        after = step(*state)
        state = (after,) if isinstance(after, Tensor) else after
    return state


class _Steps(torch.autograd.Function):
    """Several steps: from cells `(B, C, H, W)` and the weight and bias of each layer to the last cells, channels last."""

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
        active, kept = (torch.empty(steps, batch, height, width, dtype=torch.uint8) for _ in range(2))
        grids = {"cells": each, "active": active, "kept": kept, "seed": seed.contiguous(), "step": step.contiguous()}
        _call(kernel.forward, network, tensors, (), grids)
        ctx.kernel, ctx.network = kernel, network
        ctx.save_for_backward(each, active, kept, *tensors)
        return each[-1].clone().permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        each, active, kept, *tensors = ctx.saved_tensors
        grad = grads[0].permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        previous_grad, grads_of_tensors = torch.empty_like(grad), [tensor.new_empty(tensor.shape) for tensor in tensors]
        grids = {"cells": each, "active": active, "kept": kept, "grad": grad, "previous_grad": previous_grad}
        _call(ctx.kernel.backward, ctx.network, tensors, grads_of_tensors, grids)
        first_grad = previous_grad if len(active) % 2 else grad  # the two buffers swap roles at each step
        return None, None, None, None, None, first_grad.permute(0, 3, 1, 2), *grads_of_tensors


@cache
def _filters(filters: Filters) -> Tensor:
    return torch.tensor(filters, dtype=torch.float32)


def _call(
    kernel: Callable[..., int],
    network: CellNetwork,
    tensors: Sequence[Tensor],
    grads: Sequence[Tensor],
    grids: dict[str, Tensor],
) -> None:
    """Calls the kernel; `grids` by the names of the job's fields, `grads` empty or one per tensor."""
    steps, batch, height, width, channels = grids["cells"].shape
    steps -= 1  # there are one more grids than steps
    contiguous = [tensor.detach().contiguous() for tensor in tensors]  # in a variable, as the kernel gets only addresses
    filters = _filters(network.filters)
    layers = (Layer * len(network.layers))()
    for number, (layer, dense) in enumerate(zip(layers, network.layers, strict=True)):
        layer.weight, layer.bias = (tensor.data_ptr() for tensor in contiguous[2 * number : 2 * number + 2])
        if grads:
            layer.weight_grad, layer.bias_grad = (grad.data_ptr() for grad in grads[2 * number : 2 * number + 2])
        layer.outputs, layer.inputs = dense.weight.shape
        layer.activation = ACTIVATIONS.index(dense.activation)
    alive_channel, alive_above = network.alive or (-1, 0.0)
    products = batch * height * width * sum(math.prod(layer.weight.shape) for layer in network.layers)
    assert isinstance(network.fire_rate, float)
    job = Job(
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
        boundary=BOUNDARIES.index(network.boundary),
        alive_channel=alive_channel,
        alive_above=alive_above,
        threads=threads_for(products),
    )
    run(kernel, job)
