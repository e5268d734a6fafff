"""Life against its known orbits and against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.laws import Life
from aetheria.laws.discrete.life import parse_rule
from aetheria.motor.motor import Aetheria_Motor

Board = NDArray[np.uint8]

R_PENTOMINO = (".oo", "oo.", ".o.")
GLIDER = (".o.", "..o", "ooo")
LIGHTWEIGHT_SPACESHIP = (".o..o", "o....", "o...o", "oooo.")
PULSAR = (
    "..ooo...ooo..",
    ".............",
    "o....o.o....o",
    "o....o.o....o",
    "o....o.o....o",
    "..ooo...ooo..",
    ".............",
    "..ooo...ooo..",
    "o....o.o....o",
    "o....o.o....o",
    "o....o.o....o",
    ".............",
    "..ooo...ooo..",
)
GOSPER_GUN = (
    "........................o...........",
    "......................o.o...........",
    "............oo......oo............oo",
    "...........o...o....oo............oo",
    "oo........o.....o...oo..............",
    "oo........o...o.oo....o.o...........",
    "..........o.....o.......o...........",
    "...........o...o....................",
    "............oo......................",
)


def board(drawing: tuple[str, ...], shape: tuple[int, int], at: tuple[int, int]) -> Board:
    """A board of `shape` with `drawing`'s top left corner at `at`."""
    cells = np.zeros(shape, np.uint8)
    for y, row in enumerate(drawing):
        for x, letter in enumerate(row):
            cells[at[0] + y, at[1] + x] = letter == "o"
    return cells


def life(cells: Board, rule: str = "B3/S23", boundary: str = "periodic") -> Aetheria_Motor:
    law = Life(rule, boundary=boundary)
    return Aetheria_Motor(law, (cells.shape[0], cells.shape[1]), 1, "cpu", {"plan": "eager"}, initial=cells[None])


def seen(motor: Aetheria_Motor) -> Board:
    return motor.cells[0, 0].numpy().astype(np.uint8)


def after(cells: Board, steps: int) -> Board:
    motor = life(cells)
    motor.step(steps)
    return seen(motor)


def numpy_step(cells: Board, birth: set[int], survival: set[int], boundary: str) -> Board:
    """The next generation, counted cell by cell from a padded board."""
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    wide = np.pad(cells, 1, mode=mode)
    count = np.lib.stride_tricks.sliding_window_view(wide, (3, 3)).sum((2, 3), dtype=np.int64) - cells
    born, stays = np.isin(count, list(birth)), np.isin(count, list(survival))
    return np.where(cells == 1, stays, born).astype(np.uint8)


