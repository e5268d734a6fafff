"""Rules on the 3x3 block and Generations, against cells of Golly: every notation, every surface, eager and packed."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from aetheria import Aetheria_Motor, Generations, Life, law_from_rule
from aetheria.core.errors import AetheriaError, ConfigError, LawError
from aetheria.laws.rules import read_rule
from aetheria.laws.rules.block_table import table_text
from aetheria.laws.rules.two_state import block_table
from tests.oracles import oracle
from tests.paths import GOLDEN

TABLE_KERNEL = "aetheria.stepping.cpu.block_network.BlockNetworkOnCpu.unfit"  # where it refuses, the kernel for tables steps
FILES = ("life_like", "life_b0", "hensel_int", "map_rules", "hex_von_neumann", "generations", "topologies")


def cases() -> list[tuple[str, str]]:
    found = []
    for file in FILES:
        with np.load(GOLDEN / f"{file}.npz") as arrays:
            found += [(file, case) for case in json.loads(str(arrays["meta"]))["cases"]]
    return found


FIRST_CASES = list({file: (file, case) for file, case in reversed(cases())}.values())


def motor_on(law: torch.nn.Module, cells: Any, plan: str) -> Aetheria_Motor:
    return Aetheria_Motor(law, cells.shape[-2:], 1, "cpu", {"plan": plan}, initial=np.asarray(cells, np.float32))


@pytest.mark.parametrize(("file", "case"), cases(), ids=lambda name: name[:24])
def test_rules_step_as_golly_does(file: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = oracle(file, case)
    if (file, case) not in FIRST_CASES:  # each network is compiled, in a second or two
        monkeypatch.setattr(TABLE_KERNEL, lambda _: "not wanted here")
    for plan in ("eager", "packed"):
        motor = motor_on(law_from_rule(of.parameters["rule"]), of.arrays["input"], plan)
        for until, expected in zip(of.parameters["steps"], of.arrays["expected"], strict=True):
            motor.step(until - motor.step_count)
            np.testing.assert_array_equal(motor.cells[0, 0].numpy(), expected)


@pytest.mark.parametrize(
    ("rule", "boundary"),
    [
        ("B3/S23", "sphere"),
        ("B2-a/S12", "periodic"),
        ("B0/S4V", "zero"),
        ("MAPW+5DeYRk63wSsAWgPOBCww", "reflect"),
        ("345/2/4", "zero"),
        ("/2/3V", "reflect"),
        ("12/34/200", "klein-x"),
        ("0123456/2356/17", "periodic-y-2"),
    ],
)
@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (2, 64), (3, 65), (9, 63), (40, 130), (70, 128)])
def test_the_packed_plan_steps_any_grid_as_eager_does(rule: str, boundary: str, grid: tuple[int, int]) -> None:
    if boundary == "sphere":
        grid = (grid[1], grid[1])
    if boundary == "reflect":
        grid = (max(2, grid[0]), max(2, grid[1]))
    law = law_from_rule(rule, boundary=boundary)
    soup = np.random.default_rng(3).integers(0, law.states, (2, 1, *grid))
    motors = [
        Aetheria_Motor(law, grid, 1, "cpu", {"plan": plan}, initial=soup.astype(np.float32), batch=2)
        for plan in ("eager", "packed")
    ]
    for steps in (1, 2, 5):
        for motor in motors:
            motor.step(steps)
        assert torch.equal(motors[0].cells, motors[1].cells)


def test_several_threads_step_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.stepping.cpu.block_rule.BlockRuleOnCpu.thread_updates", 1000)
    soup = np.random.default_rng(4).integers(0, 4, (700, 300))
    motors = [motor_on(Generations(), soup, plan) for plan in ("packed", "eager")]
    for motor in motors:
        motor.step(7)
    assert torch.equal(motors[0].cells, motors[1].cells)


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("MAPARYXfhZofugWaH7oaIDogBZofuhogOiAaIDogIAAgAAWaH7oaIDogGiA6ICAAIAAaIDogIAAgACAAIAAAAAAAA", "B3/S23"),
        ("B2a/S12", "B2a/S12"),
        ("b2-ceikn/s12", "B2a/S12"),
        ("B2ceaikn/S", "B2/S"),
        ("B3-/S", None),
        ("B2/S7H", None),
        ("B5/SV", None),
        ("B2a/SV", None),
        ("MAPA", None),
        ("MAP$$$$$$", None),
    ],
)
def test_equal_rules_have_one_usual_notation(text: str, usual: str | None) -> None:
    if usual is None:
        with pytest.raises(ConfigError):
            read_rule(text)
        return
    assert read_rule(text).text == usual
    assert Life(text).rule == usual
    assert Life(usual).obeys(text)


def test_the_usual_notation_of_any_table_means_that_table() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        bits = int.from_bytes(generator.bytes(64), "big")
        found = block_table(table_text(bits))
        assert found is not None
        assert found.bits == bits


def test_a_generations_rule_of_two_states_is_the_life_like_rule() -> None:
    assert read_rule("23/3/2") == read_rule("B3/S23")
    assert isinstance(law_from_rule("23/3/2"), Life)
    with pytest.raises(ConfigError, match="another family: Life-like"):
        Generations("23/3/2")


@pytest.mark.parametrize("text", ["345/2/4", "B2/S345/C4", "B2/S345/4", "b2s345/g4", "g4b2s345", "S345/B2/4"])
def test_a_generations_rule_in_another_notation_is_the_same_rule(text: str) -> None:
    assert Generations(text).rule == "345/2/4"
    assert Generations().obeys(text)


def test_the_rule_of_a_stepped_generations_changes_and_its_number_of_states_does_not() -> None:
    law = Generations("345/2/4")
    motor = motor_on(law, np.random.default_rng(6).integers(0, 4, (20, 70)), "packed")
    motor.step(2)
    law.rule = "23/3/4"
    other = motor_on(Generations("23/3/4"), motor.cells[0, 0].numpy(), "eager")
    motor.step(3)
    other.step(3)
    assert torch.equal(motor.cells, other.cells)
    with pytest.raises(ConfigError, match='"/2/3" has 3 states; the cells have 4'):
        law.rule = "/2/3"


@pytest.mark.parametrize("text", ["345/2/1", "345/2/257", "345/2/", "9/2/4", "B2/S345/C0"])
def test_a_broken_generations_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.generations\] rule: "):
        Generations(text)


@pytest.mark.parametrize(
    ("boundary", "grid", "words"),
    [
        ("sphere", (8, 9), "expected a square grid"),
        ("klein-x+1", (8, 9), "expected an even width"),
        ("klein-y+1", (9, 8), "expected an even height"),
    ],
)
def test_a_grid_whose_edges_cannot_be_joined_so_is_refused(boundary: str, grid: tuple[int, int], words: str) -> None:
    with pytest.raises(LawError, match=words):
        Aetheria_Motor(Life(boundary=boundary), grid, 1)


@pytest.mark.parametrize("boundary", ["klein", "klein-x+2", "klein-z", "torus", "sphere+1", "periodic-x"])
def test_an_unknown_surface_is_refused_with_the_known_ones(boundary: str) -> None:
    with pytest.raises(
        AetheriaError, match=r'\[law\.life\] boundary: ".*" given; expected one of periodic, zero, reflect, .*klein'
    ):
        Life(boundary=boundary)
