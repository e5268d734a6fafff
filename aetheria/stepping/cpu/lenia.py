"""The fused plan for Lenia on the CPU: direct sums over the ring-shaped kernels, growth and update in one pass."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.ring_forms import CURVES, UPDATES, MatterFlow, RingKernels
from aetheria.stepping.cpu.build import native_kernel
from aetheria.stepping.cpu.job import StepBuffers, fields, run, threads_for
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps

# Larger rings (R 18 and more) are left to the FFT, whose time does not depend on the ring: benchmarks/results/rings.md.
MOST_WEIGHTS = 900  # on average over the kernels
# The weights that are left out sum to no more than this, which float32 loses by rounding.
NEGLIGIBLE = 1e-8
_NO_FLOW = MatterFlow(0, 1.0, 1.0, 0)


class Job(ctypes.Structure):
    """As in `lenia.cpp`."""

    _fields_ = fields(
        "weight growths rates sources targets cells next spare affinity",
        int64="batch height width steps",
        int32="channels kernels carried reach boundary growth update furthest threads",
        float32="decay sigma exponent",
    )


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    rule = form_of(law, RingKernels)
    if isinstance(rule, str):
        return rule
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    kernels = rule.kernels()
    weights, radius = sum(int(kernel.count_nonzero()) for kernel in kernels), max(len(kernel) for kernel in kernels) // 2
    if weights <= MOST_WEIGHTS * len(kernels):
        return ""
    rings = "ring of" if len(kernels) == 1 else f"{len(kernels)} rings of together"
    is_faster = "is" if len(kernels) == 1 else "are"
    return f"its {rings} {weights:,} cells (R {radius}) {is_faster} faster by FFT"


class FusedLenia(Plan):
    """Steps a law that has `RingKernels`, in float32. Its numbers are read at each call; other kernels need another plan."""

    name = "fused"

    def __init__(self, law: Law) -> None:
        """
        Raises:
            NativeKernelError: no C++ compiler.
        """
        rule = form_of(law, RingKernels)
        assert isinstance(rule, RingKernels), rule
        self._law, self._rule, self._weights = law, rule, _weights(rule.kernels())
        self._products = 4 * int(self._weights.count_nonzero())  # of a cell, in all four quarters
        self._places = torch.tensor((rule.sources, rule.targets), dtype=torch.int32)
        self._kernel = native_kernel("lenia.cpp", Job).lenia
        self._buffers = StepBuffers()
        self._affinity = torch.empty(0)

    def pack(self, state: State) -> State:
        return (state[0].float().contiguous(),)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        if not steps:
            return held
        rule, (cells,), weights = self._rule, held, self._weights
        flow = rule.flow or _NO_FLOW
        growths, rates = self._numbers(cells)
        after, spare = self._buffers.around(cells, steps)
        if rule.flow and self._affinity.shape != (shape := (len(cells), rule.channels, *cells.shape[2:])):
            self._affinity = torch.empty(shape)
        job = Job(
            *(tensor.data_ptr() for tensor in (weights, growths, rates, *self._places, cells, after, spare, self._affinity)),
            *(len(cells), *cells.shape[2:], steps),
            *(rule.channels, len(weights), flow.carried, weights.shape[1] - 1),
            *(BOUNDARIES.index(rule.boundary), CURVES.index(rule.growth), UPDATES.index(rule.update), flow.dd),
            threads_for(steps * cells[:, 0].numel() * self._products),
            *(rule.decay, flow.sigma, flow.n),
        )
        run(self._kernel, job)
        return (after,)

    def _numbers(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The present numbers, float32: `(B, K, 3)` of the growths, and `(B, 2 + channels)` as `rates` in `lenia.cpp`."""
        numbers = self._rule.numbers(cells)
        growths = numbers.growths.clone()
        growths[:, :, 1] = 1 / ((9 if self._rule.growth == "polynomial" else 2) * growths[:, :, 1].square())
        per_theta = torch.ones_like(numbers.dt) if numbers.crowding is None else 1 / numbers.crowding
        rates = torch.cat((numbers.dt[:, None], per_theta[:, None], numbers.added), 1)
        return growths.float(), rates.float()


def _weights(kernels: Sequence[Tensor]) -> Tensor:
    """Weights `(K, reach + 1, reach + 1)`, float32, of the cells at [dx, dy]; halved at dx 0: the kernel adds those twice."""
    quarters = [_quarter(kernel) for kernel in kernels]
    side = max(map(len, quarters))
    weights = torch.zeros(len(quarters), side, side)
    for k, quarter in enumerate(quarters):
        weights[k, : len(quarter), : len(quarter)] = quarter
    weights[:, 0] /= 2
    return weights


def _quarter(kernel: Tensor) -> Tensor:
    """The weights of a kernel at offsets of 0 and more, without negligible ones."""
    radius = len(kernel) // 2
    ascending = kernel.flatten().sort().values
    least = ascending[ascending.cumsum(0) > NEGLIGIBLE][0]
    quarter = torch.where(kernel < least, 0, kernel)[radius:, radius:]
    reach = int(quarter.any(0).nonzero().max())
    return quarter[: reach + 1, : reach + 1]
