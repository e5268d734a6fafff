"""Two-state rules on the 3x3 block as circuits: few choices between two words, in place of a table of 512 next states."""

from dataclasses import dataclass

CELLS = 9  # of a block, read row by row with the north-west one first
_ORDER = (0, 8, 2, 6, 1, 7, 3, 5, 4)  # in which cells are asked: opposite corners, opposite sides, the middle
DEAD, ALIVE = 0, 1  # numbers of the words without and with all cells; those of the choices follow


@dataclass(frozen=True)
class Circuit:
    """Next states of the middle cell as a graph of choices: a binary decision diagram without repetitions.

    Attributes:
        choices: of each choice, numbered from 2 on: the cell that is asked, and the numbers of the words to take where it is
            dead and where it is alive, which come before.
        result: the number of the word of next states.
    """

    choices: tuple[tuple[int, int, int], ...]
    result: int

    @property
    def flat(self) -> tuple[int, ...]:
        """The choices as flat numbers, as the kernel takes them."""
        return tuple(number for choice in self.choices for number in choice)


def circuit_of(table: int) -> Circuit:
    """The circuit of a table of 512 bits, as in `rules.block_table`.

    Source: R. E. Bryant, "Graph-based algorithms for Boolean function manipulation", IEEE Trans. Computers C-35, 1986.
    """
    numbers: dict[tuple[int, int, int], int] = {}

    def word(asked: int, block: int) -> int:
        if asked == CELLS:
            return table >> block & 1
        cell = _ORDER[asked]
        dead, alive = (word(asked + 1, block | bit << (CELLS - 1 - cell)) for bit in (0, 1))
        return dead if dead == alive else numbers.setdefault((cell, dead, alive), ALIVE + 1 + len(numbers))

    result = word(0, 0)
    return Circuit(tuple(numbers), result)
