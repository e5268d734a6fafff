"""Triton kernel that takes a step of a rule on the 3x3 block, with cells that decay, on planes of words of 64 cells.

The first plane holds the cells in state 1. The others hold the binary digits of a count: 0 for cells in states 0 and 1, and
1 .. states - 2 for those that decay, in state 2 and higher. So only the first plane is read around a cell. Next states come
from a circuit, whose choices are three-input operations on words. Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

PART = tl.constexpr(3)  # numbers of a choice in `choices`: the cell asked, the words where it is dead and where it is alive
EVERY = tl.constexpr(0xFFFFFFFFFFFFFFFF)  # a word full of live cells


@triton.jit
def flipped(cells):
    """The cells with every state inverted. In Triton before 3.8 the interpreter's `~` fails on unsigned words."""
    return cells ^ EVERY


@triton.jit
def cell_of(row, x, real):
    """Cell `x` of a row, in bit 0 of a word."""
    return (tl.load(row + (x >> 6), mask=real, other=0).to(tl.uint64) >> (x & 63).to(tl.uint64)) & 1


@triton.jit
def neighbours_in_row(row, word, words, width, real, boundary: tl.constexpr):
    """The western neighbours of the cells of a word, these cells and their eastern neighbours."""
    cells = tl.load(row + word, mask=real, other=0).to(tl.uint64)
    before = tl.load(row + word - 1, mask=real & (word > 0), other=0).to(tl.uint64)
    behind = tl.load(row + word + 1, mask=real & (word < words - 1), other=0).to(tl.uint64)
    west, east = (cells << 1) | (before >> 63), (cells >> 1) | (behind << 63)
    if boundary != "zero":
        last = tl.zeros_like(word) + width - 1  # and the cells that the boundary puts before the first and behind the last
        left, right = (last, tl.zeros_like(word)) if boundary == "periodic" else (tl.zeros_like(word) + 1, last - 1)
        west |= cell_of(row, left, real & (word == 0))
        east |= cell_of(row, right, real & (word == words - 1)) << (last & 63).to(tl.uint64)
    return west, cells, east


@triton.jit
def source_row(y, height, boundary: tl.constexpr):
    """The row that the boundary puts at `y`, at most one beyond an edge; "zero" leaves it outside."""
    if boundary == "periodic":
        y = tl.where(y < 0, height - 1, tl.where(y == height, 0, y))
    if boundary == "reflect":
        y = tl.where(y < 0, 1, tl.where(y == height, height - 2, y))
    return y


@triton.jit
def look_up(block, choices: tl.constexpr, result: tl.constexpr):
    """The word of next states of a circuit. `block`: the nine words of cells."""
    none = block[0] ^ block[0]
    words = block[:0] + (none, flipped(none))  # noqa: RUF005 - Triton knows no unpacking
    for n in tl.static_range(0, len(choices), PART):
        cell, dead, alive = block[choices[n]], words[choices[n + 1]], words[choices[n + 2]]
        words += (dead ^ (cell & (dead ^ alive)),)
    return words[result]


@triton.jit
def neighbours(plane, y, word, words, height, width, real, boundary: tl.constexpr):
    """As `neighbours_in_row`, of row `y`, which may lie one beyond an edge."""
    source = source_row(y, height, boundary)
    there = real & (source >= 0) & (source < height)
    row = plane + tl.where(there, source, 0).to(tl.int64) * words
    return neighbours_in_row(row, word, words, width, there, boundary)


@triton.jit
def store_states(
    before, after, plane, alive, lives, real, planes: tl.constexpr, states: tl.constexpr
):  # fmt: skip
    """Stores a word of each plane: the cells that live, if they did not decay before, and the counts of those that decay.

    `alive` and `lives`: the cells of the first plane, and the next states of the circuit; `plane`: words of a plane.
    """
    decaying = alive ^ alive
    for p in tl.static_range(1, planes):
        decaying |= tl.load(before + p * plane, mask=real, other=0).to(tl.uint64)
    tl.store(after, (lives & flipped(decaying)).to(tl.int64), mask=real)
    if planes > 1:
        older = decaying | (alive & flipped(lives))
        last = decaying
        for p in tl.static_range(1, planes):
            digit = tl.load(before + p * plane, mask=real, other=0).to(tl.uint64)
            last &= digit if (states - 2) >> (p - 1) & 1 else flipped(digit)
        for p in tl.static_range(1, planes):
            digit = tl.load(before + p * plane, mask=real, other=0).to(tl.uint64)
            tl.store(after + p * plane, ((digit ^ older) & flipped(last)).to(tl.int64), mask=real)
            older &= digit


@triton.jit
def step_planes(
    before, after, height, width,
    planes: tl.constexpr, states: tl.constexpr, choices: tl.constexpr, result: tl.constexpr,
    boundary: tl.constexpr, deep: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """Steps a tile of `rows x columns` columns of `deep` words of one universe per program.

    Args:
        before, after: `(B, planes, H, W / 64)` int64, rounded up; the bits of a row's last word beyond its width are 0.
        choices, result: the circuit, its choices as flat numbers.
        boundary: "periodic"; "zero"; "reflect".
    """
    words = (width + 63) // 64
    across = tl.cdiv(words, columns)
    tiles = across * tl.cdiv(height, rows * deep)
    universe, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    i = tl.arange(0, rows * columns)
    first, word = (tile // across * rows + i // columns) * deep, tile % across * columns + i % columns
    plane = tl.cast(height, tl.int64) * words  # a height of 1 is a constant
    before += universe * planes * plane
    after += universe * planes * plane
    # A row's last word ends with its last cell.
    inside = tl.full(word.shape, EVERY, tl.uint64) >> tl.where(word == words - 1, -width & 63, 0).to(tl.uint64)

    above = neighbours(before, first - 1, word, words, height, width, word < words, boundary)
    here = neighbours(before, first, word, words, height, width, word < words, boundary)
    for k in tl.static_range(deep):
        y = first + k
        below = neighbours(before, y + 1, word, words, height, width, word < words, boundary)
        lives = look_up(above + here + below, choices, result) & inside
        place = y.to(tl.int64) * words + word
        real = (y < height) & (word < words)
        store_states(before + place, after + place, plane, here[1], lives, real, planes, states)
        above, here = here, below
