"""Triton functions that read whole states, a byte a cell, within a grid and beyond its edges, whatever joins these.

Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl


@triton.jit
def place_of(around, y, x, height, width, reach):
    """The place `y * width + x` of a cell; of one up to `reach` beyond the edges that which `around` gives, -1 for a dead one.

    `around`: as in `laws.topology.around`, in the type of the places.
    """
    wide, above, beside = width + 2 * reach, y < 0, x < 0
    outside_rows, outside = above | (y >= height), above | beside | (y >= height) | (x >= width)
    in_rows = tl.where(above, y + reach, y - height + reach) * wide + x + reach
    in_columns = 2 * reach * wide + y * reach + tl.where(beside, x + reach, height * reach + x - width)
    found = tl.load(
        around + tl.where(outside_rows, in_rows, in_columns), mask=outside & within(y, x, height, width, reach), other=-1
    )
    return tl.where(outside, found, y * width + x)


@triton.jit
def within(y, x, height, width, reach):
    """Whether a cell lies in the grid, or at most `reach` beyond its edges."""
    return (y >= -reach) & (y < height + reach) & (x >= -reach) & (x < width + reach)


@triton.jit
def states_at(cells, around, y, x, height, width, reach, inner):
    """The states of cells, int32, with those beyond the edges; 0 further out. `inner`: none of them is beyond an edge."""
    place = y * width + x
    if not inner:
        place = place_of(around, y, x, height, width, reach)
    return tl.load(cells + place, mask=place >= 0, other=0).to(tl.int32)
