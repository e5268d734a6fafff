"""Measures against values known on paper."""

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aetheria import Aetheria_Motor, Lenia, Life, Recorder, Recording, build_law, measures
from aetheria.core.errors import LawError
from aetheria.laws.base import Law, as_law
from aetheria.observe.measure_fields import MEASURES


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_centre_is_found_across_the_edge_of_a_torus_and_distances_go_the_shortest_way() -> None:
    weight = torch.zeros(1, 8, 10)
    weight[0, 7, 9] = weight[0, 7, 1] = 1.0
    y, x = measures.centre(weight)[0].tolist()
    assert (y, (x + 5) % 10) == pytest.approx((7, 5))
    assert measures.centre(weight, periodic=False)[0].tolist() == [7, 5]
    before, after = torch.tensor([[7.5, 0.5]]), torch.tensor([[0.5, 9.5]])
    assert float(measures.displacement(before, after, (8, 10))) == pytest.approx(math.sqrt(2))
    assert float(measures.displacement(before, after, (8, 10), periodic=False)) == pytest.approx(math.hypot(7, 9))


@pytest.mark.parametrize("flipped", [(1,), (2,), (1, 2)])
def test_a_symmetric_pattern_scores_one_wherever_it_lies_and_noise_scores_low(flipped: tuple[int, ...]) -> None:
    half = noise(1, 16, 16)
    even = (half + half.flip(flipped)).roll((3, 5), (1, 2))
    assert float(measures.symmetry(even)) == pytest.approx(1, abs=1e-9)
    assert float(measures.symmetry(noise(1, 64, 64))) < 0.1
    assert measures.symmetry(torch.full((2, 8, 8), 0.3)).tolist() == [1, 1]


def test_the_entropy_of_equal_shares_is_the_logarithm_of_their_number() -> None:
    states = torch.arange(4.0).repeat(16).reshape(1, 8, 8)
    assert float(measures.shannon_entropy(states)) == pytest.approx(2)
    assert measures.shannon_entropy(torch.zeros(3, 8)).tolist() == [0, 0, 0]
    quarter = torch.tensor([[1.0, 0, 0, 0]])
    assert float(measures.shannon_entropy(quarter)) == pytest.approx(2 - 0.75 * math.log2(3))


def test_compressibility_is_that_of_the_bytes_of_the_cells() -> None:
    bits = (noise(1, 32, 32) < 0.5).float()
    raw = (bits * 255).byte().numpy().tobytes()
    assert float(measures.compressibility(bits)) == pytest.approx(1 - len(zlib.compress(raw)) / 1024)
    assert float(measures.compressibility(torch.ones(1, 64, 64))) > 0.98
    assert abs(float(measures.compressibility(noise(1, 64, 64)))) < 0.01


@pytest.mark.parametrize("slope", [0.0, -1.0, -3.0])
@pytest.mark.parametrize("grid", [(256,), (64, 64), (48, 96)])
def test_the_slope_of_a_spectrum_is_found(grid: tuple[int, ...], slope: float) -> None:
    waves = np.meshgrid(*(np.fft.fftfreq(side) * min(grid) for side in grid), indexing="ij")
    distance = np.sqrt(sum(wave**2 for wave in waves))
    distance[(0,) * len(grid)] = 1
    spectrum = np.fft.fftn(np.random.default_rng(1).standard_normal(grid))
    spectrum *= distance ** (slope / 2) / np.abs(spectrum)
    values = torch.from_numpy(np.fft.ifftn(spectrum).real[None])
    assert float(measures.spectral_slope(values)) == pytest.approx(slope, abs=0.1)


def test_the_slope_of_an_empty_spectrum_is_not_a_number() -> None:
    assert measures.spectral_slope(torch.ones(1, 16, 16)).isnan().all()
    assert measures.spectral_slope(torch.ones(1, 2)).isnan().all()


def states_of(pattern: list[list[int]], steps: int) -> list[torch.Tensor]:
    cells = torch.zeros(1, 16, 16)
    cells[0, 4 : 4 + len(pattern), 4 : 4 + len(pattern[0])] = torch.tensor(pattern, dtype=torch.float32)
    motor = Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, initial=cells)
    found = [motor.cells[0, 0]]
    for _ in range(steps):
        motor.step(1)
        found.append(motor.cells[0, 0])
    return found


