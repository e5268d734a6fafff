"""Sines and cosines in formulas: within rounding of float64, the same bits in every lane; and Kuramoto, which takes them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws import Law
from aetheria.laws.continuous.kuramoto import Kuramoto
from aetheria.laws.forms import FormulaRule
from aetheria.laws.formula import Formula, named
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu.formulas import FusedFormulas, why_not
from tests.small_laws import boundaries
from tests.stepping.test_formulas import eager
from tests.stepping.test_plans import advanced, stepped


class Waves(Law):
    """u <- sin u, v <- cos v."""

    name = "Waves"
    channels = 2
    ranks = (1,)

    def __init__(self, *, wide: bool = False) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, cells: Tensor) -> Tensor:
        return torch.cat((cells[:, :1].sin(), cells[:, 1:].cos()), 1)

    def formula_rule(self) -> FormulaRule:
        cos = Formula("cos", parts=(named("v"),))
        return FormulaRule(("u", "v"), (named("u").sin(), cos), lambda _: {}, "periodic", wide=self.wide)


def test_sine_and_cosine_are_those_of_float64_rounded_once_up_to_a_billionth() -> None:
    generator = np.random.default_rng(0)
    spread = [generator.uniform(-size, size, 20_000) for size in (1e-3, 1.0, 4.0, 100.0, 1e4, 1e6, 1e8)]
    turns = np.arange(-5000, 5000) * (np.pi / 2)  # where one of the two is nearly 0
    phases = np.concatenate([*spread, turns, [0.0]]).astype(np.float32)
    cells = torch.from_numpy(np.stack([phases, phases]))[None]
    sine, cosine = advanced(FusedFormulas(Waves(), 1), (cells,), 1)[0][0].numpy()
    for given, expected in ((sine, np.sin(phases.astype(float))), (cosine, np.cos(phases.astype(float)))):
        half_a_unit = np.spacing(np.abs(expected).astype(np.float32)).astype(float) / 2
        assert (np.abs(given - expected) <= half_a_unit + 1e-9).all()


def test_a_phase_has_the_same_sine_in_every_lane_and_at_the_end_of_a_row() -> None:
    cells = 50 * torch.randn(1, 2, 77, generator=torch.Generator().manual_seed(0))
    plan = FusedFormulas(Waves(), 1)
    after = advanced(plan, (cells,), 1)[0]
    for by in (1, 3, 8, 13):
        assert torch.equal(advanced(plan, (cells.roll(by, -1),), 1)[0], after.roll(by, -1))


def test_a_phase_that_is_no_number_has_no_sine() -> None:
    cells = torch.tensor([float("nan"), float("inf"), -float("inf")]).expand(1, 2, 3)
    assert advanced(FusedFormulas(Waves(), 1), (cells,), 1)[0].isnan().all()


def test_waves_of_formulas_in_float64_are_left_to_other_plans() -> None:
    assert why_not(Waves(), "fp32") == ""
    assert why_not(Waves(wide=True), "fp32") == "a formula has sin(..), for which torch.compile has vectors"


@pytest.mark.parametrize("boundary", boundaries("Kuramoto"))
@pytest.mark.parametrize("grid", [(300,), (2, 2), (70, 33), (9, 1030)], ids=str)
def test_kuramoto_is_as_close_to_float64_as_eager_steps(boundary: Any, grid: tuple[int, ...]) -> None:
    law = Kuramoto(K=1.5, boundary=boundary)
    cells = torch.stack([3 * law.random_cells(grid, torch.Generator().manual_seed(seed)) for seed in range(2)])
    given, expected = advanced(FusedFormulas(law, len(grid)), (cells,), 11)[0], stepped(law, (cells,), 11)[0]
    plain = eager(law, cells, 11)  # in float32: neighbours that are half a turn apart double an error in a step or two
    assert (given - expected).abs().max() <= 2 * (plain - expected).abs().max() + 1e-6
    assert (expected - cells).abs().max() > 0.1


def test_kuramoto_takes_the_plan_and_its_controls_live() -> None:
    motor = Aetheria_Motor(Kuramoto(), 40, 1, "cpu", {"plan": "auto"}, seed=1)
    motor.warm_up()
    assert type(motor.plan) is FusedFormulas
    motor.step(3)
    cells = motor.cells
    motor.set_control("K", -1.5)
    motor.step(3)
    torch.testing.assert_close(motor.cells.double(), stepped(Kuramoto(K=-1.5), (cells,), 3)[0].double(), rtol=0, atol=1e-5)
