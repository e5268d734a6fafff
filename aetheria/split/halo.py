"""The exchange of margins between neighbouring tiles: axis by axis, so that corners come along."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from aetheria.split.mesh import Mesh
from aetheria.split.tiles import Tile, Tiling

WORD = 64  # cells in a word of packed plans


@dataclass
class Traffic:
    """Sent by this process since the motor was made: exchanges, messages and their bytes."""

    exchanges: int = 0
    messages: int = 0
    bytes: int = 0


@dataclass
class Halo:
    """Fills the margins of tensors over this process's window with the neighbours' cells.

    A neighbour along an axis has the same sides along all others, so that both send as much as they receive. NCCL knows no
    tags: two messages to one neighbour (two processes around a torus) are matched by their order.

    Attributes:
        mesh: of the processes.
        tiling: of the grid.
        group: of the processes, for `torch.distributed`.
        traffic: sent so far.
    """

    mesh: Mesh
    tiling: Tiling
    group: dist.ProcessGroup | None = None
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        self.tile: Tile = self.tiling.tile(self.mesh.coordinate)

    def unit_of(self, tensor: Tensor) -> int | None:
        """Cells of a row in one number of a tensor: 1, or 64 for words of bits; None for a tensor of another form."""
        window = self.tile.window
        rank = len(window)
        if tensor.ndim <= rank or tuple(tensor.shape[-rank:-1]) != window[:-1]:
            return None
        if tensor.shape[-1] == window[-1]:
            return 1
        whole_words = self.tiling.split[-1] == 1 or self.tiling.align[-1] % WORD == 0
        words = tensor.dtype == torch.int64 and tensor.shape[-1] == -(-window[-1] // WORD)
        return WORD if words and whole_words else None

    def fill(self, tensors: Sequence[Tensor]) -> None:
        """Fills the margins of tensors `(..., *window)`, in place; those of another form are left alone."""
        self.traffic.exchanges += 1
        for axis in range(len(self.tile.window)):
            if self.tiling.split[axis] > 1:
                for tensor in tensors:
                    if (unit := self.unit_of(tensor)) is not None:
                        self._fill_axis(tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor, axis, unit)

    def _fill_axis(self, window: Tensor, axis: int, unit: int) -> None:
        tile, here = self.tile, self.mesh.coordinate
        rank = len(tile.window)
        scale = unit if axis == rank - 1 else 1
        before, after, size = (n[axis] // scale for n in (tile.before, tile.after, tile.size))
        window = self._without_later_margins(window, axis, unit)

        def part(first: int, cells: int) -> Tensor:
            return window.narrow(axis - rank, first, cells)

        margin = self.tiling.margin[axis] // scale
        lower, upper = (self.mesh.rank_at([place + step * (n == axis) for n, place in enumerate(here)]) for step in (-1, 1))
        outgoing = [(part(before, margin), lower, before), (part(before + size - margin, margin), upper, after)]
        incoming = [(part(before + size, after), upper), (part(0, before), lower)]
        self._swap(
            [(tensor.contiguous(), peer) for tensor, peer, there in outgoing if there],
            [(tensor, peer) for tensor, peer in incoming if tensor.shape[axis - rank]],
        )

    def _without_later_margins(self, window: Tensor, axis: int, unit: int) -> Tensor:
        """The window without the margins along later axes, which are filled afterwards."""
        rank = len(self.tile.window)
        for later in range(axis + 1, rank):
            scale = unit if later == rank - 1 else 1
            first, cells = self.tile.before[later] // scale, -(-self.tile.size[later] // scale)
            window = window.narrow(later - rank, first, cells)
        return window

    def _swap(self, outgoing: list[tuple[Tensor, int]], incoming: list[tuple[Tensor, int]]) -> None:
        buffers = [torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device) for tensor, _ in incoming]
        operations = [
            *(dist.P2POp(dist.isend, tensor, peer, self.group) for tensor, peer in outgoing),
            *(dist.P2POp(dist.irecv, buffer, peer, self.group) for buffer, (_, peer) in zip(buffers, incoming, strict=True)),
        ]
        for work in dist.batch_isend_irecv(operations):
            work.wait()
        for buffer, (tensor, _) in zip(buffers, incoming, strict=True):
            tensor.copy_(buffer)
        self.traffic.messages += len(outgoing)
        self.traffic.bytes += sum(tensor.nbytes for tensor, _ in outgoing)

    # -- whole grids -----------------------------------------------------------------------------------------------

    def on_window(self, tensor: Tensor) -> bool:
        """Whether a tensor has values at each cell of the window, as cells and some memories have."""
        return _covers(tensor, self.tile.window)

    def gather(self, window: Tensor) -> Tensor | None:
        """On the leader the tensor over the whole grid of which each process gives its window; None on the others."""
        if not self.mesh.leads:
            dist.send(self.tile.inner(window).contiguous(), self.mesh.leader, self.group)
            return None
        whole = window.new_empty((*window.shape[: -len(self.tile.grid)], *self.tile.grid))
        for rank, tile in self._tiles():
            part = self.tile.inner(window)
            if rank != self.mesh.rank:
                part = window.new_empty((*window.shape[: -len(tile.grid)], *tile.size))
                dist.recv(part, rank, self.group)
            tile.part(whole).copy_(part)
        return whole

    def scatter(self, whole: Tensor | None, like: Tensor) -> Tensor:
        """This process's window of a tensor over the whole grid, which the leader has; `like` is a tensor over the window."""
        if whole is None:
            window = torch.empty(like.shape, dtype=like.dtype, device=like.device)
            dist.recv(window, self.mesh.leader, self.group)
            return window
        for rank, tile in self._tiles():
            if rank != self.mesh.rank:
                dist.send(tile.cut(whole).contiguous(), rank, self.group)
        return self.tile.cut(whole)

    def _tiles(self) -> Iterator[tuple[int, Tile]]:
        for rank, coordinate in zip(self.mesh.ranks, self.mesh.coordinates, strict=True):
            yield rank, self.tiling.tile(coordinate)


def _covers(tensor: Tensor, sides: tuple[int, ...]) -> bool:
    return tensor.ndim > len(sides) and tuple(tensor.shape[-len(sides) :]) == sides
