"""The mesh of processes over which a grid is split, from a `DeviceMesh` or from text such as "2x4"."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from aetheria.core.device import times
from aetheria.core.errors import ConfigError


@dataclass(frozen=True)
class Mesh:
    """Processes along each axis of a grid.

    Attributes:
        split: number of processes along each axis of the grid.
        ranks: ranks of the processes, in the order of `coordinates`: the last axis fastest. The first one leads.
        rank: of this process.
        device_type: "cpu" or "cuda".
    """

    split: tuple[int, ...]
    ranks: tuple[int, ...]
    rank: int
    device_type: str = "cpu"

    @classmethod
    def of(cls, mesh: DeviceMesh, rank: int) -> Self:
        """The mesh for a grid of `rank` axes; a mesh of fewer axes splits the first ones.

        Raises:
            ConfigError: a mesh of more axes than the grid, or of other processes than all.
        """
        sides, world = tuple(mesh.mesh.shape), dist.get_world_size()
        if len(sides) > rank:
            raise ConfigError(f"mesh: {times(sides)} processes given; the grid has {rank} axes, and the mesh {len(sides)}")
        if prod(sides) != world:
            raise ConfigError(f"mesh: {times(sides)} processes given; there are {world}, and all of them must take part")
        split = sides + (1,) * (rank - len(sides))
        return cls(split, tuple(mesh.mesh.flatten().tolist()), dist.get_rank(), mesh.device_type)

    @property
    def coordinates(self) -> list[tuple[int, ...]]:
        """The coordinates of all processes."""
        return list(product(*map(range, self.split)))

    @property
    def coordinate(self) -> tuple[int, ...]:
        """The coordinates of this process."""
        return self.coordinates[self.ranks.index(self.rank)]

    @property
    def leader(self) -> int:
        """The rank of the process that leads."""
        return self.ranks[0]

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self.rank == self.leader

    def rank_at(self, coordinate: Sequence[int]) -> int:
        """The rank of the process at these coordinates, around the mesh."""
        wrapped = tuple(place % side for place, side in zip(coordinate, self.split, strict=True))
        return self.ranks[self.coordinates.index(wrapped)]


def read_split(text: str) -> tuple[int, ...]:
    """The number of processes along each axis, from text such as "2x4".

    Raises:
        ConfigError: other text.
    """
    if not re.fullmatch(r"\d{1,6}([x*]\d{1,6}){0,2}", text.strip()) or "0" in (sides := re.split(r"[x*]", text.strip())):
        raise ConfigError(f"--split {text}: expected the number of processes along each axis, as in 2x4")
    return tuple(map(int, sides))


def check_split(split: Sequence[int], rank: int, source: str = "--split") -> None:
    """Checks a split before any process is joined.

    Args:
        split: number of processes along each axis.
        rank: number of axes of the grid.
        source: of the split, for messages.

    Raises:
        ConfigError: more axes than the grid has, or another number of processes than torchrun started.
    """
    given, world = times(split), int(os.environ.get("WORLD_SIZE", "1"))
    if len(split) > rank:
        raise ConfigError(f"{source} {given}: {len(split)} axes given; the grid has {rank}")
    if prod(split) != world:
        started = f"torchrun started {world}" if "WORLD_SIZE" in os.environ else "this is one process"
        raise ConfigError(
            f"{source} {given}: {prod(split)} processes wanted, and {started}; "
            f"`torchrun --nproc-per-node {prod(split)} -m aetheria run CONFIG --split {'x'.join(map(str, split))}` starts them"
        )
