"""The fused plan on the CPU for laws with a small network at each cell: perception, layers and update in one pass."""

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.hash_noise import Place, threshold
from aetheria.laws.local_network import ACTIVATIONS, NORMALISATIONS, CellNetwork, Dense, Filters, Steering
from aetheria.laws.updates import normalised
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import StepBuffers, address, by_universe, fields, plain, run, threads_for
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of


class Layer(ctypes.Structure):
    """As in `dense_layer.h`."""

    _fields_ = fields("weight bias scale", int32="inputs outputs activation", float32="eps")


class Job(ctypes.Structure):
    """As in `network_job.h`."""

    _fields_ = fields(
        "layers filters cells next spare seed step fire_below decay kept",
        int64="batch channels depth height width steps front top left planes rows columns",
        int32="rank layer_count filter_count boundary normalise learned alive_channel angle_channel steered_x steered_y "
        "threads",
        float32="alive_above",
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
    batch, channels, *grid = grids[0].shape
    every = (*(() if network.learned is None else (network.learned,)), *network.layers)
    tensors = [[plain(tensor) for tensor in (layer.weight, layer.bias, layer.scale)] for layer in every]
    layers = (Layer * len(tensors))(*map(_layer, every, tensors))
    filters, fire_below, decay, kept = _filters(network.filters), *_numbers(network, batch), _kept(network)
    alive_channel, alive_above = network.alive or (-1, 0.0)
    steering = network.steering or Steering(-1, 0, 0)
    seed, step = memory or (None, None)
    place = network.place or Place((0,) * len(grid), tuple(grid))
    job = Job(
        ctypes.addressof(layers),
        filters.data_ptr(),
        *(grid.data_ptr() for grid in grids),
        *map(address, (seed, step, fire_below, decay, kept)),
        *(batch, channels, *_three(grid, 1), steps),
        *(*_three(place.offset, 0), *_three(place.grid, 1)),
        *(len(grid), len(layers), len(filters)),
        BOUNDARIES.index(network.boundary),
        NORMALISATIONS.index(network.normalise),
        network.learned is not None,
        alive_channel,
        *(steering.angle, steering.x, steering.y),
        threads_for(batch * math.prod(grid) * steps * network.products),
        alive_above,
    )
    run(kernel, job)


def _three(numbers: Sequence[int], first: int) -> tuple[int, ...]:
    """Of each axis of a grid, for three axes."""
    return (first,) * (3 - len(numbers)) + tuple(numbers)


def _numbers(network: CellNetwork, batch: int) -> tuple[Tensor | None, Tensor]:
    """The numbers below which hash words fire, and the decay, of each universe.

    Raises:
        LawError: they are given for another number of universes.
    """
    rates, decay = network.fire_rate, network.decay
    below = (
        None
        if rates is None
        else torch.tensor([threshold(rate) for rate in by_universe(rates, batch, "fire_rate")], device="cpu")
    )
    return below, torch.tensor(by_universe(decay, batch, "decay"), dtype=torch.float32, device="cpu")


def _kept(network: CellNetwork) -> Tensor:
    return torch.tensor([channel in network.kept for channel in range(network.channels)], dtype=torch.uint8, device="cpu")


@cache
def _filters(filters: Filters) -> Tensor:
    """`(F, 3, 3, 3)`; the filters of fewer axes lie in the middle."""
    found = torch.tensor(filters, dtype=torch.float32, device="cpu")
    placed = torch.zeros(len(found), 3, 3, 3, dtype=torch.float32, device="cpu")
    middle: Any = (slice(None), *(1,) * (4 - found.ndim))
    placed[middle] = found
    return placed


def _layer(layer: Dense, tensors: list[Tensor | None]) -> Layer:
    outputs, inputs = layer.weight.shape
    return Layer(*map(address, tensors), inputs, outputs, ACTIVATIONS.index(layer.activation), layer.eps)
