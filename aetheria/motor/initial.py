"""Initial cells: noise, one live cell, random phases, or a pattern from a file, placed and scaled."""

import hashlib
import operator
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import times
from aetheria.core.errors import ConfigError, StateError
from aetheria.core.settings import Settings
from aetheria.laws.base import Law
from aetheria.laws.continuous.lenia_animals import find_animal
from aetheria.laws.exact_sums import added
from aetheria.laws.first_cells import with_norm
from aetheria.motor.placed_cells import (
    PlacedCells,
    alive_or_dead,
    from_animal,
    from_image,
    from_npy,
    from_pattern,
    from_values,
    scaled,
)
from aetheria.motor.window_draws import WindowDraws
from aetheria.split.tiles import Tile

Kind = Literal["noise", "seed", "random_phase", "pattern", "rle", "animal", "npy", "image"]
_FILES = ("pattern", "rle", "npy", "image")


class Initial(Settings):
    """Where the first cells come from.

    Attributes:
        kind: "noise" (what suits the law), "seed" (one live cell), "random_phase" (amplitudes of equal size), "pattern" (a
            pattern file of any format; "rle" is the same), "animal" (a shipped Lenia creature), "npy" (`(H, W)`, `(C, H, W)`
            or `(B, C, H, W)`) or "image" (PNG, JPEG, BMP or TIFF; colours for laws with colour channels, brightness
            otherwise; in a law of whole states cells brighter than half are alive).
        path: of the file, for "pattern", "npy" and "image".
        code: of the creature, for "animal"; the law's own when left out.
        at: the pattern's centre in cells, a number for each axis ((y, x) in two dimensions); the grid's middle when left out.
            [cells]
        step: number of steps that led to these cells, as a pattern file may state it; the run begins with it. [steps]
        scale: size of a pattern's cell in grid cells; a whole number for patterns, and for laws of whole states. [cells]
    """

    kind: Kind
    path: str | None = None
    code: str | None = Setting(default=None, examples=['code = "O2u"'])
    at: list[float] | None = Setting(default=None, min_length=1, max_length=3)
    scale: float = Setting(default=1.0, gt=0, le=1024)
    step: int = Setting(default=0, ge=0, lt=1 << 62)


def make_initial(
    initial: Initial | str | None, law: Law, shape: tuple[int, ...], seed: int, tile: Tile | None = None
) -> Tensor:
    """Cells `(B, C, *grid)`, float32 on the CPU; or those of a tile's window, equal to the window of all.

    Args:
        initial: a kind, a full description, or None for what suits the law.
        shape: (B, C, *grid).
        seed: universe u draws from (seed, u), so that it does not depend on the batch.
        tile: of the process that makes its own part. Where the law cannot make a part alone, all are made for a moment.

    Raises:
        ConfigError: a kind that needs a file or another law. FileUnreadableError: a missing or torn file.
        StateError: a pattern that does not fit the grid or the law's channels.
    """
    if not isinstance(initial, Initial):
        initial = Initial.checked({"kind": initial or law.default_initial}, "initial")
    if initial.kind in _FILES and initial.path is None:
        raise ConfigError(f'[initial] path: missing; kind "{initial.kind}" reads a file')
    if tile is not None and not law.made_by_parts:
        return tile.cut(make_initial(initial, law, shape, seed))
    batch, channels, *grid = shape
    sides = tuple(grid) if tile is None else tile.window
    if initial.kind in ("noise", "random_phase"):
        make = law.random_cells if initial.kind == "noise" else partial(_random_phase, law)
        with nullcontext() if tile is None else WindowDraws(tile):
            if batch == 1:
                return make(sides, generator(seed, 0))[None]  # not copied: it may be as large as memory allows
            return torch.stack([make(sides, generator(seed, u)) for u in range(batch)])
    placed = _placed(initial, law, tuple(grid))
    block = _block_of(placed, initial, shape)
    rest = law.rest_cell()
    cells = torch.zeros(batch, channels, *sides)
    if rest.any():
        cells += rest.view(1, -1, *[1] * len(grid))
    if tile is None:
        cells[block.index] = placed.part(Block((0,) * len(grid), placed.size))
        return law.normalised(cells)
    for source, target in tile.overlaps(block.corner, block.size):
        into: Any = (..., *target)
        cells[into] = placed.part(Block(tuple(s.start for s in source), tuple(s.stop - s.start for s in source)))
    with WindowDraws(tile) as window:
        window.squares = partial(_squares, placed)
        return law.normalised(cells)


