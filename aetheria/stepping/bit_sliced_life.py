"""Life-like rules on words of 64 cells, in torch operations.

Cell x of a row is bit x % 64 of word x // 64; the bits of a row's last word beyond its width are 0.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from aetheria.laws.checks import Boundary

WORD = 64
_ALL_BUT_SIGN = (1 << 63) - 1


def pack(cells: Tensor) -> Tensor:
    """`(B, 1, H, W)`, alive above a half, to words `(B, H, ceil(W / 64))`, int64."""
    width = cells.shape[-1]
    alive = F.pad(cells[:, 0] > 0.5, (0, -width % WORD))
    bits = alive.reshape(*alive.shape[:2], -1, WORD)
    words = torch.zeros(bits.shape[:-1], dtype=torch.int64, device=cells.device)
    for i in range(WORD):  # all at once would take 64 times the memory
        words |= bits[..., i].long() << i
    return words


def unpack(words: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """Words `(B, H, ceil(W / 64))` to cells `(B, 1, H, W)`, 0 or 1."""
    cells = torch.empty(*words.shape, WORD, dtype=dtype, device=words.device)
    for i in range(WORD):
        cells[..., i] = (words >> i) & 1
    return cells.flatten(-2)[:, None, :, :width].contiguous()


def step(words: Tensor, width: int, boundary: Boundary, table: Sequence[float]) -> Tensor:
    """One generation. `table`: next state by neighbours 0..8 of a dead cell, then of a live one."""
    west, cells, east = beside(_with_rows_beyond(words, boundary), width, boundary)
    # Sum of each cell and its two neighbours in the row, as two bits.
    ones, twos = west ^ cells ^ east, (west & cells) | (east & (west ^ cells))
    above, here, below = (slice(0, -2), slice(1, -1), slice(2, None))
    low = [ones[:, rows] for rows in (above, here, below)]
    high = [twos[:, rows] for rows in (above, here, below)]
    one, carry = _add(*low)
    two, four = _add(*high)
    count = (one, two ^ carry, four ^ (two & carry), four & two & carry)
    after = _rule(cells[:, here], count, table)
    tail = width % WORD
    if tail:
        inside = torch.full_like(after[:1, :1], -1)
        inside[..., -1] = (1 << tail) - 1
        after = after & inside
    return after


def _add(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Sum and carry of three bits."""
    return a ^ b ^ c, (a & b) | (c & (a ^ b))


def _with_rows_beyond(words: Tensor, boundary: Boundary) -> Tensor:
    if boundary == "periodic":
        return torch.cat((words[:, -1:], words, words[:, :1]), 1)
    if boundary == "reflect":
        return torch.cat((words[:, 1:2], words, words[:, -2:-1]), 1)
    return F.pad(words, (0, 0, 1, 1))


def beside(words: Tensor, width: int, boundary: Boundary) -> tuple[Tensor, Tensor, Tensor]:
    """For each cell of words `(.., n)` its western neighbour, itself and its eastern neighbour; there may be a word more."""
    first, last = words[..., :1], words[..., -1:]
    left, right = torch.zeros_like(first), torch.zeros_like(first)
    if boundary == "periodic":
        left, right = _bit(last, (width - 1) % WORD), _bit(first, 0)
    elif boundary == "reflect":
        left, right = _bit(first, 1), _bit(words[..., (width - 2) // WORD, None], (width - 2) % WORD)
    # The cell beyond the east edge follows the last cell, in the same word or in an extra one.
    tail = width % WORD
    cells = torch.cat((words[..., :-1], last | (right << tail)), -1) if tail else words
    before = torch.cat((left << 63, cells[..., :-1]), -1)
    behind = torch.cat((cells[..., 1:], right), -1)
    west = (cells << 1) | _bit(before, 63)
    east = ((cells >> 1) & _ALL_BUT_SIGN) | (behind << 63)  # >> keeps the sign
    return west, cells, east


def _bit(words: Tensor, number: int) -> Tensor:
    return (words >> number) & 1


def _rule(cells: Tensor, count: Sequence[Tensor], table: Sequence[float]) -> Tensor:
    """Next state from the cells and the four bits of the number of live cells in the 3x3 block around each."""
    after = torch.zeros_like(cells)
    for nine in range(10):
        born, stays = nine <= 8 and table[nine] > 0, nine >= 1 and table[9 + nine - 1] > 0
        if not (born or stays):
            continue
        these = torch.full_like(cells, -1) if born and stays else cells if stays else ~cells
        for i, bit in enumerate(count):
            these = these & (bit if nine >> i & 1 else ~bit)
        after = after | these
    return after
