"""The physical laws against whole states that independent programs computed; what they conserve; how they run back."""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError, StateError
from aetheria.core.sums import PlainSums
from aetheria.laws import FHP, HPP, Q2R, ContactProcess, ForestFire, Ising, Law, Margolus, Sandpile
from aetheria.laws.base import check_grid
from aetheria.laws.physics.fhp import _DIRECTIONS, collisions
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import cells_of, names_of, oracle
from tests.small_laws import fresh, stepper


def motor(law: Law, cells: Tensor, seed: int = 0) -> Aetheria_Motor:
    return Aetheria_Motor(law, tuple(cells.shape[2:]), 1, "cpu", {"plan": "eager"}, initial=cells, batch=len(cells), seed=seed)


def reversed_run(law: Law, cells: Tensor, steps: int) -> Tensor:
    """The cells after `steps` steps and as many back."""
    assert law.reversible
    step = stepper(law)
    for number in range(steps):
        (cells,) = step((cells,), number)
    for number in reversed(range(steps)):
        phase = {"phase": number % law.phases} if law.phases > 1 else {}
        found = law.reverse(cells, **phase)
        assert isinstance(found, Tensor)
        cells = found
    return cells


# -- Margolus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["name", "table", "MCell"])
@pytest.mark.parametrize(("case", "name"), [("bbm", "bbm"), ("critters", "critters"), ("tripatron", "tron")])
def test_margolus_rules_are_those_of_golly(case: str, name: str, by: str) -> None:
    of = oracle("margolus", case)
    table = of.arrays["table"].tolist()
    bits = [int(f"{block:04b}"[::-1], 2) for block in range(16)]
    mcell = "MS,D" + ";".join(str(bits[table[bits[block]]]) for block in range(16))
    law = Margolus({"name": name, "table": table, "MCell": mcell}[by])
    one = motor(law, cells_of(of.arrays["input"]))
    for until, expected in zip(of.parameters["steps"], of.arrays["expected"], strict=True):
        one.step(until - one.step_count)
        assert np.array_equal(one.cells[0, 0].numpy(), expected)


@pytest.mark.parametrize("rule", ["bbm", "critters", "tron"])
def test_reversible_margolus_rules_run_back(rule: str) -> None:
    law = Margolus(rule)
    (start,) = fresh(law, (20, 26))
    assert torch.equal(reversed_run(law, start, 51), start)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
