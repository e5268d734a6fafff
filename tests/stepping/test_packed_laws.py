"""The packed plans of laws in a circle, of second order and on planes of bits: equal to eager steps, and to other programs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria.laws import HPP, Cyclic, GreenbergHastings, Law, Life3D, Margolus, SecondOrder, build_law
from aetheria.laws.forms import ranges_of
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping.cpu.state_planes import StatePlanesOnCpu
from aetheria.stepping.cpu.whole_states import WholeStatesOnCpu
from aetheria.stepping.packed_factories import PACKED_FACTORIES
from aetheria.stepping.packed_states import minus_in_planes, minus_modulo
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.plan_factory import StepProblem
from tests.oracles import cells_of, names_of, oracle
from tests.small_laws import boundaries, stepper

Case = tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]]
RANDOM_TABLE = [7, 12, 3, 9, 9, 0, 15, 2, 11, 4, 4, 13, 1, 6, 8, 5]
CASES: list[Case] = [
    ("Cyclic", {}, ((33, 70), (2, 3), (300,), (5, 6, 7))),
    ("Cyclic", {"states": 256, "neighbourhood": "moore"}, ((9, 40),)),
    ("Cyclic", {"states": 3, "threshold": 10, "radius": 3, "neighbourhood": "circular"}, ((9, 40), (5, 4, 66))),
    ("Cyclic", {"states": 2, "radius": 3, "neighbourhood": "moore", "threshold": 160}, ((4, 5, 6),)),  # 342 neighbours
    ("Cyclic", {"states": 4, "threshold": 1}, ((3, 5000), (9000,))),
    ("GreenbergHastings", {"states": 5, "threshold": 2}, ((6, 40, 9), (5, 2, 3))),
    ("GreenbergHastings", {"states": 2, "radius": 2, "threshold": 1, "neighbourhood": "cross"}, ((77,), (3, 5, 7))),
    *(("Life3D", {"rule": "B2,3/S1,4", "neighbours": n}, ((4, 5, 70), (2, 2, 2))) for n in (26, 18, 12, 8, 6)),
    ("Life3D", {"rule": "B4/S", "states": 5}, ((3, 80, 70),)),
    ("Life3D", {"rule": "B/S0-26", "states": 3}, ((3, 4, 5),)),
    ("SecondOrder", {"rule": "B1357/S02468"}, ((20, 130), (3, 2))),
    ("SecondOrder", {"rule": "B2-a/S12"}, ((20, 65),)),
    ("SecondOrder", {"rule": "345/2/4"}, ((9, 70),)),
    ("SecondOrder", {"rule": "12/34/11"}, ((9, 70),)),
    ("SecondOrder", {"rule": "R2,C5,S6-9,B7-8"}, ((9, 21),)),
    ("SecondOrder", {"rule": "W150", "rank": 1}, ((130,),)),
    ("SecondOrder", {"rule": "B4/S4", "rank": 3}, ((5, 6, 70),)),
    ("Margolus", {"rule": "critters"}, ((2, 2), (34, 1024), (6, 1100))),
    ("Margolus", {"rule": RANDOM_TABLE}, ((8, 130), (10, 128), (70, 20))),
    ("Margolus", {"rule": "sand"}, ((2, 2), (8, 130), (70, 36))),
    ("Margolus", {"rule": "dla"}, ((4, 6), (70, 36))),
    ("Margolus", {"rule": [RANDOM_TABLE, RANDOM_TABLE[::-1], list(range(16))]}, ((8, 10),)),
    ("Margolus", {"rule": [(77 * n + n // 5) % 256 for n in range(256)]}, ((6, 66),)),
    ("HPP", {}, ((1, 1), (5, 7), (9, 512), (70, 577))),
]


def packed(law: Law, state: State) -> Plan:
    """The packed plan on the CPU that "auto" would take first."""
    problem = StepProblem(law, state, "fp32")
    return next(factory for factory in PACKED_FACTORIES if not factory.why_not(problem)).make(problem)


def soup(law: Law, grid: tuple[int, ...], batch: int = 2) -> State:
    assert law.states is not None
    generator = torch.Generator().manual_seed(sum(grid))
    cells = torch.randint(law.states, (batch, law.channels, *grid), generator=generator).float()
    return (cells, *(law.initial_memory(cells, 5) if law.stochastic else ()))  # type: ignore[call-arg]


def fits(law: Law, grid: tuple[int, ...]) -> bool:
    """Whether the cells near an edge can be mirrored, where they are to be."""
    return len(grid) in law.ranks and (law.boundary != "reflect" or min(grid) > (law.radius or 0))


@pytest.mark.parametrize(("name", "settings", "grids"), CASES, ids=[f"{name} {settings}" for name, settings, _ in CASES])
@pytest.mark.parametrize("threads", [1, 3])
def test_packed_equals_eager_exactly(
    name: str, settings: dict[str, Any], grids: tuple[tuple[int, ...], ...], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for plan in (*WholeStatesOnCpu.__subclasses__(), *StatePlanesOnCpu.__subclasses__()):
        monkeypatch.setattr(plan, "thread_updates", 1, raising=False)
    for boundary in boundaries(name):
        law = build_law(name, boundary=boundary, **settings)
        assert isinstance(law, Law)
        for grid in filter(lambda grid: fits(law, grid), grids):
            follow(law, soup(law, grid))


def follow(law: Law, state: State) -> None:
    """Compares chunks of 1, 2 and 3 steps with eager ones."""
    step, plan, done = stepper(law), packed(law, state), 0
    held = plan.pack(state)
    assert not torch.equal(step(state, 0)[0], state[0]) or state[0].numel() < 100, "at rest"
    for steps in (1, 2, 3):
        held = plan.advance(held, steps, done)
        for number in range(done, done + steps):
            state = step(state, number)
        done += steps
        assert all(map(torch.equal, plan.unpack(held), state)), (law, law.boundary, state[0].shape, done)


@pytest.mark.parametrize(
    ("name", "settings", "grid"),
    [
        ("Cyclic", {}, (40, 70)),
        ("GreenbergHastings", {}, (9, 10, 20)),
        ("Life3D", {}, (20, 20, 40)),
        ("SecondOrder", {}, (40, 70)),
        ("Margolus", {}, (40, 70)),
        ("Margolus", {"rule": "dla"}, (40, 70)),
        ("HPP", {}, (40, 70)),
    ],
)
def test_a_long_run_takes_the_packed_plan_and_goes_on_from_edited_cells(
    name: str, settings: dict[str, Any], grid: tuple[int, ...]
) -> None:
    motors = [motor_on(build_law(name, **settings), grid, plan) for plan in ("auto", "eager")]
    for motor in motors:
        motor.step(3)
        motor.set_cells(motor.cells.flip(-1))
        motor.step(4)
    fast, eager = motors
    assert fast.plan is not None
    assert fast.plan.name == "packed"
    assert torch.equal(fast.cells, eager.cells)


def motor_on(law: Any, grid: tuple[int, ...], plan: str, cells: Tensor | None = None) -> Aetheria_Motor:
    cfg = {"plan": plan, "planned_steps": 100_000}
    return Aetheria_Motor(law, grid, law.channels, "cpu", cfg, initial="noise" if cells is None else cells[0], seed=3)


def test_a_table_edited_in_place_counts_from_the_next_step() -> None:
    law = Margolus("critters")
    motor = motor_on(law, (20, 30), "packed")
    motor.step(3)
    expected = motor.cells[None] if motor.cells.ndim == 3 else motor.cells
    law.tables.copy_(torch.tensor(RANDOM_TABLE))
    motor.step(1)
    assert torch.equal(motor.cells.view_as(expected), Margolus(RANDOM_TABLE)(expected, phase=1))


@pytest.mark.parametrize("rule", ["sand", "dla"])
def test_states_that_the_law_does_not_have_read_no_memory_beyond_its_tables(rule: str) -> None:
    law = Margolus(rule)
    state = (torch.full((1, 1, 8, 8), 255.0), *(law.initial_memory(torch.zeros(1, 1, 8, 8), 5)))
    plan = packed(law, state)
    assert float(plan.unpack(plan.advance(plan.pack(state), 2))[0].max()) <= 2


def test_counts_are_written_as_ranges() -> None:
    assert ranges_of({5, 1, 2, 3, 7}) == ((1, 3), (5, 5), (7, 7))
    assert ranges_of(()) == ()


@pytest.mark.parametrize("states", [2, 3, 4, 5, 11, 128, 255, 256])
def test_states_are_subtracted_modulo_their_number(states: int) -> None:
    one, other = torch.randint(states, (2, 300), generator=torch.Generator().manual_seed(1))
    expected = (one - other) % states
    assert torch.equal(minus_modulo(one.byte(), other.byte(), states), expected.byte())
    planes = (states - 1).bit_length()
    bits = [torch.stack([each >> plane & 1 for plane in range(planes)])[None] for each in (one, other)]
    found = minus_in_planes(-bits[0], -bits[1], states)[0]  # a state in all bits of a word
    assert torch.equal(sum((-word << plane for plane, word in enumerate(found)), torch.zeros(300, dtype=torch.int64)), expected)


# -- other programs --------------------------------------------------------------------------------------------------


def excitable(given: dict[str, Any]) -> Law:
    make = Cyclic if given["kind"] == "cyclic" else GreenbergHastings
    neighbourhood: Any = {"Moore, 8": "moore", "von Neumann, 4": "von_neumann"}[given["neighbourhood"]]
    return make(given["states"], threshold=given["threshold"], neighbourhood=neighbourhood)


ORACLES: dict[str, Callable[[dict[str, Any]], Law]] = {
    "excitable_cyclic": excitable,
    "life_3d": lambda given: Life3D(given["rule"]),
    "second_order": lambda given: SecondOrder(given["rule"]),
    "hpp_gas": lambda _: HPP(),
}


@pytest.mark.parametrize(("file", "case"), [(file, case) for file in ORACLES for case in names_of(file)])
def test_the_packed_plan_steps_as_another_program_does(file: str, case: str) -> None:
    of = oracle(file, case)
    check_oracle(ORACLES[file](of.parameters), of)


@pytest.mark.parametrize("case", names_of("margolus"))
def test_packed_margolus_rules_are_those_of_golly(case: str) -> None:
    of = oracle("margolus", case)
    check_oracle(Margolus(of.arrays["table"].tolist()), of)


def check_oracle(law: Law, of: Any) -> None:
    start = cells_of(of.arrays["input"])
    cells = start[0] if law.channels == 2 else start
    motor = motor_on(law, tuple(cells.shape[2:]), "packed", cells)
    for until, expected in zip(of.parameters["steps"], of.arrays["expected"], strict=True):
        motor.step(until - motor.step_count)
        found = motor.cells.numpy().reshape(cells.shape)[0]
        assert np.array_equal(found if law.channels == 2 else found[0], expected)


@pytest.mark.parametrize(("name", "settings", "grids"), CASES, ids=[f"{name} {settings}" for name, settings, _ in CASES])
def test_packed_cells_at_edges_and_their_distance_are_those_of_the_cells(
    name: str, settings: dict[str, Any], grids: tuple[tuple[int, ...], ...]
) -> None:
    law = build_law(name, **settings)
    assert isinstance(law, Law)
    for grid in (grid for grid in grids if fits(law, grid)):
        for first, side in ((0, 0), (1, 1), (min(grid) // 2, 1)):
            cells = torch.zeros(2, law.channels, *grid)
            block = cells[1, 0]
            for axis, n in enumerate(grid):
                block = block.narrow(axis, min(first, n - 1), side)
            block.fill_(1)
            state = (cells, *(law.initial_memory(cells, 5) if law.stochastic else ()))  # type: ignore[call-arg]
            plan, eager = packed(law, state), Plan()
            eager.unpack = lambda held: held  # type: ignore[method-assign]
            held = plan.pack(state)
            assert (plan.edges(held) != 0).any(1).tolist() == (eager.edges(state) != 0).any(1).tolist()
            assert plan.margin(held).tolist() == eager.margin(state).tolist()
