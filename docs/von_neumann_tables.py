"""Writes the decision trees of von Neumann's automaton and its variants: `python docs/von_neumann_tables.py`.

Sources: J. von Neumann, "Theory of Self-Reproducing Automata", edited and completed by A. W. Burks, 1966 (JvN29); R. Nobili and
U. Pesavento, "Generalised von Neumann's automata", 1996 (Nobili32); T. J. Hutton, 2008, as Golly runs it (Hutton32). States are
numbered as in Golly: 0 ground, 1 to 8 sensitised, 9 to 16 ordinary and 17 to 24 special transmission (east, north, west, south;
then the same excited), 25 to 28 confluent (by their present and next output: 00, 01, 10, 11), 29 to 31 crossing (excited
east-west, north-south, both).
"""

from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.files.rule_file import TREE_INPUTS

FOLDER = Path(__file__).parent.parent / "aetheria" / "laws" / "discrete" / "tables"
States = NDArray[np.int64]
Mask = NDArray[np.bool_]
EAST, NORTH, WEST, SOUTH = range(4)  # directions, anticlockwise
ORDINARY, SPECIAL, CONFLUENT, CROSSING = 9, 17, 25, 29  # the first state of each kind
# By sensitised state (and ground): the next one without and with an excited input.
SENSITISED = np.array(((0, 1), (2, 3), (4, 5), (6, 7), (8, 11), (12, 17), (18, 19), (20, 25), (9, 10)))
# Hutton32, by sensitised state and input: the transmission state, in quarter turns from the direction of the excited arrow.
TURNED = {
    (0, 0): (ORDINARY, 0),
    (4, 1): (ORDINARY, 2),
    (5, 0): (ORDINARY, 3),
    (5, 1): (SPECIAL, 0),
    (6, 0): (SPECIAL, 1),
    (6, 1): (SPECIAL, 2),
    (7, 0): (SPECIAL, 3),
    (8, 0): (ORDINARY, 0),
    (8, 1): (ORDINARY, 1),
}
# The same where no excited arrow gives a direction, as Golly has them.
UNDIRECTED = {0: 0, 5: 7, 6: 17, 7: 15, 8: 8}
COLOURS = (
    [(0, 0, 0)]
    + [(150 + 10 * state, 60, 60) for state in range(1, 9)]
    + [colour for colour in ((90, 100, 200), (80, 220, 80), (210, 70, 160), (255, 180, 60)) for _ in range(4)]
    + [(0, 130, 60), (80, 190, 120), (230, 230, 80), (255, 255, 180)]
    + [(120, 220, 220), (60, 190, 220), (200, 250, 250)]
)


def any_of(masks: Iterable[Mask]) -> Mask:
    return reduce(np.logical_or, masks)


class Neighbourhoods:
    """Cells and their neighbours, arrays that broadcast; inputs and outputs by the side of the neighbour."""

    def __init__(self, north: States, west: States, east: States, south: States, cell: States) -> None:
        self.cell = cell
        self.sides = {EAST: east, NORTH: north, WEST: west, SOUTH: south}
        self.resting = self.arrows(ORDINARY)
        self.ordinary = self.arrows(ORDINARY + 4)
        self.special_resting = self.arrows(SPECIAL)
        self.special = self.arrows(SPECIAL + 4)
        self.confluent = {s: np.isin(state, (27, 28, 30 if s % 2 else 29, 31)) for s, state in self.sides.items()}
        self.outputs = {
            s: (state >= ORDINARY) & (state < CONFLUENT) & ((state - ORDINARY) % 4 != (s + 2) % 4)
            for s, state in self.sides.items()
        }
        # Of a transmission state: its direction, itself at rest, whether it is excited, and the neighbour ahead.
        self.direction = (cell - ORDINARY) % 4
        self.excited = (cell - ORDINARY) // 4 % 2 == 1
        self.rest = cell - 4 * self.excited
        self.ahead = np.select([self.direction == side for side in range(4)], [self.sides[side] for side in range(4)])

    def arrows(self, first: int) -> dict[int, Mask]:
        """Whether the neighbour transmits towards the cell, in one of the four states from `first` on."""
        return {side: state == first + (side + 2) % 4 for side, state in self.sides.items()}

    def behind(self, *inputs: dict[int, Mask]) -> Mask:
        """Whether there is an input from a side other than the one ahead."""
        return any_of(masks[side] & (self.direction != side) for masks in inputs for side in range(4))


