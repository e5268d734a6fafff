"""The fused plan of laws by formulas has the bits of eager steps; controls are read at each call; what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws import Law, build_law
from aetheria.laws.continuous.fitzhugh_nagumo import FitzHughNagumo
from aetheria.laws.continuous.gray_scott import GrayScott
from aetheria.laws.continuous.reaction_diffusion import ReactionDiffusion
from aetheria.laws.forms import CellNumbers, FormulaRule
from aetheria.laws.formula import named
from aetheria.laws.quantum.dirac_qca import DiracQCA
from aetheria.laws.quantum.quantum_walk import QuantumWalk
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu import job
from aetheria.stepping.cpu.formula_source import why_not_written
from aetheria.stepping.cpu.formulas import FusedFormulas, why_not
from aetheria.stepping.plan import Plan
from tests.small_laws import boundaries

Grid = tuple[int, ...]
GRIDS: dict[int, tuple[Grid, ...]] = {
    1: ((2,), (5,), (300,), (5000,)),
    2: ((2, 2), (3, 5), (70, 33), (200, 64), (9, 1030), (20, 2051)),
}
VOLUMES: tuple[Grid, ...] = (
    (2, 2, 2),
    (3, 5, 4),
    (70, 3, 7),
    (7, 40, 66),
)  # threads share the third; of the last a pass has few steps
OWN_COIN = [["0.36+0.48j", "0.8j"], ["0.8j", "0.36-0.48j"]]
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
    ("ReactionDiffusion", {"reaction": {"u": "u - lap(u^3)/9"}}),
    ("CoupledMapLattice", {}),
    ("CoupledMapLattice", {"laplacian": "9-point"}),
    *(("QuantumWalk", {"coin": coin, "rank": 1}) for coin in ("dft", OWN_COIN)),
    *(("QuantumWalk", {"coin": coin, "rank": 2}) for coin in ("grover", "rotation")),
    ("QuantumWalk", {"coin": "rotation", "rank": 1, "phase": "random", "strength": 2.0}),
    ("QuantumWalk", {"coin": "grover", "rank": 2, "phase": "quadratic", "strength": 0.3}),
    *(("DiracQCA", {"rank": rank}) for rank in (1, 2)),
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


def soup(law: Law, grid: Grid, batch: int = 2) -> Tensor:
    return torch.stack([law.random_cells(grid, torch.Generator().manual_seed(seed)) for seed in range(batch)])


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name} {number}" for number, (name, _) in enumerate(CASES)])
def test_passes_over_the_grid_have_the_bits_of_eager_steps(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for law in on_every_boundary(name, settings):
        for rank in set(law.ranks) & set(GRIDS):
            follow(law, rank, GRIDS[rank], monkeypatch)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("GrayScott", {"laplacian": "9-point", "Du": 0.3}),  # which reads all 27 cells
        ("QuantumWalk", {"coin": "grover", "rank": 3}),
        ("QuantumWalk", {"coin": "grover", "rank": 3, "phase": "quadratic", "strength": 0.3}),
    ],
    ids=["27 cells", "walk", "walk with a phase"],
)
def test_passes_over_a_volume_have_the_bits_of_eager_steps(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for law in on_every_boundary(name, settings):
        follow(law, 3, VOLUMES, monkeypatch)


def on_every_boundary(name: str, settings: dict[str, Any]) -> Iterator[Law]:
    """The law with each boundary, but with zeros beyond the edge where a Laplacian is of a power: it states no rule then."""
    for boundary in boundaries(name):
        law = build_law(name, boundary=boundary, **settings)
        assert isinstance(law, Law)
        if not (boundary == "zero" and "lap(u^3)" in str(settings)):
            yield law


def follow(law: Law, rank: int, grids: tuple[Grid, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares the plan with eager steps on every grid, with one thread and with three."""
    assert not why_not(law, "fp32")
    monkeypatch.setattr(job, "THREAD_PRODUCTS", 1)
    plan = FusedFormulas(law, rank)
    for grid in grids:
        cells = soup(law, grid)
        expected = eager(law, cells, 11)
        assert not torch.equal(expected, cells) or cells.numel() < 100, "at rest"
        for threads, chunks in ((1, (1, 10)), (3, (9, 2))):
            monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            assert torch.equal(advanced(plan, cells, *chunks), expected), (law.boundary, grid, threads)


@pytest.mark.parametrize(
    "name", ["GrayScott", "FitzHughNagumo", "ReactionDiffusion", "CoupledMapLattice", "QuantumWalk", "DiracQCA"]
)
def test_it_takes_these_laws_on_every_boundary(name: str) -> None:
    for boundary in boundaries(name):
        assert not why_not(build_law(name, boundary=boundary), "fp32")  # type: ignore[arg-type]


def test_square_roots_are_rounded_correctly() -> None:
    law = ReactionDiffusion({"u": "sqrt(u + 1)"}, dt=0.5)
    cells = soup(law, (20, 40))
    exact = (cells + 1).double().sqrt().float()  # of libraries that eager steps may use the last bit differs
    assert torch.equal(advanced(FusedFormulas(law, 2), cells, 1), cells + 0.5 * exact)


