"""The fused plan for Lenia on the CPU: the ring added up cell by cell, growth and clip in one pass, in C++."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import CURVES, RingKernel
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import ring_kernel_of

# Rings of more cells than this (R 17) are left to the FFT, which takes as long for any: benchmarks/results/rings.md.
MOST_WEIGHTS = 900
# Weights that are left out weigh no more than this together: less than rounding does in float32.
NEGLIGIBLE = 1e-8
_THREAD_PRODUCTS = 4_000_000  # that a thread is started for: what its start takes


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weight", "cells", "next", "spare")),
        *((name, ctypes.c_int64) for name in ("batch", "height", "width", "steps")),
        *((name, ctypes.c_int32) for name in ("reach", "boundary", "growth", "threads")),
        *((name, ctypes.c_float) for name in ("centre", "narrowness", "dt")),
    )


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    ring = ring_kernel_of(law)
    if isinstance(ring, str):
        return ring
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    kernel = ring.kernel()
    weights, radius = int(kernel.count_nonzero()), len(kernel) // 2
    return f"its ring of {weights:,} cells (R {radius}) is faster by FFT" if weights > MOST_WEIGHTS else ""


class FusedLenia(Plan):
    """Steps a law that has a `RingKernel`, in float32. Its growth is read at each call; another ring needs another plan."""

    name = "fused"

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        ring = _ring(law)
        self._law, self._shape_key, self._weights = law, ring.shape_key, _weights(ring.kernel())
        self._kernel = native_kernel("lenia.cpp").lenia

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        ring = ring_kernel_of(self._law)
        return isinstance(ring, str) or ring.shape_key != self._shape_key

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        ring, (cells,), weights = _ring(self._law), held, self._weights
        batch, _, height, width = cells.shape
        after, spare = torch.empty_like(cells), torch.empty_like(cells) if steps > 1 else cells
        products = steps * cells.numel() * weights.numel()
        job = _Job(
            *(tensor.data_ptr() for tensor in (weights, cells, after, spare)),
            *(batch, height, width, steps),
            len(weights) - 1,
            BOUNDARIES.index(ring.boundary),
            CURVES.index(ring.growth),
            max(1, min(torch.get_num_threads(), products // _THREAD_PRODUCTS)),
            ring.centre,
            1 / ((9 if ring.growth == "polynomial" else 2) * ring.width**2),
            ring.dt,
        )
        if self._kernel(ctypes.byref(job)):
            raise MemoryError("the fused kernel's buffers")
        return (after,)


def _ring(law: Law) -> RingKernel:
    ring = law.ring_kernel()
    assert ring is not None
    return ring


def _weights(kernel: Tensor) -> Tensor:
    """Weights `(reach + 1, reach + 1)`, float32, of the cells at [dx, dy]; those at dx 0 halved, for they are added twice."""
    radius = len(kernel) // 2
    ascending = kernel.flatten().sort().values
    least = ascending[ascending.cumsum(0) > NEGLIGIBLE][0]
    quarter = torch.where(kernel < least, 0, kernel)[radius:, radius:]
    reach = int(quarter.any(0).nonzero().max())
    weights = quarter[: reach + 1, : reach + 1].to(torch.float32).contiguous()
    weights[0] /= 2
    return weights
