"""Unitary laws: walks and the Dirac automaton against NumPy, exact dispersion, the norm, runs back, and their fields."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import DiracQCA, Law, QuantumWalk, build_law
from aetheria.laws.checks import Boundary
from aetheria.laws.quantum.unitary import UnitaryLaw
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import oracle

Complex = NDArray[np.complex128]
SIDES = {1: (24,), 2: (10, 12), 3: (6, 4, 8)}


def cells_of(psi: Complex) -> Tensor:
    """psi `(*grid, d)` as cells `(1, 2d, *grid)`."""
    first = np.moveaxis(psi, -1, 0)
    return torch.from_numpy(np.concatenate((first.real, first.imag)).astype(np.float64))[None]


def psi_of(cells: Tensor) -> Complex:
    """Cells `(1, 2d, *grid)` as psi `(*grid, d)`."""
    real, imag = cells[0].double().numpy().reshape(2, -1, *cells.shape[2:])
    return np.moveaxis(real + 1j * imag, 0, -1)


def noise(law: Law, grid: tuple[int, ...], seed: int = 0) -> Tensor:
    return law.random_cells(grid, torch.Generator().manual_seed(seed)).double()[None]


def motor(law: Law, grid: tuple[int, ...], precision: str = "fp32", **given: Any) -> Aetheria_Motor:
    assert law.d_state is not None
    return Aetheria_Motor(law, grid, law.d_state, "cpu", {"plan": "eager", "precision": precision}, **given)


# -- oracles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "law"),
    [
        ("hadamard_1d", QuantumWalk("hadamard")),
        ("hadamard_1d", QuantumWalk("dft")),
        ("hadamard_1d", QuantumWalk("rotation")),
        ("hadamard_1d", QuantumWalk([[0.70710678, "0.70710678+0j"], [0.70710678, -0.70710678]])),
        ("grover_2d", QuantumWalk("grover", rank=2)),
        ("dirac_1d", DiracQCA(0.3)),
    ],
    ids=lambda given: given if isinstance(given, str) else str(getattr(given, "coin", given.name)),
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_walks_and_the_dirac_automaton_step_as_numpy_does(case: str, law: Law, dtype: torch.dtype, tolerance: float) -> None:
    of = oracle("quantum_walks", case)
    law = law.to(dtype)
    for after, expected in of.followed(cells_of(of.arrays["input"]).to(dtype), law):
        # The file holds the two-dimensional walk in complex64.
        largest = float(np.abs(expected).max())
        np.testing.assert_allclose(psi_of(after), expected, rtol=0, atol=tolerance * largest + (4e-8 if "2d" in case else 0))
    law.float()


def matrix_at(law: UnitaryLaw, grid: tuple[int, ...], wave: tuple[int, ...]) -> Complex:
    """The `(d, d)` matrix by which a step multiplies a plane wave of this wave vector, in units of 2 pi / side."""
    assert law.d_state is not None
    turns = sum(
        k * np.arange(side).reshape(-1, *[1] * (len(grid) - 1 - n)) / side
        for n, (k, side) in enumerate(zip(wave, grid, strict=True))
    )
    plane = np.exp(2j * np.pi * turns)
    columns = []
    for component in range(law.d_state):
        psi = np.zeros((*grid, law.d_state), complex)
        psi[..., component] = plane
        after = psi_of(law(cells_of(psi))) / plane[..., None]
        np.testing.assert_allclose(after, np.broadcast_to(after[(0,) * len(grid)], after.shape), atol=1e-12)
        columns.append(after[(0,) * len(grid)])
    return np.stack(columns, 1)


@pytest.mark.parametrize("mass", [0.0, 0.3, -0.8, 1.0])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_dirac_automaton_has_the_exact_dispersion_at_every_wave_vector(rank: int, mass: float) -> None:
    grid = (12,) if rank == 1 else (6, 8)
    law = DiracQCA(mass, rank=rank).double()
    for wave in product(*map(range, grid)):
        matrix = matrix_at(law, grid, wave)
        np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(2 * rank), atol=1e-13)
        mean = np.mean([math.cos(2 * math.pi * k / side) for k, side in zip(wave, grid, strict=True)])
        wanted = math.sqrt(1 - mass**2) * mean
        np.testing.assert_allclose(np.linalg.eigvals(matrix).real, wanted, atol=1e-7)


def test_long_waves_of_the_dirac_automaton_travel_as_the_dirac_equation_says() -> None:
    """omega^2 = m^2 + (k_x^2 + k_y^2) / 2 for small m and k."""
    law = DiracQCA(0.02, rank=2).double()
    omega = np.abs(np.angle(np.linalg.eigvals(matrix_at(law, (200, 200), (1, 1)))))
    np.testing.assert_allclose(omega, math.sqrt(0.02**2 + (2 * math.pi / 200) ** 2), rtol=1e-3)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_coin_acts_first_and_each_component_then_moves_its_own_way(rank: int) -> None:
    d = 2 * rank
    random = np.random.default_rng(3)
    coin, _ = np.linalg.qr(random.normal(size=(d, d)) + 1j * random.normal(size=(d, d)))
    phase = random.normal(size=SIDES[rank])
    law = QuantumWalk(coin, rank=rank, phase=phase, strength=0.7).double()
    cells = noise(law, SIDES[rank])
    mixed = psi_of(cells) @ coin.T
    parts = [np.roll(mixed[..., k], (-1, 1)[k % 2], k // 2) for k in range(d)]
    expected = np.stack(parts, -1) * np.exp(0.7j * phase)[..., None]
    np.testing.assert_allclose(psi_of(law(cells)), expected, atol=1e-14)


# -- norm and reversal ---------------------------------------------------------------------------------------------

WALKS: list[tuple[str, int, Boundary, str]] = [
    ("dft", 1, "periodic", "none"),
    ("hadamard", 2, "reflect", "linear"),
    ("grover", 2, "periodic", "random"),
    ("rotation", 2, "reflect", "quadratic"),
    ("dft", 3, "periodic", "random"),
    ("grover", 3, "reflect", "none"),
]
UNITARY: list[Law] = [
    *(QuantumWalk(coin, rank=rank, boundary=edge, phase=phase, strength=0.3) for coin, rank, edge, phase in WALKS),
    DiracQCA(0.4),
    DiracQCA(0.7, rank=2),
]


@pytest.mark.parametrize("law", UNITARY, ids=repr)
def test_the_norm_stays_in_float32_and_a_run_can_be_taken_back(law: Law) -> None:
    one = motor(law, SIDES[law.ranks[0]], initial="noise", batch=2)
    start = one.cells
    assert float(one.read("norm")[0]) == pytest.approx(1, abs=1e-6)
    one.step(150)
    assert one.read("norm").tolist() == pytest.approx([1, 1], abs=2e-6)
    assert float((one.cells - start).abs().max()) > 0.05
    one.reverse(150)
    torch.testing.assert_close(one.cells, start, rtol=0, atol=3e-6)


def test_the_float32_norm_does_not_drift_as_the_digits_of_a_float32_coin_would_make_it() -> None:
    """0.70710678 in float32 twice squared is 1 - 3e-8: over 4,000 steps 1e-4."""
    one = motor(QuantumWalk(), (16,), initial="noise")
    one.step(4_000)
    assert float(one.read("norm")[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "law", [QuantumWalk(boundary="zero"), DiracQCA(boundary="zero"), DiracQCA(rank=2, boundary="zero")], ids=repr
)
def test_what_leaves_over_an_open_edge_is_lost(law: Law) -> None:
    one = motor(law, (12, 12)[: law.ranks[0]])
    norms = []
    for _ in range(5):
        norms.append(float(one.read("norm")[0]))
        one.step(12)
    assert norms[0] == pytest.approx(1)
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.6
    with pytest.raises(LawError, match="cannot be run back"):
        one.reverse()


def test_a_walker_that_meets_a_wall_turns_round_in_its_cell() -> None:
    law = QuantumWalk([[1, 0], [0, 1]], boundary="reflect")
    psi = np.zeros((4, 2), complex)
    psi[2, 1] = 1
    cells = cells_of(psi)
    places = []
    for _ in range(9):
        places.append(tuple(np.argwhere(psi_of(cells))[0].tolist()))
        cells = law(cells)
    assert places == [(2, 1), (3, 1), (3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (1, 1), (2, 1)]


# -- spreading and phases ------------------------------------------------------------------------------------------


def test_a_hadamard_walk_spreads_ballistically_with_the_known_slope() -> None:
    """variance / t^2 tends to 1 - 1 / sqrt 2 for a balanced start; a classical walk would have variance t."""
    one = motor(QuantumWalk("hadamard"), (512,), "fp64")
    found = []
    for _ in range(4):
        one.step(50)
        found.append(math.sqrt(float(one.read("variance")[0])))
        assert float(one.read("mean_x")[0]) == pytest.approx(256, abs=1e-9)
    slope = np.polyfit([50, 100, 150, 200], found, 1)[0]
    assert slope == pytest.approx(math.sqrt(1 - 1 / math.sqrt(2)), rel=2e-3)


def test_a_constant_force_brings_the_walker_back_and_a_random_phase_holds_it() -> None:
    def spread(steps: int, **given: Any) -> float:
        one = motor(QuantumWalk("hadamard", **given), (256,), "fp64")
        one.step(steps)
        return float(one.read("variance")[0])

    free = spread(100)
    # Bloch oscillations: after 2 pi / 0.1 = 63 steps, an even number, the packet is nearly where it was.
    turns = 2 * math.pi / 64
    assert spread(64, phase="linear", strength=turns) < 0.02 * spread(64)
    assert spread(100, phase="random", strength=math.pi) < 0.1 * free


def test_strength_and_angle_act_from_the_next_step_on() -> None:
    one = motor(QuantumWalk("rotation", phase="linear", strength=0.0), (32,), "fp64", initial="noise")
    other = motor(QuantumWalk("rotation", angle=0.3, phase="linear", strength=0.2), (32,), "fp64", initial="noise")
    one.traits.set_control("angle", 0.3)
    one.traits.set_control("strength", 0.2)
    one.step(3)
    other.step(3)
    assert torch.equal(one.cells, other.cells)


# -- fields --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law", [QuantumWalk(rank=1), QuantumWalk(rank=2), QuantumWalk(rank=3), DiracQCA(), DiracQCA(rank=2)], ids=repr
)
def test_fields_equal_numpy(law: UnitaryLaw) -> None:
    (rank,) = law.ranks
    one = motor(law, SIDES[rank], "fp64", initial="noise")
    psi = psi_of(one.cells)
    weight = (np.abs(psi) ** 2).sum(-1)
    axes = tuple(range(rank))
    spectrum = np.fft.fftshift((np.abs(np.fft.fftn(psi, axes=axes)) ** 2).sum(-1), axes=axes)
    np.testing.assert_allclose(one.read("probability")[0], weight / weight.sum(), atol=1e-15)
    np.testing.assert_allclose(one.read("momentum")[0], spectrum / spectrum.sum(), atol=1e-15)
    variance = 0.0
    for axis, name in enumerate("zyx"[-rank:]):
        along = (weight / weight.sum()).sum(tuple(other for other in axes if other != axis))
        place = np.arange(len(along))
        mean = (along * place).sum()
        variance += (along * (place - mean) ** 2).sum()
        assert float(one.read(f"mean_{name}")[0]) == pytest.approx(mean)
        velocity = np.array(law.velocities[axis])
        np.testing.assert_allclose(
            one.read(f"current_{name}")[0], np.einsum("...j,jk,...k->...", psi.conj(), velocity, psi).real, atol=1e-15
        )
    assert float(one.read("variance")[0]) == pytest.approx(variance)
    flat = psi.reshape(-1, psi.shape[-1])
    share = np.linalg.svd(flat, compute_uv=False) ** 2
    assert float(one.read("entanglement")[0]) == pytest.approx(-(share / share.sum() * np.log(share / share.sum())).sum())


@pytest.mark.parametrize("axis", [0, 1])
def test_the_current_of_a_wide_packet_is_the_speed_of_its_mean(axis: int) -> None:
    law = DiracQCA(0.02, rank=2)
    places = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    packet = np.exp(-sum((place - 32.0) ** 2 for place in places) / 200)
    psi = packet[..., None] * np.array([1, 0.5j, 0.3, -0.2])
    psi /= np.linalg.norm(psi)
    one = motor(law, (64, 64), "fp64", initial=cells_of(psi)[0])
    name = "yx"[axis]
    before, current = float(one.read(f"mean_{name}")[0]), float(one.read(f"current_{name}").sum())
    one.step(1)
    after = float(one.read(f"mean_{name}")[0])
    assert after - before == pytest.approx(current, rel=0.05)
    assert abs(after - before) > 0.05


def test_a_state_of_one_coin_is_not_entangled_and_a_walk_entangles_it() -> None:
    one = motor(QuantumWalk("hadamard"), (128,), "fp64")
    assert float(one.read("entanglement")[0]) == pytest.approx(0, abs=1e-12)
    one.step(50)
    # 0.872 bit, the limit of I. Carneiro et al., New J. Phys. 7 (2005) 156, for every start in one cell.
    assert float(one.read("entanglement")[0]) / math.log(2) == pytest.approx(0.872, abs=0.01)


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coin": [[1, 0.1], [0, 1]]}, r"coin: not unitary: conjugate transpose times coin is up to 0\.1 from the identity"),
        ({"coin": [[2, 0], [0, 2]]}, r"coin: not unitary: .* up to 3 from the identity; expected at most 1e-06"),
        ({"coin": [[1, 0], [0, 1]], "rank": 2}, r"coin: a matrix of shape \(2, 2\) given; expected 4 rows of 4 numbers"),
        ({"coin": [["x", 0], [0, 1]]}, "coin: .* given; expected one of dft, grover, hadamard, rotation, or 2 rows of 2"),
        ({"coin": [[1, 0], [1]]}, "coin: .* given; expected one of dft"),
        ({"coin": 3}, "coin: 3 given; expected one of dft"),
        ({"coin": [[float("nan"), 0], [0, 1]]}, "coin: a matrix of shape"),
        ({"coin": "hadamar"}, 'coin: "hadamar" given; expected one of dft, grover, hadamard, rotation, or rows'),
        ({"coin": "hadamard", "rank": 3}, 'coin: "hadamard" given; for the 6 components of 3 axes expected dft, grover'),
        ({"coin": "rotation", "rank": 3}, 'coin: "rotation" given; for the 6 components'),
        ({"rank": 4}, "rank: .*4.* given; expected one of 1, 2, 3"),
        ({"phase": "linaer"}, 'phase: "linaer" given; expected one of none, linear, quadratic, random'),
        ({"phase": [[0.0]]}, "phase: expected one of none, .* numbers, one for each cell of 1 axes"),
        ({"phase": [float("inf")]}, "phase: expected one of none"),
        ({"angle": float("nan")}, "angle: nan given"),
        ({"boundary": "torus"}, "boundary: .*torus.* expected one of periodic, zero, reflect"),
    ],
)
def test_bad_settings_of_a_walk_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.quantumwalk\] " + message):
        QuantumWalk(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mass": 1.5}, r"mass: 1\.5 given; expected -1 <= mass <= 1"),
        ({"rank": 3}, "rank: .*3.* given; expected one of 1, 2"),
        ({"boundary": "reflect"}, "boundary: .*reflect.* expected one of periodic, zero"),
    ],
)
def test_bad_settings_of_the_dirac_automaton_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.diracqca\] " + message):
        DiracQCA(**settings)


def test_a_phase_of_another_grid_is_refused() -> None:
    with pytest.raises(LawError, match="grid 9: its phase has 8 numbers; expected one a cell"):
        motor(QuantumWalk(phase=[0.1] * 8), (9,))


def test_a_config_may_give_a_coin_and_a_phase() -> None:
    law = build_law("QuantumWalk", coin=[["1j", 0], [0, 1.0]], phase=[0.0, 0.5, 1.0, 2.0], strength=0.5)
    same = QuantumWalk([[1j, 0], [0, 1]], phase=np.array([0, 0.25, 0.5, 1]), strength=1.0)
    assert isinstance(law, QuantumWalk)
    start = noise(same, (4,))
    torch.testing.assert_close(law.double()(start), same.double()(start))
