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
        ({"m": [0.1, 0.2], "s": [0.1, 0.2, 0.3]}, "m: 2 values given"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[law\.flowlenia\] .*{re.escape(message)}"):
        FlowLenia(**settings)
