"""The fused plan on the CPU for laws with a small network at each cell: perception, layers and update in one pass."""

import ctypes
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.hash_noise import Place, threshold
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS, CellNetwork, Dense, Filters
from aetheria.laws.updates import normalised
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import StepBuffers, address, fields, plain, run, threads_for
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of


class Layer(ctypes.Structure):
    """As in `local_network.cpp`."""

    _fields_ = fields("weight bias scale", int32="inputs outputs activation", float32="eps")


class Job(ctypes.Structure):
    """As in `local_network.cpp`."""

    _fields_ = fields(
        "layers filters cells next spare seed step",
        int64="batch channels height width steps fire_below top left rows columns",
        int32="layer_count filter_count boundary normalise alive_channel threads",
        float32="decay alive_above",
    )


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    return _why_not(form_of(law, CellNetwork), precision)


def _why_not(network: CellNetwork | str, precision: Precision) -> str:
    if isinstance(network, str):
        return network
    if (network.alive or network.fire_rate is not None) and (network.normalise != "none" or network.decay):
        return "its kernel has neither decay nor normalisation for cells that fire at random or die"
    # For bf16 too: on a CPU float32 in registers is faster than bfloat16 in memory, and more accurate.
    return "its kernel computes in float32, and fp64 is wanted" if precision == "fp64" else ""


class FusedOnCpu(Plan):
    """Steps a law that has a `CellNetwork`, in float32. The weights are read anew at each call."""

    name = "fused"

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law = law
        self._network: CellNetwork | str | None = None  # from `stale`, for the steps that follow it
        self._kernel = native_kernel("local_network.cpp", Layer, Job).local_network
        self._buffers = StepBuffers()

    def pack(self, state: State) -> State:
        return tuple(tensor.contiguous() for tensor in state)

    def stale(self) -> bool:
        self._network = form_of(self._law, CellNetwork)
        return bool(_why_not(self._network, "fp32"))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        network, self._network = self._network or self._law.cell_network(), None
        assert isinstance(network, CellNetwork)
        cells, *memory = held
        if network.normalise == "grid" and self._law.square_sum is not None:
            return (self._exactly_normalised(network, cells, steps),)
        after, spare = self._buffers.around(cells, steps)
        _step(self._kernel, network, (cells, after, spare), tuple(memory), steps)
        return (after, memory[0], memory[1] + steps) if memory else (after,)

    def _exactly_normalised(self, network: CellNetwork, cells: Tensor, steps: int) -> Tensor:
        """Step by step: the kernel adds squares in an order of its own."""
        each = replace(network, normalise="none")
        for _ in range(steps):
            after, spare = self._buffers.around(cells, 1)
            _step(self._kernel, each, (cells, after, spare), (), 1)
            cells = normalised(after, "grid", self._law.square_sum)
        return cells


def _step(kernel: Callable[..., int], network: CellNetwork, grids: State, memory: State, steps: int) -> None:
    batch, channels, height, width = grids[0].shape
    tensors = [[plain(tensor) for tensor in (layer.weight, layer.bias, layer.scale)] for layer in network.layers]
    layers = (Layer * len(tensors))(*map(_layer, network.layers, tensors))
    filters = _filters(network.filters)
    alive_channel, alive_above = network.alive or (-1, 0.0)
    seed, step = memory or (None, None)
    place = network.place or Place((0, 0), (height, width))
    products = sum(math.prod(layer.weight.shape) for layer in network.layers)
    job = Job(
        ctypes.addressof(layers),
        filters.data_ptr(),
        *(grid.data_ptr() for grid in grids),
        *map(address, (seed, step)),
        *(batch, channels, height, width, steps),
        -1 if network.fire_rate is None else threshold(network.fire_rate),
        *place.offset,
        *place.grid,
        *(len(layers), len(filters)),
        BOUNDARIES.index(network.boundary),
        NORMALISATIONS.index(network.normalise),
        alive_channel,
        threads_for(batch * height * width * steps * products),
        network.decay,
        alive_above,
    )
    run(kernel, job)


@cache
def _filters(filters: Filters) -> Tensor:
    return torch.tensor(filters, dtype=torch.float32, device="cpu")


def _layer(layer: Dense, tensors: list[Tensor | None]) -> Layer:
    outputs, inputs = layer.weight.shape
    return Layer(*map(address, tensors), inputs, outputs, ACTIVATIONS.index(layer.activation), layer.eps)
