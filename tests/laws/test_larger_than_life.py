"""Larger than Life and other rules by counts, against cells of Golly, and each neighbourhood against a plain sum."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from aetheria import Aetheria_Motor, LargerThanLife, law_from_rule
from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import GreenbergHastings
from aetheria.laws.rules import read_rule
from aetheria.laws.rules.larger_than_life import range_rule
from aetheria.laws.rules.range_weights import Neighbourhood, runs_of
from aetheria.stepping.cpu.bit_sliced_count import BitSlicedCountOnCpu, edges_of
from aetheria.stepping.cpu.neighbour_count import NeighbourCountOnCpu
from tests.oracles import oracle
from tests.paths import GOLDEN

GAUSSIAN = "R2,C2,S20-40,B25-35,NG"
WEIGHTED = "R2,C4,S5-9,B6,7,NW1000102320030300232010001"


def cases() -> list[tuple[str, str]]:
    found = []
    for file in ("larger_than_life", "hrot"):
        with np.load(GOLDEN / f"{file}.npz") as arrays:
            found += [(file, case) for case in json.loads(str(arrays["meta"]))["cases"]]
    return found


def motor_on(law: torch.nn.Module, cells: Any, plan: str) -> Aetheria_Motor:
    return Aetheria_Motor(law, cells.shape[-2:], 1, "cpu", {"plan": plan}, initial=np.asarray(cells, np.float32))


@pytest.mark.parametrize(("file", "case"), cases())
def test_rules_step_as_golly_does(file: str, case: str) -> None:
    of = oracle(file, case)
    for plan in ("eager", "packed"):
        motor = motor_on(law_from_rule(of.parameters["rule"]), of.arrays["input"], plan)
        for until, expected in zip(of.parameters["steps"], of.arrays["expected"], strict=True):
            motor.step(until - motor.step_count)
            np.testing.assert_array_equal(motor.cells[0, 0].numpy(), expected)


def stepped_plainly(cells: Any, text: str) -> Any:
    """One step on a torus, cell by cell over the neighbourhood."""
    rule = range_rule(text)
    assert rule is not None
    shape = rule.neighbourhood
    weights, values = shape.weights(rule.reach), [int(digit, 16) for digit in shape.states] or [0, 1, *[0] * 254]
    down, across = (side // 2 for side in weights.shape)
    if not shape.counts_middle:
        weights[down, across] = 0
    after = np.zeros_like(cells)
    for y, x in np.ndindex(cells.shape):
        upside_down = -1 if shape.triangular and (x + y) % 2 else 1
        count = sum(
            int(weight) * values[cells[(y + upside_down * (i - down)) % len(cells), (x + j - across) % cells.shape[1]]]
            for (i, j), weight in np.ndenumerate(weights)
        )
        state = cells[y, x]
        ranges = rule.births if state == 0 else rule.survivals if state == 1 else ()
        if any(low <= count <= high for low, high in ranges):
            after[y, x] = 1
        elif state:
            after[y, x] = (state + 1) % rule.states
    return after


@pytest.mark.parametrize(
    "rule",
    [
        "R2,C2,S4-6,B5-6,NA",
        "R3,C3,S2-4,B3,N3",
        "R2,C2,S5-12,B5-7,ND",
        "B4/S345L",
        "R2,C4,S8-12,B9-10,NL",
        GAUSSIAN,
        WEIGHTED,
        "R1,C2,S3-8,B4,NW1a1202191",
        "R2,C3,S2-5,B6-9,NW0000011100010100111000000,012",
        "R1,C2,S0-1,B0,NN",
        "R2,C2,S4-9,B5,N@06e5c0",
        "R1,C2,S1,B1,N@58L",
        "R9,C2,S60-170,B90-120",
    ],
)
def test_each_neighbourhood_counts_what_it_says(rule: str) -> None:
    law = law_from_rule(rule)
    soup = np.random.default_rng(1).integers(0, law.states, (12, 14))
    motors = [motor_on(law, soup, plan) for plan in ("eager", "packed")]
    for _ in range(2):
        soup = stepped_plainly(soup, rule)
        for motor in motors:
            motor.step(1)
            np.testing.assert_array_equal(motor.cells[0, 0].numpy(), soup)


def test_the_middle_weighs_as_golly_has_it() -> None:
    """Of the shapes with weights the middle cell counts; of all others it does not."""
    for letter in "MNC2BD+X*#HA3":
        weights = Neighbourhood(letter).weights(2)
        assert weights[2, 2] == 1
        assert Neighbourhood(letter).most(2) == weights.sum() - 1
    assert Neighbourhood("G").weights(2)[2].tolist() == [3, 6, 9, 6, 3]
    assert Neighbourhood("L").weights(1).tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0]]


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads have work on grids of tests."""
    for plan in (BitSlicedCountOnCpu, NeighbourCountOnCpu):
        monkeypatch.setattr(plan, "thread_updates", 1000)


