"""Cells to be placed on a grid, from a file or a shipped creature: any part of them is made without the rest."""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.device import times
from aetheria.core.errors import ConfigError, FileUnreadableError, StateError
from aetheria.core.memory_limits import check_room
from aetheria.core.printable import get_logger
from aetheria.files.images import open_picture
from aetheria.files.pattern import Drawing
from aetheria.files.patterns import read_pattern
from aetheria.files.untrusted import mapped_array
from aetheria.laws.base import Law
from aetheria.laws.forms import Animal
from aetheria.laws.rules import read_rule
from aetheria.motor.values import dead_or_alive, values_reader

log = get_logger(__name__)
_SLAB = 1 << 20  # numbers that are looked at or made at a time
_SURFACES = {"periodic": "torus", "zero": "plane", "reflect": "mirrored grid"}
Grid = tuple[int, ...]
Part = Callable[[Block], Tensor]


@dataclass(frozen=True)
class PlacedCells:
    """Cells to be placed.

    Attributes:
        size: sides in cells.
        universes: number of them; 1 for all alike.
        channels: of a cell.
        part: makes the cells `(universes, channels, *block.size)` of a block.
    """

    size: Grid
    universes: int
    channels: int
    part: Part

    def slabs(self) -> Iterator[Tensor]:
        """All cells, some layers, rows or cells at a time."""
        across = self.universes * self.channels * math.prod(self.size[1:])
        deep = max(1, _SLAB // max(1, across))
        for first in range(0, self.size[0], deep):
            corner = (first, *[0] * (len(self.size) - 1))
            yield self.part(Block(corner, (min(deep, self.size[0] - first), *self.size[1:])))


# -- from files ----------------------------------------------------------------------------------------------------


def from_values(values: NDArray[np.floating[Any]], kind: str, law: Law, grid: Grid) -> PlacedCells:
    """Cells between rest and live, by their shares of life, of as many axes as the grid or fewer."""
    if values.ndim > len(grid):
        raise ConfigError(f'[initial] kind: "{kind}" has {values.ndim} axes, and {axes_of(grid)}')
    values = values.reshape((1,) * (len(grid) - values.ndim) + values.shape)  # a flat pattern in a volume
    return _painted(values.shape, lambda block: values[block.index[1:]], law)


def from_animal(animal: Animal, law: Law, grid: Grid) -> PlacedCells:
    """A creature, of one channel or of several."""
    if animal.channels == 1:
        return from_values(animal.cells, "animal", law, grid)
    sides = animal.cells.shape[1:]
    if animal.channels != law.channels:
        raise StateError(f'[initial] code: "{animal.code}" has {animal.channels} channels; {law.name} has {law.channels}')
    if len(sides) > len(grid):
        raise ConfigError(f'[initial] kind: "animal" has {len(sides)} axes, and {axes_of(grid)}')
    flat = (animal.channels, *(1,) * (len(grid) - len(sides)), *sides)
    return _of_tensor(torch.from_numpy(np.ascontiguousarray(animal.cells, np.float32)).reshape(1, *flat))


def from_pattern(path: Path, law: Law, grid: Grid, scale: float) -> PlacedCells:
    """The cells of a pattern file; without its dead margin where they fit the grid only so."""
    pattern, flat = read_pattern(path, law.live_state), len(grid) == 1
    if pattern.rule:
        _say_rule(pattern.rule, path, law, grid)
    # On one axis each row of a pattern is the state before the next one.
    drawing = _trimmed(pattern.newest_row if flat else pattern.drawing, path, grid, scale)
    law.pattern_values(np.array([[drawing.highest]], np.uint8), str(path))  # refused as a whole
    size = drawing.shape[1:] if flat else ((1,) * (len(grid) - 2) + drawing.shape)

    def values(block: Block) -> NDArray[np.float32]:
        corner, sides = ((0, *block.corner), (1, *block.size)) if flat else (block.corner[-2:], block.size[-2:])
        states = drawing.draw(*corner, *sides)
        return np.reshape(law.pattern_values(states, str(path)), block.size)

    return _painted(size, values, law)


def from_npy(path: Path, law: Law, grid: Grid) -> PlacedCells:
    """The numbers of a `.npy` file `(*size)`, `(C, *size)` or `(B, C, *size)`, which stays on the disk."""
    array, rank = mapped_array(path), len(grid)
    if array.ndim not in (rank, rank + 1, rank + 2) or not array.size:
        named = ", ".join(("D", "H", "W")[-rank:])
        raise FileUnreadableError(f"{path}: expected one real array ({named}), (C, {named}) or (B, C, {named})")
    read, flat = values_reader(_pieces(array, path), law, str(path)), array.reshape(-1, order="A")
    assert np.shares_memory(flat, array)
    plain = array.ndim == rank
    channels = 1 if plain else array.shape[-rank - 1]
    size = array.shape[array.ndim - rank :]

    def numbers(block: Block) -> Tensor:
        part: NDArray[Any] = array[(..., *block.index[1:])]
        check_room(part.size * (part.itemsize + 4), f"{path}: an array of {part.shape}", "cut out a part of it")
        return read(torch.from_numpy(np.ascontiguousarray(_real(part)))).float()

    if plain:
        return _painted(size, lambda block: numbers(block).numpy(), law)
    universes = array.size // channels // math.prod(size)
    return PlacedCells(size, universes, channels, lambda block: numbers(block).reshape(universes, channels, *block.size))


def _pieces(array: NDArray[Any], path: Path) -> Iterator[Tensor]:
    """All numbers of a file, some at a time. Raises StateError for NaN or Inf."""
    flat = array.reshape(-1, order="A")
    for first in range(0, flat.size, _SLAB):
        piece = torch.from_numpy(np.ascontiguousarray(_real(flat[first : first + _SLAB])))
        if piece.is_floating_point() and not piece.isfinite().all():
            raise StateError(f"{path}: holds NaN or Inf; expected finite values")
        yield piece


def _real(part: NDArray[Any]) -> NDArray[Any]:
    """In the byte order of the machine; a float64 too large for float32 becomes Inf."""
    if part.dtype.kind != "f":
        return part.astype(part.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):
        return part.astype(np.float32)


def from_image(path: Path, law: Law) -> PlacedCells:
    """The pixels of a picture, which is decoded whole; colours for laws with colours, brightness otherwise."""
    picture, live, rest = open_picture(path), law.seed_cell(), law.rest_cell()
    colours = "rgb" in law.fields

    def part(block: Block) -> Tensor:
        pixels = torch.from_numpy(picture.part(block.corner, block.size)).permute(2, 0, 1)  # type: ignore[arg-type]
        colour, alpha = pixels[:3] * pixels[3:], pixels[3:]
        if colours and law.channels == 3:
            return colour[None]
        if colours:
            return torch.cat((colour, alpha, live[4:, None, None] * (alpha > 0)))[None]
        bright = colour[0] * 0.2126 + colour[1] * 0.7152 + colour[2] * 0.0722  # Rec. 709
        return rest[None, :, None, None] + (live - rest)[None, :, None, None] * bright

    channels = (3 if law.channels == 3 else max(4, len(live))) if colours else len(rest)
    return PlacedCells(picture.size, 1, channels, part)


def axes_of(grid: Grid) -> str:
    """The number of axes of a grid, for messages."""
    return f"the grid of {times(grid)} has {('one', 'two', 'three')[len(grid) - 1]}"


def _of_tensor(cells: Tensor) -> PlacedCells:
    universes, channels, *size = cells.shape
    return PlacedCells(tuple(size), universes, channels, lambda block: cells[block.index])


def _painted(size: Sequence[int], values: Callable[[Block], NDArray[Any]], law: Law) -> PlacedCells:
    """Cells between the law's rest and its live cell, by a share at each."""
    rest = law.rest_cell().reshape(1, -1, *(1,) * len(size))
    live = law.seed_cell().reshape(rest.shape)

    def part(block: Block) -> Tensor:
        shares = torch.from_numpy(np.ascontiguousarray(values(block), np.float32))
        return rest + (live - rest) * shares if rest.any() else live * shares

    return PlacedCells(tuple(size), 1, rest.shape[1], part)


def _say_rule(named: str, path: Path, law: Law, grid: Grid) -> None:
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


def _trimmed(drawing: Drawing, path: Path, grid: Grid, scale: float) -> Drawing:
    """A pattern's cells; without its dead margin where it fits the grid only so."""
    live = drawing.live
    fits = [all(n * scale <= side for n, side in zip(one.shape, grid[-2:], strict=False)) for one in (drawing, live)]
    if fits == [False, True] and min(live.shape):
        log.warning(
            "%s: its box of %s cells leaves the grid of %s; placed by the %s cells that hold live ones",
            *(path, times(drawing.shape), times(grid), times(live.shape)),
        )
        return live
    return drawing


# -- scaled --------------------------------------------------------------------------------------------------------


def scaled(cells: PlacedCells, scale: float, grid: Grid, *, whole: bool) -> PlacedCells:
    """Cells `scale` times as large along each axis.

    Args:
        grid: that they must fit.
        whole: each cell becomes a block of cells; otherwise values between cells are interpolated.

    Raises:
        StateError: they do not fit. ConfigError: `scale` is no whole number, and must be.
    """
    if scale == 1:
        return cells
    size = tuple(max(1, round(n * scale)) for n in cells.size)
    # Checked before scaling: a pattern that leaves the grid may not even fit into memory.
    if any(map(operator.gt, size, grid)):
        raise StateError(f"[initial] pattern of {times(size)} cells at scale {scale:g} leaves the grid of {times(grid)}")
    if not whole:
        return _resampled(cells, size)
    if scale != int(scale):
        raise ConfigError(f"[initial] scale: {scale} given; patterns, seeds and whole states scale by whole numbers only")
    return _repeated(cells, int(scale), size)


def _repeated(cells: PlacedCells, factor: int, size: Grid) -> PlacedCells:
    def part(block: Block) -> Tensor:
        first = tuple(at // factor for at in block.corner)
        last = tuple(-(-(at + n) // factor) for at, n in zip(block.corner, block.size, strict=True))
        found = cells.part(Block(first, tuple(b - a for a, b in zip(first, last, strict=True))))
        for axis, (at, n, begin) in enumerate(zip(block.corner, block.size, first, strict=True), 2):
            found = found.repeat_interleave(factor, axis).narrow(axis, at - begin * factor, n)
        return found

    return replace(cells, size=size, part=part)


def _resampled(cells: PlacedCells, size: Grid) -> PlacedCells:
    """Linear along each axis between the middles of cells; of many cells, weighted means, as by torch with `antialias`."""
    axes = [_weights(n, wanted) for n, wanted in zip(cells.size, size, strict=True)]

    def part(block: Block) -> Tensor:
        taps = [
            (near[at : at + n], weight[at : at + n])
            for (near, weight), at, n in zip(axes, block.corner, block.size, strict=True)
        ]
        (near, weight), *others = taps
        across = cells.universes * cells.channels * math.prod(int(one[-1, -1] - one[0, 0] + 1) for one, _ in others)
        deep = max(1, _SLAB // (across * max(1, cells.size[0] // size[0])))
        pieces = [_means(cells, [(near[at : at + deep], weight[at : at + deep]), *others]) for at in range(0, len(near), deep)]
        return torch.cat(pieces, 2)

    return replace(cells, size=size, part=part)


def _means(cells: PlacedCells, taps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Weighted means `(universes, channels, ...)` of cells near each place along the axes; see `_weights`."""
    first = tuple(int(near[0, 0]) for near, _ in taps)
    found = cells.part(
        Block(first, tuple(int(near[-1, -1]) + 1 - at for (near, _), at in zip(taps, first, strict=True)))
    ).double()
    for axis, ((near, weight), at) in enumerate(zip(taps, first, strict=True), 2):
        shape = (-1, *[1] * (found.ndim - 1 - axis))
        sums = torch.zeros(())
        for tap in range(near.shape[1]):
            sums = sums + found.index_select(axis, near[:, tap] - at) * weight[:, tap].view(shape)
        found = sums
    return found.float()


def _weights(cells: int, wanted: int) -> tuple[Tensor, Tensor]:
    """For each of `wanted` places along an axis the cells near it, in rising order, and their weights, each `(wanted, n)`.

    The weights fall linearly to 0 at a distance of one place, or of one cell where that is more.
    """
    reach = max(1.0, cells / wanted)
    middle = (torch.arange(wanted, dtype=torch.float64) + 0.5) * (cells / wanted)
    first = (middle - reach).floor().long()
    near = first[:, None] + torch.arange(math.ceil(2 * reach) + 1)
    weight = (1 - (near + 0.5 - middle[:, None]).abs() / reach).clamp_min(0) * ((near >= 0) & (near < cells))
    return near.clamp(0, cells - 1), weight / weight.sum(1, keepdim=True)


def alive_or_dead(cells: PlacedCells, law: Law, where: str) -> PlacedCells:
    """The cells of a picture, as states for a law of whole ones."""
    return replace(cells, part=lambda block: dead_or_alive(cells.part(block), law, where))
