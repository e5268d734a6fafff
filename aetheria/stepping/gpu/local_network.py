"""The fused plan on CUDA for laws with a `CellNetwork`: a Triton kernel reads and writes each cell once a step."""

import importlib.util
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.hash_noise import threshold
from aetheria.laws.local_network import ACTIVATIONS, CellNetwork, Filters
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import network_of

Tap = tuple[int, int, float]  # row and column offset from the cell, coefficient
NO_TAP: Tap = (0, 0, 0.0)

WIDEST = 128  # layer: two layers and the weights between them must fit in the registers and the shared memory
MOST_CHANNELS = 64
MASKED = 256  # cells per program of the kernel for the alive mask


@dataclass(frozen=True)
class Groups:
    """Filters in groups of `together`, with flat numbers, as the kernel takes them.

    Attributes:
        taps: row, column and coefficient of each tap: group by group, tap by tap, filter by filter.
        firsts: number of the first tap of each group.
        counts: taps of each filter in a group.
        together: filters in a group.
    """

    taps: tuple[int | float, ...]
    firsts: tuple[int, ...]
    counts: tuple[int, ...]
    together: int


@dataclass(frozen=True)
class KernelLayout:
    """The size of a program of the kernel, and the precision of its products.

    Attributes:
        block: cells per program.
        warps: warps per program.
        product: how matrices are multiplied: "ieee" (float32, without tensor cores), "tf32", "bf16", or "tf32x3" (three TF32
            products that together keep nearly all of float32's digits).
    """

    block: int
    warps: int
    product: str


def layout_for(widest: int, precision: Precision) -> KernelLayout:
    """The layout for layers up to `widest` wide; compiled for compute capability 9.0, a thread spills 120 bytes at most."""
    if precision == "fp32":
        # From 64 x 64 weights on, "ieee" unrolls into tens of thousands of instructions, which spill kilobytes in each thread.
        return KernelLayout(64, 4, "ieee") if widest <= 32 else KernelLayout(128, 8, "tf32x3")
    return KernelLayout(128 if widest <= 64 else 64, 4, precision)


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    network = network_of(law)
    if isinstance(network, str):
        return network
    if precision == "fp64":
        return "the kernel computes in float32"
    if any(layer.weight.dtype != torch.float32 for layer in network.layers):
        return "the kernel reads weights in float32"
    if network.alive is not None and network.normalise != "none":
        return "the kernel cannot both normalise and mask dead cells"
    if (channels := _channels(network)) > MOST_CHANNELS:
        return f"{channels} channels; the kernel has room for {MOST_CHANNELS}"
    if (widest := max(len(layer.weight) for layer in network.layers)) > WIDEST:
        return f"a layer of width {widest}; the kernel has room for {WIDEST}"
    return "" if importlib.util.find_spec("triton") else "Triton is not installed"


