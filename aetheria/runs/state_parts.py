"""The files of a saved state: one, or a file of its own for each process of a split grid, listed in the state's file."""

from collections.abc import Mapping
from glob import escape
from pathlib import Path

from torch import Tensor

from aetheria.runs.state_description import StateDescription
from aetheria.split.tile_files import Piece, TileFiles

GLOB = ".part-*.safetensors"  # after the name of a state's file without its suffix


def tile_files(path: Path, description: StateDescription, tensors: Mapping[str, Tensor]) -> TileFiles:
    """The files of cells and memory.

    Args:
        path: of the state.
        tensors: in its own file.
    """
    rank = len(description.shape) - 2
    own = {name: tensor for name, tensor in tensors.items() if name == "cells" or name.startswith("memory_")}
    # Only one file may hold a tensor over the grid whole.
    axes = {name: 0 if description.parts else min(rank, tensor.ndim) for name, tensor in own.items()}
    pieces = {
        name: Piece(corner=(0,) * axes[name], size=tuple(tensor.shape[tensor.ndim - axes[name] :]))
        for name, tensor in own.items()
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()} | dict(description.tiled)
    return TileFiles([(path, pieces), *((part.path(path), part.pieces) for part in description.parts)], shapes)


def check_parts(path: Path, description: StateDescription) -> None:
    """Checks the parts of a state, one by one, against their digests.

    Raises:
        FileUnreadableError: a part is missing or damaged, or of another save. StateError: not enough memory for it.
    """
    for part in description.parts:
        part.check(path)


def remove_state(path: Path) -> None:
    """Deletes a saved state with its parts; the file that lists them first."""
    path.unlink(missing_ok=True)
    for part in parts_beside(path):
        part.unlink(missing_ok=True)


def parts_beside(path: Path) -> list[Path]:
    """All files that may be parts of a state, of this save or of another."""
    return list(path.parent.glob(f"{escape(path.name.removesuffix('.safetensors'))}{GLOB}"))
