"""Lenia against direct convolution in NumPy float64, and its creatures against what is known of them."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import Lenia, lenia_animal
from aetheria.laws.continuous.lenia import lenia_animals
from aetheria.motor.motor import Aetheria_Motor

Array = NDArray[np.float64]
ANIMALS = ("O2u", "O2ui", "OG2g", "OG2r")


def lenia(law: Lenia, grid: int | tuple[int, ...] = 64, *, precision: str = "fp32", **changes: Any) -> Aetheria_Motor:
    return Aetheria_Motor(law, grid, 1, "cpu", {"plan": "eager", "precision": precision}, **changes)


def numpy_core(shape: str, r: float) -> float:
    if shape == "gaussian":
        return math.exp(-((r - 0.5) ** 2) / (2 * 0.15**2))
    if not 0 < r < 1:
        return 0.0
    return (4 * r * (1 - r)) ** 4 if shape == "polynomial" else math.exp(4 - 1 / (r * (1 - r)))


def numpy_kernel(R: int, b: list[float], core: str = "polynomial", rank: int = 2) -> Array:
    """The paper's kernel, cell by cell: ring number floor(B r), place in the ring the rest."""
    kernel = np.zeros((2 * R + 1,) * rank)
    for at in np.ndindex(kernel.shape):
        r = math.dist(at, (R,) * rank) / R * len(b)
        if r < len(b):
            kernel[at] = b[int(r)] * numpy_core(core, r - int(r))
    return kernel / kernel.sum()


def numpy_growth(shape: str, u: Array, m: float, s: float) -> Array:
    if shape == "polynomial":
        return 2 * np.maximum(0, 1 - (u - m) ** 2 / (9 * s**2)) ** 4 - 1
    return 2 * np.exp(-((u - m) ** 2) / (2 * s**2)) - 1


def numpy_step(cells: Array, law: Lenia) -> Array:
    """A <- clip(A + G(K * A) / T), by adding up weighted shifts of the padded grid: no Fourier transform."""
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[law.boundary]
    kernel = numpy_kernel(law.R, law.b, law.core, cells.ndim)
    wide = np.pad(cells, law.R, mode=mode)
    potential = np.zeros_like(cells)
    for at in np.argwhere(kernel):
        index: Any = tuple(slice(start, start + side) for start, side in zip(at, cells.shape, strict=True))
        potential += kernel[tuple(at)] * wide[index]
    return np.clip(cells + numpy_growth(law.growth, potential, law.m, law.s) / law.T, 0, 1)


def values(motor: Aetheria_Motor) -> Array:
    return motor.cells[0, 0].double().numpy()


@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-11), ("fp32", 1e-4)])
def test_the_first_100_steps_of_orbium_equal_numpy(precision: str, tolerance: float) -> None:
    motor = lenia(Lenia("O2u"), precision=precision)
    cells = values(motor)
    assert isinstance(motor.law, Lenia)
    for _ in range(10):
        for _ in range(10):
            cells = numpy_step(cells, motor.law)
        motor.step(10)
        np.testing.assert_allclose(values(motor), cells, rtol=0, atol=tolerance)
    assert 70 < cells.sum() < 80


def centre(cells: Array) -> tuple[float, float]:
    """The centre of mass (y, x) on the torus, in cells: the angle of the mean of points on a circle."""
    places = []
    for axis in (1, 0):
        mass = cells.sum(axis)
        turns = np.exp(2j * np.pi * np.arange(len(mass)) / len(mass))
        places.append(float(np.angle((mass * turns).sum())) * len(mass) / (2 * np.pi))
    return places[0], places[1]


def test_orbium_keeps_its_mass_and_glides_in_a_straight_line_for_1000_steps() -> None:
    motor = lenia(Lenia("O2u"))
    motor.step(100)
    masses, path = [], []
    for _ in range(1000):
        motor.step(1)
        masses.append(float(motor.read("mass")[0]))
        path.append(centre(values(motor)))
    assert max(masses) / np.mean(masses) - 1 < 0.02
    assert 1 - min(masses) / np.mean(masses) < 0.02
    places = np.unwrap(np.array(path), axis=0, period=64)
    steps = np.arange(1000)
    line = np.stack([np.polyval(np.polyfit(steps, places[:, axis], 1), steps) for axis in (0, 1)], 1)
    # It sways by a fraction of a cell about its line, 600 cells long.
    assert np.abs(places - line).max() < 0.5
    assert np.hypot(*(places[-1] - places[0])) > 500


@pytest.mark.parametrize("code", ANIMALS)
def test_every_animal_lives_for_200_steps_at_about_its_own_mass(code: str) -> None:
    motor = lenia(Lenia(code), 96)
    born = values(motor).sum()
    for _ in range(20):
        motor.step(10)
        cells = values(motor)
        assert 0.8 * born < cells.sum() < 1.3 * born
        # One compact body: everything else is empty.
        assert np.count_nonzero(cells) < 30 * 30


def test_an_animal_that_is_too_thin_dies() -> None:
    motor = lenia(Lenia("O2u"))
    motor.set_cells(motor.cells * 0.5)
    motor.step(200)
    assert values(motor).sum() == 0