def _by_kind(cells: Neighbourhoods, sensitised: States, transmission: States, confluent: States) -> States:
    confluent = np.where(any_of(cells.special.values()), 0, confluent)
    return np.where(cells.cell < ORDINARY, sensitised, np.where(cells.cell < CONFLUENT, transmission, confluent))


def von_neumann(cells: Neighbourhoods) -> States:
    return _by_kind(cells, _sensitised(cells), _transmission(cells), _shifted(cells, cells.cell))


def nobili(cells: Neighbourhoods) -> States:
    """As von Neumann's, but a confluent cell with an input and an output on both axes lets them cross."""
    inputs = {side: cells.ordinary[side] | cells.resting[side] for side in range(4)}
    crosses = reduce(np.logical_and, (masks[a] | masks[a + 2] for masks in (inputs, cells.outputs) for a in (EAST, NORTH)))
    plain = np.where(cells.cell < CROSSING, cells.cell, CONFLUENT)  # a crossing is no more one
    moves = _incoming(cells) | any_of(cells.outputs.values())  # without outputs, a signal is kept
    confluent = np.where(crosses, _crossing(cells), np.where(moves, _shifted(cells, plain), plain))
    return _by_kind(cells, _sensitised(cells), _transmission(cells), confluent)


def hutton(cells: Neighbourhoods) -> States:
    """As Nobili's, but a wire writes the cell ahead of its end and retracts, and directions are relative to the wire."""
    kinds = (cells.resting, cells.ordinary, cells.special_resting, cells.special)
    inputs = sum(masks[side].astype(int) for masks in kinds for side in range(4))
    outputs = sum(mask.astype(int) for mask in cells.outputs.values())
    crosses = (cells.cell >= CROSSING) | (cells.cell == CONFLUENT) & (inputs == 2) & (outputs == 2)
    confluent = np.where(crosses, _crossing(cells), _shifted(cells, cells.cell))
    transmission = np.where(cells.cell < SPECIAL, _hutton_ordinary(cells), _hutton_special(cells))
    return _by_kind(cells, _hutton_sensitised(cells), transmission, confluent)


def _sensitised(cells: Neighbourhoods) -> States:
    excited = any_of([*cells.ordinary.values(), *cells.special.values()])
    return SENSITISED[np.minimum(cells.cell, ORDINARY - 1), excited.astype(int)]


def _transmission(cells: Neighbourhoods) -> States:
    other = np.where(cells.cell < SPECIAL, any_of(cells.special.values()), any_of(cells.ordinary.values()))
    excited = cells.behind(cells.ordinary, cells.special, cells.confluent)
    return np.where(other, 0, cells.rest + 4 * excited)  # excited arrows of the other kind destroy


def _incoming(cells: Neighbourhoods) -> Mask:
    """Whether all ordinary arrows that point to a confluent cell are excited."""
    return any_of(cells.ordinary.values()) & ~any_of(cells.resting.values())


def _shifted(cells: Neighbourhoods, confluent: States) -> States:
    return CONFLUENT + 2 * ((confluent - CONFLUENT) % 2) + _incoming(cells)


def _crossing(cells: Neighbourhoods) -> States:
    east_west, north_south = (cells.ordinary[axis] | cells.ordinary[axis + 2] for axis in (EAST, NORTH))
    return np.where(east_west | north_south, CROSSING - 1 + east_west + 2 * north_south, CONFLUENT)


def _hutton_sensitised(cells: Neighbourhoods) -> States:
    table = np.repeat(SENSITISED[:, :, None], 5, 2)  # by state, input, and direction of the arrow or none
    for (before, signal), (first, turns) in TURNED.items():
        table[before, signal, :4] = first + (np.arange(4) + turns) % 4
    for before, after in UNDIRECTED.items():
        table[before, 0, 4] = after
    sides = [WEST, SOUTH, EAST, NORTH]  # of arrows to the east, north, west, south: the first of them counts
    arrow = np.select([cells.ordinary[side] | cells.special[side] for side in sides], list(range(4)), 4)
    special = np.select([cells.ordinary[side] | cells.special[side] for side in sides], [cells.special[side] for side in sides])
    excited = any_of(cells.ordinary.values())
    state = np.minimum(cells.cell, ORDINARY - 1)
    # As Golly has it: a special arrow that comes first among the inputs makes of state 5 a confluent one.
    return table[state, excited.astype(int), arrow] + 8 * ((state == 5) & excited & special)


