"""Initial cells: noise, one live cell, random phases, or a pattern from a file, placed and scaled."""

import hashlib
import operator
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field as Setting
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import times
from aetheria.core.errors import ConfigError, FileUnreadableError, StateError
from aetheria.core.printable import get_logger
from aetheria.core.settings import Settings
from aetheria.files.images import read_rgba
from aetheria.files.patterns import Pattern, read_pattern
from aetheria.files.untrusted import read_array
from aetheria.laws.base import Law
from aetheria.laws.continuous.lenia_animals import find_animal
from aetheria.laws.forms import Animal
from aetheria.laws.rules import read_rule
from aetheria.motor.values import dead_or_alive, law_values
from aetheria.motor.window_draws import WindowDraws
from aetheria.split.tiles import Tile

log = get_logger(__name__)
Kind = Literal["noise", "seed", "random_phase", "pattern", "rle", "animal", "npy", "image"]
_FILES = ("pattern", "rle", "npy", "image")
_SURFACES = {"periodic": "torus", "zero": "plane", "reflect": "mirrored grid"}


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
    pattern = _scaled(_pattern(initial, law, tuple(grid)), initial, law, tuple(grid))
    if initial.kind == "image":
        pattern = dead_or_alive(pattern, law, str(initial.path))
    rest = law.rest_cell()
    cells = torch.zeros(batch, channels, *sides)
    if rest.any():
        cells += rest.view(1, -1, *[1] * len(grid))
    block = _block_of(pattern, initial, shape)
    if tile is None:
        cells[block.index] = pattern
    else:
        for source, target in tile.overlaps(block.corner, block.size):
            into: Any = (..., *target)
            of: Any = (..., *source)
            cells[into] = pattern[of]
    return law.normalised(cells)


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
    phase = torch.rand(law.d_state, *grid, generator=random) * (2 * torch.pi)
    cells = torch.cat((phase.cos(), phase.sin())) / law.d_state**0.5
    return law.normalised(cells[None])[0]


def _pattern(initial: Initial, law: Law, grid: tuple[int, ...]) -> Tensor:
    """The pattern's cells `(1 or B, C, h, w)`."""
    live = law.seed_cell()
    path = Path(initial.path or "")
    match initial.kind:
        case "seed":
            values = np.ones((1,) * len(grid), np.float32)
        case "animal":
            animal = find_animal(initial.code or law.animal or "O2u", law.collection)
            if animal.channels > 1:
                return _of_channels(animal, law, grid)
            values = animal.cells
        case "pattern" | "rle":
            values = _read_pattern(path, law, grid, initial.scale)
        case "image":
            return _read_image(path, law, live)
        case _:
            array = _read_npy(path, law, len(grid))
            if array.ndim > len(grid):
                return array.reshape(-1, *array.shape[-len(grid) - 1 :])
            values = array.numpy()
    if values.ndim > len(grid):
        raise ConfigError(f'[initial] kind: "{initial.kind}" has {values.ndim} axes, and {_axes_of(grid)}')
    values = values.reshape((1,) * (len(grid) - values.ndim) + values.shape)  # a flat pattern in a volume
    if initial.scale >= 1 and any(map(operator.gt, values.shape, grid)):  # before it takes all channels' memory
        raise StateError(f"[initial] pattern of {times(values.shape)} cells leaves the grid of {times(grid)}")
    rest = law.rest_cell().reshape(1, -1, *(1,) * len(grid))
    live = live.reshape(rest.shape)
    shares = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    return rest + (live - rest) * shares if rest.any() else live * shares


def _axes_of(grid: tuple[int, ...]) -> str:
    return f"the grid of {times(grid)} has {('one', 'two', 'three')[len(grid) - 1]}"


def _of_channels(animal: Animal, law: Law, grid: tuple[int, ...]) -> Tensor:
    """A creature of several channels as cells `(1, C, *sides)`."""
    sides = animal.cells.shape[1:]
    if animal.channels != law.channels:
        raise StateError(f'[initial] code: "{animal.code}" has {animal.channels} channels; {law.name} has {law.channels}')
    if len(sides) > len(grid):
        raise ConfigError(f'[initial] kind: "animal" has {len(sides)} axes, and {_axes_of(grid)}')
    flat = (animal.channels, *(1,) * (len(grid) - len(sides)), *sides)
    return torch.from_numpy(np.ascontiguousarray(animal.cells, np.float32)).reshape(1, *flat)


