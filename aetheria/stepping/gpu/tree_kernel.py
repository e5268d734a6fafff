"""Triton kernel that takes a step of a rule of whole states by a decision tree, on cells of one byte.

Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

from aetheria.stepping.gpu.states_kernel import states_at


@triton.jit
def step_tree(
    before, after, children, around, height, width,
    inputs: tl.constexpr, index: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    """Steps a tile of `rows x columns` cells of one universe per program.

    Args:
        before, after: `(B, H, W)` uint8.
        children: `(nodes, states)` int32: the node to go to, multiplied by `states`; for the last input the next state.
        around: as in `laws.topology.around`, of type `index`.
        inputs: row and column offset of the cell asked first, second ..., as flat numbers.
        index: type of an offset in a plane: int32 is faster, int64 is needed from 2^31 cells on.
    """
    across = tl.cdiv(width, columns)
    tiles = across * tl.cdiv(height, rows)
    universe, tile = (tl.program_id(0) // tiles).to(tl.int64), tl.program_id(0) % tiles
    i = tl.arange(0, rows * columns)
    top, left = tile // across * rows, tile % across * columns
    y, x = (top + i // columns).to(index), left + i % columns
    before += universe * height * width
    after += universe * height * width
    inner = (top > 0) & (top + rows < height) & (left > 0) & (left + columns < width)
    node = tl.zeros((rows * columns,), tl.int32)
    for n in tl.static_range(0, len(inputs), 2):
        state = states_at(before, around, y + inputs[n], x + inputs[n + 1], height, width, 1, inner)
        node = tl.load(children + node + state)
    tl.store(after + y * width + x, node.to(tl.uint8), mask=(y < height) & (x < width))
