"""Writes the decision tree of von Neumann's automaton of 29 states: `python docs/jvn29_table.py`.

Source: J. von Neumann, "Theory of Self-Reproducing Automata", edited and completed by A. W. Burks, 1966. States are numbered
as in Golly: 0 ground, 1 to 8 sensitised, 9 to 16 ordinary and 17 to 24 special transmission (east, north, west, south; then the
same excited), 25 to 28 confluent (by their present and next output: 00, 01, 10, 11).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aetheria.files.rule_file import TREE_INPUTS

STATES = 29
PATH = Path(__file__).parent.parent / "aetheria" / "laws" / "discrete" / "tables" / "JvN29.rule"
States = NDArray[np.int64]
EAST, NORTH, WEST, SOUTH = range(4)  # directions, anticlockwise
ORDINARY, SPECIAL, CONFLUENT = 9, 17, 25
# By sensitised state (and ground): the next one without and with an excited input.
SENSITISED = {0: (0, 1), 1: (2, 3), 2: (4, 5), 3: (6, 7), 4: (8, 11), 5: (12, 17), 6: (18, 19), 7: (20, 25), 8: (9, 10)}
HEADER = """@RULE JvN29
# Von Neumann's automaton of 29 states, in which a machine builds any other and itself.
# Source: J. von Neumann, "Theory of Self-Reproducing Automata", 1966. Written by docs/jvn29_table.py.
@TREE
num_states=29
num_neighbors=4
num_nodes={nodes}
"""
COLOURS = (
    [(0, 0, 0)]
    + [(150 + 10 * state, 60, 60) for state in range(1, 9)]
    + [colour for colour in ((90, 100, 200), (80, 220, 80), (210, 70, 160), (255, 180, 60)) for _ in range(4)]
    + [(0, 130, 60), (80, 190, 120), (230, 230, 80), (255, 255, 180)]
)


def next_states(north: States, west: States, east: States, south: States, cell: States) -> States:
    """The next states of cells with these neighbours; arrays of any equal shape."""
    neighbours = {EAST: east, NORTH: north, WEST: west, SOUTH: south}
    ordinary = {side: _points(state, side, ORDINARY, excited=True) for side, state in neighbours.items()}
    special = {side: _points(state, side, SPECIAL, excited=True) for side, state in neighbours.items()}
    confluent = {side: np.isin(state, (27, 28)) for side, state in neighbours.items()}  # present output 1
    by_ordinary, by_special = (np.any(list(inputs.values()), 0) for inputs in (ordinary, special))
    after = np.where(cell < ORDINARY, _sensitised(cell, by_ordinary | by_special), cell)
    for base, inputs, destroyed in ((ORDINARY, ordinary, by_special), (SPECIAL, special, by_ordinary)):
        for side in neighbours:  # the direction to which the cell transmits: it takes no input from there
            these = np.isin(cell, (base + side, base + 4 + side))
            excited = np.any([inputs[other] | confluent[other] for other in neighbours if other != side], 0)
            after = np.where(these, np.where(destroyed, 0, base + side + 4 * excited), after)
    resting = np.any([_points(state, side, ORDINARY, excited=False) for side, state in neighbours.items()], 0)
    incoming = by_ordinary & ~resting  # a confluent cell is excited where all that point to it are
    shifted = CONFLUENT + 2 * ((cell - CONFLUENT) % 2) + incoming
    return np.where(cell >= CONFLUENT, np.where(by_special, 0, shifted), after)


def _points(state: States, side: int, base: int, *, excited: bool) -> NDArray[np.bool_]:
    """Whether a neighbour on this side transmits towards the cell."""
    return state == base + 4 * excited + (side + 2) % 4


def _sensitised(cell: States, excited: NDArray[np.bool_]) -> States:
    table = np.array([SENSITISED[state] for state in range(ORDINARY)])
    return table[np.minimum(cell, ORDINARY - 1), excited.astype(int)]


def write() -> None:
    """Folds the table of all neighbourhoods into a tree, from its last input to its first."""
    grids = np.meshgrid(*[np.arange(STATES)] * len(TREE_INPUTS[4]), indexing="ij", sparse=True)
    layer = next_states(*np.broadcast_arrays(*grids)).reshape(-1, STATES)
    lines: list[str] = []
    for level in range(1, len(TREE_INPUTS[4]) + 1):
        nodes, places = np.unique(layer, axis=0, return_inverse=True)
        first = len(lines)
        lines += [f"{level} {' '.join(map(str, node))}" for node in nodes]
        layer = (first + places.reshape(-1)).reshape(-1, STATES) if level < len(TREE_INPUTS[4]) else layer
    colours = "\n".join(f"{state} {' '.join(map(str, colour))}" for state, colour in enumerate(COLOURS))
    PATH.write_text(HEADER.format(nodes=len(lines)) + "\n".join(lines) + f"\n@COLORS\n{colours}\n", "utf-8")
    print(f"{PATH}: {len(lines)} nodes")


if __name__ == "__main__":
    write()
