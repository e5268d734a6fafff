"""The discrete laws against whole states that independent programs computed, and against NumPy for other settings."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import Cyclic, GreenbergHastings, LangtonsAnt, Life3D, SecondOrder
from aetheria.laws.base import check_grid
from aetheria.laws.discrete.langtons_ant import parse_turmite
from tests.oracles import cells_of, names_of, oracle

States = NDArray[np.int64]
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}
NEIGHBOURHOODS = {"Moore, 8": "moore", "von Neumann, 4": "von_neumann"}


def states_of(cells: torch.Tensor) -> States:
    return cells[0, 0].numpy().astype(np.int64)


def around(state: States, places: list[tuple[int, ...]], boundary: str) -> list[States]:
    """The states at each of these places, seen from every cell."""
    reach = max(abs(n) for place in places for n in place)
    wide = np.pad(state, reach, mode=MODES[boundary])
    parts = [tuple(slice(reach + n, reach + n + side) for n, side in zip(p, state.shape, strict=True)) for p in places]
    return [wide[part] for part in parts]


def places(neighbourhood: str, radius: int, rank: int) -> list[tuple[int, ...]]:
    found = []
    for place in product(range(-radius, radius + 1), repeat=rank):
        near = {
            "moore": True,
            "von_neumann": np.abs(place).sum() <= radius,
            "circular": np.hypot.reduce([*place, 0.0]) < radius + 0.5,
            "cross": np.count_nonzero(place) == 1,
        }[neighbourhood]
        if near and any(place):
            found.append(place)
    return found


# -- Cyclic, Greenberg-Hastings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("excitable_cyclic"))
def test_excitable_and_cyclic_media_are_those_of_golly(case: str) -> None:
    of = oracle("excitable_cyclic", case)
    given = of.parameters
    make = Cyclic if given["kind"] == "cyclic" else GreenbergHastings
    law = make(given["states"], threshold=given["threshold"], neighbourhood=NEIGHBOURHOODS[given["neighbourhood"]])
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        assert np.array_equal(states_of(cells), expected)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize(
    ("neighbourhood", "radius", "threshold", "states", "grid"),
    [
        ("moore", 2, 5, 3, (13, 17)),
        ("von_neumann", 3, 4, 4, (11, 15)),
        ("circular", 4, 9, 5, (19, 12)),
        ("cross", 2, 2, 6, (10, 9)),
        ("moore", 8, 40, 4, (21, 23)),  # 288 neighbours: more than a byte counts
        ("moore", 1, 1, 256, (9, 8)),
        ("von_neumann", 1, 2, 3, (7, 6, 9)),
        ("moore", 3, 2, 4, (40,)),
    ],
)
def test_other_media_step_as_numpy_does(
    neighbourhood: Any, radius: int, threshold: int, states: int, grid: tuple[int, ...], boundary: Any
) -> None:
    settings: Any = {"threshold": threshold, "radius": radius, "neighbourhood": neighbourhood, "boundary": boundary}
    spots = places(neighbourhood, radius, len(grid))
    for law in (Cyclic(states, **settings), GreenbergHastings(states, **settings)):
        state = np.random.default_rng(radius).integers(states, size=grid)
        cells = cells_of(state)
        for _ in range(3):
            after = (state + 1) % states
            if isinstance(law, Cyclic):
                moves = sum((n == after).astype(int) for n in around(state, spots, boundary)) >= threshold
                state = np.where(moves, after, state)
            else:
                excited = sum((n == 1).astype(int) for n in around(state, spots, boundary)) >= threshold
                state = np.where(state == 0, excited, after)
            cells = law(cells)
            assert np.array_equal(states_of(cells), state)


# -- Life3D --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("life_3d"))
def test_life_in_three_dimensions_is_that_of_scipy(case: str) -> None:
    of = oracle("life_3d", case)
    law = Life3D(of.parameters["rule"])
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        assert np.array_equal(states_of(cells), expected)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize("neighbours", [26, 18, 12, 8, 6])
@pytest.mark.parametrize("states", [2, 5])
def test_other_neighbours_and_decaying_states_step_as_numpy_does(neighbours: Any, states: int, boundary: Any) -> None:
    birth, survival = {1, 3}, {0, 2, 4, 5}
    law = Life3D("B1,3/S0,2,4-5", neighbours=neighbours, states=states, boundary=boundary)
    distances = {26: (1, 2, 3), 18: (1, 2), 12: (2,), 8: (3,), 6: (1,)}[neighbours]
    spots = [spot for spot in product((-1, 0, 1), repeat=3) if np.count_nonzero(spot) in distances]
    assert len(spots) == neighbours
    random = np.random.default_rng(neighbours)
    state = random.integers(states, size=(7, 9, 8)) * (random.random((7, 9, 8)) < 0.3)
    cells = cells_of(state)
    for _ in range(3):
        count = sum((n == 1).astype(int) for n in around(state, spots, boundary))
        born, stays = np.isin(count, list(birth)), np.isin(count, list(survival))
        state = np.where(state == 0, born, np.where((state == 1) & stays, 1, (state + 1) % states))
        cells = law(cells)
        assert np.array_equal(states_of(cells), state)
    assert state.any()


# -- SecondOrder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", names_of("second_order"))
def test_second_order_rules_are_those_of_numpy(case: str) -> None:
    of = oracle("second_order", case)
    law = SecondOrder(of.parameters["rule"])
    for cells, expected in of.followed(cells_of(of.arrays["input"])[0], law):
        assert np.array_equal(cells[0].numpy(), expected)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize(("rule", "rank"), [("B3/S23", 2), ("B1357/S02468", 2), ("W110", 1), ("B4/S4-6", 3)])
def test_a_second_order_rule_runs_back_to_its_start(rule: str, rank: int, boundary: Any) -> None:
    law = SecondOrder(rule, rank=rank, boundary=boundary)
    start = torch.stack([law.random_cells((12, 11, 13)[-rank:], torch.Generator().manual_seed(2))])
    steps = 1000 if (rule, boundary) == ("B1357/S02468", "periodic") else 60
    cells = start
    with torch.no_grad():
        for _ in range(steps):
            cells = law(cells)
        assert not torch.equal(cells, start)
        # Turned round in time, the law itself runs back; `reverse` takes back one step.
        assert torch.equal(law.reverse(law(cells)), cells)
        back = cells.flip(1)
        for _ in range(steps):
            back = law(back)
    assert torch.equal(back.flip(1), start)


# -- Langton's ant -------------------------------------------------------------------------------------------------


class PlainAnt:
    """An ant on an endless plane, as a dictionary."""

    def __init__(self, program: list[list[tuple[int, int, int]]]) -> None:
        self.program = program
        self.colours: dict[tuple[int, int], int] = {}
        self.y = self.x = self.heading = self.state = 0

    def step(self) -> None:
        here = (self.y, self.x)
        write, turn, self.state = self.program[self.state][self.colours.get(here, 0)]
        self.colours[here] = write
        self.heading = (self.heading + turn) % 4
        self.y += (-1, 0, 1, 0)[self.heading]
        self.x += (0, 1, 0, -1)[self.heading]

    def cells(self, side: int) -> torch.Tensor:
        """The plane around the start on a grid of this side, with the ant."""
        kinds = len(self.program[0])
        cells = torch.zeros(1, 1, side, side)
        for (y, x), colour in self.colours.items():
            cells[0, 0, side // 2 + y, side // 2 + x] = colour
        cells[0, 0, side // 2 + self.y, side // 2 + self.x] += kinds * (1 + 4 * self.state + self.heading)
        return cells


@pytest.mark.parametrize(
    "rule", ["RL", "LLRR", "LRRRRRLLR", "RNUL", "{{{1,8,1},{1,8,1}},{{1,2,1},{0,1,0}}}", "{{{1,2,0},{0,8,0}}}"]
)
def test_ants_and_turmites_walk_as_a_plain_program_has_them_walk(rule: str) -> None:
    law, ant = LangtonsAnt(rule), PlainAnt(parse_turmite(rule))
    cells = ant.cells(64)
    assert float(cells.sum()) == float(law.seed_cell())
    for _ in range(300):
        cells = law(cells)
        ant.step()
    assert torch.equal(cells, ant.cells(64))


def test_langtons_ant_builds_a_highway_of_period_104_after_ten_thousand_steps() -> None:
    ant = PlainAnt(parse_turmite("RL"))
    for _ in range(10_400):
        ant.step()
    law, cells = LangtonsAnt(), ant.cells(128)
    y, x = ant.y, ant.x
    for _ in range(104):
        cells = law(cells)
        ant.step()
    assert torch.equal(cells, ant.cells(128))
    # Each period it goes on by two cells along both axes, and has the same colours around it.
    assert (abs(ant.y - y), abs(ant.x - x)) == (2, 2)
    before = ant.cells(128)
    for _ in range(104):
        cells = law(cells)
    moved = before.roll((ant.y - y, ant.x - x), (2, 3))
    at = 64 + 2 * ant.y - y, 64 + 2 * ant.x - x
    near: Any = (..., *(slice(place - 6, place + 7) for place in at))
    assert torch.equal(cells[near], moved[near])
    assert cells[near].count_nonzero() > 20


def test_of_ants_that_meet_the_one_that_walks_north_stays() -> None:
    law = LangtonsAnt()
    cells = torch.zeros(1, 1, 5, 5)
    # On colour 0 an ant turns right: one that came from the south walks east, one that came from the east walks north.
    cells[0, 0, 2, 1] = 2 * (1 + 0)
    cells[0, 0, 3, 2] = 2 * (1 + 3)
    after = law(cells)[0, 0]
    assert after[2, 2] == 2 * (1 + 0)
    assert int((after > 1).sum()) == 1


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Cyclic(1), r"\[law.cyclic\] states: 1 given; expected a whole number from 2 to 256"),
        (lambda: Cyclic(threshold=0), "threshold: 0 given"),
        (lambda: Cyclic(threshold=27, neighbourhood="moore"), "threshold: 27 given; expected a whole number from 1 to 26"),
        (lambda: Cyclic(neighbourhood="hexagonal"), "neighbourhood: .hexagonal. given; expected one of moore"),
        (lambda: GreenbergHastings(257), r"\[law.greenberghastings\] states: 257 given"),
        (lambda: GreenbergHastings(radius=0), "radius: 0 given"),
        (
            lambda: Life3D("B27/S"),
            r"\[law.life3d\] rule: .B27/S. given; expected B<list>/S<list>.*a cell has 26 neighbours, not 27",
        ),
        (lambda: Life3D("B7/S", neighbours=6), "a cell has 6 neighbours, not 7"),
        (lambda: Life3D("B5-4/S"), "the range 5-4 is empty"),
        (lambda: Life3D("B3/S23/4"), "B3/S23/4"),
        (lambda: Life3D(neighbours=14), "neighbours: .14. given; expected one of 26, 18, 12, 8, 6"),
        (
            lambda: SecondOrder("W256", rank=1),
            r"\[law.secondorder\] rule: rule: .W256. given; .* like Elementary, but its number is above 255",
        ),
        (lambda: SecondOrder("W30", rank=2), r"rule: .W30. given, for grids with rank = 1; expected one for rank = 2"),
        (
            lambda: SecondOrder("W30R"),
            r"rule: .W30R. given, of law SecondOrder; expected a rule of whole states in one channel",
        ),
        (lambda: LangtonsAnt("RX"), r"\[law.langtonsant\] rule: .RX. given; expected turns as in"),
        (lambda: LangtonsAnt("{{{2,2,0},{0,8,0}}}"), "given; expected turns"),
        (lambda: LangtonsAnt("{{{1,3,0},{0,8,0}}}"), "given; expected turns"),
        (lambda: LangtonsAnt(""), "given; expected turns"),
        (lambda: LangtonsAnt("R" * 60), "300 states of a cell; expected at most 256"),
    ],
)
def test_a_setting_that_is_none_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_threshold_beyond_the_neighbours_of_the_grid_is_refused() -> None:
    law = Cyclic(threshold=5)
    check_grid(law, (8, 8, 8))
    with pytest.raises(LawError, match=r"\[law.cyclic\] grid 8 x 8: threshold 5 given; a cell has 4 neighbours there"):
        check_grid(law, (8, 8))
