"""The fused plan on CUDA for laws with a `CellNetwork`: a Triton kernel reads and writes each cell once a step."""

import importlib.util
from operator import mod

import torch
from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.hash_noise import Place, threshold
from aetheria.laws.local_network import ACTIVATIONS, CellNetwork
from aetheria.stepping.fingerprint import Fingerprint
from aetheria.stepping.gpu.network_layout import capability_of, grouped, index_type, layout_for, padded, spills, tile
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of

WIDEST = 128  # layer: two layers and the weights between them must fit in the registers and the shared memory
MOST_CHANNELS = 64
MASKED = 256  # cells per program of the kernel for the alive mask


def why_not(law: Law, precision: Precision) -> str:
    """Why the kernel cannot step `law`, for people; empty if it can."""
    network = form_of(law, CellNetwork)
    if isinstance(network, str):
        return network
    if not network.plain:
        return (
            "the kernel takes two axes, fixed filters or learned ones alone, ELU and ReLU, no steering, no channels kept under "
            "a mask, and numbers that are the same in all universes"
        )
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
    capability = capability_of(network.layers[0].weight.device)
    if spills(network, precision, capability):
        return f"two layers wider than 64 in a row, for which {precision} on this GPU has no registers"
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
        widest, device = max(len(layer.weight) for layer in network.layers), network.layers[0].weight.device
        self._layout = layout_for(widest, precision, capability_of(device))
        self._block = block or self._layout.block
        self._totals = network.normalise == "grid"
        self._dies = network.alive is not None
        self._groups = grouped(network.filters, _channels(network))
        # On the device and filled in place: a CUDA graph keeps reading the addresses at which it was captured.
        self._decay, self._below = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
        self._fingerprint = Fingerprint(law)
        self._controls: tuple[object, ...] | None = None  # that the two were filled for
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
        controls = tuple(getattr(self._law, control.name) for control in self._law.controls)
        # Not while a graph is captured: it would fill them again at each replay.
        if controls != self._controls and not (self._decay.is_cuda and torch.cuda.is_current_stream_capturing()):
            network = _network(self._law)
            with torch.inference_mode():
                assert not isinstance(network.decay, tuple)
                assert not isinstance(network.fire_rate, tuple)
                self._decay.fill_(network.decay)
                self._below.fill_(threshold(network.fire_rate or 0))
            self._controls = controls

    def stale(self) -> bool:
        if not self._fingerprint.changed():
            return False
        network = form_of(self._law, CellNetwork)
        self._fingerprint, self._controls = Fingerprint(self._law), None
        return isinstance(network, str) or not network.plain or self._form != _form(network)

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
        rows, columns = tile(self._block, height)
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
            inputs=padded(channels),
            filters=len(network.filters),
            channels=channels,
            outputs=tuple(len(layer.weight) for layer in network.layers),
            padded=tuple(padded(len(layer.weight)) for layer in network.layers),
            activations=tuple(ACTIVATIONS.index(layer.activation) for layer in network.layers),
            epsilons=tuple(layer.eps for layer in network.layers),
            boundary=network.boundary,
            index=index_type(height, width),
            each=network.normalise == "cell",
            product=self._layout.product,
            rows=rows,
            columns=columns,
            place=_flat(network.place),
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


def _flat(place: Place | None) -> tuple[int, ...] | None:
    """(top, left, rows, columns), with a top and left that are not negative."""
    return None if place is None else (*map(mod, place.offset, place.grid), *place.grid)


def _network(law: Law) -> CellNetwork:
    network = law.cell_network()
    assert network is not None
    return network


def _channels(network: CellNetwork) -> int:
    return len(network.layers[-1].weight)
