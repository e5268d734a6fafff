"""The exchange of margins between neighbouring tiles: axis by axis, so that corners come along."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from aetheria.split.mesh import Mesh
from aetheria.split.tiles import Part, Tile, Tiling

WORD = 64  # cells in a word of packed plans


@dataclass
class Traffic:
    """Sent by this process since the motor was made: exchanges, sums over all processes, messages and their bytes."""

    exchanges: int = 0
    sums: int = 0
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

    def tile_of(self, tensor: Tensor) -> Tile | None:
        """This process's tile in the numbers of a tensor over its window; None for a tensor of another form.

        A number stands for a cell; for 64 cells of a row, in words of bits; or for a block of cells, in the memory of a network
        that halves the grid.
        """
        for units in self._units:
            tile = self.tile.scaled(units)
            # Whole numbers of 64 bits are words, and nothing else is: other plans hold words in rows of another length.
            if (tensor.dtype == torch.int64) == (units[-1] == WORD) and _covers(tensor, tile.window):
                return tile
        return None

    @cached_property
    def _units(self) -> list[tuple[int, ...]]:
        rank, align = len(self.tile.window), self.tiling.align
        found = [(1,) * rank]
        if self.tiling.split[-1] == 1 or align[-1] % WORD == 0:
            found.append((*[1] * (rank - 1), WORD))
        blocks = range(2, min(align) + 1)
        return found + [(n,) * rank for n in blocks if all(side % n == 0 for side in (*align, *self.tile.window))]

    def fill(self, tensors: Sequence[Tensor]) -> None:
        """Fills the margins of tensors over the window, in place; those of another form are left alone."""
        self.traffic.exchanges += 1
        for tensor in tensors:
            if (tile := self.tile_of(tensor)) is not None:
                values = tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor
                for axis in range(len(tile.window)):
                    if self.tiling.split[axis] > 1:
                        self._fill_axis(values, tile, axis)

    def _fill_axis(self, window: Tensor, tile: Tile, axis: int) -> None:
        dim, here = axis - len(tile.window), self.mesh.coordinate
        for later in range(axis + 1, len(tile.window)):  # those margins are filled afterwards
            window = window.narrow(later - len(tile.window), tile.before[later], tile.size[later])
        before, size, after = tile.before[axis], tile.size[axis], tile.after[axis]
        lower, upper = (self.mesh.rank_at([n + step * (a == axis) for a, n in enumerate(here)]) for step in (-1, 1))
        outgoing, incoming = [], []
        if before:
            outgoing.append((window.narrow(dim, before, before).contiguous(), lower))
        if after:
            outgoing.append((window.narrow(dim, before + size - after, after).contiguous(), upper))
            incoming.append((window.narrow(dim, before + size, after), upper))
        if before:
            incoming.append((window.narrow(dim, 0, before), lower))
        self._swap(outgoing, incoming)

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

    def add(self, numbers: Tensor) -> None:
        """Adds the whole numbers of all processes, in place."""
        self.traffic.sums += 1
        dist.all_reduce(numbers, group=self.group)

    def most(self, numbers: Tensor) -> None:
        """The largest of the numbers of all processes, in place."""
        self.traffic.sums += 1
        dist.all_reduce(numbers, dist.ReduceOp.MAX, self.group)

    # -- whole grids -----------------------------------------------------------------------------------------------

    def gather(self, window: Tensor) -> Tensor | None:
        """On the leader the tensor over the whole grid of which each process gives its window; None on the others.

        A tensor of another form is the same in all processes, and comes back as it is.
        """
        own = self.tile_of(window)
        if own is None:
            return window
        return self.join(own.inner(window), self.units_of(window))

    def join(self, part: Tensor, units: Sequence[int]) -> Tensor | None:
        """On the leader the tensor over the whole grid of which each process gives its tile; None on the others.

        Args:
            part: this process's tile `(..., *size)`, each number for `units` cells along the axes.
        """
        tiles = [self.tiling.tile(coordinate).scaled(units) for coordinate in self.mesh.coordinates]
        return self.assemble(part, [tile.owned for tile in tiles], tiles[0].grid)

    def assemble(self, part: Tensor, places: Sequence[Part | None], sides: Sequence[int]) -> Tensor | None:
        """On the leader a tensor `(..., *sides)` of which each process gives a part; None on the others.

        Args:
            part: that of this process `(..., *size)`.
            places: of the parts of all processes, in the order of the mesh; None for one that gives none.
        """
        if not self.mesh.leads:
            if places[self.mesh.ranks.index(self.mesh.rank)] is not None:
                dist.send(part.contiguous(), self.mesh.leader, self.group)
            return None
        whole = part.new_empty((*part.shape[: -len(sides)], *sides))
        for rank, place in zip(self.mesh.ranks, places, strict=True):
            if place is None:
                continue
            index: Any = (..., *place)
            if rank != self.mesh.rank:
                part = torch.empty_like(whole[index], memory_format=torch.contiguous_format)
                dist.recv(part, rank, self.group)
            whole[index] = part
        return whole

    def place(self, block: Tensor | None, corner: Sequence[int], size: Sequence[int], window: Tensor) -> None:
        """Places a block of cells, which the leader has, in the windows of all processes.

        Args:
            block: `(..., *size)`; None on the others.
            corner, size: of the block.
            window: of this process `(..., *window)`, changed in place.
        """
        for rank, tile in self._tiles(window):
            for source, target in tile.overlaps(corner, size):
                of: Any = (..., *source)
                into: Any = (..., *target)
                if rank == self.mesh.rank:
                    if block is None:
                        received = torch.empty_like(window[into], memory_format=torch.contiguous_format)
                        dist.recv(received, self.mesh.leader, self.group)
                        window[into] = received
                    else:
                        window[into] = block[of]
                elif block is not None:
                    dist.send(block[of].contiguous(), rank, self.group)

    def scatter(self, whole: Tensor | None, like: Tensor) -> Tensor:
        """This process's window of a tensor over the whole grid, which the leader has; `like` is a tensor over the window."""
        own = self.tile_of(like)
        assert own is not None
        if whole is None:
            window = torch.empty(like.shape, dtype=like.dtype, device=like.device)
            dist.recv(window, self.mesh.leader, self.group)
            return window
        for rank, tile in self._tiles(like):
            if rank != self.mesh.rank:
                dist.send(tile.cut(whole).contiguous(), rank, self.group)
        return own.cut(whole)

    def units_of(self, like: Tensor) -> tuple[int, ...]:
        """Cells along each axis for which a number stands, of a tensor over this process's window."""
        words = like.dtype == torch.int64
        found = (units for units in self._units if words == (units[-1] == WORD))
        return next(units for units in found if _covers(like, self.tile.scaled(units).window))

    def _tiles(self, like: Tensor) -> Iterator[tuple[int, Tile]]:
        """Each process's tile, in the numbers of a tensor."""
        units = self.units_of(like)
        for rank, coordinate in zip(self.mesh.ranks, self.mesh.coordinates, strict=True):
            yield rank, self.tiling.tile(coordinate).scaled(units)


def _covers(tensor: Tensor, sides: tuple[int, ...]) -> bool:
    """Whether a tensor has a number at each place of a grid with these sides, after an axis of universes."""
    return tensor.ndim > len(sides) and tuple(tensor.shape[-len(sides) :]) == sides
