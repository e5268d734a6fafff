"""A split grid, seen from one of its processes: mesh, tile, halo and commands."""

from dataclasses import dataclass

import torch
from torch.distributed.device_mesh import DeviceMesh

from aetheria.laws.base import Law
from aetheria.laws.exact_sums import SquareSum
from aetheria.split.cost import Link, best_steps
from aetheria.split.halo import Halo
from aetheria.split.layout import check_law, tiling_for
from aetheria.split.mesh import Mesh
from aetheria.split.processes import Processes, lost_processes_named
from aetheria.split.tiles import Tile


@dataclass(frozen=True)
class SplitGrid:
    """One grid over many processes.

    Attributes:
        processes: of the mesh.
        halo: fills the margins of this process's window.
        every: steps between two exchanges.
    """

    processes: Processes
    halo: Halo
    every: int

    @classmethod
    @lost_processes_named()
    def of(cls, given: DeviceMesh, law: Law, grid: tuple[int, ...], every: int | None, device: torch.device) -> "SplitGrid":
        """Cuts a grid over the processes of a mesh, and tells the law its place.

        Args:
            law: which is told the place of this process's window; another motor needs a law of its own.
            every: steps between two exchanges; None for a number that suits the law.

        Raises:
            ConfigError: a mesh or tiles that do not fit the grid. LawError: a law that cannot be split, with the reason.
            ProcessLostError: a process has gone.
        """
        check_law(law)
        mesh = Mesh.of(given, len(grid))
        if every is not None:
            tiling_for(law, grid, mesh.split, every)  # refused before any message
        processes = Processes(mesh, device)
        steps = every or processes.chosen(best_steps(law, grid, mesh, Link.measured(mesh, processes.group, device)))
        halo = Halo(mesh, tiling_for(law, grid, mesh.split, steps), processes.group)
        law.place = halo.tile.place
        if law.sums_grid:
            law.square_sum = SquareSum(halo.tile.inner)
        return cls(processes, halo, steps)

    @property
    def tile(self) -> Tile:
        """The tile of this process."""
        return self.halo.tile

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self.processes.leads

    def close(self) -> None:
        """On the leader: ends the following of the others; on the others: follows until then."""
        if self.leads:
            self.processes.close()
        elif not self.processes.ended:
            self.processes.follow("close")
