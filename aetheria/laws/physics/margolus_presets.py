"""Rules on the Margolus neighbourhood by name: their tables, colours and first cells."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor

from aetheria.laws.base import Colour
from aetheria.laws.first_cells import places, sides_of

Table = list[int]
Block = tuple[int, int, int, int]  # (a b / c d)
Soup = Callable[[tuple[int, ...], torch.Generator], Tensor]
_DARK, _SAND, _STONE, _BLUE, _WHITE = (16, 16, 24), (226, 178, 90), (110, 112, 122), (70, 130, 220), (240, 240, 240)


@dataclass(frozen=True)
class Preset:
    """A rule by name.

    Attributes:
        tables: the next block's number by that of the block; one of them is drawn where there are several.
        soup: draws first cells `(H, W)`.
        palette: the colour of each state; None for the default.
    """

    tables: list[Table]
    soup: Soup
    palette: tuple[Colour, ...] | None = None


def _table(rule: Callable[[Block], Block], states: int = 2) -> Table:
    def number(block: Block) -> int:
        a, b, c, d = block
        return ((a * states + b) * states + c) * states + d

    return [number(rule((a, b, c, d))) for a, b, c, d in product(range(states), repeat=4)]


def _billiard_balls(block: Block) -> Block:
    """A lone particle crosses its block; two on a diagonal turn onto the other one."""
    a, b, c, d = block
    if sum(block) == 1 or (a == d and b == c and a != b):
        return (d, c, b, a) if sum(block) == 1 else (b, a, d, c)
    return block


def _critters(block: Block) -> Block:
    """Every cell is inverted unless two are alive; blocks of three live cells are also turned by half a turn."""
    a, b, c, d = (1 - cell for cell in block)
    if sum(block) == 2:
        return block
    return (d, c, b, a) if sum(block) == 3 else (a, b, c, d)


def _tron(block: Block) -> Block:
    """A block of four like cells is inverted."""
    a, b, c, d = block
    return (1 - a, 1 - b, 1 - c, 1 - d) if len(set(block)) == 1 else block


def _sand(block: Block) -> Block:
    """Grains (1) fall, and slide off a grain or stone (2) to an empty place beside it; stone stays."""
    a, b, c, d = block
    if a == 1 and c == 0:
        a, c = 0, 1
    if b == 1 and d == 0:
        b, d = 0, 1
    if a == 1 and b == 0 and d == 0:
        a, d = 0, 1
    elif b == 1 and a == 0 and c == 0:
        b, c = 0, 1
    return a, b, c, d


def _aggregation(clockwise: bool) -> Callable[[Block], Block]:
    """Particles (1) turn about their block by a quarter; where it holds crystal (2) they freeze onto it."""

    def rule(block: Block) -> Block:
        a, b, c, d = block
        if 2 in block:
            a, b, c, d = (2 if cell == 1 else cell for cell in block)
            return a, b, c, d
        return (c, a, d, b) if clockwise else (b, d, a, c)

    return rule


def _evenly(chance: float) -> Soup:
    """A soup over the whole grid."""
    return partial(_soup, chance)


def _soup(chance: float, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return (torch.rand(grid, generator=generator) < chance).int()


def _disc(chance: float, share: float) -> Soup:
    """A soup in a disc of a share of the shorter side, in the middle."""
    return partial(_soup_in_disc, chance, share)


def _soup_in_disc(chance: float, share: float, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    height, width = sides_of(grid)
    row, column = places(grid)
    y, x = row - height / 2, column - width / 2
    near = y.square() + x.square() < (share * min(height, width) / 2) ** 2
    return ((torch.rand(grid, generator=generator) < chance) & near).int()


def _sand_over_ledges(grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Sand in the upper third, a stone floor, and ledges with gaps between."""
    height, width = sides_of(grid)
    down, across = places(grid)
    sand = (torch.rand(grid, generator=generator) < 0.4) & (down < height // 3)
    cells = sand.int()
    for number, row in enumerate((3 * height // 8, 5 * height // 8, height - 1)):
        gap = (across + number * width // 6) % (width // 3 + 1) < width // 24
        cells = torch.where(down == row, torch.where(gap & (row < height - 1), 0, 2), cells)
    return cells


def _crystal_in_gas(grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    (row, column), (height, width) = places(grid), sides_of(grid)
    return torch.where((row == height // 2) & (column == width // 2), 2, _evenly(0.12)(grid, generator))


# Sources: T. Toffoli, N. Margolus, "Cellular Automata Machines", 1987 (bbm, critters, tron); T. A. Witten, L. M. Sander,
# Phys. Rev. Lett. 47 (1981) 1400 (diffusion-limited aggregation).
PRESETS: dict[str, Preset] = {
    "bbm": Preset([_table(_billiard_balls)], _disc(0.3, 0.6)),
    "critters": Preset([_table(_critters)], _disc(0.5, 0.4)),
    "tron": Preset([_table(_tron)], _disc(0.5, 0.3)),
    "sand": Preset([_table(_sand, 3)], _sand_over_ledges, (_DARK, _SAND, _STONE)),
    "dla": Preset([_table(_aggregation(turn), 3) for turn in (True, False)], _crystal_in_gas, (_DARK, _BLUE, _WHITE)),
}
