"""How far a step of each law reaches, on the torus and at the edges, in every rank that the law states."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.core.errors import LawError
from aetheria.laws import GrowingNCA, Law
from aetheria.laws.base import check_grid
from aetheria.laws.checks import RANKS
from aetheria.laws.layers import window
from tests.small_laws import (
    CERTAIN,
    GRIDS,
    PLAIN,
    QUANTUM,
    Case,
    boundaries,
    cases,
    class_of,
    each,
    fitting,
    fresh,
    local_law,
    small_law,
    small_motor,
    stepper,
    wrapped,
)

NARROW: dict[str, dict[str, Any]] = {name: {"d_state": 1, "hidden_channels": 2} for name in ("UNet", "ConvLSTM")}
NARROW["AttentionNCA"] = {"channels": 1, "hidden_channels": 4, "token_channels": 2, "heads": 1, "head_channels": 12}
AVERAGING: tuple[dict[str, Any], ...] = ({"normalise": "grid"}, {"normalise": "none", "norm": "group"})
SPOTS = {1: 32, 2: 6, 3: 4}  # cells along each axis that are changed, each in a universe of its own
ODD = {1: ((11,), (23,), (64,)), 2: ((11, 23), (17, 12), (31, 11)), 3: ((11, 12, 13), (13, 11, 17))}
CASES = cases()


def _certain(name: str, rank: int | None = None) -> Law:
    return local_law(name, rank, **CERTAIN.get(name, {}))


@each([case for case in CASES if "periodic" in boundaries(case[0]) and not _certain(case[0]).stochastic])
@pytest.mark.parametrize("shift", [(0, 0, 1), (2, 3, 1), (1, -1, 2)])
def test_a_periodic_law_commutes_with_shifts_of_the_torus(case: Case, shift: tuple[int, ...]) -> None:
    """By multiples of `divisor`, which is 1 for all but the pooled laws."""
    name, rank = case
    law = local_law(name, rank, **CERTAIN.get(name, {}), **_bounded(name, "periodic"))
    grid = fitting(law, GRIDS[rank])
    state = fresh(law, grid)

    def rolled(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # Memory in space may be smaller than the grid, and moves as much less.
        def roll(t: Tensor) -> Tensor:
            return t.roll([law.divisor * by * t.shape[2] // grid[0] for by in shift[-rank:]], tuple(range(2, t.ndim)))

        return tuple(roll(t) if t.ndim == rank + 2 else t for t in tensors)

    step = stepper(law)
    twice = step(step(state), 1)
    one, other = step(step(rolled(state)), 1), rolled(twice)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    assert not torch.equal(other[0], twice[0])


@pytest.mark.parametrize("name", ["UNet", "ConvLSTM"])
def test_a_pooled_law_does_not_commute_with_a_shift_of_one(name: str) -> None:
    law = local_law(name)
    state = fresh(law, (16, 20))
    step = stepper(law)
    moved = step((state[0].roll(1, 3), *state[1:]))[0]
    assert not torch.allclose(moved, step(state)[0].roll(1, 3), rtol=1e-6)


def _touched(law: Law, side: int, spots: list[tuple[int, ...]]) -> Tensor:
    """Chebyshev distances on the torus from a cell that is changed to those that this alters in one step; for all spots."""
    rank = len(spots[0])
    grid = (side,) * rank
    state = fresh(law, grid)
    many = [tensor.expand(len(spots), *tensor.shape[1:]).clone() for tensor in state]
    other = law.other_values(state[0])
    for universe, spot in enumerate(spots):
        at: Any = (slice(None), *spot)
        many[0][universe][at] = other[0][at]
    step = stepper(law)
    delta = (step(tuple(many))[0] - step(state)[0]).abs().amax(1)
    # Lenia's FFT spreads rounding errors of 1e-16 over the whole grid.
    altered = torch.nonzero(delta > 1e-11 * delta.amax(tuple(range(1, rank + 1)), keepdim=True))
    away = (altered[:, 1:] - torch.tensor(spots)[altered[:, 0]]) % side
    return torch.minimum(away, side - away).amax(1)


@each(CASES)
def test_a_change_travels_no_further_than_the_radius(case: Case) -> None:
    name, rank = case
    for boundary in boundaries(name):
        law = local_law(name, rank, **_bounded(name, boundary), **NARROW.get(name, {}))
        assert law.radius is not None
        (side, *_) = fitting(law, (2 * law.radius + SPOTS[rank] + 3,))
        # In the middle, at every place of the pooling grid.
        middle = range((side - SPOTS[rank]) // 2, (side + SPOTS[rank]) // 2)
        furthest = int(_touched(law, side, list(product(middle, repeat=rank))).max())
        assert 0 < furthest <= law.radius


def _bounded(name: str, boundary: str) -> dict[str, Any]:
    return {"boundary": boundary} if len(boundaries(name)) > 1 else {}


@pytest.mark.parametrize(
    ("name", "rank", "settings", "radius"),
    [
        *(("MLP", rank, {}, 1) for rank in (1, 2, 3)),
        *(("MLP", rank, {"perceive": "self"}, 0) for rank in (1, 2, 3)),
        *(("DEEP_QCA", rank, {"perceive": perceive}, 1) for rank in (1, 2, 3) for perceive in ("each", "sum")),
        *(("NeuralCA", rank, {"radius": radius}, radius) for rank in (1, 2, 3) for radius in (1, 3)),
        ("Life", 2, {}, 1),
        # A Lenia kernel falls to 0 at distance R exactly: the furthest cell that counts is one nearer.
        *(("Lenia", rank, {}, 4) for rank in (1, 2, 3)),
    ],
)
def test_the_radius_is_no_larger_than_it_has_to_be(name: str, rank: int, settings: dict[str, Any], radius: int) -> None:
    law = local_law(name, rank, **settings)
    assert law.radius == (5 if name == "Lenia" else radius)
    side = 12 if rank == 3 else 24
    spots = list(product((side // 3, side // 2), repeat=rank))
    assert int(_touched(law, side, spots).max()) == radius


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_dying_cell_of_growing_nca_is_felt_two_cells_away(rank: int) -> None:
    """Its going kills the alpha that kept a neighbour's neighbour alive."""
    law = local_law("GrowingNCA", rank, fire_rate=1.0)
    assert isinstance(law, GrowingNCA)
    assert law.radius == 2
    with torch.no_grad():
        for parameter in law.parameters():
            parameter.zero_()
        # Alpha falls to 0 where the cell to the left is bright, through the Sobel-x gradient of channel 0.
        law.hidden.weight[0, law.channels] = -32.0
        law.update.weight[3, 0] = -1.0
    cells = torch.zeros(1, law.channels, *(24,) * rank, dtype=torch.float64)
    middle = (12,) * (rank - 1)
    cells[(0, 3, *middle, 12)] = 1
    cells[(0, 5, *middle, 11)] = 1  # a hidden channel of a cell that only this alpha keeps alive
    lit = cells.clone()
    lit[(0, 0, *middle, 13)] = -1.0
    memory = law.initial_memory(cells)
    step = stepper(law)
    delta = (step((cells, *memory))[0] - step((lit, *memory))[0]).abs().amax(1)[0]
    assert int((torch.nonzero(delta) - torch.tensor([*middle, 13])).abs().max()) == 2


