"""Triton kernel that takes a step of a rule by weighted counts over a neighbourhood, on cells of one byte, as matrix products.

The weights are a sum of `down[p] x across[p]`: the counts of a tile are D @ V @ A, summed over p, where V holds the values of
the cells around it and D and A are banded. So the work for all radii up to half of a tile is the same, and it is done on the
tensor cores, in whole numbers that float16 holds, which are summed in float32: exactly. Source of the method: C. A. Navarro et
al., "CAT: Cellular Automata on Tensor Cores", arXiv:2406.17284, 2024. Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

from aetheria.stepping.gpu.states_kernel import states_at


@triton.jit
def values_at(cells, around, values, y, x, height, width, reach, inner):
    """Contributions of cells to the counts: their states' `values`, or 1 for state 1 where these are None; float16."""
    state = states_at(cells, around, y, x, height, width, reach, inner)
    if values is None:
        return (state == 1).to(tl.float16)
    else:  # noqa: RET505 - for Triton
        return tl.load(values + state)


@triton.jit
def band(weights, offset, reach):
    """A banded matrix, float16: the weights `(2 reach + 1,)` by the offset from the middle, -reach to reach."""
    return tl.load(weights + offset + reach, mask=(offset >= -reach) & (offset <= reach), other=0.0)


@triton.jit
def counts_of(
    cells, around, values, across, down, top, left, height, width, reach, terms, blocks, inner,
    index: tl.constexpr, side: tl.constexpr,
):  # fmt: skip
    """The counts of a tile, float32, by the weights `down[p] x across[p]`, each `(terms, 2 reach + 1)`."""
    i, j = tl.arange(0, side)[:, None], tl.arange(0, side)[None, :]
    span = 2 * reach + 1
    counts = tl.zeros((side, side), tl.float32)
    for p in range(terms):
        for r in range(blocks):
            y = r * side - reach  # from the tile's first row
            sums = tl.zeros((side, side), tl.float32)
            for c in range(blocks):
                x = c * side - reach
                seen = values_at(
                    cells, around, values, (top + y + i).to(index), left + x + j, height, width, reach, inner
                )  # fmt: skip
                sums = tl.dot(seen, band(across + p * span, x + i - j, reach), sums)
            counts = tl.dot(band(down + p * span, y + j - i, reach), sums.to(tl.float16), counts)
    return counts


@triton.jit
def inside(counts, ranges, first, last):
    """Whether each count lies in one of the ranges number `first` to `last - 1`, each its lowest and its highest count."""
    found = counts != counts
    for n in range(first, last):
        found |= (counts >= tl.load(ranges + 2 * n)) & (counts <= tl.load(ranges + 2 * n + 1))
    return found


@triton.jit
def step_counts(
    before, after, around, values, across, down, up, ranges,
    height, width, reach, terms, blocks, middle, births, all_ranges, states,
    index: tl.constexpr, side: tl.constexpr,
):  # fmt: skip
    """Steps a tile of `side x side` cells of one universe per program.

    Args:
        before, after: `(B, H, W)` uint8.
        around: as in `laws.topology.around`, of type `index`.
        values: `(256,)` float16, by state; None: 1 for state 1 alone.
        across, down: `(terms, 2 reach + 1)` float16; their products, summed, are the weights.
        up: in place of `down` for cells with odd x + y; None: these are as the others.
        ranges: `(all_ranges, 2)` int32: of counts for births, `births` of them, then for survivals.
        blocks: tiles that cover a tile and what it reaches, along an axis.
        middle: added to the weight of the cell itself.
        index: type of an offset in a plane: int32 is faster, int64 is needed from 2^31 cells on.
    """
    tiles_across = tl.cdiv(width, side)
    tiles = tiles_across * tl.cdiv(height, side)
    universe, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    top, left = tile // tiles_across * side, tile % tiles_across * side
    before += universe * height * width
    after += universe * height * width
    end = blocks * side - reach  # of the cells that are read, from the tile's first on
    inner = (top >= reach) & (left >= reach) & (top + end <= height) & (left + end <= width)
    counts = counts_of(
        before, around, values, across, down, top, left, height, width, reach, terms, blocks, inner, index, side
    )  # fmt: skip
    y, x = (top + tl.arange(0, side)[:, None]).to(index), left + tl.arange(0, side)[None, :]
    if up is not None:
        other = counts_of(
            before, around, values, across, up, top, left, height, width, reach, terms, blocks, inner, index, side
        )  # fmt: skip
        counts = tl.where((y + x) % 2 == 0, counts, other)
    state = states_at(before, around, y, x, height, width, reach, inner)
    whole = counts.to(tl.int32)
    whole += middle * values_at(before, around, values, y, x, height, width, reach, inner).to(tl.int32)
    born, stays = inside(whole, ranges, 0, births), inside(whole, ranges, births, all_ranges)
    older = tl.where(state == states - 1, 0, state + 1)
    next_state = tl.where(state == 0, born.to(tl.int32), tl.where((state == 1) & stays, 1, older))
    tl.store(after + y * width + x, next_state.to(tl.uint8), mask=(y < height) & (x < width))