def test_a_table_of_three_states_steps_as_numpy_does(boundary: Any) -> None:
    random = np.random.default_rng(5)
    table = random.integers(81, size=81)
    law = Margolus(table.tolist(), boundary=boundary)
    assert not law.reversible
    state = random.integers(3, size=(6, 10))
    cells = cells_of(state)
    mode: Any = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}[boundary]
    for phase in (0, 1, 0, 1):
        wide = np.pad(state, phase, mode=mode)
        for y, x in product(range(0, wide.shape[0], 2), range(0, wide.shape[1], 2)):
            a, b, c, d = wide[y : y + 2, x : x + 2].ravel()
            after = int(table[27 * a + 9 * b + 3 * c + d])
            wide[y : y + 2, x : x + 2] = np.reshape([after // 27, after // 9 % 3, after // 3 % 3, after % 3], (2, 2))
        state = wide[phase : phase + 6, phase : phase + 10]
        found = law(cells, phase=phase)
        assert isinstance(found, Tensor)
        cells = found
        assert np.array_equal(cells[0, 0].numpy(), state)


def test_sand_falls_and_neither_grain_nor_stone_is_lost() -> None:
    law = Margolus("sand")
    start = torch.from_numpy(law.random_cells((48, 36), torch.Generator().manual_seed(1)).numpy())[None]
    one = motor(law, start)
    heights = []
    for _ in range(4):
        heights.append(float(one.read("centre_y")))
        one.step(20)
    assert heights == sorted(heights)
    assert [float(one.read(f"count_{state}")) for state in (1, 2)] == [float((start == state).sum()) for state in (1, 2)]
    assert torch.equal(one.cells == 2, start == 2)


def test_an_aggregate_grows_by_the_particles_that_reach_it() -> None:
    law = Margolus("dla")
    one = motor(law, torch.stack([law.random_cells((40, 40), torch.Generator().manual_seed(2))]), seed=3)
    particles = float(one.read("count_1"))
    one.step(300)
    crystal = one.cells[0, 0] == 2
    assert 20 < int(crystal.sum()) == 1 + particles - float(one.read("count_1"))
    # Each crystal cell but the first touches another one, along a side or a corner.
    wide = torch.nn.functional.pad(crystal[None, None].float(), (1, 1, 1, 1), mode="circular")
    assert float(torch.nn.functional.max_pool2d(wide, 3, 1)[0, 0][crystal].min()) == 1
    touching = torch.nn.functional.avg_pool2d(wide, 3, 1)[0, 0] * 9 - crystal.float()
    assert float(touching[crystal].min()) >= 1


# -- Sandpile ------------------------------------------------------------------------------------------------------


def test_a_soup_of_grains_topples_as_numpy_does_and_settles_alike_step_by_step_and_at_once() -> None:
    of = oracle("sandpile", "soup")
    law, cells = Sandpile(), cells_of(of.arrays["input"])
    for after, expected in of.followed(cells, law):
        assert np.array_equal(after[0, 0].numpy(), expected)
    assert np.array_equal(law.settle(cells)[0, 0].numpy(), of.arrays["stable"])
    one = motor(law, cells)
    one.step(of.parameters["steps_to_stable"] - 1)
    assert float(one.read("unstable")) > 0
    one.step(1)
    assert np.array_equal(one.cells[0, 0].numpy(), of.arrays["stable"])
    assert float(one.read("unstable")) == 0


def test_a_pile_settles_to_the_known_pattern() -> None:
    of = oracle("sandpile", "pile")
    law = Sandpile(of.parameters["grains"])
    one = Aetheria_Motor(law, (31, 31), 1, "cpu", {"plan": "eager"}, initial="seed")
    assert np.array_equal(one.cells[0, 0].numpy(), of.arrays["input"])
    assert np.array_equal(law.settle(one.cells)[0, 0].numpy(), of.arrays["stable"])
    one.step(of.parameters["steps_to_stable"])
    assert np.array_equal(one.cells[0, 0].numpy(), of.arrays["stable"])


@pytest.mark.parametrize("grid", [(2, 2), (3, 3), (8, 8), (16, 12), (9,), (4, 3, 5)])
def test_the_identity_of_the_sandpile_group_changes_no_recurrent_pile(grid: tuple[int, ...]) -> None:
    law = Sandpile()
    identity = law.identity(grid)
    if len(grid) == 2:
        assert np.array_equal(identity[0, 0].numpy(), oracle("sandpile", "identity_{}x{}".format(*grid)).arrays["identity"])
    assert torch.equal(law.settle(identity + identity), identity)
    # What remains of the fullest pile with more grains on it is recurrent.
    more = torch.randint(5, (1, 1, *grid), generator=torch.Generator().manual_seed(0)).float()
    recurrent = law.settle(torch.full((1, 1, *grid), 2 * len(grid) - 1.0) + more)
    assert torch.equal(law.settle(recurrent + identity), recurrent)


def test_grains_are_lost_over_open_edges_only() -> None:
    for boundary, kept in (("periodic", True), ("zero", False)):
        law = Sandpile(boundary=boundary)
        one = motor(law, torch.stack([law.random_cells((9, 11), torch.Generator().manual_seed(1))]))
        before = float(one.read("mass"))
        one.step(20)
        assert (float(one.read("mass")) == before) == kept


def test_a_pile_that_can_never_settle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.laws.physics.sandpile._PATIENCE", 100)
    with pytest.raises(StateError, match='sandpile: not at rest after 100 rounds; open edges are wanted, boundary = "zero"'):
        Sandpile(boundary="periodic").settle(torch.full((1, 1, 4, 4), 4.0))


# -- Q2R -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("q2r"))
def test_q2r_is_that_of_numpy_and_keeps_its_energy_to_the_last_bond(case: str) -> None:
    of = oracle("q2r", case)
    one = motor(Q2R(), cells_of((of.arrays["input"] + 1) // 2))
    for until, expected, mean in zip(
        of.parameters["steps"], of.arrays["expected"], of.parameters["mean_magnetisation"], strict=True
    ):
        one.step(until - one.step_count)
        assert np.array_equal(2 * one.cells[0, 0].numpy() - 1, expected)
        assert float(one.read("spin_energy")) == of.parameters["energy"]
        assert float(one.read("magnetisation")) == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    ("grid", "boundary"), [((8, 10), "periodic"), ((7, 9), "zero"), ((12,), "periodic"), ((5, 4, 3), "zero")]
)
def test_q2r_keeps_its_energy_and_runs_back_on_any_grid(grid: tuple[int, ...], boundary: Any) -> None:
    law = Q2R(boundary=boundary)
    (start,) = fresh(law, grid)
    step, cells = stepper(law), start
    energy, moved = partial(law.own_fields[1].compute, sums=PlainSums()), 0
    for number in range(60):
        (cells,) = step((cells,), number)
        moved += not torch.equal(cells, start)
        assert torch.equal(energy(law, cells), energy(law, start))
    assert moved > 20
    assert torch.equal(reversed_run(law, start, 61), start)


# -- lattice gases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("hpp_gas"))
def test_hpp_is_that_of_golly_and_keeps_mass_and_momentum(case: str) -> None:
    of = oracle("hpp_gas", case)
    start = cells_of(of.arrays["input"])
    one = motor(HPP(), start)
    for number, (until, expected) in enumerate(zip(of.parameters["steps"], of.arrays["expected"], strict=True)):
        one.step(until - one.step_count)
        assert np.array_equal(one.cells[0, 0].numpy(), expected)
        assert float(one.read("mass")) == of.parameters["mass"][number + 1]
        found = [float(one.read(f"momentum_{axis}")) for axis in "xy"]
        assert found == of.parameters["momentum_x_ydown"][number + 1]
    assert torch.equal(reversed_run(HPP(), start, 1000 if case == "p0.15" else 30), start)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("model", ["I", "II", "III"])
def test_every_collision_keeps_mass_and_momentum_and_is_one_to_one(model: Any, turn: int) -> None:
    after = collisions(model, turn)
    taken = np.array([[state >> bit & 1 for bit in range(7)] for state in range(len(after))])
    sums = np.column_stack((taken.sum(1), taken @ np.array(_DIRECTIONS)))
    assert np.array_equal(sums[after], sums)
    assert sorted(after) == list(range(len(after)))
    # Frisch et al. 1987: 5 states collide in model I, 22 in II, 76 in III.
    assert sum(state != before for before, state in enumerate(after)) == {"I": 5, "II": 22, "III": 76}[model]


@pytest.mark.parametrize("model", ["I", "II", "III"])
def test_fhp_keeps_mass_and_momentum_exactly(model: Any) -> None:
    law = FHP(model)
    one = Aetheria_Motor(law, (24, 30), 1, "cpu", {"plan": "eager"}, batch=2, seed=4)
    kept = [one.read(name) for name in ("mass", "momentum_x", "momentum_y")]
    start = one.cells
    for _ in range(10):
        one.step(10)
        assert all(
            torch.equal(one.read(name), value) for name, value in zip(("mass", "momentum_x", "momentum_y"), kept, strict=True)
        )
    assert float((one.cells != start).double().mean()) > 0.5


@pytest.mark.parametrize("bit", range(6))
def test_a_lone_particle_of_fhp_walks_straight_on_the_triangular_lattice(bit: int) -> None:
    law = FHP()
    one = motor(
        law,
        torch.zeros(1, 1, 16, 18).index_put_(
            (torch.tensor(0), torch.tensor(0), torch.tensor(8), torch.tensor(9)), torch.tensor(float(1 << bit))
        ),
    )
    angle = np.deg2rad(60 * bit)
    for steps in range(1, 6):
        one.step(1)
        ((y, x),) = torch.nonzero(one.cells[0, 0]).tolist()
        place = x + 0.5 * (y % 2) - 9, (y - 8) * np.sqrt(3) / 2
        assert place == pytest.approx((steps * np.cos(angle), -steps * np.sin(angle)))


def anisotropy(law: Law, across: float, seed: int) -> float:
    """<r^4 cos 4 phi> / <r^4> of the particles that a dense spot in a thin gas sends out, beyond those of the gas."""
    batch, side = 24, 96
    cells = torch.stack([law.random_cells((side, side), torch.Generator().manual_seed(seed + k)) for k in range(batch)])
    one = motor(law, cells, seed)
    one.step(30)
    density = one.read("density").double().mean(0)
    density -= density[:4].mean()
    y, x = torch.meshgrid(torch.arange(side, dtype=torch.float64), torch.arange(side, dtype=torch.float64), indexing="ij")
    if across != 1:
        x = x + 0.5 * (y % 2)
    x, y = x - side / 2, (y - side / 2) * across
    near = x.square() + y.square() < (0.45 * side) ** 2
    moment = ((x.pow(4) - 6 * x.square() * y.square() + y.pow(4)) * density)[near].sum()
    return float(moment / ((x.square() + y.square()).square() * density)[near].sum())


def test_a_spreading_ring_is_round_in_fhp_and_square_in_hpp() -> None:
    assert abs(anisotropy(FHP(), np.sqrt(3) / 2, 1)) < 0.05
    assert abs(anisotropy(HPP(), 1.0, 1)) > 0.2


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Margolus("criters"), r"\[law.margolus\] rule: .criters. given; did you mean critters"),
        (lambda: Margolus([0] * 15), "rule: 15 numbers given; expected a table of k.4 for k states: 16 for two, 81 for three"),
        (lambda: Margolus([16] + [0] * 15), "rule: 16 given for a block; expected numbers from 0 to 15"),
        (lambda: Margolus([[0] * 16, [0] * 81]), "rule: 16, 81 numbers given"),
        (lambda: Margolus([]), "rule: no numbers given"),
        (lambda: Margolus("MS,D" + ";".join(["16"] * 16)), "rule: 16 given for a block"),
        (lambda: Margolus("MS,D0;1"), "MS,D0;1"),
        (lambda: Sandpile(0), r"\[law.sandpile\] grains: 0 given; expected a whole number from 1 to 16777216"),
        (lambda: Sandpile(boundary="reflect"), r"\[law.sandpile\] boundary: .reflect. given; expected one of periodic, zero"),
        (lambda: Ising(-0.1), r"\[law.ising\] beta: -0.1 given; expected a finite number of 0 or more"),
        (lambda: Ising(dynamics="glauber"), "dynamics: .glauber. given; expected one of heat_bath, metropolis"),
        (lambda: Q2R(boundary="reflect"), r"\[law.q2r\] boundary: .reflect. given"),
        (lambda: FHP("IV"), r"\[law.fhp\] model: .IV. given; expected one of I, II, III"),
        (lambda: ForestFire(growth=1.5), r"\[law.forestfire\] growth: 1.5 given; expected 0 <= growth <= 1"),
        (lambda: ContactProcess(dt=0), r"\[law.contactprocess\] dt: 0 given; expected 0 < dt <= 1"),
    ],
)
def test_a_setting_that_is_none_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("law", "why"),
    [
        (Margolus(), "its blocks are two cells wide"),
        (Ising(), "the colours of its checkerboard alternate around the torus"),
        (FHP(), "every second row is shifted by half a cell"),
    ],
)
def test_odd_sides_are_refused_with_the_reason(law: Law, why: str) -> None:
    with pytest.raises(LawError, match=f"grid 8 x 7: width must be a multiple of 2, because {why}"):
        check_grid(law, (8, 7))
    if isinstance(law, Ising):
        check_grid(Ising(boundary="zero"), (8, 7))
