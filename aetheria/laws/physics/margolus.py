"""Margolus: rules on blocks of 2 x 2 cells that shift by one cell from step to step."""

import re
from itertools import product

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest
from aetheria.laws.checks import BOUNDARIES
from aetheria.laws.first_cells import by_parts
from aetheria.laws.forms import BitLookup, PlaneRule, ShiftingRule
from aetheria.laws.hash_noise import Place, hash_words
from aetheria.laws.layers import pad, window
from aetheria.laws.physics.margolus_presets import PRESETS, Table
from aetheria.laws.registry import register
from aetheria.laws.states import StochasticStateLaw
from aetheria.laws.topology import check_torus, is_twisted

_MOST_STATES = 16
_WHOLE_BLOCKS = "across other edges a block would be cut or mirrored"


@register
class Margolus(StochasticStateLaw):
    """Rule on the Margolus neighbourhood: blocks of 2 x 2 cells, with corners at even coordinates, then at odd ones, and so on.

    Cells: one channel of states 0 .. k - 1. A block (a b / c d) is the number ((a k + b) k + c) k + d, for two states
    8 a + 4 b + 2 c + d; the rule's table gives the number of the next block. Of several tables each block draws one in each
    step (memory: see `StochasticStateLaw`).

    Source: T. Toffoli, N. Margolus, "Cellular Automata Machines", MIT Press 1987, chapter 12.
    """

    radius = 1
    phases = 2
    divisor = 2
    spatial_period = 2
    divisor_reason = "its blocks are two cells wide"
    stochastic = False
    tables: Tensor
    backwards: Tensor

    def __init__(self, rule: str | list[int] | list[list[int]] = "critters", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: "bbm" (billiard balls), "critters", "tron", "sand" or "dla"; a table of k^4 numbers, as 16 for two states;
                several such tables; or MCell's notation, "MS,D0;8;4;3;2;5;9;7;1;6;10;11;12;13;14;15".
            boundary: "periodic", "zero" or "reflect" (blocks stick out where the edge cuts them), or "periodic-x+2" or
                "periodic-y+2" (a torus whose edges are joined with an even shift).

        Raises:
            ConfigError: no such rule, a table of another length, or numbers that are no blocks.
        """
        super().__init__()
        self.rule = rule
        self.preset = PRESETS.get(rule.lower()) if isinstance(rule, str) else None
        tables = self.preset.tables if self.preset else _tables_of(rule)
        states = round(len(tables[0]) ** 0.25)
        self.set_states(states, self.preset.palette if self.preset else None)
        self.boundary = check_torus(boundary, "margolus", BOUNDARIES, {"x": 2, "y": 2}, _WHOLE_BLOCKS)
        self.stochastic = len(tables) > 1
        self.reversible = len(tables) == 1 and sorted(tables[0]) == list(range(states**4))
        self.register_buffer("tables", torch.tensor(tables, dtype=torch.int32).flatten(), persistent=False)
        inverse = torch.tensor(tables[0]).argsort() if self.reversible else torch.zeros(0)
        self.register_buffer("backwards", inverse.to(torch.int32), persistent=False)

    def initial_memory(self, cells: Tensor, seed: int = 0) -> tuple[Tensor, ...]:
        return super().initial_memory(cells, seed) if self.stochastic else ()

    def forward(self, cells: Tensor, *memory: Tensor, phase: int) -> Tensor | tuple[Tensor, ...]:
        after = self._step(cells, self.tables, phase, memory)
        return (after, memory[0], memory[1] + 1) if memory else after

    def reverse(self, cells: Tensor, *memory: Tensor, **phase: int) -> Tensor:
        """The cells one step before, where the table is one to one; `phase` is that of the step taken back."""
        return self._step(cells, self.backwards, phase["phase"], memory)

    def _step(self, cells: Tensor, tables: Tensor, phase: int, memory: tuple[Tensor, ...]) -> Tensor:
        state = cells.to(torch.int32)
        if phase == 0:
            return self._exchanged(state, tables, memory).to(cells.dtype)
        if self.boundary == "periodic":
            rolled = self._exchanged(state.roll((-1, -1), (-2, -1)), tables, memory)
            return rolled.roll((1, 1), (-2, -1)).to(cells.dtype)
        if is_twisted(self.boundary):  # a shifted torus from any cell on is the same one
            ahead = self._exchanged(window(pad(state, 1, self.boundary), (2, 2), state.shape[2:]), tables, memory)
            return window(pad(ahead, 1, self.boundary), (0, 0), state.shape[2:]).to(cells.dtype)
        wide = self._exchanged(pad(state, 1, self.boundary), tables, memory)
        return window(wide, (1, 1), cells.shape[2:]).to(cells.dtype)

    def _exchanged(self, state: Tensor, tables: Tensor, memory: tuple[Tensor, ...]) -> Tensor:
        """The cells after every block with a corner at even coordinates is replaced by that of its table."""
        assert self.states is not None
        k = self.states
        a, b, c, d = (state[..., y::2, x::2] for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)))
        block = ((a * k + b) * k + c) * k + d
        if memory:
            seed, step = memory
            drawn = hash_words(seed, step, block.shape[2:], self._place_of_blocks()) * (len(tables) // k**4) >> 32
            block = block + (drawn * k**4)[:, None].to(torch.int32)
        after = tables.index_select(0, block.flatten()).view_as(block)
        a, b, c, d = (after // k**power % k for power in (3, 2, 1, 0))
        rows = torch.stack((torch.stack((a, b), -1).flatten(-2), torch.stack((c, d), -1).flatten(-2)), -2)
        return rows.flatten(-3, -2)

    def _place_of_blocks(self) -> Place | None:
        """The place of the blocks, 2 cells a side; with open edges one more lies across them in every second step."""
        if self.place is None:
            return None
        more = self.boundary != "periodic"
        return Place(tuple(n // 2 for n in self.place.offset), tuple(n // 2 + more for n in self.place.grid))

    def plane_rule(self) -> PlaneRule | None:
        if self.states != 2 or self.stochastic or self.boundary not in BOUNDARIES:
            return None
        table: list[int] = self.tables.tolist()
        tables = [sum((after >> 3 - cell & 1) << before for before, after in enumerate(table)) for cell in range(4)]
        here = tuple((cell, 0, 0) for cell in range(4))
        even = tuple(BitLookup(here, tables[cell]) for cell in range(4))
        # The blocks of the odd phase are d, c, b, a of four sites, of which those of a cell lie up to one further on or back.
        odd = tuple(BitLookup(_odd_block(cell), tables[3 - cell]) for cell in range(4))
        return PlaneRule((even, odd), True, self.boundary)

    def shifting_rule(self) -> ShiftingRule | None:
        if self.boundary not in BOUNDARIES or (self.stochastic and self.place is not None):
            return None  # the kernel draws by the coordinates of a whole grid
        assert self.states is not None
        return ShiftingRule(self.tables.cpu().numpy().tobytes(), self.states, self.boundary)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """The first cells of the preset; else states drawn evenly."""
        if self.preset is None:
            return super().random_cells(grid, generator)
        return self.preset.soup(grid, generator)[None].float()

    @property
    def rule_string(self) -> str:
        return self.rule if isinstance(self.rule, str) else self.name


def _odd_block(cell: int) -> tuple[tuple[int, int, int], ...]:
    """The cells of the block of the odd phase to which cell 0 to 3 of a site belongs, as (cell, y, x) of sites beside it."""
    y, x = cell // 2 - 1, cell % 2 - 1
    return tuple((3 - place, y + place // 2, x + place % 2) for place in range(4))


def _tables_of(rule: str | list[int] | list[list[int]]) -> list[Table]:
    if isinstance(rule, str):
        return [_mcell_table(rule)]
    tables: list[Table] = [rule] if all(isinstance(number, int) for number in rule) else rule  # type: ignore[list-item, assignment]
    lengths = {len(table) for table in tables}
    fitting = {states**4 for states in range(2, _MOST_STATES + 1)}
    if len(lengths) != 1 or not lengths <= fitting:
        shown = ", ".join(map(str, sorted(lengths - {0}))) or "no"
        raise ConfigError(
            f"[law.margolus] rule: {shown} numbers given; expected a table of k^4 for k states: 16 for two, 81 for three"
        )
    for table in tables:
        stray = [number for number in table if not 0 <= number < len(table)]
        if stray:
            raise ConfigError(f"[law.margolus] rule: {stray[0]} given for a block; expected numbers from 0 to {len(table) - 1}")
    return tables


def _mcell_table(rule: str) -> Table:
    """The table of a rule in MCell's notation, whose blocks are numbered a + 2 b + 4 c + 8 d."""
    found = re.fullmatch(r"MS,D(\d+(?:;\d+){15})", rule.strip(), re.IGNORECASE)
    if not found:
        raise ConfigError(f'[law.margolus] rule: "{rule}" given; {nearest(rule, list(PRESETS))}; or a table')
    numbers = [int(number) for number in found[1].split(";")]
    if max(numbers) > 15:
        raise ConfigError(f"[law.margolus] rule: {max(numbers)} given for a block; expected numbers from 0 to 15")
    mirrored = [8 * a + 4 * b + 2 * c + d for d, c, b, a in product((0, 1), repeat=4)]
    return [mirrored[numbers[mirrored[block]]] for block in range(16)]
