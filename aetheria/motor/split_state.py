"""A motor on a split grid goes on from files of tiles, of which each process reads its own window."""

from collections.abc import Mapping
from typing import Any

from aetheria.core.errors import StateError
from aetheria.motor.reading import MotorReader
from aetheria.split.tile_files import TileFiles


def load_tiles(motor: MotorReader, files: TileFiles, step: int, seed: int, law: Mapping[str, Any]) -> None:
    """Goes on from a state in files; on rank 0, while the others follow. The state does not enter the log of edits.

    Args:
        motor: on a split grid.
        files: of cells and memory.
        step, seed, law: as in `state_dict`.

    Raises:
        FileUnreadableError: files that are missing or damaged.
        StateError: tensors of other shapes, NaN or Inf, or a recorder is running.
    """
    loop = motor._loop
    tiles = loop.stepper.tiles
    assert tiles is not None
    if loop.feed.lossless():
        raise StateError("load_tiles: a recorder is running; finish it first")
    with loop.changing():
        loop.stepper.own.load(law)
        tiles.read(files, step, seed)
        loop.edge_watch.begin(anew=True)
        loop.feed.show_again()