def test_values_that_are_no_numbers_spread_as_in_eager_steps() -> None:
    law = ReactionDiffusion({"u": "max(u, v) - min(v, 1)", "v": "sign(u)"}, dt=0.5)
    cells = soup(law, (20, 40))
    cells[0, 0, 3, 4] = cells[0, 1, 10, 30] = torch.nan
    given, expected = advanced(FusedFormulas(law, 2), cells, 2), eager(law, cells, 2)
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
    given = advanced(FusedFormulas(law, 2), cells, 20)
    assert torch.equal(given, eager(law, cells, 20))
    for number in range(3):
        alone = FitzHughNagumo(epsilon=float(epsilon[number]), Du=float(Du[number]))
        assert torch.equal(given[number : number + 1], advanced(FusedFormulas(alone, 2), cells[number : number + 1], 20))


@pytest.mark.parametrize(
    ("law", "name", "values"),
    [
        (QuantumWalk("rotation", rank=2), "angle", [0.3, 0.8, -1.0]),
        (QuantumWalk("rotation", phase="linear"), "strength", [0.5, -2.0, 0.0]),
        (QuantumWalk("grover", rank=3, phase="linear"), "strength", [0.5, -2.0, 0.0]),
        (DiracQCA(rank=1), "mass", [0.1, -0.5, 1.0]),
    ],
)
def test_numbers_of_waves_may_differ_by_universe_and_change(law: Law, name: str, values: list[float]) -> None:
    plan, cells = FusedFormulas(law, law.ranks[0]), soup(law, (24,) * law.ranks[0], batch=3)
    assert torch.equal(advanced(plan, cells, 9), eager(law, cells, 9))
    setattr(law, name, torch.tensor(values))
    given = advanced(plan, cells, 9)
    assert torch.equal(given, eager(law, cells, 9))
    assert not torch.equal(given[0], given[1])


def test_the_norm_of_a_walk_stays_for_thousands_of_steps() -> None:
    law = QuantumWalk("grover", rank=2)
    cells = soup(law, (64, 64), batch=1)
    norm = advanced(FusedFormulas(law, 2), cells, 5000).double().square().sum()
    assert abs(float(norm) - float(cells.double().square().sum())) < 1e-5


def test_other_formulas_and_other_laplacians_want_another_plan() -> None:
    law = ReactionDiffusion({"u": "u - u^3"}, constants={"K": 1.0})
    plan = FusedFormulas(law, 2)
    law.K = 2.0
    assert not plan.stale()
    law.laplacian = "9-point"
    assert plan.stale()


def test_another_phase_of_the_cells_wants_another_plan_and_another_strength_does_not() -> None:
    law = QuantumWalk("rotation", phase=[0.1 * (x % 7) for x in range(41)], boundary="reflect")
    cells = soup(law, (41,))
    own = law.get_buffer("own_phase")
    for edit in (lambda: own.mul_(2), lambda: setattr(law, "phase", "quadratic"), lambda: setattr(law, "phase", "none")):
        plan = FusedFormulas(law, 1)
        for strength in (0.9, 0.2):
            law.strength = strength
            assert not plan.stale()
            assert torch.equal(advanced(plan, cells, 3), eager(law, cells, 3))
        edit()
        assert plan.stale()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"formulas": (named("turn").at((1,)) * named("u"),)}, "reads a number of another cell"),
        ({"formulas": (named("u").at((1,)),), "moves": ((1,),)}, "a formula of a value that moves reads other cells"),
        ({"formulas": (named("u"),), "moves": ((2,),)}, "a value moves further than one cell"),
        ({"formulas": (named("u"),), "moves": ((1,),), "boundary": "reflect"}, "a value that meets a wall does not go back"),
    ],
)
def test_formulas_that_read_what_is_not_there_are_not_written(rule: dict[str, Any], reason: str) -> None:
    by_cell = CellNumbers(("turn",), lambda cells: cells.double(), ())
    given: dict[str, Any] = {"boundary": "zero", "by_cell": by_cell} | rule
    assert reason in why_not_written(FormulaRule(("u",), numbers=lambda _: {}, **given))


class Clipped(GrayScott):
    """Gray-Scott with a step of its own."""

    def forward(self, cells: Tensor) -> Tensor:
        return super().forward(cells).clamp(0, 0.3)


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (ReactionDiffusion({"u": "v", "v": "lap(u)"}, scheme="symplectic"), "is no law by formulas"),
        (ReactionDiffusion({"u": "lap(lap(u))"}), "Laplacian inside another"),
        (ReactionDiffusion({"u": "exp(u)"}), r"exp\(..\)"),
        (ReactionDiffusion({"u": "lap(u^2)"}, boundary="zero"), "is no law by formulas"),
        (ReactionDiffusion({"u": "u^4"}), "power other than 2 and 3"),
        (Clipped(), "overrides forward"),
    ],
)
def test_a_law_that_it_cannot_step_is_refused_with_the_reason(law: Law, reason: str) -> None:
    grid, width = (32,) * max(set(law.ranks) & set(GRIDS)), law.d_state or law.channels
    with pytest.raises(ConfigError, match=reason):
        Aetheria_Motor(law, grid, width, "cpu", {"plan": "fused"}).warm_up()


def test_float64_is_left_to_other_plans() -> None:
    assert "fp64" in why_not(GrayScott(), "fp64")
    assert isinstance(GrayScott().formula_rule(), FormulaRule)
