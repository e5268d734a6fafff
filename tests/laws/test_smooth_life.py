"""SmoothLife and multiple neighbourhoods against NumPy, and a glider."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.laws.continuous.multiple_neighbourhoods import MultipleNeighbourhoods
from aetheria.laws.continuous.smooth_life import SmoothLife
from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor
from tests.oracles import cells_of, names_of, oracle

Array = NDArray[np.float64]
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}


def numpy_smooth_life(cells: Array, law: SmoothLife) -> Array:
    """By weighted shifts of the padded grid: no Fourier transform."""
    reach = math.ceil(law.R + 0.5)
    wide = np.pad(cells, reach, mode=MODES[law.boundary])
    fill = {"m": np.zeros_like(cells), "n": np.zeros_like(cells)}
    weights = {"m": 0.0, "n": 0.0}
    for y, x in np.ndindex(2 * reach + 1, 2 * reach + 1):
        distance = math.hypot(y - reach, x - reach)
        disc, outer = (min(1.0, max(0.0, 0.5 + radius - distance)) for radius in (law.inner, law.R))
        for name, weight in (("m", disc), ("n", outer - disc)):
            fill[name] += weight * wide[y : y + cells.shape[0], x : x + cells.shape[1]]
            weights[name] += weight
    m, n = fill["m"] / weights["m"], fill["n"] / weights["n"]

    def rises(value: Array, at: Any, width: float) -> Array:
        return np.asarray(1 / (1 + np.exp(-4 * (value - at) / width)))

    lives = rises(m, 0.5, law.alpha_m)
    lower = law.b1 * (1 - lives) + law.d1 * lives
    upper = law.b2 * (1 - lives) + law.d2 * lives
    s = rises(n, lower, law.alpha_n) * (1 - rises(n, upper, law.alpha_n))
    if law.time == "discrete":
        return s
    return np.clip(cells + law.dt * (2 * s - 1), 0, 1) if law.time == "smooth" else cells + law.dt * (s - cells)


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("time", ["discrete", "smooth", "relaxed"])
def test_smooth_life_equals_direct_sums(time: Any, boundary: Any) -> None:
    law = SmoothLife(R=4.2, inner=1.6, time=time, dt=0.2, alpha_n=0.1, boundary=boundary).double()
    cells = 0.65 * np.random.default_rng(2).random((15, 19))  # about the filling for birth
    given = torch.from_numpy(cells)[None, None]
    spread = []
    for _ in range(4):
        cells, given = numpy_smooth_life(cells, law), law(given)
        spread.append(cells.std())
        np.testing.assert_allclose(given[0, 0].numpy(), cells, rtol=0, atol=1e-12)
    assert spread[0] > 0.01


def test_the_glider_of_smooth_life_survives_and_runs_straight() -> None:
    with build_motor(load_config("smooth_life"), "cpu") as motor:
        mass = float(motor.read("mass")[0])
        places = []
        for _ in range(150):
            motor.step(1)
            places.append([float(motor.read(name)[0]) for name in ("centre_y", "centre_x")])
        assert float(motor.read("mass")[0]) == pytest.approx(mass, rel=0.02)
        grid = np.array(motor.cells.shape[2:])
    way = _way(np.array(places), grid)
    speed = way / (len(places) - 1)
    np.testing.assert_allclose(speed, [2.0, -2.22], atol=0.05)


def _way(places: Array, grid: NDArray[np.int64]) -> Array:
    """The way on a torus, from places that are less than half the torus apart."""
    moves = (np.diff(places, axis=0) + grid / 2) % grid - grid / 2
    return np.asarray(moves.sum(0))


@pytest.mark.parametrize("side", [5, 9])
def test_a_torus_smaller_than_the_ring_is_the_same_as_its_repetition(side: int) -> None:
    law = SmoothLife(R=6).double()
    cells = torch.rand(1, 1, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    many = cells.repeat(1, 1, 3, 3)
    torch.testing.assert_close(law(cells).repeat(1, 1, 3, 3), law(many), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"b1": 0.0}, "b1: 0.0 given"),
        ({"R": 0.0}, "R: 0.0 given"),
        ({"R": 3.0, "inner": 3.0}, "R: 3 given with inner 3; expected"),
        ({"R": 1000.0}, "R: 1000 given"),
        ({"time": "fast"}, "expected one of discrete, smooth, relaxed"),
        ({"time": "smooth", "dt": 0.0}, "dt: 0.0 given"),
        ({"boundary": "reflect"}, "expected one of periodic, zero"),
    ],
)
def test_settings_of_smooth_life_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.smoothlife\] .*{message}"):
        SmoothLife(**settings)


# -- multiple neighbourhoods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("multiple_neighbourhoods"))
def test_multiple_neighbourhoods_step_as_numpy_does(case: str) -> None:
    of = oracle("multiple_neighbourhoods", case)
    law = MultipleNeighbourhoods(of.parameters["neighbourhoods"], of.parameters["rules"])
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        assert np.array_equal(cells[0, 0].numpy(), expected)
    # Two rings: the defaults.
    assert sorted(map(tuple, of.parameters["neighbourhoods"][0])) == MultipleNeighbourhoods().places[0]
    assert torch.equal(law(cells), MultipleNeighbourhoods()(cells))


@pytest.mark.parametrize("boundary", list(MODES))
def test_other_neighbourhoods_and_boundaries_step_as_numpy_does(boundary: Any) -> None:
    places = [[[0, 0], [1, -2], [-3, 1]], [[0, 1], [0, -1], [2, 2], [-1, 0], [1, 0]]]
    rules = [[1, 0.2, 0.4, 1], [0, 0.3, 0.4, 0], [0, 2 / 3, 2 / 3, 1], [1, 0.6, 1.0, 0]]
    law = MultipleNeighbourhoods(places, rules, boundary=boundary)
    assert law.radius == 3
    state = np.random.default_rng(0).integers(0, 2, (12, 15))
    given = cells_of(state)
    for _ in range(4):
        wide = np.pad(state, 3, mode=MODES[boundary])
        shares = [sum(wide[3 + y : 15 + y, 3 + x : 18 + x] for y, x in cells) / len(cells) for cells in places]
        for number, low, high, new in rules:
            share = shares[int(number)]
            state = np.where((share >= low) & (share <= high), int(new), state)
        given = law(given)
        assert np.array_equal(given[0, 0].numpy(), state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbourhoods": [[]]}, "neighbourhoods: one without cells"),
        ({"neighbourhoods": []}, "neighbourhoods: 0 given"),
        ({"neighbourhoods": [[[1]]]}, r"neighbourhoods: \[1\] given"),
        ({"neighbourhoods": [[[0, 101]]]}, r"\[0, 101\] given"),
        ({"rings": [[3.0, 2.0]]}, r"rings: \[3.0, 2.0\] given"),
        ({"rings": [[2.1, 2.2]]}, "with cells between"),
        ({"rings": [[1.0, 2.0]], "neighbourhoods": [[[0, 1]]]}, "given beside neighbourhoods"),
        ({"rules": [[2, 0.0, 1.0, 1]]}, r"rules 0: \[2.0, .*expected \[neighbourhood 0 to 1"),
        ({"rules": [[0, 0.0, 1.0, 2]]}, "state 0 or 1"),
        ({"rules": [[0, 0.0, 1.0]]}, "rules 0"),
    ],
)
def test_neighbourhoods_and_rules_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.multipleneighbourhoods\] .*{message}"):
        MultipleNeighbourhoods(**settings)