def _hutton_ordinary(cells: Neighbourhoods) -> States:
    ahead, rest = cells.ahead, cells.rest
    signal = cells.behind(cells.ordinary, cells.confluent)
    written = (ahead == 8) | (ahead == np.where(cells.excited, 4, 5)) | (ahead >= SPECIAL) & (ahead < SPECIAL + 4)
    joins = (ahead == 7) & cells.excited  # the cell ahead becomes confluent
    writes = (ahead <= 3) & cells.excited
    cases = [any_of(cells.special.values()), signal & written, joins, signal, writes]
    return np.select(cases, [0, 0, signal.astype(int), rest + 4, rest + 12], rest)


def _hutton_special(cells: Neighbourhoods) -> States:
    """An excited one between an ordinary arrow and a sensitised cell is the end of an ordinary wire, with a 0 as its signal."""
    cell, ahead, rest = cells.cell, cells.ahead, cells.rest
    signal = any_of(cells.ordinary.values())
    ends = cells.excited & (ahead >= 1) & (ahead <= 8) & any_of([signal, *cells.resting.values()])
    end = np.where(ahead <= 4, np.where(signal, cell - 8, cell), np.where(signal, 0, rest - 8))
    writes = cells.excited & (ahead == 0)
    written = np.where(any_of(cells.special.values()), cell, rest)
    cases = [ends, writes, signal, cells.behind(cells.special, cells.confluent)]
    return np.select(cases, [end, written, 0, rest + 4], rest)


# By name: the number of states, the next states, and the first lines of comment.
RULES: dict[str, tuple[int, Callable[[Neighbourhoods], States], str]] = {
    "JvN29": (
        29,
        von_neumann,
        "# Von Neumann's automaton of 29 states, in which a machine builds any other and itself.\n"
        '# Source: J. von Neumann, "Theory of Self-Reproducing Automata", 1966.',
    ),
    "Nobili32": (
        32,
        nobili,
        "# Von Neumann's automaton with three more states, in which signals cross.\n"
        '# Source: R. Nobili and U. Pesavento, "Generalised von Neumann\'s automata", 1996.',
    ),
    "Hutton32": (
        32,
        hutton,
        "# Nobili32 with wires that write, retract and turn relative to their own direction.\n# Source: T. J. Hutton, 2008.",
    ),
}


def next_states(rule: str, north: States, west: States, east: States, south: States, cell: States) -> States:
    """The next states of cells with these neighbours, under a rule of `RULES`; arrays that broadcast."""
    return RULES[rule][1](Neighbourhoods(north, west, east, south, cell))


def tree_text(rule: str) -> str:
    """Folds the table of all neighbourhoods into a tree, from its last input to its first."""
    states, _, comment = RULES[rule]
    rest = np.meshgrid(*[np.arange(states)] * (len(TREE_INPUTS[4]) - 1), indexing="ij", sparse=True)
    shape = (states,) * len(rest)
    # The north neighbour one state at a time: all neighbourhoods at once would take gigabytes.
    parts = [np.broadcast_to(next_states(rule, np.array(north), *rest), shape).astype(np.uint8) for north in range(states)]
    layer: NDArray[np.integer] = np.concatenate(parts).reshape(-1, states)
    lines: list[str] = []
    for level in range(1, len(TREE_INPUTS[4]) + 1):
        # As big-endian bytes: their order is that of the rows, and far quicker to sort by.
        rows = np.ascontiguousarray(layer, ">u2").view(f"V{2 * states}").ravel()
        nodes, places = np.unique(rows, return_inverse=True)
        first = len(lines)
        lines += [f"{level} {' '.join(map(str, np.frombuffer(node, '>u2')))}" for node in nodes]
        layer = (first + places.reshape(-1)).reshape(-1, states) if level < len(TREE_INPUTS[4]) else layer
    colours = [f"{state} {' '.join(map(str, colour))}" for state, colour in enumerate(COLOURS[:states])]
    head = f"@RULE {rule}\n{comment} Written by docs/von_neumann_tables.py.\n@TREE\nnum_states={states}"
    return "\n".join([head, "num_neighbors=4", f"num_nodes={len(lines)}", *lines, "@COLORS", *colours]) + "\n"


if __name__ == "__main__":
    for name in RULES:
        (FOLDER / f"{name}.rule").write_text(tree_text(name), "utf-8")
        print(FOLDER / f"{name}.rule")
