"""Triton kernel that takes a step of whole states in a circle, by counts of neighbours in one state, on cells of one byte.

Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

AXES = tl.constexpr(3)  # numbers of a place; and of a range: lowest, highest, kind of cell
KINDS = tl.constexpr(3)  # of cells: in state 0, in state 1, in any other


@triton.jit
def source_of(i, size, boundary: tl.constexpr):
    """The index of the cell that the boundary puts at `i`, less than a grid beyond an edge; "zero" leaves it outside."""
    if boundary == "periodic":
        i = tl.where(i < 0, i + size, tl.where(i >= size, i - size, i))
    if boundary == "reflect":
        i = tl.where(i < 0, -i, tl.where(i >= size, 2 * size - 2 - i, i))
    return i


@triton.jit
def state_near(cells, z, y, x, depth, height, width, inner, boundary: tl.constexpr):
    """The states at these places, int32, dead where there is no cell. `inner`: none of them is beyond an edge."""
    if not inner:
        z, y, x = source_of(z, depth, boundary), source_of(y, height, boundary), source_of(x, width, boundary)
    real = (z >= 0) & (z < depth) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return tl.load(cells + (z * height + y) * width + x, mask=real, other=0).to(tl.int32)


@triton.jit
def step_circle(
    before, after, places, ranges, depth, height, width, deep, high, wide, number, all_ranges, states,
    follows: tl.constexpr, boundary: tl.constexpr, index: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """Steps a tile of `rows x columns` cells of a plane of one universe per program.

    Args:
        before, after: `(B, D, H, W)` uint8.
        places: `(number, 3)` int32: of the neighbours, relative to a cell.
        deep, high, wide: how far they reach along the axes.
        ranges: `(all_ranges, 3)` int32: lowest and highest count at which cells of a kind go on to their next state.
        follows: neighbours count that are in the state after the cell's own; else those in state 1.
        index: type of an offset in a universe: int32 is faster, int64 is needed from 2^31 cells on.
    """
    across, down = tl.cdiv(width, columns), tl.cdiv(height, rows)
    tile, rest = tl.program_id(0) % (across * down), tl.program_id(0) // (across * down)
    universe, plane = (rest // depth).to(tl.int64), rest % depth
    i = tl.arange(0, rows * columns)
    top, left = tile // across * rows, tile % across * columns
    z, y, x = (tl.zeros_like(i) + plane).to(index), top + i // columns, left + i % columns
    size = tl.cast(depth, tl.int64) * height * width  # a depth of 1 is a constant
    before += universe * size
    after += universe * size
    inner = (plane >= deep) & (plane + deep < depth) & (top >= high) & (top + rows + high <= height)
    inner = inner & (left >= wide) & (left + columns + wide <= width)

    state = state_near(before, z, y, x, depth, height, width, True, boundary)
    older = tl.where(state == states - 1, 0, state + 1)
    wanted = older if follows else tl.zeros_like(state) + 1
    count = tl.zeros_like(state)
    for n in range(number):
        place = places + AXES * n
        dz, dy, dx = tl.load(place), tl.load(place + 1), tl.load(place + 2)
        count += state_near(before, z + dz, y + dy, x + dx, depth, height, width, inner, boundary) == wanted
    kind = tl.minimum(state, KINDS - 1)
    moves = state != state
    for n in range(all_ranges):
        lowest = ranges + AXES * n
        fits = (count >= tl.load(lowest)) & (count <= tl.load(lowest + 1))
        moves |= fits & (kind == tl.load(lowest + 2))
    place = (z * height + y) * width + x
    tl.store(after + place, tl.where(moves, older, state).to(tl.uint8), mask=(y < height) & (x < width))