def test_periods_of_known_patterns() -> None:
    block, blinker, glider = [[1, 1], [1, 1]], [[1, 1, 1]], [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert measures.period(states_of(block, 3)) == 1
    assert measures.period(states_of(blinker, 5)) == 2
    assert measures.period(states_of(glider, 9)) == 4
    assert measures.period(states_of(glider, 9), moved=False) == 0
    assert measures.period([torch.zeros(4, 4), torch.zeros(4, 4)]) == 1
    assert measures.period([noise(8, 8), noise(8, 8, seed=1)]) == 0


def test_survival_is_the_last_step_with_anything_alive() -> None:
    assert measures.survival([0, 10, 20, 30], [5, 3, 0, 0]) == 10
    assert measures.survival([0, 10], [5, 3]) == 10
    assert measures.survival([0, 10], [0, 0]) == 0


@pytest.mark.parametrize(
    ("rule", "exponent"), [(204, 0), (90, math.log(2)), (150, math.log(3)), (170, 0), (0, -math.inf), (51, 0)]
)
def test_exponents_of_linear_rules_are_logarithms_of_the_number_of_their_terms(rule: int, exponent: float) -> None:
    law = as_law(build_law("Elementary", rule=rule).eval())
    for width in (30, 31):  # 31 is prime: cell by cell
        cells = (noise(2, 1, width) < 0.5).float()
        assert measures.lyapunov(law, (cells,), 20).tolist() == pytest.approx([exponent] * 2)


def test_the_exponent_of_whole_states_is_that_of_the_whole_matrix() -> None:
    """Life on 9x9 by the matrix of all changes, made cell by cell."""
    law, cells = Life().eval(), (noise(1, 1, 9, 9, seed=3) < 0.4).float()
    defects, total, steps = torch.ones(81, dtype=torch.float64), 0.0, 4
    now = cells
    for _ in range(steps):
        following = law(now)
        columns = []
        for cell in range(81):
            changed = now.clone().reshape(-1)
            changed[cell] = 1 - changed[cell]
            columns.append((law(changed.reshape(now.shape)) != following).flatten().double())
        spread = torch.stack(columns, 1) @ defects
        total += math.log(spread.sum() / defects.sum())
        defects, now = spread / spread.sum(), following
    assert float(measures.lyapunov(law, (cells,), steps)) == pytest.approx(total / steps)


class Scaled(Law):
    """Every cell times a factor: the exponent is its logarithm."""

    channels = 1
    ranks = (1, 2)

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return cells * self.factor


class Logistic(Law):
    """x -> 4 x (1 - x) in each cell by itself, whose exponent is ln 2."""

    channels = 1
    ranks = (1,)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return 4 * cells * (1 - cells)


def test_exponents_of_real_cells() -> None:
    for factor in (0.9, 1.01):
        assert float(measures.lyapunov(Scaled(factor), (noise(1, 1, 8, 8),), 30)) == pytest.approx(math.log(factor), abs=1e-3)
    assert measures.lyapunov(Scaled(0.0), (noise(1, 1, 8),), 3).tolist() == [-math.inf]
    chaotic = measures.lyapunov(Logistic(), (noise(1, 1, 1).double(),), 2000)
    assert float(chaotic) == pytest.approx(math.log(2), abs=0.05)


def test_an_exponent_that_needs_too_many_passes_is_refused() -> None:
    with pytest.raises(LawError, match="Life on this grid needs 16,129 passes a step"):
        measures.lyapunov(Life().eval(), (torch.zeros(1, 1, 127, 127),), 1)


def test_measures_are_observables_of_any_recording(tmp_path: Path) -> None:
    law = Lenia(animal="O2u")
    with Aetheria_Motor(law, 48, 1, "cpu", {"plan": "eager"}, batch=2) as motor:
        before = motor.cells
        expected = {name: motor.read(name) for name in MEASURES}
        with Recorder(motor, tmp_path / "run.h5", every=1, fields=["mass", *MEASURES]) as _:
            motor.step(1)
        after = motor.cells
    with Recording(tmp_path / "run.h5") as recording:
        frame = recording[0]
        for name in MEASURES:
            assert np.array_equal(frame[name], expected[name].numpy()), name
        growth = (after - before).double().sum((1, 2, 3))
        assert frame["growth"] == pytest.approx(growth.numpy(), rel=1e-4)
        way = measures.displacement(measures.centre(before[:, 0]), measures.centre(after[:, 0]), (48, 48))
        assert frame["speed"] == pytest.approx(way.numpy(), rel=1e-4)
        assert frame["survival"].tolist() == [1, 1]


def recorded(path: Path, law: nn.Module, cells: torch.Tensor, names: list[str], steps: int) -> dict[str, list[float]]:
    motor = Aetheria_Motor(law, tuple(cells.shape[1:]), cells.shape[0], "cpu", {"plan": "eager"}, initial=cells)
    with motor, Recorder(motor, path, every=1, fields=names):
        motor.step(steps)
    with Recording(path) as recording:
        return {name: [float(frame[name][0]) for frame in recording] for name in names}


def test_periods_and_exponents_of_each_frame_look_ahead(tmp_path: Path) -> None:
    glider = torch.zeros(1, 16, 16)
    glider[0, 4:7, 4:7] = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 1, 1]])
    assert recorded(tmp_path / "glider.h5", Life(), glider, ["period"], 2) == {"period": [4, 4, 4]}
    row = (noise(1, 31) < 0.5).float()
    exponents = recorded(tmp_path / "90.h5", build_law("Elementary", rule=90), row, ["lyapunov"], 1)
    assert exponents["lyapunov"] == pytest.approx([math.log(2)] * 2, rel=1e-6)


def test_a_measure_without_a_value_does_not_end_a_recording(tmp_path: Path) -> None:
    names = ["lyapunov", "spectral_slope", "period"]
    found = recorded(tmp_path / "0.h5", build_law("Elementary", rule=0), torch.ones(1, 31), names, 2)
    assert found["lyapunov"] == [-math.inf] * 3
    assert all(map(math.isnan, found["spectral_slope"]))
    assert found["period"] == [0, 1, 1]


def test_looking_ahead_of_a_law_with_phases_and_of_chance_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    for number, (name, sides) in enumerate([("Margolus", (8, 8)), ("SIR", (8, 8))]):
        law = build_law(name)
        motor, other = (Aetheria_Motor(law, sides, 1, "cpu", {"plan": "eager"}, seed=3) for _ in range(2))
        with motor, other, Recorder(motor, tmp_path / f"{number}.h5", every=1, fields=["period", "lyapunov"]):
            motor.step(3)
            other.step(3)
            assert torch.equal(motor.cells, other.cells)