def _scaled(pattern: Tensor, initial: Initial, law: Law, grid: tuple[int, ...]) -> Tensor:
    scale = initial.scale
    if scale == 1:
        return pattern
    size = [max(1, round(n * scale)) for n in pattern.shape[2:]]
    # Checked before scaling: a pattern that leaves the grid may not even fit into memory.
    if any(map(operator.gt, size, grid)):
        raise StateError(f"[initial] pattern of {times(size)} cells at scale {scale:g} leaves the grid of {times(grid)}")
    if initial.kind in ("pattern", "rle", "seed") or (initial.kind == "npy" and law.states is not None):
        if scale != int(scale):
            raise ConfigError(f"[initial] scale: {scale} given; patterns, seeds and whole states scale by whole numbers only")
        for axis in range(2, pattern.ndim):
            pattern = pattern.repeat_interleave(int(scale), axis)
        return pattern
    if len(grid) == 2:
        return F.interpolate(pattern, size=size, mode="bilinear", antialias=scale < 1)
    return F.interpolate(pattern, size=size, mode="linear" if len(grid) == 1 else "trilinear")


def _block_of(pattern: Tensor, initial: Initial, shape: tuple[int, ...]) -> Block:
    """Where a pattern is placed in cells of a shape."""
    batch, channels, *grid = shape
    given, c, *size = pattern.shape
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


def _read_pattern(path: Path, law: Law, grid: tuple[int, ...], scale: float) -> NDArray[np.float32]:
    pattern = read_pattern(path, law.live_state)
    if pattern.rule:
        _say_rule(pattern.rule, path, law, grid)
    if len(grid) == 1:  # each row of such a pattern is the state before the next one
        pattern = replace(pattern, cells=pattern.newest_row)
    values = law.pattern_values(_trimmed(pattern, path, grid, scale), str(path))
    return values[0] if len(grid) == 1 else values


def _say_rule(named: str, path: Path, law: Law, grid: tuple[int, ...]) -> None:
    """Says where the cells go on otherwise than the pattern's own rule, or its bounded grid, would have it."""
    if not law.obeys(named):
        log.warning("%s was made for rule %s and runs under %s", path, named, law.rule_string)
    try:
        bounded = read_rule(named).grid
    except ConfigError:
        return
    if bounded is not None and (bounded.boundary, (bounded.height, bounded.width)) != (law.boundary, grid):
        here = f"{_SURFACES.get(law.boundary, f'grid with {law.boundary} edges')} of {times(grid)} cells"
        log.warning("%s was made for a %s (rule %s) and runs on a %s", path, bounded, named, here)


def _trimmed(pattern: Pattern, path: Path, grid: tuple[int, ...], scale: float) -> NDArray[np.uint8]:
    """The pattern's cells; without its dead margin where it fits the grid only so."""
    cells = pattern.cells
    sides = grid[-2:]
    live = cells[pattern.live_box]
    fits = [all(n * scale <= side for n, side in zip(array.shape, sides, strict=False)) for array in (cells, live)]
    if fits == [False, True] and live.size:
        log.warning(
            "%s: its box of %s cells leaves the grid of %s; placed by the %s cells that hold live ones",
            *(path, times(cells.shape), times(grid), times(live.shape)),
        )
        return live
    return cells


def _read_npy(path: Path, law: Law, rank: int) -> Tensor:
    array = read_array(path)
    if array.ndim not in (rank, rank + 1, rank + 2) or not array.size:
        grid = ", ".join(("D", "H", "W")[-rank:])
        raise FileUnreadableError(f"{path}: expected one real array ({grid}), (C, {grid}) or (B, C, {grid})")
    # A float64 too large for float32 becomes Inf here, and is refused below.
    with np.errstate(over="ignore"):
        real = array.astype(np.float32) if array.dtype.kind == "f" else array
    cells = law_values(real, law, str(path)).float()
    if not cells.isfinite().all():
        raise StateError(f"{path}: holds NaN or Inf; expected finite values")
    return cells


def _read_image(path: Path, law: Law, live: Tensor) -> Tensor:
    rgba = torch.from_numpy(read_rgba(path)).permute(2, 0, 1)
    colour, alpha = rgba[:3] * rgba[3:], rgba[3:]
    if "rgb" in law.fields and law.channels == 3:
        return colour[None]
    if "rgb" in law.fields:
        hidden = live[4:, None, None] * (alpha > 0)
        return torch.cat((colour, alpha, hidden))[None]
    # Rec. 709 weights for brightness.
    bright = (colour * torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(0)
    rest = law.rest_cell()[None, :, None, None]
    return rest + (live[None, :, None, None] - rest) * bright