@each(cases(*QUANTUM))
def test_a_law_that_averages_over_the_grid_claims_no_radius(case: Case) -> None:
    name, rank = case
    side = 8 if rank == 3 else 16
    for settings in AVERAGING:
        law = small_law(name, rank, **settings)
        assert isinstance(law, Law)
        assert law.radius is None
        assert len(_touched(law.double(), side, [(5,) * rank])) == side**rank
    assert wrapped(small_law(name, rank, normalise="none")).radius is not None


def test_a_module_that_states_nothing_claims_no_radius() -> None:
    assert wrapped(small_law(PLAIN)).radius is None


def _cropped(cells: Tensor, radius: int) -> Tensor:
    """The cells `(B, C, *grid)` that are further than `radius` from the edge."""
    return window(cells, (radius,) * (cells.ndim - 2), [side - 2 * radius for side in cells.shape[2:]])


@each([case for case in CASES if len(boundaries(case[0])) > 1])
def test_a_boundary_matters_at_the_edge_and_nowhere_else(case: Case) -> None:
    name, rank = case
    laws = {boundary: local_law(name, rank, boundary=boundary, **NARROW.get(name, {})) for boundary in boundaries(name)}
    law = next(iter(laws.values()))
    assert law.radius is not None
    grid = fitting(law, tuple(2 * law.radius + more for more in (5, 7, 10))[-rank:])
    # Of whole states many universes, states drawn evenly: the few edge cells of one may come out alike by chance.
    cells, *memory = fresh(law, grid, batch=16 if law.states is None else 128)
    if law.states is not None:
        cells = torch.randint(law.states, cells.shape, generator=torch.Generator().manual_seed(0)).double()
    # The last phase: the blocks of a first one may not reach over the edge.
    after = {boundary: stepper(law)((cells, *memory), law.phases - 1)[0] for boundary, law in laws.items()}
    for one, other in combinations(laws, 2):
        inside, same_inside = (_cropped(after[boundary], law.radius) for boundary in (one, other))
        torch.testing.assert_close(inside, same_inside, rtol=1e-12, atol=1e-14)
        assert not torch.allclose(after[one], after[other], rtol=1e-9)


PADDED = cases("MLP", "DEEP_QCA", "NeuralCA", "Life", "Lenia", "Elementary", "Cyclic")


@each(PADDED)
@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_the_cells_beyond_the_edge_are_those_that_numpy_pads(case: Case, boundary: str) -> None:
    name, rank = case
    law, inner = local_law(name, rank, boundary=boundary), local_law(name, rank, boundary="zero")
    r = law.radius or 0
    state = fresh(law, (11, 13, 17)[-rank:])
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    wide = torch.from_numpy(np.pad(state[0].numpy(), ((0, 0), (0, 0), *((r, r),) * rank), mode=mode))
    expected = _cropped(stepper(inner)((wide,))[0], r)
    torch.testing.assert_close(stepper(law)(state)[0], expected, rtol=1e-11, atol=1e-13)


@each(CASES)
def test_odd_and_oblong_grids_step_under_every_boundary(case: Case) -> None:
    name, rank = case
    for boundary in boundaries(name):
        law = small_law(name, rank, **_bounded(name, boundary))
        for grid in {fitting(wrapped(law), grid) for grid in ODD[rank]}:
            motor = small_motor(law, grid, batch=2)
            motor.step(2)
            assert motor.cells.shape[2:] == grid
            assert motor.cells.isfinite().all()


@each([case for case in CASES if wrapped(small_law(*case)).ranks != RANKS])
def test_a_grid_of_another_rank_is_refused(case: Case) -> None:
    name, rank = case
    law = wrapped(small_law(name, rank))
    wanted = "1 axis" if rank == 1 else f"{rank} axes"
    for other in set(RANKS) - {rank}:
        build = f"; build it with rank = {other}" if other in class_of(name).ranks else ""
        with pytest.raises(LawError) as refused:
            check_grid(law, (16,) * other)
        assert str(refused.value).startswith(f"[law.{name.lower()}] grid 16")
        assert str(refused.value).endswith(f" given; {name} steps grids of {wanted}{build}")