class FusedOnCuda(Plan):
    """Steps a law in a form of the state that saves passes over the cells.

    The packed state: cells `(B, C, H, W)` float32, contiguous; for laws that normalise over the grid, the sum of the squares
    `(B,)`, by whose root the cells are still to be divided; for laws whose cells die, a mask `(B, H, W)` bool of the cells to
    keep, outside which they are still to be cleared; then the law's memory.
    """

    name = "fused"

    def __init__(self, law: Law, precision: Precision, block: int | None = None) -> None:
        """
        Args:
            law: its weights are read again at each step.
            block: cells per program, a power of two, at least 16; None: by the law's width.

        Raises:
            LawError: the kernel cannot step this law; with the reason.
        """
        if why := why_not(law, precision):
            raise LawError(f"{law.name}: {why}")
        network = _network(law)
        self._law, self._form = law, _form(network)
        self._layout = layout_for(max(len(layer.weight) for layer in network.layers), precision)
        self._block = block or self._layout.block
        self._totals = network.normalise == "grid"
        self._dies = network.alive is not None
        self._groups = _grouped(network.filters, _channels(network))
        device = network.layers[0].weight.device
        # On the device and filled in place: a CUDA graph keeps reading the addresses at which it was captured.
        self._decay, self._below = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
        self._filled = (0.0, 0)
        self.refresh()

    def pack(self, state: State) -> State:
        cells, *memory = (tensor.contiguous() for tensor in state)
        cells = cells.float()
        if self._totals:
            return (cells, cells.new_ones(len(cells)), *memory)
        if self._dies:
            return (cells, torch.ones_like(cells[:, 0], dtype=torch.bool), *memory)
        return (cells, *memory)

    def unpack(self, held: State) -> State:
        cells, *rest = held
        if self._totals:
            total, *memory = rest
            scale = torch.where(total.isfinite(), total.clamp_min(1e-30).rsqrt(), torch.nan)
            return (cells * scale[:, None, None, None], *memory)
        if self._dies:
            keep, *memory = rest
            return (torch.where(keep[:, None], cells, 0.0), *memory)
        return held

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        self.refresh()
        for _ in range(steps):
            held = self.step(*held)
        return held

    def probe(self, held: State) -> Tensor:
        return torch.where(held[1][:, None], held[0], 0.0) if self._dies else held[0]

    def refresh(self) -> None:
        network = _network(self._law)
        numbers = (network.decay, threshold(network.fire_rate or 0))
        # Not while a graph is captured: it would fill them again at each replay.
        if numbers != self._filled and not (self._decay.is_cuda and torch.cuda.is_current_stream_capturing()):
            with torch.inference_mode():
                self._decay.fill_(numbers[0])
                self._below.fill_(numbers[1])
            self._filled = numbers

    def stale(self) -> bool:
        network = network_of(self._law)
        return isinstance(network, str) or self._form != _form(network)

    def step(self, *held: Tensor) -> State:
        """One step, without waiting for the device. The given state stays as it is."""
        with torch.no_grad(), torch.cuda.device_of(held[0]):  # type: ignore[no-untyped-call]  # by torch's stubs
            return self._step(_network(self._law), *held)

    def _step(self, network: CellNetwork, cells: Tensor, *rest: Tensor) -> State:
        held, memory = (rest[:1], rest[1:]) if self._totals or self._dies else ((), rest)
        total = held[0] if self._totals else None
        keep = held[0] if self._dies else None
        after, partial = self._launch(network, cells, total, keep, memory)
        if network.fire_rate is not None:
            seed, step = memory
            memory = (seed, step + 1)
        if partial is not None:
            return (after, partial.sum(1), *memory)
        if keep is not None:
            return (after, _next_mask(network, cells, keep, after), *memory)
        return (after, *memory)

    def _launch(
        self, network: CellNetwork, cells: Tensor, total: Tensor | None, keep: Tensor | None, memory: State
    ) -> tuple[Tensor, Tensor | None]:
        """The next cells, not yet normalised or cleared; with a total, also partial sums of their squares, `(B, tiles)`."""
        from aetheria.stepping.gpu.local_network_kernel import step_cells

        batch, channels, height, width = cells.shape
        rows, columns = _tile(self._block, height)
        tiles = -(-height // rows) * -(-width // columns)
        after = torch.empty_like(cells)
        partial = None if total is None else cells.new_empty(batch, tiles)
        seed, step = (None, None) if network.fire_rate is None else memory
        step_cells[(batch * tiles,)](
            cells,
            total,
            keep,
            seed,
            step,
            tuple(layer.weight.contiguous() for layer in network.layers),
            tuple(layer.bias for layer in network.layers),
            tuple(layer.scale for layer in network.layers),
            after,
            partial,
            self._decay,
            self._below,
            height,
            width,
            height * width,
            taps=self._groups.taps,
            firsts=self._groups.firsts,
            counts=self._groups.counts,
            together=self._groups.together,
            inputs=_padded(channels),
            filters=len(network.filters),
            channels=channels,
            outputs=tuple(len(layer.weight) for layer in network.layers),
            padded=tuple(_padded(len(layer.weight)) for layer in network.layers),
            activations=tuple(ACTIVATIONS.index(layer.activation) for layer in network.layers),
            epsilons=tuple(layer.eps for layer in network.layers),
            boundary=network.boundary,
            index=index_type(height, width),
            each=network.normalise == "cell",
            product=self._layout.product,
            rows=rows,
            columns=columns,
            num_warps=self._layout.warps,
            enable_fp_fusion=True,  # Triton's default until 3.10
        )
        return after, partial


def _next_mask(network: CellNetwork, cells: Tensor, keep: Tensor, moved: Tensor) -> Tensor:
    """The mask of the cells to keep in `moved`, the step of the cells that `keep` selects."""
    from aetheria.stepping.gpu.local_network_kernel import mask_cells

    assert network.alive is not None
    channel, threshold = network.alive
    batch, channels, height, width = cells.shape
    after = torch.empty_like(keep)
    mask_cells[(batch * -(-height * width // MASKED),)](
        cells,
        keep,
        moved,
        after,
        height,
        width,
        height * width,
        channels=channels,
        channel=channel,
        threshold=threshold,
        boundary=network.boundary,
        index=index_type(height, width),
        block=MASKED,
        enable_fp_fusion=True,  # Triton's default; without it Triton warns
    )
    return after


def _form(network: CellNetwork) -> tuple[object, ...]:
    """Everything that a kernel is compiled for: a network without the values of its weights, decay and fire rate."""
    layers = tuple((layer.weight.shape, layer.activation, layer.eps) for layer in network.layers)
    update = (network.normalise, network.fire_rate is None, network.alive)
    return (network.filters, layers, network.boundary, *update)


def _network(law: Law) -> CellNetwork:
    network = law.cell_network()
    assert network is not None
    return network


def _channels(network: CellNetwork) -> int:
    return len(network.layers[-1].weight)


def _padded(size: int) -> int:
    """The side of a tile that holds `size` values: a power of two, at least 16, as `tl.dot` requires."""
    return max(16, 1 << (size - 1).bit_length())


def _tile(block: int, height: int) -> tuple[int, int]:
    """Rows and columns of a tile of `block` cells: 32 columns (a warp), or more if the grid has too few rows."""
    rows = min(max(block // 32, 1), 1 << (height - 1).bit_length())
    return rows, block // rows


def index_type(height: int, width: int) -> Any:
    """Triton's type of an offset in a plane of this size."""
    import triton.language as tl

    return tl.int64 if height * width >= 2**31 else tl.int32


def _grouped(filters: Filters, channels: int) -> Groups:
    """The taps of the filters, in groups that fill a tile of inputs: for 2 channels, 8 filters fit in 16 rows.

    Within a group all filters have as many taps as the longest, padded with coefficient 0.
    """
    share = 1 << (channels - 1).bit_length()
    together = min(_padded(channels) // share, 1 << (len(filters) - 1).bit_length())
    taps = [_taps(kernel) for kernel in filters]
    taps += [[]] * (-len(taps) % together)
    groups = [_interleaved(taps[i : i + together]) for i in range(0, len(taps), together)]
    counts = tuple(len(group) // together for group in groups)
    firsts = tuple(accumulate(map(len, groups[:-1]), initial=0))
    return Groups(tuple(number for group in groups for tap in group for number in tap), firsts, counts, together)


def _interleaved(filters: list[list[Tap]]) -> list[Tap]:
    """The first tap of each filter, then the second ..."""
    return [tap for taps in zip_longest(*filters, fillvalue=NO_TAP) for tap in taps] or [NO_TAP] * len(filters)


def _taps(kernel: tuple[tuple[float, ...], ...]) -> list[Tap]:
    return [(y - 1, x - 1, kernel[y][x]) for y in range(3) for x in range(3) if kernel[y][x]]
