"""Langton's ant and other turmites: Turing machines on a grid of coloured cells."""

import ast
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import PLOTTED, Colour
from aetheria.laws.first_cells import by_parts, with_least
from aetheria.laws.neighbourhoods import arrivals
from aetheria.laws.registry import register
from aetheria.laws.states import MOST_STATES, StateLaw, default_palette
from aetheria.laws.topology import check_topology

_TURNS = {"N": 0, "R": 1, "U": 2, "L": 3}
_PEGG = {1: 0, 2: 1, 4: 2, 8: 3}  # the numbers of turns in E. Pegg's notation
_RED: Colour = (230, 60, 50)
Program = list[list[tuple[int, int, int]]]  # by the ant's state and the cell's colour: colour to write, turn, next state


class _Tables(NamedTuple):
    """The next state by a cell's state: its colour when the ant has left, and the ant's heading and state then."""

    colour: list[int]
    leaving: list[int]


@register
class LangtonsAnt(StateLaw):
    """An ant reads the colour below it, writes another, turns, and walks one cell ahead.

    Cells: one channel. With n colours, a cell of colour c holds c, and n (1 + 4 s + h) + c with an ant in state s on it that
    last walked h = 0 north, 1 east, 2 south or 3 west. Of ants that reach a cell at once the one that walks north stays,
    else east, else south, else west; the others are gone.

    Source: C. G. Langton, "Studying artificial life with cellular automata", Physica D 22 (1986) 120; several colours: J.
    Propp; turmites in the notation of E. Pegg, Jr.
    """

    radius = 1
    default_initial = "seed"
    fields = ("state", "channel", "energy", *PLOTTED)
    alive = None
    colours: Tensor
    leaving: Tensor

    def __init__(self, rule: str = "RL", *, boundary: str = "periodic") -> None:
        """
        Args:
            rule: turns by colour, "R" right, "L" left, "U" back, "N" none, each colour becoming the next, as "RL" or
                "LRRRRRLLR"; or a turmite's "{{{1,8,1},{1,8,1}},{{1,2,1},{0,1,0}}}": by the ant's state and the cell's colour
                the colour to write, the turn (1 none, 2 right, 4 back, 8 left) and the next state.
            boundary: "periodic", "zero" (ants walk off), "reflect" (ants walk in from mirrored cells), or edges joined with a
                twist or shift; see `aetheria.laws.topology`. An ant turns at the edges of a sphere, and nowhere else.

        Raises:
            ConfigError: a rule of neither form, or with too many states for a cell.
        """
        super().__init__()
        program = parse_turmite(rule)
        self.rule = rule
        self.kinds = len(program[0])
        ant_states = 4 * len(program)
        states = self.kinds * (1 + ant_states)
        if states > MOST_STATES:
            raise ConfigError(f"[law.langtonsant] rule: {states} states of a cell; expected at most {MOST_STATES}")
        colours = default_palette(max(2, self.kinds)) or []
        self.set_states(states, [*colours[: self.kinds], *[_RED] * (states - self.kinds)])
        self.boundary = check_topology(boundary, "langtonsant")
        tables = _tables(program)
        self.register_buffer("colours", torch.tensor(tables.colour, dtype=torch.uint8), persistent=False)
        self.register_buffer("leaving", torch.tensor(tables.leaving, dtype=torch.uint8), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        index = cells.to(torch.int32).flatten()
        colour = self.colours.index_select(0, index).view_as(cells)
        leaving = self.leaving.index_select(0, index).view_as(cells)
        arrived = torch.zeros_like(leaving)
        # `leaving` is 1 + 4 s + h of an ant in state s that walks h, or 0 of none.
        walking = [torch.where((leaving + 3) % 4 == heading, (leaving + 3) // 4, 0) for heading in range(4)]
        # West first: what comes later overrules.
        for heading, state in reversed(list(enumerate(arrivals(walking, self.boundary)))):
            arrived = torch.where(state > 0, 4 * state - 3 + heading, arrived)
        return (colour + self.kinds * arrived).to(cells.dtype)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Colours drawn evenly, and an ant on one cell in a thousand, but at least one."""
        colour = torch.randint(self.kinds, grid, generator=generator)
        ants, least = with_least(lambda: torch.rand(grid, generator=generator))
        here = ants <= max(0.001, least)
        heading = torch.randint(4, grid, generator=generator)
        return (colour + here * self.kinds * (1 + heading)).float()[None]

    def seed_cell(self) -> Tensor:
        """An ant that walks north, in state 0, on colour 0."""
        return torch.tensor([float(self.kinds)])

    @property
    def rule_string(self) -> str:
        return self.rule


def parse_turmite(rule: str) -> Program:
    """The program of turns by colour, or of a turmite.

    Raises:
        ConfigError: a text of neither form, or a turmite that writes colours or takes states that it has not.
    """
    text = rule.strip().upper() if isinstance(rule, str) else ""
    if text and set(text) <= set(_TURNS):
        return [[((colour + 1) % len(text), _TURNS[turn], 0) for colour, turn in enumerate(text)]]
    try:
        parsed = ast.literal_eval(text.replace("{", "[").replace("}", "]"))
        program = [[(write, _PEGG[turn], state) for write, turn, state in row] for row in parsed]
        _check_program(program)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        raise ConfigError(
            f'[law.langtonsant] rule: "{rule}" given; expected turns as in "RL" (letters R, L, U, N), or a turmite as in '
            '"{{{1,2,0},{0,8,0}}}": by state and colour the colour to write, the turn 1, 2, 4 or 8, and the next state'
        ) from None
    return program


def _check_program(program: Sequence[Sequence[tuple[int, int, int]]]) -> None:
    widths = {len(row) for row in program}
    if len(widths) != 1 or 0 in widths:
        raise ValueError("rows of different lengths")
    (width,) = widths
    for row in program:
        for write, _, state in row:
            if not (0 <= write < width and 0 <= state < len(program)):
                raise ValueError("no such colour or state")


def _tables(program: Program) -> _Tables:
    kinds = len(program[0])
    colour, leaving = list(range(kinds)), [0] * kinds
    for row in program:
        for heading in range(4):
            for write, turn, following in row:
                colour.append(write)
                leaving.append(1 + 4 * following + (heading + turn) % 4)
    return _Tables(colour, leaving)
