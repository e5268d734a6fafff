"""The fused plan for Lenia on the CPU: the ring added up cell by cell, growth and clip in one pass, in C++."""

import ctypes

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.continuous.lenia import SHAPES, Lenia
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import altered

_BOUNDARIES = ("periodic", "zero", "reflect")  # numbered as in the kernel, like `SHAPES`
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


def why_not(law: Lenia, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    if why := altered(law, Lenia):
        return why
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    weights = int(law.kernel().count_nonzero())
    return f"its ring of {weights:,} cells (R {law.R}) is faster by FFT" if weights > MOST_WEIGHTS else ""


class FusedLenia(Plan):
    """Steps `Lenia` in float32. Its growth is read anew at each call; another ring needs another plan."""

    name = "fused"

    def __init__(self, law: Lenia) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law, self._ring, self._weights = law, _ring(law), _weights(law)
        self._kernel = native_kernel("lenia.cpp").lenia

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        return self._ring != _ring(self._law) or bool(altered(self._law, Lenia))

    def advance(self, held: State, steps: int) -> State:
        if not steps:
            return held
        law, (cells,), weights = self._law, held, self._weights
        batch, _, height, width = cells.shape
        after, spare = torch.empty_like(cells), torch.empty_like(cells) if steps > 1 else cells
        products = steps * cells.numel() * weights.numel()
        job = _Job(
            *(tensor.data_ptr() for tensor in (weights, cells, after, spare)),
            *(batch, height, width, steps),
            len(weights) - 1,
            _BOUNDARIES.index(law.boundary),
            SHAPES.index(law.growth),
            max(1, min(torch.get_num_threads(), products // _THREAD_PRODUCTS)),
            law.m,
            1 / ((9 if law.growth == "polynomial" else 2) * law.s**2),
            1 / law.T,
        )
        if self._kernel(ctypes.byref(job)):
            raise MemoryError("the fused kernel's buffers")
        return (after,)


def _ring(law: Lenia) -> tuple[object, ...]:
    """What the weights depend on."""
    return law.R, tuple(law.b), law.core


def _weights(law: Lenia) -> Tensor:
    """Weights `(reach + 1, reach + 1)`, float32, of the cells at [dx, dy]; those at dx 0 halved, for they are added twice."""
    kernel = law.kernel()
    ascending = kernel.flatten().sort().values
    least = ascending[ascending.cumsum(0) > NEGLIGIBLE][0]
    quarter = torch.where(kernel < least, 0, kernel)[law.R :, law.R :]
    reach = int(quarter.any(0).nonzero().max())
    weights = quarter[: reach + 1, : reach + 1].to(torch.float32).contiguous()
    weights[0] /= 2
    return weights
