"""A small grid of the same law, on which plans for a large one are compared with eager steps; and windows of the large one.

Eager steps of a large grid would take minutes and many times the memory of the state.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from aetheria.core.block import Block
from aetheria.laws.base import Law
from aetheria.laws.topology import is_twisted
from aetheria.stepping.plan import Plan, State, settled
from aetheria.stepping.plan_factory import StepProblem
from aetheria.stepping.reference import check_agreement, eager_steps

_VARIED = 0.01  # share of the cells that must differ from their neighbours for a state to tell plans apart
# Sides of the small grid, by the number of axes, and the number modulo which a side is that of the large grid. Kernels divide
# rows into tiles of up to 256 cells, and words of 64.
_SIDES = {1: (256,), 2: (64, 256), 3: (16, 16, 64)}
_UNITS = {1: 64, 2: 64, 3: 16}
_UNIVERSES = 8  # taken together in a vector
_WINDOW = 64  # side, without the neighbours of its outermost cells


def small_problem(problem: StepProblem) -> StepProblem | None:
    """The same law on a smaller grid, with varied cells; None if its grid is small.

    Each side, and the number of universes, is that of the large grid modulo the width of a word or a vector.
    """
    cells, law = problem.state[0], problem.law
    grid, rank = tuple(cells.shape[2:]), cells.ndim - 2
    unit = math.lcm(_UNITS[rank], law.divisor)
    # Some surfaces of joined edges must be square.
    fewest = (max(_SIDES[rank]),) * rank if is_twisted(law.boundary) else _SIDES[rank]
    least = (-(-max(side, 4 * (law.radius or 0)) // unit) * unit for side in fewest)
    sides = tuple(_reduced(side, fewest, unit) for side, fewest in zip(grid, least, strict=True))
    batch = _reduced(len(cells), _UNIVERSES, _UNIVERSES)
    if (batch, *sides) == (len(cells), *grid):
        return None
    part = _part(problem.state, Block((0,) * rank, sides), batch)
    start = part[0].clone() if varied(part[0]) else random_cells(law, part[0])
    return replace(problem, state=tuple(map(settled, (law.normalised(start), *map(Tensor.clone, part[1:])), part)))


def _reduced(size: int, least: int, unit: int) -> int:
    return size if size < 2 * least else least + size % unit


def varied(cells: Tensor) -> bool:
    """Whether enough neighbours differ: an empty grid, or one live cell, would hide a wrong step."""
    return bool((cells[..., 1:] != cells[..., :-1]).count_nonzero() >= _VARIED * cells.numel())


def random_cells(law: Law, like: Tensor) -> Tensor:
    """Random cells of the law, the same at each call, in the shape, type and layout of `like`."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([law.random_cells(tuple(like.shape[2:]), generator) for _ in range(len(like))])
    return settled(drawn.to(like.device), like)


@torch.inference_mode()
def check_windows(problem: StepProblem, plan: Plan) -> None:
    """Takes a step of the large grid by the plan, and compares windows of it with eager steps of these windows alone.

    The windows lie at both ends and in the middle of the grid, filled with random cells. Cells near a window's edge, which
    depend on those outside, are left out. A law without a radius has none; of a stochastic law, whose random numbers depend
    on the position, only the one at the origin is compared.

    Raises:
        RuntimeError: they do not agree.
    """
    windows = _windows(problem)
    if not windows:
        return
    held, starts = _packed(problem, plan, windows)
    after = plan.unpack(plan.advance(held, 1))
    radius, grid = problem.law.radius or 0, problem.state[0].shape[2:]
    for window, start in zip(windows, starts, strict=True):
        expected = eager_steps(problem, start, 1)
        edges = [0 if size == side else radius for size, side in zip(window.size, grid, strict=True)]
        inner = Block(tuple(edges), tuple(size - 2 * edge for size, edge in zip(window.size, edges, strict=True)))
        given = _part(after, window, len(after[0]))
        on_grid = [number for number, tensor in enumerate(start) if _on(tensor, window.size)]
        check_agreement(problem, *(tuple(state[number][inner.index] for number in on_grid) for state in (given, expected)))


def _windows(problem: StepProblem) -> list[Block]:
    law, grid = problem.law, tuple(problem.state[0].shape[2:])
    if law.radius is None or is_twisted(law.boundary):  # joined edges are those of the whole grid alone
        return []
    unit = math.lcm(_UNITS[len(grid)], law.divisor)
    size = -(-(_WINDOW + 2 * law.radius) // unit) * unit
    blocks = [Block(*zip(*spans, strict=True)) for spans in zip(*(_spans(side, size, unit) for side in grid), strict=True)]
    return blocks[:1] if law.stochastic else blocks


def _spans(side: int, size: int, unit: int) -> list[tuple[int, int]]:
    """First cell and size of the first, the middle and the last window along an axis; the last one reaches its end."""
    if side <= size:
        return [(0, side)] * 3
    # At multiples of the unit, where a network that halves the grid, or a law on blocks of cells, is the same as at the origin.
    last = (side - size) // unit * unit
    return [(0, size), (last // (2 * unit) * unit, size), (last, side - last)]


def _packed(problem: StepProblem, plan: Plan, windows: Sequence[Block]) -> tuple[State, list[State]]:
    """The state with random cells in the windows, packed; and each window's state."""
    cells, *memory = problem.state
    before = [cells[window.index].clone() for window in windows]
    try:  # in the given cells, for as long as they are packed: a copy of a large grid is much memory
        for window in windows:
            cells[window.index] = random_cells(problem.law, cells[window.index])
        starts = [tuple(settled(t.clone(), t) for t in _part(problem.state, window, len(cells))) for window in windows]
        held = plan.pack((cells, *(tensor.clone() for tensor in memory)))
        if any(tensor.data_ptr() == cells.data_ptr() for tensor in held):  # a plan may overwrite what it has packed
            held = tuple(tensor.clone() for tensor in held)
    finally:
        for window, kept in reversed(list(zip(windows, before, strict=True))):
            cells[window.index] = kept
    return held, starts


def _part(state: State, block: Block, universes: int) -> State:
    """A block of the first universes, a view; memory that is no grid stays whole."""
    grid = state[0].shape[2:]
    return tuple(tensor[:universes][block.index] if _on(tensor, grid) else tensor[:universes] for tensor in state)


def _on(tensor: Tensor, grid: Sequence[int]) -> bool:
    """Whether a tensor has values at each cell of a grid."""
    return tensor.ndim > len(grid) and tuple(tensor.shape[-len(grid) :]) == tuple(grid)
