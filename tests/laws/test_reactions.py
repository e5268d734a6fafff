"""Gray-Scott, FitzHugh-Nagumo, Kuramoto and coupled maps against NumPy in float64, and against what is known of them."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import LAWS, Law
from aetheria.laws.base import check_grid
from aetheria.laws.continuous.coupled_map_lattice import CoupledMapLattice
from aetheria.laws.continuous.fitzhugh_nagumo import FitzHughNagumo
from aetheria.laws.continuous.gray_scott import GrayScott
from aetheria.laws.continuous.kuramoto import Kuramoto
from aetheria.laws.laplacian import laplacian
from aetheria.laws.layers import pad
from aetheria.motor.initial import Initial
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import names_of, oracle

Array = NDArray[np.float64]
WEIGHTS = {1: [0.5], 2: [0.2, 0.05], 3: [7 / 64, 3 / 128, 1 / 128]}
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}


def cells_of(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))[None]


def close(given: Tensor, expected: Array, tolerance: float = 1e-6) -> None:
    """Within a share of the largest value."""
    np.testing.assert_allclose(given[0].numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("case", names_of("gray_scott"))
def test_gray_scott_steps_as_numpy_does(case: str) -> None:
    of = oracle("gray_scott", case)
    given = {name: of.parameters[name] for name in ("F", "k", "Du", "Dv", "dt")}
    law = GrayScott(**given, laplacian="9-point" if "9-point" in of.parameters["laplacian"] else "5-point").double()
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        close(cells, expected)


def test_fitzhugh_nagumo_steps_as_numpy_does() -> None:
    of = oracle("oscillators", "fitzhugh_nagumo")
    law = FitzHughNagumo(**{name: of.parameters[name] for name in ("Du", "Dv", "epsilon", "a0", "a1", "dt")}).double()
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        close(cells, expected, 1e-12)


def test_kuramoto_steps_as_numpy_does() -> None:
    of = oracle("oscillators", "kuramoto")
    law = Kuramoto(**{name: of.parameters[name] for name in ("K", "omega", "dt")}).double()
    for cells, expected in of.followed(cells_of(of.arrays["input"][None]), law):
        close(cells, expected[None], 1e-12)


@pytest.mark.parametrize("case", names_of("coupled_map_lattice"))
def test_coupled_maps_step_as_numpy_does(case: str) -> None:
    of = oracle("coupled_map_lattice", case)
    law = CoupledMapLattice(of.parameters["a"], of.parameters["epsilon"]).double()
    for cells, expected in of.followed(cells_of(of.arrays["input"][None]), law):
        close(cells, expected[None], 1e-9)


def numpy_laplacian(cells: Array, stencil: str, boundary: str) -> Array:
    """By adding up shifts of the padded grid, one neighbour at a time."""
    rank = cells.ndim
    wide = np.pad(cells, 1, mode=MODES[boundary])
    total = np.zeros_like(cells)
    for place in product((-1, 0, 1), repeat=rank):
        number = sum(map(abs, place))
        if number == 0 or (stencil == "5-point" and number > 1):
            continue
        near = wide[tuple(slice(1 + n, 1 + n + side) for n, side in zip(place, cells.shape, strict=True))]
        total += (near - cells) * (1 if stencil == "5-point" else WEIGHTS[rank][number - 1])
    return total


GRIDS = [(23,), (9, 12), (6, 7, 5)]


@pytest.mark.parametrize("grid", GRIDS, ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("boundary", list(MODES))
@pytest.mark.parametrize("stencil", ["5-point", "9-point"])
def test_both_laplacians_equal_a_sum_of_shifts(stencil: Any, boundary: Any, grid: tuple[int, ...]) -> None:
    cells = np.random.default_rng(0).random(grid)
    found = laplacian(pad(cells_of(cells[None]), 1, boundary), stencil)
    np.testing.assert_allclose(found[0, 0], numpy_laplacian(cells, stencil, boundary), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_isotropic_laplacian_damps_waves_of_every_direction_alike(rank: int) -> None:
    """To fourth order: with a scale c, c (-k^2 + k^4 / 12 + ..), whatever the direction of k."""
    scale = {1: 1 / 2, 2: 3 / 10, 3: 15 / 64}[rank]
    directions = [d for d in product((0, 1, 2), repeat=rank) if any(d)]
    places = np.stack(np.meshgrid(*[np.arange(5.0)] * rank, indexing="ij"), -1)
    for direction in directions:
        k = 0.1 * np.array(direction) / math.dist(direction, (0,) * rank)
        wave = np.cos((places - 2) @ k)
        found = laplacian(cells_of(wave[None]), "9-point")[(0, 0, *[1] * rank)]
        assert float(found) == pytest.approx(scale * (-(0.1**2) + 0.1**4 / 12), rel=1e-5)


@pytest.mark.parametrize("grid", GRIDS, ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("boundary", list(MODES))
def test_every_rank_and_boundary_steps_as_numpy_does(boundary: Any, grid: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    u, v = random.random((2, *grid))
    edges: Any = {"boundary": boundary}
    for stencil in ("5-point", "9-point"):
        spread: Any = edges | {"laplacian": stencil}
        lap_u, lap_v = (numpy_laplacian(field, stencil, boundary) for field in (u, v))
        law: Law = GrayScott(0.03, 0.06, Du=0.1, Dv=0.05, dt=0.5, **spread).double()
        after = law(cells_of(np.stack((u, v))))
        wanted_u = u + 0.5 * (0.1 * lap_u - u * v**2 + 0.03 * (1 - u))
        wanted_v = v + 0.5 * (0.05 * lap_v + u * v**2 - (0.03 + 0.06) * v)
        close(after, np.stack((wanted_u, wanted_v)), 1e-13)
        law = FitzHughNagumo(0.1, 0.2, 1.5, Du=0.3, Dv=0.7, dt=0.1, **spread).double()
        after = law(cells_of(np.stack((u, v))))
        wanted_u = u + 0.1 * (0.3 * lap_u + u - u**3 - v)
        close(after, np.stack((wanted_u, v + 0.1 * (0.7 * lap_v + 0.1 * (u - 1.5 * v - 0.2)))), 1e-13)
        law = CoupledMapLattice(1.7, 0.4, **spread).double()
        # The map is taken of the cells beyond the edge, too: f(0) is 1 there.
        wide = np.pad(u, 1, mode=MODES[boundary])
        share = numpy_laplacian(1 - 1.7 * wide**2, stencil, "zero")[tuple(slice(1, -1) for _ in grid)]
        number = 2 * len(grid) if stencil == "5-point" else 1
        close(law(cells_of(u[None])), (1 - 1.7 * u**2 + 0.4 * share / number)[None], 1e-13)


def test_the_mean_phase_grows_by_the_frequency_and_coupled_phases_come_together() -> None:
    motor = Aetheria_Motor(Kuramoto(K=0.8, omega=0.3, dt=0.1), (16, 18), 1, "cpu", {"plan": "eager", "precision": "fp64"})
    start, disorder = motor.cells.mean().item(), float(motor.read("order")[0])
    motor.step(500)
    assert motor.cells.mean().item() - start == pytest.approx(500 * 0.1 * 0.3, abs=1e-9)
    assert disorder < 0.3
    angle = motor.read("angle")
    assert float(angle.min()) >= -math.pi
    assert float(angle.max()) <= math.pi
    np.testing.assert_allclose(np.exp(1j * angle[0].numpy()), np.exp(1j * motor.cells[0, 0].numpy()), atol=1e-5)
    # Phases drift apart where K is below 0.
    apart = Aetheria_Motor(Kuramoto(K=-0.8, omega=0, dt=0.1), (16, 18), 1, "cpu", {"plan": "eager"}, initial="seed")
    apart.set_cells(apart.cells * 0.01)
    apart.step(200)
    assert float(apart.read("order")[0]) < 0.1


def test_coupled_maps_stay_in_their_range() -> None:
    law = CoupledMapLattice(2.0, 0.5)
    motor = Aetheria_Motor(law, (30, 30), 1, "cpu", {"plan": "eager"})
    motor.step(300)
    assert float(motor.cells.abs().max()) <= 1
    assert float(motor.cells.std()) > 0.05


def test_a_seed_of_gray_scott_lies_in_u_and_grows() -> None:
    motor = Aetheria_Motor(
        GrayScott(0.0367, 0.0649, Du=0.2, Dv=0.1), (40, 40), 2, "cpu", {"plan": "eager"}, initial=Initial(kind="seed", scale=6)
    )
    u, v = motor.cells[0]
    assert u[0, 0] == 1
    assert v[0, 0] == 0
    assert u[20, 20] == 0.5
    assert v[20, 20] == 0.25
    motor.step(1500)
    # The number of cells with V grows: spots divide.
    assert int((motor.read("v") > 0.1).sum()) > 2 * 36


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("GrayScott", {"F": -0.1}, r"F: -0.1 given; expected a finite number of 0 or more"),
        ("GrayScott", {"Dv": math.nan}, "Dv: nan given"),
        ("GrayScott", {"dt": 0.0}, "dt: 0.0 given; expected a finite number above 0"),
        ("GrayScott", {"laplacian": "7-point"}, 'laplacian: "7-point" given; expected one of 5-point, 9-point'),
        ("GrayScott", {"boundary": "torus"}, "expected one of periodic, zero, reflect"),
        ("FitzHughNagumo", {"epsilon": -1.0}, "epsilon: -1.0 given"),
        ("FitzHughNagumo", {"a0": math.inf}, "a0: inf given; expected a finite number"),
        ("FitzHughNagumo", {"dt": math.inf}, "dt: inf given"),
        ("Kuramoto", {"K": math.nan}, "K: nan given"),
        ("Kuramoto", {"dt": -1.0}, "dt: -1.0 given"),
        ("CoupledMapLattice", {"a": 2.5}, "a: 2.5 given; expected 0 <= a <= 2"),
        ("CoupledMapLattice", {"epsilon": 1.5}, "epsilon: 1.5 given; expected 0 <= epsilon <= 1"),
        ("CoupledMapLattice", {"laplacian": "star"}, "expected one of 5-point, 9-point"),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.{name.lower()}\].*{message}"):
        LAWS[name](**settings)


@pytest.mark.parametrize(
    ("law", "grid", "most"),
    [
        (GrayScott(Du=0.26), (16, 16), "0.25"),
        (GrayScott(Du=0.2, dt=2.0), (16, 16), "0.125"),
        (GrayScott(Du=0.2, Dv=0.3), (16, 16, 16), "0.1667"),
        (GrayScott(Du=1.5, laplacian="9-point"), (16, 16), "1.25"),
        (FitzHughNagumo(Du=11), (16,), "10"),
    ],
)
def test_a_time_step_that_diverges_is_refused_with_the_largest_diffusion(law: Law, grid: tuple[int, ...], most: str) -> None:
    with pytest.raises(LawError, match=rf"diverges by the .-point Laplacian; at most {most} is wanted"):
        check_grid(law, grid)


@pytest.mark.parametrize("stencil", ["5-point", "9-point"])
@pytest.mark.parametrize("grid", [(64,), (32, 32), (16, 16, 16)])
def test_the_largest_stable_diffusion_is_the_largest_that_decays(stencil: Any, grid: tuple[int, ...]) -> None:
    steepest = {"5-point": (4, 8, 12), "9-point": (2, 1.6, 1.4375)}[stencil][len(grid) - 1]
    cells = torch.rand(1, 2, *grid, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 1e-3
    for share, grows in ((0.98, False), (1.05, True)):
        law = GrayScott(0.0, 0.0, Du=2 * share / steepest, Dv=0.0, laplacian=stencil).double()
        after = cells
        for _ in range(300):
            after = law(after * torch.tensor([1.0, 0.0]).view(1, 2, *[1] * len(grid)))
        assert (float(after.abs().max()) > 0.1) == grows
        assert bool(law.why_not_grid(grid)) == grows
