"""Brushes against NumPy that visits one cell at a time."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from aetheria import MLP, GrowingNCA, Lenia, Life, law_from_rule
from aetheria.laws.base import as_law
from viewer.controllers.brushes import (
    BrushName,
    Dab,
    PaintTarget,
    apply_dab,
    paint_target_of,
    touched_regions,
    why_brush_unusable,
)
from viewer.model.brush_settings import BrushSettings

Array = NDArray[Any]
GRID = (12, 17)
HARD = PaintTarget(GRID, np.ones(1), hard=True)
SOFT = PaintTarget(GRID, np.ones(1))
PSI = PaintTarget((64, 64), np.array([1.0, 0.0, 0.0, 0.0]), complex=True, unit=0.25)


def dab(brush: BrushName, y: float, x: float, size: int = 5, stamp: Array | None = None, **settings: Any) -> Dab:
    return Dab(brush, BrushSettings(size=size, **settings), y, x, 7, stamp)


def painted(cells: Array, touch: Dab, target: PaintTarget) -> Array:
    """The whole grid after a dab, put together from the blocks that it reaches."""
    after = cells.copy()
    for block in touched_regions(touch, target):
        rows = slice(block.top, block.top + block.height)
        columns = slice(block.left, block.left + block.width)
        after[..., rows, columns] = apply_dab(cells[..., rows, columns], block.top, block.left, touch, target)
    return after


def distance(i: int, j: int, y: float, x: float, target: PaintTarget) -> float:
    """From the middle of a cell to a point, on a torus to the nearest of its images."""
    images = (-1, 0, 1) if target.wraps else (0,)
    height, width = target.grid
    return min(math.hypot(i + 0.5 - y - a * height, j + 0.5 - x - b * width) for a in images for b in images)


def disc(y: float, x: float, size: int, target: PaintTarget) -> Array:
    height, width = target.grid
    return np.array([[distance(i, j, y, x, target) <= size / 2 for j in range(width)] for i in range(height)])


@pytest.mark.parametrize("wraps", [True, False], ids=["torus", "edges"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("place", [(6.5, 8.5), (0.2, 16.9), (11.9, 0.1), (0.0, 0.0), (5.5, -0.5), (-7.5, 40.5)])
def test_a_disc_of_live_cells_goes_round_a_torus_and_is_cut_off_at_edges(
    size: int, place: tuple[float, float], wraps: bool
) -> None:
    target = replace(HARD, wraps=wraps)
    # The brush sits on whole cells: in the middle of one if its size is odd, between them if it is even.
    y, x = (math.floor(c) + 0.5 if size % 2 else math.floor(c + 0.5) for c in place)
    wanted = disc(y % 12, x % 17, size, target) if wraps else disc(y, x, size, target)
    assert np.array_equal(painted(np.zeros((1, *GRID)), dab("draw", *place, size), target)[0] == 1, wanted)
    assert np.array_equal(painted(np.ones((1, *GRID)), dab("erase", *place, size), target)[0] == 0, wanted)


def test_a_brush_of_size_one_paints_the_cell_under_the_mouse() -> None:
    assert np.argwhere(painted(np.zeros((1, *GRID)), dab("draw", 3.99, 7.01, 1), HARD)).tolist() == [[0, 3, 7]]


def test_a_brush_wider_than_the_torus_paints_all_of_it_once() -> None:
    assert painted(np.zeros((1, *GRID)), dab("draw", 5.0, 5.0, 40), HARD).all()
    assert len(touched_regions(dab("draw", 5.0, 5.0, 40), HARD)) == 1


def test_a_stroke_that_misses_a_grid_with_edges_touches_nothing() -> None:
    assert touched_regions(dab("draw", 30.0, 5.0), replace(HARD, wraps=False)) == []


def test_a_soft_brush_is_full_in_half_its_radius_and_nothing_beyond_it() -> None:
    after = painted(np.zeros((1, *GRID)), dab("draw", 6.0, 8.0, 8, strength=0.5), SOFT)[0]
    for i, j in np.ndindex(GRID):
        r = distance(i, j, 6.0, 8.0, SOFT)
        if r <= 2:
            assert after[i, j] == 0.5
        elif r >= 4:
            assert after[i, j] == 0
        else:
            assert 0 < after[i, j] < 0.5


def test_soft_paint_goes_part_of_the_way_from_what_there_was_to_the_live_cell() -> None:
    target = PaintTarget(GRID, np.array([0.0, 0.0, 0.0, 1.0, 1.0]))
    before = np.random.default_rng(0).normal(size=(5, *GRID))
    after = painted(before, dab("draw", 6.5, 8.5, 3, strength=0.25), target)
    assert after[:, 6, 8] == pytest.approx(0.75 * before[:, 6, 8] + 0.25 * np.array([0, 0, 0, 1, 1]))
    erased = painted(before, dab("erase", 6.5, 8.5, 3, strength=0.25), target)
    assert erased[:, 6, 8] == pytest.approx(0.75 * before[:, 6, 8])


def test_random_cells_of_two_states_live_with_half_the_strength_for_a_chance() -> None:
    target = PaintTarget((200, 200), np.ones(1), hard=True)
    after = painted(np.full((1, 200, 200), 1.0), dab("random", 100, 100, 200, strength=0.6), target)[0]
    inside = disc(100, 100, 200, target)
    share, cells = after[inside].mean(), inside.sum()
    assert set(np.unique(after)) == {0.0, 1.0}
    assert abs(share - 0.3) < 5 * math.sqrt(0.3 * 0.7 / cells)
    assert after[~inside].all()


def test_random_cells_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again = (painted(np.zeros((1, *GRID)), dab("random", 6, 8, 9), SOFT) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, painted(np.zeros((1, *GRID)), replace(dab("random", 6, 8, 9), seed=8), SOFT))


def test_random_amplitudes_have_any_phase_and_no_more_density_than_the_unit_squared() -> None:
    after = painted(np.zeros((4, 64, 64)), dab("random", 32, 32, 60), PSI)
    psi = (after[:2] + 1j * after[2:])[:, disc(32, 32, 30, PSI)]
    density = (abs(psi) ** 2).sum(0)
    assert 0 < density.max() <= 0.25**2
    quarters = np.histogram(np.angle(psi), 4, (-math.pi, math.pi))[0]
    assert quarters.min() > psi.size / 6


@pytest.mark.parametrize("place", [(6.5, 8.5), (0.5, 0.5), (11.5, 16.5)])
@pytest.mark.parametrize("wraps", [True, False], ids=["torus", "edges"])
def test_a_stamp_leaves_live_cells_alone_where_it_is_empty(place: tuple[float, float], wraps: bool) -> None:
    glider = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]])
    target = replace(HARD, wraps=wraps)
    before = (np.random.default_rng(1).random((1, *GRID)) < 0.3).astype(np.float32)
    wanted = before.copy()
    for a, b in np.argwhere(glider):
        i, j = int(place[0]) - 1 + a, int(place[1]) - 1 + b
        if wraps or (0 <= i < 12 and 0 <= j < 17):
            wanted[0, i % 12, j % 17] = 1
    assert np.array_equal(painted(before, dab("stamp", *place, stamp=glider), target), wanted)


def test_a_stamp_of_shades_is_the_live_cell_times_the_shade() -> None:
    target = PaintTarget(GRID, np.array([0.5, 2.0]))
    after = painted(np.ones((2, *GRID)), dab("stamp", 6.5, 8.0, stamp=np.array([[0.0, 0.5]])), target)
    assert after[:, 6, 8].tolist() == [0.25, 1.0]
    assert (after != 1).any(0).sum() == 1


def winding(psi: Array, y: int, x: int, r: int) -> float:
    """The phase gathered counter-clockwise (y is down) round a square of cells."""
    up = [(y - t, x + r) for t in range(-r, r)]
    left = [(y - r, x - t) for t in range(-r, r)]
    down = [(y + t, x - r) for t in range(-r, r)]
    right = [(y + r, x + t) for t in range(-r, r)]
    way = np.array([psi[i, j] for i, j in (*up, *left, *down, *right)])
    return float(np.angle(np.roll(way, -1) / way).sum())


@pytest.mark.parametrize("charge", [-3, -1, 1, 2])
def test_round_a_vortex_the_phase_grows_by_two_pi_for_each_charge(charge: int) -> None:
    after = painted(np.zeros((4, 64, 64)), dab("vortex", 32.5, 30.5, 41, charge=charge), PSI)
    psi = after[0] + 1j * after[2]
    for r in (3, 6):
        assert winding(psi, 32, 30, r) == pytest.approx(2 * math.pi * charge)
    assert abs(psi[32, 30]) == 0
    assert abs(psi[32, 40]) == pytest.approx(0.25 * 10 / math.hypot(10, 41 / 16))
    assert not after[1].any()
    assert not after[3].any()


@pytest.mark.parametrize(("wavelength", "angle"), [(8.0, 0.0), (5.0, 90.0), (11.0, 30.0)])
def test_a_plane_wave_has_its_wavelength_along_its_angle(wavelength: float, angle: float) -> None:
    after = painted(np.zeros((4, 64, 64)), dab("wave", 32, 32, 60, wavelength=wavelength, angle=angle), PSI)
    psi = (after[0] + 1j * after[2])[22:42, 22:42]
    assert abs(psi) == pytest.approx(0.25)
    k = 2 * math.pi / wavelength
    assert np.angle(psi[:, 1:] / psi[:, :-1]) == pytest.approx(k * math.cos(math.radians(angle)))
    # y is down, and the wave climbs at its angle.
    assert np.angle(psi[1:] / psi[:-1]) == pytest.approx(-k * math.sin(math.radians(angle)))


def test_dabs_of_a_plane_wave_fit_together_also_where_the_stroke_goes_round_the_torus() -> None:
    one = painted(np.zeros((4, 64, 64)), dab("wave", 32, 60, 20, wavelength=7.0), PSI)
    both = painted(one, dab("wave", 32, 66, 20, wavelength=7.0), PSI)
    psi = np.roll((both[0] + 1j * both[2])[32], 20)  # cells 44 to 63, then 0 to 43
    run = psi[14:26]  # from cell 58 to cell 5
    assert np.angle(run[1:] / run[:-1]) == pytest.approx(2 * math.pi / 7)


class Plain(nn.Module):
    """Says nothing of itself."""


def test_what_a_live_cell_is_comes_from_the_law() -> None:
    assert paint_target_of(as_law(Life(), 1), GRID).hard
    assert not paint_target_of(as_law(Life(boundary="zero"), 1), GRID).wraps
    lenia = paint_target_of(as_law(Lenia(), 1), GRID)
    assert (lenia.hard, lenia.complex, lenia.live.tolist()) == (False, False, [1.0])
    creature = paint_target_of(as_law(GrowingNCA(), 16), GRID)
    assert creature.live.tolist() == [0.0] * 3 + [1.0] * 13
    quantum = paint_target_of(as_law(MLP(2), 2), GRID)
    assert (quantum.complex, quantum.live.tolist()) == (True, [1.0, 0.0, 0.0, 0.0])
    assert paint_target_of(as_law(Plain(), 3), GRID).live.tolist() == [1.0, 1.0, 1.0]


def test_only_laws_of_amplitudes_have_brushes_for_the_phase() -> None:
    assert "complex" in why_brush_unusable("vortex", SOFT)
    assert "complex" in why_brush_unusable("wave", HARD)
    assert why_brush_unusable("vortex", PSI) == why_brush_unusable("draw", HARD) == ""


def test_painting_leaves_the_block_it_is_given_and_its_type() -> None:
    before = np.zeros((2, 1, *GRID), np.float32)
    after = apply_dab(before, 0, 0, dab("draw", 6, 6), SOFT)
    assert after.dtype == np.float32
    assert after.any()
    assert not before.any()


def test_a_chosen_state_is_drawn_where_a_law_has_several() -> None:
    target = paint_target_of(law_from_rule("345/2/4"), GRID)
    assert (target.states, target.hard) == (4, True)
    cells = np.ones((1, 1, *GRID))
    for state in (0, 2, 3, 9):
        after = painted(cells, dab("draw", 5.5, 6.5, state=state), target)
        inside = disc(5.5, 6.5, 5, target)
        assert (after[..., inside] == min(state, 3)).all()
        assert (after[..., ~inside] == 1).all()
    assert (painted(cells, dab("erase", 5.5, 6.5, state=2), target)[..., inside] == 0).all()
    random = painted(
        np.zeros((1, 1, 60, 60)), dab("random", 30, 30, 50), PaintTarget((60, 60), np.ones(1), hard=True, states=4)
    )
    assert set(np.unique(random)) == {0, 1, 2, 3}
    assert paint_target_of(Life(), GRID).states == 2


def test_a_stamp_of_several_states_keeps_them() -> None:
    target = paint_target_of(law_from_rule("WireWorld"), GRID)
    stamp = np.array([[3.0, 2, 1, 0], [0, 0, 3, 3]])
    after = painted(np.ones((1, 1, *GRID)), dab("stamp", 5.0, 6.0, stamp=stamp), target)
    assert np.array_equal(after[0, 0, 4:6, 4:8], np.where(stamp > 0, stamp, 1))