@pytest.mark.parametrize("boundary", ["zero", "periodic", "reflect", "cross-surface", "periodic-x-2"])
@pytest.mark.parametrize(
    "rule",
    ["R2,C2,S6-9,B7-8", "R3,C3,S4-9,B5-7,NC", "R20,C2,S300-900,B400-700", "R3,C2,S30-60,40-50,B45-60,NG", "R2,C5,S6-9,B7-8,NL"],
)
@pytest.mark.usefixtures("small_shares")
def test_the_packed_plan_steps_any_grid_as_eager_does(rule: str, boundary: str) -> None:
    law = law_from_rule(rule, boundary=boundary)
    smallest = 1 if boundary in ("zero", "periodic") else (law.radius or 0) + 1
    for height, width in ((1, 1), (3, 67), (130, 5), (64, 64)):
        grid = (max(height, smallest), max(width, smallest))
        soup = np.random.default_rng(2).integers(0, law.states, (2, 1, *grid)).astype(np.float32)
        motors = [Aetheria_Motor(law, grid, 1, "cpu", {"plan": plan}, initial=soup, batch=2) for plan in ("eager", "packed")]
        for steps in (1, 3):
            for motor in motors:
                motor.step(steps)
            assert torch.equal(motors[0].cells, motors[1].cells)


