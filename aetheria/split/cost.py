"""The cost of a step on a split grid, by a formula; and the number of steps between two exchanges that costs least."""

import statistics
import time
from dataclasses import dataclass
from math import prod

import torch
import torch.distributed as dist

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.split.layout import tiling_for
from aetheria.split.mesh import Mesh
from aetheria.split.tiles import Tile

STEPS = (1, 2, 4, 8, 16, 32, 64)  # between two exchanges, to choose from
_SMALL, _LARGE, _REPEATS = 256, 1 << 18, 5  # numbers in a message that measures the latency, and the bandwidth
# Cell updates or products a second of one process: rough, for they only choose the width of margins.
_RATES = {"cpu": (2e10, 1e9, 2e10, 2e7), "cuda": (3e12, 1e11, 1e13, 5e9)}


@dataclass(frozen=True)
class Link:
    """The connection of two processes: seconds that a message takes at the least, and bytes a second."""

    latency: float
    bandwidth: float

    @classmethod
    def measured(cls, mesh: Mesh, group: dist.ProcessGroup, device: torch.device) -> "Link":
        """Of a ring of all processes, each sending to the next; collective."""
        short = statistics.median(_around(mesh, group, device, _SMALL) for _ in range(_REPEATS))
        long = min(_around(mesh, group, device, _LARGE) for _ in range(2))
        return cls(short, 4 * (_LARGE - _SMALL) / max(long - short, 1e-9))


def _around(mesh: Mesh, group: dist.ProcessGroup, device: torch.device, numbers: int) -> float:
    """Seconds of one message from each process to the next."""
    sent, received = (torch.zeros(numbers, device=device) for _ in range(2))
    here, count = mesh.ranks.index(mesh.rank), len(mesh.ranks)
    began = time.perf_counter()
    operations = [
        dist.P2POp(dist.isend, sent, mesh.ranks[(here + 1) % count], group),
        dist.P2POp(dist.irecv, received, mesh.ranks[(here - 1) % count], group),
    ]
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def cell_rate(law: Law, device_type: str) -> float:
    """Cells that one process updates in a second, roughly."""
    bits, states, products, other = _RATES[device_type]
    if law.bit_rule() is not None or law.row_rule() is not None:
        return bits
    if any(form is not None for form in (law.block_rule(), law.count_rule(), law.tree_rule())):
        return states
    network = law.cell_network()
    if network is not None:
        return products / network.products
    return other / law.channels


def cell_bytes(law: Law) -> float:
    """Bytes of a cell in the form that is exchanged, roughly."""
    if law.bit_rule() is not None or law.row_rule() is not None:
        return 1 / 8
    if any(form is not None for form in (law.count_rule(), law.tree_rule())):
        return 1
    return 4 * law.channels


def exchange_traffic(tile: Tile) -> tuple[int, int]:
    """Messages, and cells in them, that a tile sends in one exchange: axis by axis, the margins of earlier axes included."""
    messages = cells = 0
    for axis in range(len(tile.grid)):
        across = prod((*tile.window[:axis], *tile.size[axis + 1 :]))
        margins = [margin for margin in (tile.before[axis], tile.after[axis]) if margin]
        messages += len(margins)
        cells += across * sum(margins)
    return messages, cells


def step_seconds(tile: Tile, every: int, rate: float, bytes_a_cell: float, link: Link) -> float:
    """Seconds of a step: the cells of the window, and its share of an exchange after `every` steps.

    Messages along one axis are under way together; those of the next axis follow.
    """
    phases = sum(before + after > 0 for before, after in zip(tile.before, tile.after, strict=True))
    exchange = phases * link.latency + exchange_traffic(tile)[1] * bytes_a_cell / link.bandwidth
    return prod(tile.window) / rate + exchange / every


def best_steps(law: Law, grid: tuple[int, ...], mesh: Mesh, link: Link) -> int:
    """The number of steps between two exchanges by which a step costs least; 1 where no more fit into the tiles."""
    rate, bytes_a_cell = cell_rate(law, mesh.device_type), cell_bytes(law)
    costs: dict[int, float] = {}
    for every in STEPS:
        try:
            tiling = tiling_for(law, grid, mesh.split, every)
        except ConfigError:
            break
        costs[every] = step_seconds(tiling.tile(mesh.coordinate), every, rate, bytes_a_cell, link)
    return min(costs, key=costs.__getitem__, default=1)