def _squares(placed: PlacedCells) -> Tensor:
    """The sums of squares of placed cells; those around them are 0 where a law normalises over the grid."""
    return sum((added(slab) for slab in placed.slabs()), torch.zeros(3, placed.universes, dtype=torch.int64))


def first_step(initial: object) -> int:
    """The number of steps with which a run from these initial cells begins."""
    if isinstance(initial, Mapping):
        return int(initial.get("step", 0))
    return initial.step if isinstance(initial, Initial) else 0


def generator(seed: int, universe: int) -> torch.Generator:
    """The random numbers of one universe: the same whatever the batch around it."""
    digest = hashlib.blake2b(f"{seed} {universe}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def _random_phase(law: Law, grid: tuple[int, ...], random: torch.Generator) -> Tensor:
    if law.d_state is None:
        raise ConfigError('[initial] kind: "random_phase" needs a law of complex amplitudes; use "noise"')
    d_state = law.d_state

    def amplitudes(drawn: Tensor) -> Tensor:
        phase = drawn * (2 * torch.pi)
        return torch.cat((phase.cos(), phase.sin())) / d_state**0.5

    return law.normalised(with_norm(lambda: torch.rand(d_state, *grid, generator=random), amplitudes)[None])[0]


def _placed(initial: Initial, law: Law, grid: tuple[int, ...]) -> PlacedCells:
    """The cells that an initial other than noise places."""
    path, kind, scale = Path(initial.path or ""), initial.kind, initial.scale
    match kind:
        case "seed":
            cells = from_values(np.ones((1,) * len(grid), np.float32), kind, law, grid)
        case "animal":
            cells = from_animal(find_animal(initial.code or law.animal or "O2u", law.collection), law, grid)
        case "pattern" | "rle":
            cells = from_pattern(path, law, grid, scale)
        case "image":
            cells = from_image(path, law)
        case _:
            cells = from_npy(path, law, grid)
    if kind != "image" and scale >= 1 and any(map(operator.gt, cells.size, grid)):
        raise StateError(f"[initial] pattern of {times(cells.size)} cells leaves the grid of {times(grid)}")
    whole = kind in ("pattern", "rle", "seed") or (kind == "npy" and law.states is not None)
    cells = scaled(cells, scale, grid, whole=whole)
    return alive_or_dead(cells, law, str(path)) if kind == "image" else cells


def _block_of(cells: PlacedCells, initial: Initial, shape: tuple[int, ...]) -> Block:
    """Where cells are placed among those of a shape."""
    batch, channels, *grid = shape
    given, c, size = cells.universes, cells.channels, cells.size
    if c != channels or given not in (1, batch):
        raise StateError(f"[initial] {given} universes of {c} channels in {initial.path}; the run has {batch} of {channels}")
    at = [n // 2 for n in grid] if initial.at is None else initial.at
    if len(at) != len(grid):
        raise ConfigError(f"[initial] at: {at} given; expected {len(grid)} numbers, for the grid of {times(grid)}")
    block = Block(tuple(int(middle) - n // 2 for middle, n in zip(at, size, strict=True)), tuple(size))
    if not block.inside(grid):
        centre = ", ".join(f"{middle:g}" for middle in at)
        raise StateError(f"[initial] pattern of {times(size)} cells centred at ({centre}) leaves the grid of {times(grid)}")
    return block
