"""Formulas of one's own, and what is known of the equations that the shipped configs have."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import build_law
from aetheria.laws.base import check_grid
from aetheria.laws.continuous.gray_scott import GrayScott
from aetheria.laws.continuous.reaction_diffusion import ReactionDiffusion
from aetheria.laws.formula import parse_formula
from aetheria.laws.laplacian import laplacian
from aetheria.laws.layers import pad
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import load_config

KNOWN = {"u": "species", "v": "species", "F": "constants"}


def lap(values: Tensor) -> Tensor:
    return laplacian(pad(values, 1, "periodic"), "5-point")


def config_law(name: str, **changes: Any) -> ReactionDiffusion:
    """The law of a shipped config, in float64."""
    law = build_law("ReactionDiffusion", **(load_config(name).law.parameters | changes))
    assert isinstance(law, ReactionDiffusion)
    return law.double()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-u*v^2 + F*(1-u)", lambda u, v: -u * v**2 + 0.3 * (1 - u)),
        ("-u^2 * v", lambda u, v: -(u**2) * v),
        ("2^-u / v", lambda u, v: 2**-u / v),
        ("u**3 / v - +v", lambda u, v: u**3 / v - v),
        ("u^v^0.5", lambda u, v: u ** (v**0.5)),
        ("exp(-u) * sin(pi*v) + cos(2*u)", lambda u, v: np.exp(-u) * np.sin(np.pi * v) + np.cos(2 * u)),
        ("max(u, v) - min(u, 0.5)", lambda u, v: np.maximum(u, v) - np.minimum(u, 0.5)),
        ("tanh(u) + abs(u - v) + sqrt(v)", lambda u, v: np.tanh(u) + np.abs(u - v) + np.sqrt(v)),
        ("log(v) + sign(u - 0.5)", lambda u, v: np.log(v) + np.sign(u - 0.5)),
        ("1e-3 + (3*2 - 6)*v", lambda u, v: 1e-3 + 0 * u + 0 * v),
    ],
)
def test_a_formula_is_evaluated_as_numpy_does(text: str, expected: Any) -> None:
    u, v = np.random.default_rng(0).random((2, 1, 1, 5, 6)) + 0.1
    values = {"u": torch.from_numpy(u), "v": torch.from_numpy(v), "F": torch.tensor(0.3, dtype=torch.float64)}
    found = parse_formula(text, KNOWN, "here").evaluated(values, lap)
    np.testing.assert_allclose(found, expected(u, v), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u*w", "w is unknown; the names are species u, v and constants F, and pi"),
        ("__import__('os')", r"__import__\(..\) is no function of formulas"),
        ("eval(u)", r"eval\(..\) is no function"),
        ("u.real", "u.real is not allowed"),
        ("u[0]", r"u\[0\] is not allowed"),
        ("(lambda: u)()", "is not allowed"),
        ("u if v else F", "is not allowed"),
        ("u < v", "is not allowed"),
        ("u and v", "is not allowed"),
        ("[u]", "is not allowed"),
        ("'u'", "is not allowed"),
        ("True", "is not allowed"),
        ("1j*u", "is not allowed"),
        ("u // v", "is not allowed"),
        ("exp(u, v)", "exp takes 1 value; 2 given"),
        ("max(u)", "max takes 2 values; 1 given"),
        ("exp(x=u)", "is not allowed"),
        ("max(*u)", "is not allowed"),
        ("u +", "is no formula: invalid syntax"),
        ("u; v", "is no formula"),
        ("u := 1", "is no formula"),
        ("", "expected a formula"),
        ("1/0", "1 / 0 is no finite number"),
        ("10^10^10", "is no finite number"),
        ("9^9^9^9", "is no finite number"),
        ("(-8)^0.5", "is no finite number"),
        ("1e400*u", "is not allowed"),
        ("u" + "+u" * 1500, "a formula of 3001 characters"),
        ("u" + "+u" * 900, "a formula of .* parts"),
        ("(" * 300 + "u" + ")" * 300, "is no formula"),
    ],
)
def test_a_formula_with_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"here: .*{message}"):
        parse_formula(text, KNOWN, "here")


@pytest.mark.parametrize("grid", [(30,), (9, 12), (6, 7, 5)], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_the_formulas_of_gray_scott_give_gray_scott(boundary: Any, grid: tuple[int, ...]) -> None:
    law = ReactionDiffusion(
        {"u": "-u*v^2 + F*(1-u)", "v": "u*v^2 - (F+k)*v"},
        {"u": 0.16, "v": 0.08},
        {"F": 0.03, "k": 0.06},
        dt=0.8,
        laplacian="9-point",
        boundary=boundary,
    ).double()
    other = GrayScott(0.03, 0.06, dt=0.8, laplacian="9-point", boundary=boundary).double()
    cells = torch.rand(2, 2, *grid, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, two = cells, cells
    for _ in range(5):
        one, two = law(one), other(two)
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)


def test_constants_and_diffusion_are_controls_and_species_are_fields() -> None:
    law = config_law("brusselator")
    assert [control.name for control in law.controls] == ["A", "B", "D_u", "D_v"]
    assert law.fields[:2] == ("u", "v")
    motor = Aetheria_Motor(law, (12, 14), 2, "cpu", {"plan": "eager"})
    np.testing.assert_array_equal(motor.read("v"), motor.cells[:, 1])
    cells = motor.cells
    motor.set_control("B", 2.0)
    motor.set_control("D_u", 0.25)
    other = config_law("brusselator", constants={"A": 3.0, "B": 2.0}, diffusion={"u": 0.25, "v": 16.0}).float()
    motor.step(1)
    torch.testing.assert_close(motor.cells, other(cells), rtol=1e-6, atol=1e-6)
    assert torch.equal(pickle.loads(pickle.dumps(law.float()))(cells), law.float()(cells))


def test_laplacians_inside_each_other_reach_further() -> None:
    """The Swift-Hohenberg operator -(1 + lap)^2 u, and a row in which one cell is changed."""
    law = ReactionDiffusion({"u": "-u - 2*lap(u) - lap(lap(u))"}, dt=0.01).double()
    assert law.radius == 2
    cells = torch.zeros(1, 1, 15, dtype=torch.float64)
    cells[0, 0, 7] = 1
    np.testing.assert_allclose(law(cells)[0, 0, 5:10], [-0.01, 0.02, 1 - 0.03, 0.02, -0.01], atol=1e-15)
    assert int((law(cells) != 0).sum()) == 5


# -- what is known of the equations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(201,), (101, 101), (41, 41, 41)], ids=["1d", "2d", "3d"])
def test_heat_from_a_point_has_the_profile_of_the_heat_kernel(grid: tuple[int, ...]) -> None:
    rank, D = len(grid), 0.4
    law = config_law("heat", dt=0.25, diffusion={"T": D})
    cells = torch.zeros(1, 1, *grid, dtype=torch.float64)
    cells[(0, 0, *(side // 2 for side in grid))] = 1
    steps = {1: 800, 2: 400, 3: 60}[rank]
    for _ in range(steps):
        cells = law(cells)
    time = 0.25 * steps
    square = sum(
        (axis - side // 2).astype(float) ** 2 for axis, side in zip(np.ogrid[tuple(map(slice, grid))], grid, strict=True)
    )
    kernel = np.exp(-square / (4 * D * time)) / (4 * math.pi * D * time) ** (rank / 2)
    assert float(cells.sum()) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(cells[0, 0], kernel, rtol=0, atol=0.03 * kernel.max())


def wave_of(grid: tuple[int, ...], numbers: tuple[int, ...]) -> Tensor:
    """cos(k x) with k = 2 pi numbers / grid."""
    places = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in grid), indexing="ij")
    return torch.cos(sum(2 * math.pi * n / side * x for n, side, x in zip(numbers, grid, places, strict=True)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("grid", "numbers"), [((64,), (3,)), ((32, 48), (2, 5)), ((12, 16, 20), (1, 2, 3))])
def test_waves_have_the_dispersion_of_the_leapfrog_scheme_and_keep_their_energy(
    grid: tuple[int, ...], numbers: tuple[int, ...]
) -> None:
    """sin(omega dt / 2)^2 = (c dt)^2 sum of sin(k_i / 2)^2."""
    c, dt = 0.8, 0.4
    law = config_law("waves", dt=dt, constants={"c": c})
    rise = sum(math.sin(math.pi * n / side) ** 2 for n, side in zip(numbers, grid, strict=True))
    omega = 2 / dt * math.asin(c * dt * math.sqrt(rise))
    wave = wave_of(grid, numbers)
    # A standing wave u = cos(omega t) cos(k x); w is its change since the step before.
    cells = torch.stack((wave * (1 - math.cos(omega * dt)) / dt, wave))[None]
    for step in range(1, 4001):
        cells = law(cells)
        if step % 500 == 0:
            torch.testing.assert_close(cells[0, 1], wave * math.cos(omega * dt * step), rtol=0, atol=1e-8)


def test_the_spots_of_the_brusselator_have_turings_wavelength() -> None:
    """At the threshold the critical wave number is k^4 = A^2 / (D_u D_v); slightly above it, patterns have about that."""
    A, D_u, D_v = 2.0, 0.5, 8.0
    threshold = (1 + A * math.sqrt(D_u / D_v)) ** 2
    side = 48
    for share, grows in ((0.95, False), (1.1, True)):
        B = share * threshold
        law = config_law("brusselator", constants={"A": A, "B": B}, rest={"u": A, "v": B / A}, noise=1e-3, dt=0.025)
        law.set_control("D_u", D_u)
        law.set_control("D_v", D_v)
        law = law.float()
        cells = law.random_cells((side, side), torch.Generator().manual_seed(0))[None]
        before = float((cells[0, 0] - A).std())
        for _ in range(3000):
            cells = law(cells)
        u = cells[0, 0].double() - A
        assert (float(u.std()) > before) == grows
        if grows:
            power = torch.fft.fft2(u).abs() ** 4  # the strongest waves decide
            k = 2 * math.pi * torch.fft.fftfreq(side, dtype=torch.float64)
            lattice = (4 * torch.sin(k / 2) ** 2)[:, None] + 4 * torch.sin(k / 2) ** 2
            mean = float((power * lattice.sqrt()).sum() / power.sum())
            critical = math.sqrt(A / math.sqrt(D_u * D_v))
            assert mean == pytest.approx(critical, rel=0.08)


def test_a_front_of_schlogl_runs_at_its_speed() -> None:
    """u = 1 / (1 + exp(x / sqrt(2 D))) moves at sqrt(D / 2) (1 - 2 a)."""
    a, D, dt = 0.3, 8.0, 0.02
    law = config_law("schlogl", constants={"a": a}, diffusion={"u": D}, dt=dt, boundary="reflect")
    x = torch.arange(400, dtype=torch.float64) - 150
    cells = (1 / (1 + torch.exp(x / math.sqrt(2 * D))))[None, None]
    begin = float(cells.sum())
    for _ in range(4000):
        cells = law(cells)
    assert (float(cells.sum()) - begin) / (4000 * dt) == pytest.approx(math.sqrt(D / 2) * (1 - 2 * a), rel=0.01)


def test_a_plane_wave_of_ginzburg_landau_has_the_amplitude_and_frequency_of_its_dispersion() -> None:
    """|A|^2 = 1 - k^2, omega = -c - (b - c) k^2 for A = R exp(i (k x + omega t)); k^2 of the lattice."""
    b, c, dt, side = 0.5, -0.6, 0.002, 64
    law = config_law("ginzburg_landau", constants={"b": b, "c": c}, dt=dt)
    k = 2 * math.pi * 3 / side
    square = 4 * math.sin(k / 2) ** 2
    radius = math.sqrt(1 - square)
    x = torch.arange(side, dtype=torch.float64)
    cells = radius * torch.stack((torch.cos(k * x), torch.sin(k * x)))[None]
    steps = 2000
    for _ in range(steps):
        cells = law(cells)
    amplitude = torch.complex(cells[0, 0], cells[0, 1]) * torch.exp(-1j * k * x)
    omega = -c * (1 - square) - b * square
    turned = omega * dt * steps
    torch.testing.assert_close(amplitude.abs(), torch.full_like(x, radius), rtol=2e-3, atol=0)
    wanted = math.remainder(turned, 2 * math.pi)
    torch.testing.assert_close(amplitude.angle(), torch.full_like(x, wanted), rtol=0, atol=0.01)


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reaction": {"u": "x"}}, r"\.reaction\] u: \"x\": x is unknown; the names are species u, and pi"),
        ({"reaction": {}}, "reaction: 0 species given; expected 1 to 16"),
        ({"reaction": {"1u": "0"}}, r"\.reaction\] 1u: no name"),
        ({"reaction": {"u_1": "0"}}, r"\.reaction\] u_1: a species cannot end in _ and a number"),
        ({"reaction": {"exp": "0"}}, r"\.reaction\] exp: this name is taken"),
        ({"reaction": {"mass": "0"}}, "mass: this name is taken"),
        ({"constants": {"u": 1.0}}, r"\.constants\] u: this name is taken"),
        ({"constants": {"dt": 1.0}}, "dt: this name is taken"),
        ({"constants": {"forward": 1.0}}, "forward: this name is taken"),
        ({"constants": {"live_u": 1.0}}, "live_u: this name is taken"),
        ({"constants": {"D_u": 1.0}}, "D_u: this name is taken"),
        ({"constants": {"F": math.inf}}, "F: inf given; expected a finite number"),
        ({"diffusion": {"w": 1.0}}, r"\.diffusion\] w: unknown species; known: u"),
        ({"diffusion": {"u": -1.0}}, "D_u: -1.0 given; expected a finite number of 0 or more"),
        ({"rest": {"u": math.nan}}, r"\.rest\] u: nan given"),
        ({"scheme": "rk4"}, "expected one of euler, symplectic"),
        ({"dt": 0.0}, "dt: 0.0 given"),
        ({"noise": math.nan}, "noise: nan given"),
    ],
)
def test_settings_that_make_no_law_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.reactiondiffusion.*{message}"):
        ReactionDiffusion(**settings)


def test_a_diffusion_that_diverges_is_refused() -> None:
    with pytest.raises(LawError, match=r"diverges by the 5-point Laplacian; at most 2\.5 is wanted"):
        check_grid(ReactionDiffusion(diffusion={"u": 3.0}, dt=0.1), (8, 8))
