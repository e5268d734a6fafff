"""Every field against NumPy float64 written from its formula, with its stated range."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.block import Block
from aetheria.core.errors import ConfigError
from aetheria.observe.fields import FIELDS, View, get_field
from aetheria.observe.render import render
from aetheria.observe.request import Request

Array = NDArray[np.float64]
BATCH, D, HEIGHT, WIDTH = 3, 4, 9, 14


def amplitudes() -> Array:
    """`(B, 2d, H, W)`, with some cells of zero amplitude."""
    cells = np.random.default_rng(1).normal(size=(BATCH, 2 * D, HEIGHT, WIDTH))
    cells[:, :, 2:4, 5] = 0
    cells[:, 1:4, 6] = cells[:, 5:, 6] = 0  # all in psi_0: no entropy
    return cells


def colours() -> Array:
    """`(B, 6, H, W)`: RGBA from below 0 to above 1, and two hidden channels."""
    return np.random.default_rng(2).uniform(-0.5, 1.5, size=(BATCH, 6, HEIGHT, WIDTH))


def change(cells: Array) -> Array:
    return np.sin(3 * cells)


def view(cells: Array, d_state: int | None, boundary: str = "periodic") -> View:
    tensor = torch.from_numpy(cells)
    return View(tensor, d_state, boundary, (3, 0.1), lambda: torch.from_numpy(change(cells)))


# -- the oracles: cells (B, C, H, W) to (B, H, W), from the formulas ---------------------------------------------


def psi(cells: Array) -> NDArray[np.complex128]:
    return cells[:, :D] + 1j * cells[:, D:]


def neighbours(values: Array, boundary: str) -> list[Array]:
    """The eight Moore neighbours of each cell over the last two axes, in reading order."""
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    wide = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(1, 1), (1, 1)], mode=mode)
    shifts = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return [wide[..., y : y + HEIGHT, x : x + WIDTH] for y, x in shifts]


def entropy(cells: Array) -> Array:
    out = np.zeros((BATCH, HEIGHT, WIDTH))
    for at in np.ndindex(out.shape):
        weight = np.abs(psi(cells)[at[0], :, at[1], at[2]]) ** 2
        share = weight[weight > 0] / max(weight.sum(), 1e-300)
        out[at] = -(share * np.log(share)).sum()
    return out


def coherence(cells: Array, boundary: str) -> Array:
    norm = np.sqrt((np.abs(psi(cells)) ** 2).sum(1, keepdims=True))
    unit = psi(cells) / np.where(norm > 0, norm, np.inf)
    around = neighbours(unit, boundary)  # type: ignore[arg-type]  # complex here
    return np.mean([(unit.conj() * other).sum(1).real for other in around], 0)


def gradient(cells: Array, boundary: str) -> Array:
    _, up, _, left, right, _, down, _ = neighbours((cells**2).sum(1), boundary)
    return np.hypot((right - left) / 2, (down - up) / 2)


def centre(mass: Array, axis: int, boundary: str) -> Array:
    """The centre of mass of `(B, H, W)` along an axis; on a torus the circular mean, by complex numbers."""
    cell = np.arange(mass.shape[axis])
    along = mass.sum(3 - axis)
    if boundary != "periodic":
        return np.asarray([np.average(cell, weights=one) for one in along])
    mean = np.angle((along * np.exp(2j * np.pi * cell / len(cell))).sum(1))
    return np.asarray(mean / (2 * np.pi) * len(cell) % len(cell))


ORACLES: dict[str, Callable[[Array], Array]] = {
    "density": lambda c: (np.abs(psi(c)) ** 2).sum(1),
    "phase_2": lambda c: np.angle(psi(c)[:, 2]),
    "real_1": lambda c: psi(c)[:, 1].real,
    "imag_3": lambda c: psi(c)[:, 3].imag,
    "magnitude_0": lambda c: np.abs(psi(c)[:, 0]),
    "channel_5": lambda c: c[:, 5],
    "mass": lambda c: (np.abs(psi(c)) ** 2).sum((1, 2, 3)),
    "energy": lambda c: (change(c) ** 2).sum(1),
    "total_energy": lambda c: (change(c) ** 2).sum((1, 2, 3)),
    "entropy": entropy,
    "mean_entropy": lambda c: entropy(c).mean((1, 2)),
    "centre_y": lambda c: centre((np.abs(psi(c)) ** 2).sum(1), 1, "periodic"),
    "centre_x": lambda c: centre((np.abs(psi(c)) ** 2).sum(1), 2, "periodic"),
    "gradient": lambda c: gradient(c, "periodic"),
    "coherence": lambda c: coherence(c, "periodic"),
    "population": lambda c: (c[:, 3] > 0.1).sum((1, 2)).astype(np.float64),
    "state": lambda c: c[:, 0],
    "alive": lambda c: (c[:, 3] > 0.1).astype(np.float64),
    "count_0": lambda c: (c[:, 0] == 0).sum((1, 2)).astype(np.float64),
    "rgb": lambda c: np.clip(c[:, :3] + 1 - np.clip(c[:, 3:4], 0, 1), 0, 1),
}


def test_every_field_has_an_oracle() -> None:
    assert {re.sub(r"_\d$", "", name) for name in ORACLES} | {"centre_z"} == set(FIELDS)  # in test_dimensions.py


@pytest.mark.parametrize("name", ORACLES)
def test_a_field_equals_its_formula_and_stays_in_its_range(name: str) -> None:
    cells, d_state = (colours(), None) if name == "rgb" else (amplitudes(), D)
    field = get_field(name, d_state, cells.shape[1])
    values = field(view(cells, d_state))
    np.testing.assert_allclose(values, ORACLES[name](cells), rtol=1e-12, atol=1e-14)
    assert field.scalar == (values.shape == (BATCH,))
    assert values.shape in ((BATCH,), (BATCH, HEIGHT, WIDTH), (BATCH, 3, HEIGHT, WIDTH))
    low, high = field.range
    assert low is None or float(values.min()) >= low - 1e-12
    assert high is None or float(values.max()) <= high + 1e-12
    assert field.name == name
    assert field.meaning
    assert field.unit
    single = field(view(cells.astype(np.float32), d_state))
    np.testing.assert_allclose(single, ORACLES[name](cells), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_fields_that_look_at_neighbours_know_the_boundary(boundary: str) -> None:
    cells = amplitudes()
    for name, oracle in (("gradient", gradient), ("coherence", coherence)):
        values = get_field(name, D, 2 * D)(view(cells, D, boundary))
        np.testing.assert_allclose(values, oracle(cells, boundary), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_the_centre_weighs_the_density_the_live_channel_or_all_of_them(boundary: str) -> None:
    for cells, d_state, alive, mass in (
        (amplitudes(), D, (3, 0.1), (np.abs(psi(amplitudes())) ** 2).sum(1)),
        (colours(), None, (3, 0.1), np.abs(colours()[:, 3])),
        (colours(), None, None, np.abs(colours().sum(1))),
    ):
        shown = View(torch.from_numpy(cells), d_state, boundary, alive)
        for axis, name in ((1, "centre_y"), (2, "centre_x")):
            np.testing.assert_allclose(FIELDS[name](shown), centre(mass, axis, boundary), rtol=1e-10)


def test_a_centre_goes_around_the_torus_and_is_the_middle_where_there_is_none() -> None:
    def centres(cells: Tensor, boundary: str) -> tuple[float, float]:
        shown = View(cells, None, boundary)
        return float(FIELDS["centre_y"](shown)), float(FIELDS["centre_x"](shown))

    block = torch.zeros(1, 1, 8, 10)
    block[..., 2:5, 4:6] = 0.5
    assert centres(block, "zero") == pytest.approx((3, 4.5))
    assert centres(block, "periodic") == pytest.approx((3, 4.5))
    beyond = block.roll((4, 5), (2, 3))  # rows 6, 7 and 0, columns 9 and 0
    assert centres(beyond, "periodic") == pytest.approx((7, 9.5))
    assert centres(beyond, "zero") == pytest.approx((13 / 3, 4.5))
    for nothing in (torch.zeros_like(block), torch.full_like(block, 0.7)):
        assert centres(nothing, "periodic") == centres(nothing, "zero") == pytest.approx((3.5, 4.5))
    block[0, 0, 0, 0] = math.nan
    assert all(map(math.isnan, (*centres(block, "periodic"), *centres(block, "zero"))))


def test_fields_of_known_states() -> None:
    even = np.full((1, 2 * D, HEIGHT, WIDTH), 0.5)
    assert get_field("entropy", D, 2 * D)(view(even, D)).numpy() == pytest.approx(math.log(D))
    assert get_field("coherence", D, 2 * D)(view(even, D)).numpy() == pytest.approx(1)
    assert get_field("gradient", D, 2 * D)(view(even, D)).numpy() == pytest.approx(0)
    assert get_field("phase_0", D, 2 * D)(view(even, D)).numpy() == pytest.approx(math.pi / 4)
    empty = np.zeros_like(even)
    for name in ("entropy", "coherence", "phase_1", "magnitude_1", "density"):
        assert not get_field(name, D, 2 * D)(view(empty, D)).any(), name


def test_the_mass_of_real_cells_is_their_sum_and_counted_in_float64() -> None:
    cells = np.full((1, 1, 4097, 4097), 1, np.float32)
    # 4,097^2 is odd and above 2^24: float32 cannot hold it.
    tensor = View(torch.from_numpy(cells), None, "periodic", (0, 0.5))
    assert float(FIELDS["mass"](tensor)) == 4097**2
    assert float(FIELDS["population"](tensor)) == 4097**2
    assert float(FIELDS["mass"](View(torch.full((1, 2, 3, 3), -2.0)))) == -36


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("densty", {}, 'field "densty": no such field of this law; did you mean density?'),
        ("phse_1", {}, "did you mean phase?"),
        ("xyz", {}, "known: density, phase"),
        ("", {}, "no such field"),
        ("phase_4", {}, 'field "phase_4": expected phase_0 to phase_3'),
        ("channel_8", {}, "expected channel_0 to channel_7"),
        ("density_1", {}, 'density has no components; write "density"'),
        ("phase_-1", {}, "no such field"),
        ("phase", {"d_state": None}, "needs complex amplitudes"),
        ("rgb", {"offered": ("density", "phase")}, "known: density, phase"),
    ],
)
def test_an_unknown_field_names_the_closest_or_what_there_is(name: str, settings: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"d_state": D, "channels": 2 * D} | settings
    with pytest.raises(ConfigError) as caught:
        get_field(name, **asked)
    assert message in str(caught.value)


def test_a_component_left_out_is_the_first() -> None:
    cells = amplitudes()
    assert torch.equal(get_field("phase", D, 2 * D)(view(cells, D)), get_field("phase_0", D, 2 * D)(view(cells, D)))


@pytest.mark.parametrize("name", [name for name in ORACLES if not FIELDS[re.sub(r"_\d$", "", name)].scalar])
def test_a_part_of_a_field_is_that_part_of_the_whole(name: str) -> None:
    cells, d_state = (colours(), None) if name == "rgb" else (amplitudes(), D)
    field = get_field(name, d_state, cells.shape[1])
    whole = field(view(cells, d_state)).numpy()
    rows, columns = slice(2, 7), slice(3, 13)

    def shown(**part: Any) -> Array:
        request = Request((field,), region=Block((2, 3), (5, 10)), universe=1, **part)
        return render(view(cells, d_state), request)[name].double().numpy()

    part = whole[1:2, ..., rows, columns]
    np.testing.assert_allclose(shown(), part, rtol=1e-6)
    np.testing.assert_allclose(shown(size=(1, 2), reduction="nearest"), part[..., 2:3, [2, 7]], rtol=1e-6)


def test_fields_do_not_depend_on_how_the_cells_lie_in_memory() -> None:
    for name, cells, d_state in (("density", amplitudes(), D), ("phase_1", amplitudes(), D), ("rgb", colours(), None)):
        planes = torch.from_numpy(cells)
        field = get_field(name, d_state, cells.shape[1])
        one, other = (field(View(c, d_state)) for c in (planes, planes.to(memory_format=torch.channels_last)))
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)
        assert torch.equal(planes, torch.from_numpy(cells)), "the cells stay"
