"""Flow Lenia against NumPy in float64, and its mass."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from aetheria.core.errors import ConfigError
from aetheria.laws.continuous.flow_lenia import FlowLenia
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import names_of, oracle

KERNELS = ("R", "T", "r", "b", "m", "s", "h", "c0", "c1", "dd", "sigma", "theta_A", "n")
TWO: dict[str, Any] = {"R": 3, "T": 4, "m": [0.2, 0.3], "s": [0.05, 0.08], "c0": [0, 1], "c1": [1, 0], "h": [1.0, 0.5]}


@pytest.mark.parametrize("case", names_of("flow_lenia"))
def test_flow_lenia_steps_as_numpy_does_and_keeps_the_mass_of_each_channel(case: str) -> None:
    of = oracle("flow_lenia", case)
    law = FlowLenia(**{key: of.parameters[key] for key in KERNELS}, core="gaussian", growth="gaussian").double()
    masses = []

    def step(cells: torch.Tensor) -> torch.Tensor:
        after = law(cells)
        masses.append(after[0].flatten(1).sum(1).numpy())
        return after

    for cells, expected in of.followed(torch.from_numpy(of.arrays["input"])[None], step):
        np.testing.assert_allclose(cells[0].numpy(), expected, rtol=0, atol=1e-6 * expected.max())
    np.testing.assert_allclose(masses, of.arrays["mass"], rtol=1e-9)
    np.testing.assert_allclose(masses, masses[:1] * len(masses), rtol=1e-13)


@pytest.mark.parametrize("grid", [(40,), (20, 17), (11, 9, 10)], ids=["1d", "2d", "3d"])
def test_mass_is_kept_in_every_rank(grid: tuple[int, ...]) -> None:
    for precision, tolerance in (("fp64", 1e-13), ("fp32", 1e-5)):
        motor = Aetheria_Motor(FlowLenia(**TWO, dd=1), grid, 2, "cpu", {"plan": "eager", "precision": precision})
        before = motor.cells
        motor.step(40)
        mass, start = (cells[0].double().flatten(1).sum(1) for cells in (motor.cells, before))
        torch.testing.assert_close(mass, start, rtol=tolerance, atol=0)
        assert float(motor.cells.min()) >= 0
        assert float((motor.cells - before).abs().max()) > 0.1


def test_matter_leaves_over_an_open_edge() -> None:
    motor = Aetheria_Motor(FlowLenia(R=3, boundary="zero"), (12, 12), 1, "cpu", {"plan": "eager"})
    motor.set_cells(torch.ones(1, 1, 12, 12))
    motor.step(5)
    assert 1 < float(motor.cells.sum()) < 140


def test_a_single_cell_is_spread_over_a_square_of_its_half_side() -> None:
    """A cell far denser than theta_A has no gradient at its middle: it stays, and its matter covers 2 sigma cells a side."""
    law = FlowLenia(R=3, dd=2, sigma=0.75).double()
    cells = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    cells[0, 0, 5, 5] = 2.0
    sides = np.array([0.25, 1.0, 0.25]) / 1.5
    np.testing.assert_allclose(law(cells)[0, 0, 4:7, 4:7], 2 * np.outer(sides, sides), rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dd": 0}, "dd: 0 given; expected a whole number from 1 to 20"),
        ({"dd": 2, "sigma": 2.0}, "sigma: 2.0 given with dd 2; expected less than dd"),
        ({"sigma": 0.0}, "sigma: 0.0 given"),
        ({"theta_A": 0.0}, "theta_A: 0.0 given"),
        ({"n": -1.0}, "n: -1.0 given"),
        ({"boundary": "reflect"}, "expected one of periodic, zero"),
        ({"carried": True, "animal": "VT049W"}, "carried: given with animal; expected weights in the cells alone"),
        ({"carried": True, "h": [0.5]}, "carried: given with h; expected"),
        ({"m": [0.1, 0.2], "s": [0.1, 0.2, 0.3]}, "m: 2 values given"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.flowlenia\] .*{re.escape(message)}"):
        FlowLenia(**settings)


def test_carried_weights_that_are_the_same_everywhere_are_those_of_a_law() -> None:
    plain, carried = FlowLenia(**TWO), FlowLenia(**{key: value for key, value in TWO.items() if key != "h"}, carried=True)
    matter = plain.random_cells((20, 17), torch.Generator().manual_seed(1))[None].double()
    weights = torch.tensor(TWO["h"], dtype=torch.float64).reshape(1, 2, 1, 1).expand(1, 2, 20, 17)
    after = carried(torch.cat((matter, weights), 1))
    torch.testing.assert_close(after[:, :2], plain(matter), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(after[:, 2:], weights, rtol=1e-12, atol=0)


def test_weights_go_with_the_matter_and_mix_by_mass() -> None:
    """Cells far denser than theta_A, without a gradient at their middle, spread over 1.5 cells: a sixth to each neighbour."""
    law = FlowLenia(R=3, dd=2, sigma=0.75, carried=True).double()
    cells = torch.zeros(1, 2, 12, dtype=torch.float64)
    cells[0, :, 5] = torch.tensor([2.0, 0.1])
    cells[0, :, 7] = torch.tensor([6.0, 0.9])
    cells[0, 1, 0] = 0.3
    matter, weights = law(cells)[0].numpy()
    np.testing.assert_allclose(matter[4:9], [2 / 6, 8 / 6, 2 / 6 + 1, 4, 1], rtol=1e-12)
    np.testing.assert_allclose(weights[4:9], [0.1, 0.1, (2 / 6 * 0.1 + 0.9) / (2 / 6 + 1), 0.9, 0.9], rtol=1e-6)
    assert weights[0] == 0.3  # where no matter arrives they stay


def test_a_run_with_carried_weights_keeps_mass_and_the_range_of_weights() -> None:
    law = FlowLenia(R=4, m=[0.2, 0.3], s=[0.05, 0.08], carried=True)
    assert (law.channels, [one.name for one in law.controls]) == (3, ["m_0", "s_0", "m_1", "s_1", "T", "theta_A"])
    motor = Aetheria_Motor(law, (32, 24), law.channels, "cpu", {"plan": "eager"})
    before, mass = motor.cells, float(motor.read("mass"))
    motor.step(60)
    after = motor.cells
    assert float(motor.read("mass")) == pytest.approx(mass, rel=1e-5)
    assert mass == pytest.approx(float(before[:, :1].double().sum()), rel=1e-6)
    for k in (1, 2):
        low, high = float(before[:, k].min()), float(before[:, k].max())
        assert low - 1e-5 <= float(after[:, k].min()) <= float(after[:, k].max()) <= high + 1e-5
    assert float((after[:, 1:] - before[:, 1:]).abs().max()) > 0.1
