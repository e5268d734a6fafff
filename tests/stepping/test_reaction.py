"""The fused plan of reaction and diffusion has the bits of eager steps; controls are read at each call; what it refuses."""

from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws import Law, build_law
from aetheria.laws.continuous.fitzhugh_nagumo import FitzHughNagumo
from aetheria.laws.continuous.gray_scott import GrayScott
from aetheria.laws.continuous.reaction_diffusion import ReactionDiffusion
from aetheria.laws.forms import ReactionRule
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu import job
from aetheria.stepping.cpu.reaction import FusedReaction, why_not
from aetheria.stepping.plan import Plan
from tests.small_laws import boundaries

GRIDS = ((2, 2), (3, 5), (70, 33), (200, 64), (9, 1030), (130, 2051))
CASES: list[tuple[str, dict[str, Any]]] = [
    ("GrayScott", {}),
    ("GrayScott", {"laplacian": "9-point", "Du": 0.3}),
    ("FitzHughNagumo", {"Dv": 0.5}),
    # Three species, every operation but the square root, parts without species, and one that does not diffuse.
    (
        "ReactionDiffusion",
        {
            "reaction": {
                "u": "-u*v^2 + F*(1 - u)/(2 + F) - max(u, 0.5)*min(w, v) + 2",
                "v": "abs(u) - sign(v - 0.2)*abs(w) - lap(w)/3 + (K*F)^2.5*v + exp(K)*0.01",
                "w": "-(u - w)^3 + v/(1 + w*w)",
            },
            "diffusion": {"u": 0.2, "v": 0.1},
            "constants": {"F": 0.04, "K": 0.3},
            "laplacian": "9-point",
            "dt": 0.01,
        },
    ),
    ("ReactionDiffusion", {"reaction": {"u": "0.5"}, "diffusion": {"u": 0.9}}),
]


def eager(law: Law, cells: Tensor, steps: int) -> Tensor:
    with torch.inference_mode():
        for _ in range(steps):
            cells = law(cells)
    return cells


def advanced(plan: Plan, cells: Tensor, *chunks: int) -> Tensor:
    with torch.inference_mode():
        held = plan.pack((cells.clone(),))
        for steps in chunks:
            held = plan.advance(held, steps)
        return plan.unpack(held)[0]


def soup(law: Law, grid: tuple[int, int], batch: int = 2) -> Tensor:
    return torch.stack([law.random_cells(grid, torch.Generator().manual_seed(seed)) for seed in range(batch)])


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name} {number}" for number, (name, _) in enumerate(CASES)])
@pytest.mark.parametrize("threads", [1, 3])
def test_passes_over_the_grid_have_the_bits_of_eager_steps(
    name: str, settings: dict[str, Any], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(job, "THREAD_PRODUCTS", 1)
    for boundary in boundaries(name):
        law = build_law(name, boundary=boundary, **settings)
        assert isinstance(law, Law)
        plan = FusedReaction(law)
        for grid in GRIDS:
            cells = soup(law, grid)
            expected = eager(law, cells, 12)
            assert not torch.equal(expected, cells)
            assert torch.equal(advanced(plan, cells, 1, 11), expected), (boundary, grid)
            assert torch.equal(advanced(plan, cells, 9, 3), expected), (boundary, grid)


def test_square_roots_are_rounded_correctly() -> None:
    law = ReactionDiffusion({"u": "sqrt(u + 1)"}, dt=0.5)
    cells = soup(law, (20, 40))
    exact = (cells + 1).double().sqrt().float()  # of libraries that eager steps may use the last bit differs
    assert torch.equal(advanced(FusedReaction(law), cells, 1), cells + 0.5 * exact)


def test_values_that_are_no_numbers_spread_as_in_eager_steps() -> None:
    law = ReactionDiffusion({"u": "max(u, v) - min(v, 1)", "v": "sign(u)"}, dt=0.5)
    cells = soup(law, (20, 40))
    cells[0, 0, 3, 4] = cells[0, 1, 10, 30] = torch.nan
    given, expected = advanced(FusedReaction(law), cells, 2), eager(law, cells, 2)
    assert 0 < int(expected.isnan().sum()) < expected.numel() / 2
    assert torch.equal(given.isnan(), expected.isnan())
    assert torch.equal(given.nan_to_num(), expected.nan_to_num())


def test_a_long_run_takes_the_plan_and_its_controls_live() -> None:
    motors = [
        Aetheria_Motor(GrayScott(), (40, 70), 2, "cpu", {"plan": plan, "planned_steps": 100_000}, initial="noise", seed=3)
        for plan in ("auto", "eager")
    ]
    for motor in motors:
        motor.step(30)
        motor.set_control("F", 0.055)
        motor.step(2)
        motor.set_control("Dv", 0.04)
        motor.traits.dt = 0.5  # a number of the formulas, too
        motor.step(20)
    fast, slow = motors
    assert fast.plan is not None
    assert fast.plan.name == "fused"
    assert torch.equal(fast.cells, slow.cells)


def test_numbers_may_differ_by_universe() -> None:
    law = FitzHughNagumo()
    epsilon, Du = torch.tensor([0.01, 0.05, 0.2]), torch.tensor([0.5, 1.0, 2.0])
    law.epsilon, law.Du = epsilon, Du  # type: ignore[assignment]
    cells = soup(law, (33, 50), batch=3)
    given = advanced(FusedReaction(law), cells, 20)
    assert torch.equal(given, eager(law, cells, 20))
    for number in range(3):
        alone = FitzHughNagumo(epsilon=float(epsilon[number]), Du=float(Du[number]))
        assert torch.equal(given[number : number + 1], advanced(FusedReaction(alone), cells[number : number + 1], 20))


def test_other_formulas_and_other_laplacians_want_another_plan() -> None:
    law = ReactionDiffusion({"u": "u - u^3"}, constants={"K": 1.0})
    plan = FusedReaction(law)
    law.K = 2.0
    assert not plan.stale()
    law.laplacian = "9-point"
    assert plan.stale()


class Clipped(GrayScott):
    """Gray-Scott with a step of its own."""

    def forward(self, cells: Tensor) -> Tensor:
        return super().forward(cells).clamp(0, 0.3)


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (ReactionDiffusion({"u": "v", "v": "lap(u)"}, scheme="symplectic"), "is no reaction"),
        (ReactionDiffusion({"u": "exp(u)"}), r"exp\(..\)"),
        (ReactionDiffusion({"u": "lap(u^2)"}), "Laplacian of more than"),
        (ReactionDiffusion({"u": "u^4"}), "power other than 2 and 3"),
        (Clipped(), "overrides forward"),
    ],
)
def test_a_law_that_it_cannot_step_is_refused_with_the_reason(law: Law, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Aetheria_Motor(law, 32, law.channels, "cpu", {"plan": "fused"}).warm_up()


def test_float64_is_left_to_other_plans() -> None:
    assert "fp64" in why_not(GrayScott(), "fp64")
    assert isinstance(GrayScott().reaction_rule(), ReactionRule)