@pytest.mark.parametrize(
    ("reach", "shape"),
    [*((n, "M") for n in range(1, 17)), (33, "M"), (3, "C"), (7, "C"), (16, "C"), (34, "C"), (9, "N"), (6, "B")],
)
@pytest.mark.usefixtures("small_shares")
def test_every_range_counts_as_eager_does(reach: int, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wider than a vector of the kernel, and narrower than a word; several chunks of rows; one thread and two."""
    count = int(Neighbourhood(shape).weights(reach).sum()) // 2
    law = law_from_rule(f"R{reach},C2,S{count}-{count + reach},B{max(0, count - reach)}-{count},N{shape}")
    for height, width in ((2 * reach + 3, 700), (150, 61)):
        soup = np.random.default_rng(reach).integers(0, 2, (height, width))
        motors = [motor_on(law, soup, plan) for plan in ("eager", "packed", "packed")]
        for motor, threads in zip(motors, (1, 1, 2), strict=True):
            monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            motor.step(2)
        assert torch.equal(motors[0].cells, motors[1].cells)
        assert torch.equal(motors[0].cells, motors[2].cells)


def test_a_rule_without_births_or_with_more_of_them_than_survivals_is_stepped_as_eager_does() -> None:
    for rule in ("R2,C2,S4-9,B", "R2,C2,S,B3-9", "R2,C2,S5,B1,3,7-9,20", "R2,C7,S0,3,9-20,B5-9,NC", "R1,C256,S2-3,B3-4"):
        law = law_from_rule(rule)
        soup = np.random.default_rng(6).integers(0, law.states, (31, 90))
        motors = [motor_on(law, soup, plan) for plan in ("eager", "packed")]
        for motor in motors:
            motor.step(3)
        assert torch.equal(motors[0].cells, motors[1].cells)


@pytest.mark.parametrize("shape", "MNC2BD+X*#HA3")
def test_a_neighbourhood_that_moves_down_gains_and_loses_its_edges(shape: str) -> None:
    """Counts change from a row to the next by the windows that enter and leave."""
    weights, reach = Neighbourhood(shape).weights(3), 3
    edges = edges_of(weights)
    around = np.random.default_rng(7).integers(0, 2, (2 * reach + 2, 2 * reach + 1))
    row = reach + 1  # of the lower middle cell

    def total(parts: list[tuple[int, int]]) -> int:
        places = [(row + down, edges.windows[window]) for window, down in parts]
        return sum(int(around[y, first : first + length].sum()) for y, (first, length) in places)

    above, below = ((weights * around[first : first + 2 * reach + 1]).sum() for first in (0, 1))
    assert below - above == total(edges.enters) - total(edges.leaves)
    assert edges.number == max(sum(edges.windows[window][1] for window, _ in parts) for parts in (edges.enters, edges.leaves))


def test_only_counts_of_live_cells_are_taken_digit_by_digit() -> None:
    refused = {
        "R2,C4,S8-12,B9-10,NL": "every second cell",
        GAUSSIAN: "more than the live cells",
        WEIGHTED: "more than the live cells",
    }
    for rule, words in refused.items():
        assert words in BitSlicedCountOnCpu.why_not(law_from_rule(rule))
    assert "more than the live cells" in BitSlicedCountOnCpu.why_not(law_from_rule("R1,C3,S1,B1,NW111111111,012"))
    for law in (law_from_rule("R2,C3,S4-6,B5-6,NA"), GreenbergHastings(states=6, radius=3)):
        assert BitSlicedCountOnCpu.why_not(law) == ""


def test_counts_beyond_sixteen_bits_are_right() -> None:
    law = law_from_rule("R130,C2,S33900-34300,B34000-34100")
    soup = np.random.default_rng(3).integers(0, 2, (270, 280))
    motors = [motor_on(law, soup, plan) for plan in ("eager", "packed")]
    for motor in motors:
        motor.step(1)
    assert torch.equal(motors[0].cells, motors[1].cells)
    assert 0 < motors[0].cells.sum() < soup.size


@pytest.mark.parametrize("text", ["R5,C0,M1,S34..58,B34..45,NM", "5,34,45,34,58", "R5,C2,S33-57,B34-45,NM", "bosco"])
def test_a_rule_in_another_notation_is_the_same_rule(text: str) -> None:
    assert read_rule(text).text == LargerThanLife(text).rule == "R5,C0,S33-57,B34-45"
    assert LargerThanLife().obeys(text)


def test_ranges_that_touch_are_one() -> None:
    assert read_rule("R2,C2,S5,2-3,4,B7,9").text == "R2,C0,S2-5,B7,9"
    assert read_rule("R1,C2,S,B").text == "R1,C0,S,B"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("R0,C2,S1,B1", "the range is 0, and may be 1 to 500"),
        ("R501,C2,S1,B1", "the range is 501"),
        ("R2,C257,S1,B1", "257 states"),
        ("R5,S3,B3", "after R and the range comes C"),
        ("R5,C0,M2,S1..2,B1..2,NM", "after R and C come M0 or M1"),
        ("R5,C0,M1,S34..999,B34..45,NM", "counts up to 120"),
        ("R2,C2,S3-1,B3", "expected the lower count first"),
        ("R2,C2,S3-x,B3", "after R and C come"),
        ("R2,C2,S3--4,B3", "S3--4 is no list of counts"),
        ("R5,C0,M1,S34..58,B34..45,NQ", "the neighbourhood NQ is none; expected N and one of M N C"),
        ("R1,C2,S1,B1,NW11", "NW has 2 hexadecimal digits, and range 1 needs 9 or 18"),
        ("R1,C2,S1,B1,N@5", "N@ has 1 hexadecimal digits, and range 1 needs 2"),
        ("R1,C3,S1,B1,NW111101111,01", "2 weights of states are given for 3 states"),
    ],
)
def test_a_broken_rule_is_refused_with_the_part_at_fault(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LargerThanLife(text)


def test_a_new_rule_of_the_same_range_applies_from_the_next_step_on() -> None:
    law = LargerThanLife("R2,C2,S6-9,B7-8")
    motor = motor_on(law, np.random.default_rng(4).integers(0, 2, (20, 30)), "packed")
    motor.step(1)
    law.rule = "R2,C2,S4-9,B6-8,NC"
    other = motor_on(LargerThanLife("R2,C2,S4-9,B6-8,NC"), motor.cells[0, 0].numpy(), "eager")
    motor.step(2)
    other.step(2)
    assert torch.equal(motor.cells, other.cells)
    for rule in ("R3,C2,S6-9,B7-8", "R2,C3,S6-9,B7-8"):
        with pytest.raises(ConfigError, match="range 2 and 2 states stay as they are"):
            law.rule = rule


def test_a_grid_too_small_to_be_mirrored_is_refused() -> None:
    with pytest.raises(LawError, match="expected 6 or more"):
        Aetheria_Motor(LargerThanLife(boundary="reflect"), (5, 40), 1)


@pytest.mark.parametrize("plan", ["eager", "packed"])
def test_a_klein_bottle_is_half_of_a_torus_with_its_mirror_image(plan: str) -> None:
    rule = "R3,C2,S20-30,B16-23"
    half = np.random.default_rng(5).integers(0, 2, (9, 14))
    bottle = motor_on(LargerThanLife(rule, boundary="klein-x"), half, plan)
    torus = motor_on(LargerThanLife(rule), np.concatenate((half, half[:, ::-1])), plan)
    for motor in (bottle, torus):
        motor.step(4)
    assert 0 < bottle.cells.sum() < half.size
    assert torch.equal(bottle.cells[0, 0], torus.cells[0, 0, :9])


def test_a_sphere_and_a_bottle_smaller_than_the_neighbourhood_are_refused() -> None:
    with pytest.raises(ConfigError, match='"sphere" given; its corners'):
        LargerThanLife(boundary="sphere")
    with pytest.raises(LawError, match="expected 5 or more"):
        Aetheria_Motor(LargerThanLife(boundary="klein-y"), (4, 40), 1)


def test_the_runs_of_a_neighbourhood_cover_it() -> None:
    weights = Neighbourhood("W", "1000102320030300232010001").weights(2)
    rebuilt = np.zeros_like(weights)
    runs = runs_of(weights)
    for row, first, end, weight in runs:
        rebuilt[row + 2, first + 2 : end + 2] = weight
    np.testing.assert_array_equal(rebuilt, weights)
    assert all(one != other for one, other in pairwise(runs))
