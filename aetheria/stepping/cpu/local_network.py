"""The fused plan on the CPU: perceive, network and update of every cell in one pass, in C++."""

import ctypes
import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.hash_noise import threshold
from aetheria.laws.local_network import CellNetwork, Dense, Filters
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import network_of

_BOUNDARIES = ("periodic", "zero", "reflect")  # numbered as in the kernel, like the next two
_ACTIVATIONS = ("none", "elu", "relu")
_NORMALISE = ("none", "cell", "grid")


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "scale")),
        *((name, ctypes.c_int32) for name in ("inputs", "outputs", "activation")),
        ("eps", ctypes.c_float),
    )


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("layers", "filters", "cells", "next", "spare", "seed", "step")),
        *((name, ctypes.c_int64) for name in ("batch", "channels", "height", "width", "steps", "fire_below")),
        *(
            (name, ctypes.c_int32)
            for name in ("layer_count", "filter_count", "boundary", "normalise", "alive_channel", "threads")
        ),
        ("decay", ctypes.c_float),
        ("alive_above", ctypes.c_float),
    )


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    return _why_not(network_of(law), precision)


def _why_not(network: CellNetwork | str, precision: Precision) -> str:
    if isinstance(network, str):
        return network
    if (network.alive or network.fire_rate is not None) and (network.normalise != "none" or network.decay):
        return "in its kernel cells that fire by chance or die neither decay nor are normalised"
    # For bf16 too: on a CPU float32 in registers is faster than bfloat16 through memory, and nearer to the law.
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
        self._network: CellNetwork | str | None = None  # as `stale` found it, for the steps that follow
        self._kernel = native_kernel("cell_network.cpp").cell_network

    def pack(self, state: State) -> State:
        return tuple(tensor.contiguous() for tensor in state)

    def stale(self) -> bool:
        self._network = network_of(self._law)
        return bool(_why_not(self._network, "fp32"))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        network, self._network = self._network or self._law.cell_network(), None
        assert isinstance(network, CellNetwork)
        cells, *memory = held
        after, spare = torch.empty_like(cells), torch.empty_like(cells) if steps > 1 else cells
        _run(self._kernel, network, (cells, after, spare), tuple(memory), steps)
        return (after, memory[0], memory[1] + steps) if memory else (after,)


def _run(kernel: Callable[..., int], network: CellNetwork, grids: State, memory: State, steps: int) -> None:
    batch, channels, height, width = grids[0].shape
    # Kept in these names until the kernel returns: it gets bare addresses.
    tensors = [[_plain(tensor) for tensor in (layer.weight, layer.bias, layer.scale)] for layer in network.layers]
    layers = (_Layer * len(tensors))(*map(_layer, network.layers, tensors))
    filters = _filters(network.filters)
    alive_channel, alive_above = network.alive or (-1, 0.0)
    seed, step = memory or (None, None)
    job = _Job(
        ctypes.addressof(layers),
        filters.data_ptr(),
        *(grid.data_ptr() for grid in grids),
        *map(_address, (seed, step)),
        *(batch, channels, height, width, steps),
        -1 if network.fire_rate is None else threshold(network.fire_rate),
        *(len(layers), len(filters)),
        _BOUNDARIES.index(network.boundary),
        _NORMALISE.index(network.normalise),
        alive_channel,
        _threads(network, batch * height * width * steps),
        network.decay,
        alive_above,
    )
    if kernel(ctypes.byref(job)):
        raise MemoryError("the fused kernel's buffers")


@cache
def _filters(filters: Filters) -> Tensor:
    return torch.tensor(filters, dtype=torch.float32, device="cpu")


def _layer(layer: Dense, tensors: list[Tensor | None]) -> _Layer:
    outputs, inputs = layer.weight.shape
    return _Layer(*map(_address, tensors), inputs, outputs, _ACTIVATIONS.index(layer.activation), layer.eps)


def _plain(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().to(torch.float32).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _threads(network: CellNetwork, updates: int) -> int:
    """As many as torch uses, but none that would be started for less than its start takes."""
    products = sum(math.prod(layer.weight.shape) for layer in network.layers)
    return max(1, min(torch.get_num_threads(), updates * products // 4_000_000))
