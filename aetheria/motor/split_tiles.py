"""The state of a split grid in files: each process writes its tile, and reads its window."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import StateError
from aetheria.motor.cells import finite
from aetheria.split.grid import SplitGrid
from aetheria.split.tile_files import Piece, TileFile, TileFiles, write_tile_file
from aetheria.split.tiles import Tile
from aetheria.stepping import State


@dataclass(frozen=True)
class WrittenTiles:
    """The files of all processes.

    Attributes:
        files: of the processes, in the order of their coordinates.
        shapes: of the tensors over the whole grid that are in them, by name.
        others: the tensors that are the same in all processes, and in no file.
    """

    files: list[TileFile]
    shapes: dict[str, tuple[int, ...]]
    others: dict[str, Tensor]


class SplitTiles:
    """Writes and reads the state of a split grid tile by tile; on the leader, as commands to all."""

    def __init__(self, split: SplitGrid, own_state: Callable[[], State], begin: Callable[[State, int, int], None]) -> None:
        """
        Args:
            split: of the grid.
            own_state: gives the state of this process's window.
            begin: goes on from a state of this process's window, a step and a seed.
        """
        self._split, self._own_state, self._begin = split, own_state, begin
        split.processes.on("write tiles", self._write)
        split.processes.on("read tiles", self._read)

    def write(self, state: Path, token: str, step: int) -> WrittenTiles | None:
        """Writes every process's tile to a file beside `state`, which is to list them; None where cells hold NaN or Inf.

        Raises:
            RecordingError, DiskFullError: the leader's file cannot be written. ProcessLostError: that of another process.
        """
        digests: list[bytes] | None = self._split.processes.command("write tiles", str(state.absolute()), token, step)
        if digests is None:
            return None
        named = _named(self._own_state())
        shapes = {
            name: (*tensor.shape[: -self._rank], *tile.grid) for name, tensor in named.items() if (tile := self._tile(tensor))
        }
        files = [
            TileFile(name=_part(token, rank), sha256=digest.hex(), pieces=self._pieces(coordinate))
            for rank, coordinate, digest in zip(self._mesh.ranks, self._mesh.coordinates, digests, strict=True)
        ]
        return WrittenTiles(files, shapes, {name: tensor for name, tensor in named.items() if name not in shapes})

    def read(self, files: TileFiles, step: int, seed: int) -> None:
        """Goes on from a state in files. Raises FileUnreadableError or StateError for those that do not fit."""
        self._split.processes.command("read tiles", files.as_json(), step, seed)

    @property
    def _mesh(self) -> Any:
        return self._split.processes.mesh

    @property
    def _rank(self) -> int:
        return len(self._split.tile.grid)

    def _tile(self, like: Tensor) -> Tile | None:
        return self._split.halo.tile_of(like)

    def _pieces(self, coordinate: tuple[int, ...]) -> dict[str, Piece]:
        pieces = {}
        for name, tensor in _named(self._own_state()).items():
            if self._tile(tensor) is not None:
                tile = self._split.halo.tiling.tile(coordinate).scaled(self._split.halo.units_of(tensor))
                pieces[name] = Piece(corner=tile.start, size=tile.size)
        return pieces

    # -- in every process ------------------------------------------------------------------------------------------

    def _write(self, state: str, token: str, step: int) -> list[bytes] | None:
        with torch.inference_mode():
            inner = {
                name: tile.inner(tensor) for name, tensor in _named(self._own_state()).items() if (tile := self._tile(tensor))
            }
            good = all(finite(tensor) for tensor in inner.values() if tensor.is_floating_point())
            if not self._split.processes.agree(int(good), least=True):
                return None
            tensors = {name: tensor.cpu().contiguous() for name, tensor in inner.items()}
        rank = self._mesh.rank
        path = TileFile(name=_part(token, rank), sha256="", pieces={}).path(Path(state))
        digest = write_tile_file(path, tensors, json.dumps({"step": step, "token": token, "rank": rank}))
        return self._split.processes.gathered(bytes.fromhex(digest))

    def _read(self, values: list[Any], step: int, seed: int) -> None:
        files = TileFiles.from_json(values)
        with torch.inference_mode():
            state = tuple(self._window(files, name, own) for name, own in _named(self._own_state()).items())
        self._begin(state, step, seed)

    def _window(self, files: TileFiles, name: str, own: Tensor) -> Tensor:
        tile = self._tile(own)
        expected = tuple(own.shape) if tile is None else (*own.shape[: -self._rank], *tile.grid)
        if files.shapes.get(name) != expected:
            raise StateError(f"{files.files[0][0]}: {name} of shape {files.shapes.get(name)}; expected {expected}")
        found = files.whole(name) if tile is None else files.window(name, tile)
        if found.is_floating_point() and not finite(found):
            raise StateError(f"{files.files[0][0]}: {name} holds NaN or Inf; expected finite values")
        return torch.empty_like(own).copy_(found)


def _named(state: State) -> dict[str, Tensor]:
    cells, *memory = state
    return {"cells": cells, **{f"memory_{k}": tensor for k, tensor in enumerate(memory)}}


def _part(token: str, rank: int) -> str:
    return f"part-{token}-{rank}"