@pytest.mark.parametrize("core", ["polynomial", "exponential", "gaussian"])
@pytest.mark.parametrize("b", [[1.0], [0.5, 1.0, 0.25], [1.0, 0.0]])
@pytest.mark.parametrize(("R", "rank"), [(4, 1), (13, 1), (4, 2), (13, 2), (4, 3), (7, 3)])
def test_the_kernel_is_the_papers(core: Any, b: list[float], R: int, rank: int) -> None:
    kernel = Lenia(R=R, b=b, core=core).kernel(rank)
    np.testing.assert_allclose(kernel, numpy_kernel(R, b, core, rank), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_kernel_sums_to_one_is_symmetric_and_ends_at_its_radius(rank: int) -> None:
    kernel = Lenia(R=9, b=[1.0, 0.3]).kernel(rank).numpy()
    assert kernel.sum() == pytest.approx(1, abs=1e-14)
    assert (kernel >= 0).all()
    for axis in range(rank):
        np.testing.assert_array_equal(kernel, np.flip(kernel, axis))
        np.testing.assert_allclose(kernel, kernel.swapaxes(0, axis), rtol=1e-12)
    square = sum(axis.astype(float) ** 2 for axis in np.ogrid[(slice(-9, 10),) * rank])
    assert not kernel[square >= 81].any()
    middle = (9,) * (rank - 1)
    assert kernel[(*middle, 9)] == 0, "the cell itself is no neighbour of its own"
    assert kernel[(*middle, 9 + 8)] > 0


@pytest.mark.parametrize("grid", [(41,), (21, 34), (13, 14, 9)], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize("growth", ["polynomial", "exponential"])
@pytest.mark.parametrize("core", ["polynomial", "exponential", "gaussian"])
def test_every_core_growth_and_boundary_equals_direct_convolution(
    core: Any, growth: Any, boundary: Any, grid: tuple[int, ...]
) -> None:
    R = 4 if len(grid) == 3 else 6
    law = Lenia(R=R, T=5, m=0.4, s=0.07, b=[0.6, 1.0], core=core, growth=growth, boundary=boundary)
    start = np.random.default_rng(5).random((1, *grid))
    motor = lenia(law, grid, precision="fp64", initial=start)
    cells = values(motor)
    for _ in range(5):
        cells = numpy_step(cells, law)
    motor.step(5)
    np.testing.assert_allclose(values(motor), cells, rtol=0, atol=1e-12)
    assert ((cells > 0.01) & (cells < 0.99)).sum() > cells.size // 20, "most cells are clipped, which would hide an error"


def test_the_grid_may_be_as_narrow_as_the_kernel_and_no_narrower() -> None:
    law = Lenia(R=5)
    motor = lenia(law, (11, 12), initial="noise")
    motor.step(1)
    for grid in ((10, 40), (40, 10), (1, 1), (10,), (12, 12, 10)):
        with pytest.raises(LawError, match=r"\[law\.lenia\] grid .* must be at least 11"):
            lenia(Lenia(R=5), grid, initial="noise")


def test_a_law_that_served_one_grid_serves_another() -> None:
    law = Lenia(R=5, m=0.4, s=0.1)
    cells = torch.rand(1, 1, 16, 24, generator=torch.Generator().manual_seed(1))
    expected = law(cells)
    law(torch.rand(1, 1, 30, 17))
    assert torch.equal(law(cells), expected)


def test_an_animal_brings_its_parameters_and_yields_to_those_given() -> None:
    law = Lenia("og2g", T=20)
    animal = lenia_animal("OG2g")
    assert (law.R, law.m, law.s, law.b) == tuple(animal.parameters[key] for key in ("R", "m", "s", "b"))
    assert (law.T, law.dt) == (20, 1 / 20)
    assert Lenia().animal is None
    assert set(ANIMALS) < set(lenia_animals())
    for known in lenia_animals().values():
        assert 0 < known.cells.max() <= 1
        assert known.cells.min() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"animal": "O2x"}, r"animal: \"O2x\" given; did you mean O2u"),
        ({"R": 0}, "R: 0 given"),
        ({"T": -1.0}, r"T: -1\.0 given"),
        ({"s": math.nan}, "s: nan given"),
        ({"m": math.inf}, "m: inf given"),
        ({"b": []}, "expected ring heights"),
        ({"b": [0.0, 0.0]}, "expected ring heights"),
        ({"b": [1.0, -1.0]}, "expected ring heights"),
        ({"core": "square"}, "expected one of polynomial, exponential, gaussian, step, staircase"),
        ({"growth": "bump"}, "expected one of polynomial, exponential, gaussian, step"),
        ({"boundary": "torus"}, "expected one of periodic, zero, reflect"),
    ],
)
def test_parameters_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.lenia\].*" + message):
        Lenia(**settings)


@pytest.mark.parametrize("settings", [{"R": 1}, {"R": 2, "b": [1.0, 0.0]}])
def test_a_kernel_too_small_to_hold_a_ring_is_refused_before_it_makes_nan(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no cell lies inside a ring"):
        lenia(Lenia(**settings), 16, initial="noise")
