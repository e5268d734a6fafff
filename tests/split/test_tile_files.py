"""States in files of tiles: read on any other split, and in one process; damaged and missing parts are named."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from aetheria import Aetheria_Motor
from aetheria.core.errors import FileUnreadableError
from aetheria.recording import Recorder
from aetheria.runs.checkpoint import Checkpoints, checkpoints_of
from aetheria.runs.state_description import IN_PARTS
from aetheria.runs.state_file import SavedState, capture, describe_state, load_state, open_state, read_state, write_state
from aetheria.runs.state_parts import parts_beside, remove_state
from aetheria.split.tile_files import Piece, TileFile, write_tile_file
from aetheria.split.tiles import Tile, Tiling
from tests.small_laws import small_law

GRID = (24, 36)


def tiles(split: tuple[int, ...], margin: int = 0, *, periodic: bool = True) -> list[Tile]:
    tiling = Tiling(GRID, split, (4, 4), (margin, margin), periodic)
    return [tiling.tile(coordinate) for coordinate in product(*map(range, split))]


def motor(law: str = "ConvLSTM") -> Aetheria_Motor:
    """Its memory is on a quarter of the grid."""
    return Aetheria_Motor(small_law(law), GRID, None, "cpu", {"plan": "eager"}, initial="noise", seed=5)


def write_in_parts(saved: SavedState, path: Path, split: tuple[int, ...]) -> list[Path]:
    """A state as processes of a split grid write it."""
    parts = []
    units = {name: GRID[0] // tensor.shape[-2] for name, tensor in saved.tensors.items()}
    for rank, tile in enumerate(tiles(split)):
        cut = {name: tile.scaled((n, n)) for name, n in units.items()}
        pieces = {name: Piece(corner=one.start, size=one.size) for name, one in cut.items()}
        part = TileFile(name=f"part-0abc-{rank}", sha256="", pieces=pieces)
        tensors = {name: cut[name].part(tensor).contiguous() for name, tensor in saved.tensors.items()}
        digest = write_tile_file(part.path(path), tensors, "")
        parts.append(part.model_copy(update={"sha256": digest}))
    shapes = {name: tuple(tensor.shape) for name, tensor in saved.tensors.items()}
    description = saved.description.model_copy(update={"version": IN_PARTS, "parts": parts, "tiled": shapes})
    write_state(SavedState(description, {}), path)
    return [part.path(path) for part in parts]


@pytest.fixture
def saved() -> SavedState:
    one = motor()
    one.step(3)
    return capture(one)


@pytest.mark.parametrize("split", [(1, 1), (3, 2)])
@pytest.mark.parametrize("other", [((2, 1), 8, True), ((1, 3), 12, True), ((2, 2), 4, False)])
def test_windows_of_any_split_are_those_of_the_whole_grid(
    tmp_path: Path, saved: SavedState, split: tuple[int, ...], other: Any
) -> None:
    path, (sides, margin, periodic) = tmp_path / "x.safetensors", other
    write_in_parts(saved, path, split) if split != (1, 1) else write_state(saved, path)  # as it was before there were parts
    files = open_state(path).files
    assert files is not None
    for tile in tiles(sides, margin, periodic=periodic):
        for name, tensor in saved.tensors.items():
            unit = GRID[0] // tensor.shape[-2]
            window = tile.scaled((unit, unit))
            assert torch.equal(files.window(name, window), window.cut(tensor))


def test_a_state_in_parts_goes_on_in_one_process(tmp_path: Path, saved: SavedState) -> None:
    path = tmp_path / "x.safetensors"
    write_in_parts(saved, path, (2, 3))
    found = read_state(path)
    assert found.tensors.keys() == saved.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in saved.tensors.items())
    one, other = motor(), motor()
    one.step(8)
    load_state(other, path)
    other.step(5)
    assert torch.equal(one.cells, other.cells)
    assert describe_state(path).tiled["cells"] == one.shape


def test_a_state_in_parts_moves_and_goes_with_them(tmp_path: Path, saved: SavedState) -> None:
    path = tmp_path / "x.h5.checkpoint-3.safetensors"
    written = write_in_parts(saved, path, (2, 1))
    for file in (path, *written):
        file.rename(file.with_name(file.name.replace("x.h5", "y[1].h5")))
    moved = path.with_name("y[1].h5.checkpoint-3.safetensors")
    assert torch.equal(read_state(moved).tensors["cells"], saved.tensors["cells"])
    assert len(parts_beside(moved)) == 2
    remove_state(moved)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_missing_damaged_or_of_another_save_is_named(tmp_path: Path, saved: SavedState) -> None:
    path = tmp_path / "x.safetensors"
    first, second = write_in_parts(saved, path, (2, 1))
    with pytest.raises(FileUnreadableError, match="is a part of a saved state; expected the file that lists it"):
        read_state(first)
    kept = first.read_bytes()
    first.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(
        FileUnreadableError, match=rf"{first.name}: is damaged, or of another save; its contents have the digest"
    ):
        read_state(path)
    first.write_bytes(second.read_bytes())
    with pytest.raises(FileUnreadableError, match=f"{first.name}: is damaged, or of another save"):
        open_state(path)
    first.write_bytes(kept)
    read_state(path)
    second.unlink()
    with pytest.raises(FileUnreadableError, match=rf"x\.safetensors: its part {second.name} is missing; expected beside it"):
        read_state(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "part-../../x-0"}, "is damaged; its description"),
        ({"pieces": {"cells": {"corner": [0, 0], "size": [12, 36]}}}, "its parts do not hold all of memory_0"),
        ({"pieces": {"cells": {"corner": [0], "size": [12]}}}, "is damaged"),
        ({"pieces": {"cells": {"corner": [0, 0], "size": [99, 36]}}}, "is damaged"),
        ({"pieces": {"cells": {"corner": [0, 0], "size": [0, 0]}}}, "is damaged"),
        ({"pieces": {}}, "its parts do not hold all of cells"),
    ],
)
def test_a_forged_list_of_parts_is_refused(tmp_path: Path, saved: SavedState, changed: dict[str, Any], words: str) -> None:
    path = tmp_path / "x.safetensors"
    write_in_parts(saved, path, (2, 1))
    description = describe_state(path)
    pieces = {"pieces": {name: Piece(**piece) for name, piece in changed["pieces"].items()}} if "pieces" in changed else {}
    forged = [description.parts[0].model_copy(update=changed | pieces), description.parts[1]]
    write_state(SavedState(description.model_copy(update={"parts": forged}), {}), path)
    with pytest.raises(FileUnreadableError, match=words):
        read_state(path)


def test_parts_without_a_checkpoint_are_removed_by_the_next_run(tmp_path: Path) -> None:
    one, path = motor("Life"), tmp_path / "run.h5"
    with Recorder(one, path) as recorder:
        checkpoints = Checkpoints(one, recorder, every=2)
        one.step(2)
        checkpoints.save()
        (kept,) = checkpoints_of(path)
        write_in_parts(SavedState(describe_state(kept), {"cells": one.cells}), kept, (2, 1))
        for name in ("4.part-0-0", "4.part-0-1", "2.part-9-0"):  # of a killed run, and of an earlier save of the same step
            (tmp_path / f"run.h5.checkpoint-{name}.safetensors").touch()
        (tmp_path / "other.h5.checkpoint-4.part-0-0.safetensors").touch()
        Checkpoints(one, recorder, every=2)
    left = sorted(file.name for file in tmp_path.glob("*.part-*"))
    assert left == [
        "other.h5.checkpoint-4.part-0-0.safetensors",
        "run.h5.checkpoint-2.part-0abc-0.safetensors",
        "run.h5.checkpoint-2.part-0abc-1.safetensors",
    ]
    assert torch.equal(read_state(kept).tensors["cells"], one.cells)