def test_the_r_pentomino_settles_at_generation_1103_with_116_cells() -> None:
    # Its first glider, let go at generation 69, is 260 cells away by then: the grid is wide enough for it.
    side = 640
    motor = life(board(R_PENTOMINO, (side, side), (side // 2, side // 2)))
    counts = []
    for steps in (1102, 1, 1):
        motor.step(steps)
        counts.append(int(motor.read("population")[0]))
    cells = seen(motor)
    assert counts[1:] == [116, 116]
    assert counts[0] != 116, "it is stable from generation 1103 on, not before"
    edge = np.ones_like(cells, bool)
    edge[8:-8, 8:-8] = False
    assert not cells[edge].any(), "something came near the edge and may have wrapped"


def test_the_gosper_gun_repeats_every_30_generations_and_fires_a_glider_each_time() -> None:
    motor = life(board(GOSPER_GUN, (120, 140), (10, 10)), boundary="zero")
    # The gun's own box; its gliders leave it to the lower right, below row 19.
    boxes, counts = [], []
    for _ in range(181):
        cells = seen(motor)
        boxes.append(cells[8:19, 8:48])
        counts.append(int(cells.sum()))
        motor.step(1)
    assert [counts[k] for k in (0, 30, 60, 90, 120, 150)] == [36 + 5 * k for k in range(6)]
    repeats = [p for p in range(1, 91) if np.array_equal(boxes[60], boxes[60 + p])]
    assert repeats == [30, 60, 90]


def test_the_gliders_of_a_gun_are_gliders() -> None:
    motor = life(board(GOSPER_GUN, (120, 140), (10, 10)), boundary="zero")
    motor.step(150)
    below = seen(motor)[22:]
    motor.step(4)
    moved = seen(motor)[22:]
    assert below.sum() > 0
    assert below.sum() % 5 == 0
    # Those that are in this window already have moved one cell down and right.
    assert np.array_equal(np.argwhere(below[8:]).max(0) + 1, np.argwhere(moved[8:]).max(0))


def test_a_pulsar_has_period_3() -> None:
    start = board(PULSAR, (19, 21), (3, 4))
    assert [np.array_equal(after(start, n), start) for n in range(1, 7)] == [False, False, True, False, False, True]


def test_a_glider_moves_one_cell_diagonally_in_four_steps_round_the_torus() -> None:
    start = board(GLIDER, (9, 14), (5, 11))
    for steps in (4, 8, 36, 400):
        assert np.array_equal(after(start, steps), np.roll(start, (steps // 4, steps // 4), (0, 1)))
    assert not any(
        np.array_equal(after(start, n), np.roll(start, (y, x), (0, 1))) for n in (1, 2, 3) for y, x in ((0, 0), (1, 1))
    )


def test_a_lightweight_spaceship_moves_two_cells_in_four_steps() -> None:
    start = board(LIGHTWEIGHT_SPACESHIP, (10, 30), (3, 20))
    moved = [after(start, 4 * n) for n in (1, 2, 3)]
    assert all(np.array_equal(cells, np.roll(start, -2 * n, 1)) for n, cells in enumerate(moved, 1))
    assert not np.array_equal(after(start, 2), np.roll(start, -1, 1))


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@settings(max_examples=40, deadline=None)
@given(
    birth=st.sets(st.integers(0, 8)),
    survival=st.sets(st.integers(0, 8)),
    height=st.integers(2, 20),
    width=st.integers(2, 20),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_rule_on_any_soup_equals_numpy(
    boundary: str, birth: set[int], survival: set[int], height: int, width: int, density: float, seed: int
) -> None:
    soup = (np.random.default_rng(seed).random((height, width)) < density).astype(np.uint8)
    rule = f"B{''.join(map(str, birth))}/S{''.join(map(str, survival))}"
    motor = life(soup, rule, boundary)
    for _ in range(4):
        soup = numpy_step(soup, birth, survival, boundary)
        motor.step(1)
        assert np.array_equal(seen(motor), soup), rule


def test_a_large_soup_equals_numpy_for_many_generations() -> None:
    soup = (np.random.default_rng(1).random((97, 130)) < 0.35).astype(np.uint8)
    motor = life(soup)
    motor.step(60)
    for _ in range(60):
        soup = numpy_step(soup, {3}, {2, 3}, "periodic")
    assert np.array_equal(seen(motor), soup)
    assert 0 < soup.sum() < soup.size / 2


def test_with_b0_an_empty_world_blinks() -> None:
    motor = life(np.zeros((5, 6), np.uint8), "B0/S")
    motor.step(1)
    assert seen(motor).all()
    motor.step(1)
    assert not seen(motor).any()


def test_the_smallest_torus_counts_a_cell_as_its_own_eight_neighbours() -> None:
    for rule, alive in (("B/S8", 1), ("B/S01234567", 0)):
        motor = life(np.ones((1, 1), np.uint8), rule)
        motor.step(1)
        assert seen(motor)[0, 0] == alive


def test_rules_are_read_in_either_case_and_order_of_digits() -> None:
    for rule, birth, survival in (("b63/s32", {3, 6}, {2, 3}), ("B/S", set(), set()), ("B0/S8", {0}, {8})):
        found = parse_rule(rule)
        assert [set(counts) for counts in found] == [birth, survival]


@pytest.mark.parametrize(
    "rule", ["", "B3", "B9/S23", "B3/23", "B3/S23/4", "B-3/S2", "Conwy", "B3/S23:T8,8", "B2-a/S12z", "W110"]
)
def test_a_rule_that_is_none_is_refused_with_an_example(rule: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.life\] rule: .* given; expected a two-state rule.*B3/S23"):
        Life(rule)


def test_life_stays_exact_when_the_state_is_float64_or_the_network_bfloat16() -> None:
    soup = (np.random.default_rng(2).random((40, 40)) < 0.4).astype(np.uint8)
    plain = after(soup, 20)
    for precision in ("fp64", "bf16", "tf32"):
        motor = Aetheria_Motor(Life(), 40, 1, "cpu", {"plan": "eager", "precision": precision}, initial=soup[None])
        motor.step(20)
        assert torch.equal(motor.cells[0, 0], torch.from_numpy(plain).to(motor.cells.dtype))
