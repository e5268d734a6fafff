"""Descriptions of laws for kernels: rules on the 3x3 block, formulas; see also `local_network` and `ring_forms`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aetheria.laws.checks import Boundary
from aetheria.laws.formula import Formula

Stencil = Literal["5-point", "9-point"]
Ranges = tuple[tuple[int, int], ...]  # (lowest, highest)


class BitRule(NamedTuple):
    """A two-state outer-totalistic rule on the Moore neighbourhood of a two-dimensional grid.

    Attributes:
        table: the next state, 0.0 or 1.0, by `9 * alive + live neighbours`: 18 numbers.
        boundary: the cells beyond the edge.
    """

    table: tuple[float, ...]
    boundary: Boundary


class RowRule(NamedTuple):
    """A two-state rule on the three cells left, middle and right of a one-dimensional grid.

    Attributes:
        table: the next state, 0 or 1, by `4 * left + 2 * middle + right`: 8 numbers.
        boundary: the cells beyond the edge.
    """

    table: tuple[int, ...]
    boundary: Boundary


class BlockRule(NamedTuple):
    """A rule of whole states on the block of 3x3 cells of a two-dimensional grid.

    Attributes:
        table: 512 bits, as in `rules.block_table`: whether a dead middle cell is born and a live one stays alive.
        states: number of states. Cells of state 1 are alive; a live cell that does not stay alive, and any of a higher state,
            goes on to the next one, and from the last to 0.
        boundary: the cells beyond the edge; see `laws.topology`.
    """

    table: int
    states: int
    boundary: str


@dataclass(frozen=True)
class CountRule:
    """A rule of whole states by a weighted count over a neighbourhood, on a two-dimensional grid.

    Attributes:
        text: the rule; equal for equal rules.
        reach: cells to either side of the middle one.
        weights: `(2 reach + 1, 2 reach + 1)`, int64; the middle one is 0 unless it counts.
        upside_down: the weights are those of cells with even x + y; for odd x + y the lowest row is the uppermost.
        values: by state, what a cell adds to the counts, times its weight.
        births, survivals: ranges (lowest, highest) of counts at which a cell of state 0 or 1 is in state 1 next.
        states: number of states. A cell of state 1 that does not survive, and any of a higher state, goes on to the next one,
            and from the last to 0.
        boundary: the cells beyond the edge; see `laws.topology`.
    """

    text: str
    reach: int
    weights: NDArray[np.int64] = field(compare=False)
    upside_down: bool
    values: tuple[int, ...]
    births: tuple[tuple[int, int], ...]
    survivals: tuple[tuple[int, int], ...]
    states: int
    boundary: str


@dataclass(frozen=True)
class CircleRule:
    """A rule of whole states that follow each other in a circle, by the number of neighbours in one state, in any rank.

    Attributes:
        key: changes when the neighbourhood does, and is cheap to compare.
        places: makes the neighbours' places relative to a cell, from the number of grid axes.
        states: number of states; after the last one comes 0.
        follows: neighbours count that are in the state after the cell's own; else those in state 1.
        moves: for cells in state 0, in state 1 and in any other: ranges (lowest, highest) of numbers of neighbours at which a
            cell goes on to its next state. At all other numbers it stays.
        boundary: the cells beyond the edge.
    """

    key: tuple[object, ...]
    places: Callable[[int], Sequence[tuple[int, ...]]] = field(compare=False)
    states: int
    follows: bool
    moves: tuple[Ranges, Ranges, Ranges]
    boundary: Boundary


def ranges_of(counts: Collection[int]) -> Ranges:
    """Whole numbers as ranges of consecutive ones."""
    firsts, lasts = (sorted(n for n in counts if n + step not in counts) for step in (-1, 1))
    return tuple(zip(firsts, lasts, strict=True))


class DifferenceRule(NamedTuple):
    """A second-order rule: the next state is that of a law minus the state before, modulo the number of states.

    Attributes:
        law: of whole states in one channel. The cells' channels are the present and the past.
    """

    law: Any


class BitLookup(NamedTuple):
    """The next bit of a plane: a table of 16, by four bits at or beside its site.

    Attributes:
        inputs: (plane, y, x) of the four, y down, relative to the site; x and y -1, 0 or 1.
        table: bit 8 * first + 4 * second + 2 * third + fourth input is the next bit.
    """

    inputs: tuple[tuple[int, int, int], ...]
    table: int


class PlaneRule(NamedTuple):
    """A rule on four planes of bits of a two-dimensional grid.

    Attributes:
        phases: for each phase the four planes' next bits.
        blocks: a site is a block of 2x2 cells of two states (a b / c d), with plane 0 for a; else a cell, whose state is bits
            1, 2, 4 and 8, with plane 0 for bit 1.
        boundary: the sites beyond the edge; for "reflect" those at the edge.
    """

    phases: tuple[tuple[BitLookup, ...], ...]
    blocks: bool
    boundary: Boundary


class ShiftingRule(NamedTuple):
    """A rule on blocks of 2x2 cells (a b / c d) that shift by one cell from step to step.

    Attributes:
        tables: int32 numbers of the next blocks in memory order, by the number ((a k + b) k + c) k + d of a block of k states;
            of several tables in a row hash noise draws one for each block and step.
        states: number k of states.
        boundary: the cells beyond the edge.
    """

    tables: bytes
    states: int
    boundary: Boundary


@dataclass(frozen=True)
class TreeRule:
    """A rule of whole states by a decision tree over the 3x3 block of a two-dimensional grid.

    Attributes:
        text: the name of the table; equal for equal trees.
        inputs: the cells (y, x) of the block, y down, in the order in which they are asked.
        children: `(nodes, states)`, int32: the node to go to by the state of an input, from node 0 on; for the last input the
            next state.
        boundary: the cells beyond the edge; see `laws.topology`.
    """

    text: str
    inputs: tuple[tuple[int, int], ...]
    children: NDArray[np.int32] = field(compare=False)
    boundary: str


class Gates(NamedTuple):
    """A layer of two-input logic gates.

    Attributes:
        kinds: number 0 to 15 of each gate, whose bits, the highest first, are its values for the inputs 00, 01, 10 and 11.
        left, right: the inputs of each gate.
    """

    kinds: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]


class GateRule(NamedTuple):
    """Circuits on the cells around, for each channel, and a circuit that makes the next cell; of bits, on a grid of any rank.

    Attributes:
        perception: the layers of each circuit of one output, which reads the cells of one channel at `places`.
        update: the layers of the circuit that reads the channels of the cell, then the bit of circuit 0 for each channel, of
            circuit 1, and so on.
        places: relative to the cell, at most one cell away along each axis.
        boundary: the cells beyond the edge.
    """

    perception: tuple[tuple[Gates, ...], ...]
    update: tuple[Gates, ...]
    places: tuple[tuple[int, ...], ...]
    boundary: Boundary


@dataclass(frozen=True)
class CellNumbers:
    """Numbers of formulas that differ by cell.

    Attributes:
        names: of the numbers.
        values: gives them for cells `(B, C, *grid)`: `(B, names, *grid)` or `(1, names, *grid)` in float64. They depend on the
            grid, the rule's `numbers` and `key` alone.
        key: changes when they do for another reason than `numbers`, and is cheap to compare.
    """

    names: tuple[str, ...]
    values: Callable[[Tensor], Tensor] = field(compare=False)
    key: tuple[object, ...]


@dataclass(frozen=True)
class FormulaRule:
    """The next value of each channel is a formula of the channels of a cell and those around it, and of numbers.

    Attributes:
        species: a name for each channel.
        formulas: by species, its next value; see `laws.formula`.
        numbers: gives the present values of all other names in the formulas for cells `(B, C, *grid)`: numbers, or tensors `()`
            or `(B, 1, ..)`, as `Controlled.spread` does.
        boundary: the cells beyond the edge, "periodic", "zero" or "reflect"; formulas are taken of them as of any others.
        stencil: of the Laplacian in `lap(..)`; see `laws.laplacian`.
        wide: formulas are computed in float64 and rounded once; else in the type of the cells.
        moves: by species, how its next value moves: it is computed from the species of one cell, and is that of the cell at
            this place relative to it, at most one cell away along one axis. () where nothing moves.
        beyond: with "reflect", by species the one whose value in the cell at the edge it has beyond that edge; () for the
            mirror image of the cells on this side. Of values that move, the one that moves the opposite way.
        by_cell: those numbers that differ by cell. They are read in the cell itself alone, or in the one to which the value
            moves.
    """

    species: tuple[str, ...]
    formulas: tuple[Formula, ...]
    numbers: Callable[[Tensor], Mapping[str, Any]] = field(compare=False)
    boundary: str
    stencil: Stencil = "5-point"
    wide: bool = False
    moves: tuple[tuple[int, ...], ...] = ()
    beyond: tuple[int, ...] = ()
    by_cell: CellNumbers | None = None


@dataclass(frozen=True)
class Animal:
    """A creature of a continuous law: its code and name, and the law's parameters.

    Attributes:
        cells: `(height, width)` or `(depth, height, width)` in 0..1; with a first axis of channels where it has several.
        channels: number of channels.

    Source: B. W.-C. Chan's collection of Lenia life forms (MIT licence; see NOTICE).
    """

    code: str
    name: str
    parameters: dict[str, Any]
    cells: NDArray[np.float32]
    channels: int = 1
