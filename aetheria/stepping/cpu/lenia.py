"""The fused plan for Lenia on the CPU: a direct sum over the ring-shaped kernel, growth and clip in one pass."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.forms import CURVES, RingKernel
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import StepBuffers, fields, run, threads_for
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of

# Larger rings (R 18 and more) are left to the FFT, whose time does not depend on the ring: benchmarks/results/rings.md.
MOST_WEIGHTS = 900
# The weights that are left out sum to no more than this, which float32 loses by rounding.
NEGLIGIBLE = 1e-8


class Job(ctypes.Structure):
    """As in `lenia.cpp`."""

    _fields_ = fields(
        "weight cells next spare",
        int64="batch height width steps",
        int32="reach boundary growth threads",
        float32="centre narrowness dt",
    )


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    ring = form_of(law, RingKernel)
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
        self._kernel = native_kernel("lenia.cpp", Job).lenia
        self._buffers = StepBuffers()

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        ring = form_of(self._law, RingKernel)
        return isinstance(ring, str) or ring.shape_key != self._shape_key

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        ring, (cells,), weights = _ring(self._law), held, self._weights
        batch, _, height, width = cells.shape
        after, spare = self._buffers.around(cells, steps)
        job = Job(
            *(tensor.data_ptr() for tensor in (weights, cells, after, spare)),
            *(batch, height, width, steps),
            len(weights) - 1,
            BOUNDARIES.index(ring.boundary),
            CURVES.index(ring.growth),
            threads_for(steps * cells.numel() * weights.numel()),
            ring.centre,
            1 / ((9 if ring.growth == "polynomial" else 2) * ring.width**2),
            ring.dt,
        )
        run(self._kernel, job)
        return (after,)


def _ring(law: Law) -> RingKernel:
    ring = law.ring_kernel()
    assert ring is not None
    return ring


def _weights(kernel: Tensor) -> Tensor:
    """Weights `(reach + 1, reach + 1)`, float32, of the cells at [dx, dy]; halved at dx 0, where the kernel adds them twice."""
    radius = len(kernel) // 2
    ascending = kernel.flatten().sort().values
    least = ascending[ascending.cumsum(0) > NEGLIGIBLE][0]
    quarter = torch.where(kernel < least, 0, kernel)[radius:, radius:]
    reach = int(quarter.any(0).nonzero().max())
    weights = quarter[: reach + 1, : reach + 1].to(torch.float32).contiguous()
    weights[0] /= 2
    return weights
