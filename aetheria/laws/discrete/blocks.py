"""`BlockLaw`: base of the laws that look births and survivals up by the block of 3x3 cells."""

import torch
from torch import Tensor

from aetheria.laws.first_cells import by_parts
from aetheria.laws.layers import pad
from aetheria.laws.rules.block_table import BLOCKS
from aetheria.laws.states import StateLaw
from aetheria.laws.topology import check_topology


class BlockLaw(StateLaw):
    """A law of whole states in two dimensions, with a table of 512 next states of the middle cell of a block."""

    radius = 1
    reads_patterns = True
    _table: Tensor

    def __init__(self, boundary: str) -> None:
        """
        Args:
            boundary: see `aetheria.laws.topology`.

        Raises:
            ConfigError: there is no such boundary.
        """
        super().__init__()
        self.boundary = check_topology(boundary, self.name.lower())
        self.register_buffer("_table", torch.zeros(BLOCKS, dtype=torch.uint8), persistent=False)

    def take_table(self, bits: int) -> None:
        """Looks up in this table, of 512 bits as in `rules.block_table`, from now on."""
        with torch.inference_mode():
            self._table.copy_(torch.tensor([bits >> block & 1 for block in range(BLOCKS)], dtype=torch.uint8))

    def lives(self, alive: Tensor) -> Tensor:
        """Whether each cell is born or stays alive, `(B, 1, H, W)` int32, from the cells that are alive now, likewise."""
        blocks = block_numbers(pad(alive, 1, self.boundary))
        # index_select reads a small table several times faster than indexing does.
        return self._table.index_select(0, blocks.flatten()).view_as(alive).to(torch.int32)

    @by_parts
    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A soup: each cell alive with chance 0.35, the others dead."""
        return (torch.rand(1, *grid, generator=generator) < 0.35).float()


def block_numbers(halo: Tensor) -> Tensor:
    """For each cell the number of the block around it, of zeros and ones `(B, 1, H, W)` int32 that are padded by one.

    The nine cells, read row by row with the north-west one first, are the binary digits of the number.
    """
    height, width = (side - 2 for side in halo.shape[-2:])
    west, middle, east = (halo.narrow(-1, x, width) for x in range(3))
    rows = 4 * west + 2 * middle + east
    north, here, south = (rows.narrow(-2, y, height) for y in range(3))
    return 64 * north + 8 * here + south
