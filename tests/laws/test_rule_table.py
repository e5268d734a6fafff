"""Rule tables against cells of Golly, for every neighbourhood and symmetry; trees; files that are wrong."""

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import von_neumann_tables

from aetheria import Aetheria_Motor, RuleTable, law_from_rule
from aetheria.core.errors import ConfigError, FileUnreadableError
from aetheria.files.rule_file import parse_rule_file
from aetheria.laws.rules.tables import SHIPPED
from aetheria.runs.config import load_config
from tests.oracles import oracle
from tests.paths import GOLDEN

TABLE = "@TABLE\nn_states:3\nneighborhood:vonNeumann\nsymmetries:none\n"


def names(file: str) -> list[str]:
    with np.load(GOLDEN / f"{file}.npz") as arrays:
        return list(json.loads(str(arrays["meta"]))["cases"])


def motor_on(law: torch.nn.Module, cells: Any, plan: str, batch: int = 1) -> Aetheria_Motor:
    return Aetheria_Motor(law, cells.shape[-2:], 1, "cpu", {"plan": plan}, initial=np.asarray(cells, np.float32), batch=batch)


def check(file: str, case: str, rule: str) -> None:
    of = oracle(file, case)
    law = RuleTable(rule)
    for plan in ("eager", "packed"):
        motor = motor_on(law, of.arrays["input"], plan)
        for until, expected in zip(of.parameters["steps"], of.arrays["expected"], strict=True):
            motor.step(until - motor.step_count)
            np.testing.assert_array_equal(motor.cells[0, 0].numpy(), expected)


@pytest.mark.parametrize("case", names("rule_tables"))
def test_every_neighbourhood_and_symmetry_steps_as_in_golly(case: str, tmp_path: Path) -> None:
    path = tmp_path / f"{case}.rule"
    path.write_text(oracle("rule_tables", case).parameters["table"])
    check("rule_tables", case, str(path))


@pytest.mark.parametrize("case", ["wireworld_soup", "wireworld_circuit"])
def test_wireworld_steps_as_in_golly(case: str) -> None:
    check("wireworld_jvn", case, "wireworld")


@pytest.mark.parametrize("rule", ["JvN29", "Nobili32", "Hutton32"])
def test_von_neumanns_automata_step_as_in_golly(rule: str) -> None:
    check("wireworld_jvn", f"{rule.lower()}_soup", rule)


@pytest.mark.parametrize("first", [0, 9], ids=["soup of all states", "soup without sensitised states"])
@pytest.mark.parametrize("rule", ["JvN29", "Nobili32", "Hutton32"])
def test_a_shipped_tree_of_von_neumanns_automata_is_its_definition(rule: str, first: int) -> None:
    states, *_ = von_neumann_tables.RULES[rule]
    cells = np.random.default_rng(3).integers(first, states, (200, 200))
    north, west, east, south = (np.roll(cells, shift, axis) for shift, axis in ((1, 0), (1, 1), (-1, 1), (-1, 0)))
    motor = motor_on(RuleTable(rule), cells, "eager")
    motor.step(1)
    np.testing.assert_array_equal(
        motor.cells[0, 0].numpy(), von_neumann_tables.next_states(rule, north, west, east, south, cells)
    )


def test_langtons_loop_divides_as_it_does_in_golly() -> None:
    check("langton_loop", "loop", "Langtons-Loops")


@pytest.mark.parametrize("boundary", ["zero", "reflect", "klein-x", "sphere"])
def test_the_packed_plan_steps_any_grid_as_eager_does(boundary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.stepping.cpu.rule_tree.RuleTreeOnCpu.thread_updates", 1000)
    law = RuleTable("Langtons-Loops", boundary=boundary)
    for height, width in ((2, 2), (3, 300), (257, 5), (64, 64)):
        grid = (width, width) if boundary == "sphere" else (height, width)
        soup = np.random.default_rng(1).integers(0, 8, (2, 1, *grid))
        motors = [motor_on(law, soup, plan, batch=2) for plan in ("eager", "packed")]
        for steps in (1, 4):
            for motor in motors:
                motor.step(steps)
            assert torch.equal(motors[0].cells, motors[1].cells)


def test_a_tree_asks_for_its_neighbours_in_its_own_order(tmp_path: Path) -> None:
    """The next state is that of the western neighbour, the second input."""
    path = tmp_path / "west.rule"
    path.write_text(
        "@RULE west\n@TREE\nnum_states=2\nnum_neighbors=4\nnum_nodes=8\n"
        "1 0 0\n1 1 1\n2 0 0\n2 1 1\n3 2 2\n3 3 3\n4 4 5\n5 6 6\n"
    )
    cells = np.random.default_rng(2).integers(0, 2, (6, 7))
    for plan in ("eager", "packed"):
        motor = motor_on(RuleTable(str(path)), cells, plan)
        motor.step(3)
        np.testing.assert_array_equal(motor.cells[0, 0].numpy(), np.roll(cells, 3, 1))


def test_a_file_gives_its_name_and_colours(tmp_path: Path) -> None:
    path = tmp_path / "x.rule"
    path.write_text(f"@RULE Some-Rule\n{TABLE}0,1,0,0,0,2\n@COLORS\n1 10 20 30\n@ICONS\nXPM\n")
    law = RuleTable(str(path))
    assert (law.states, law.rule_string, law.palette[1]) == (3, "Some-Rule", (10, 20, 30))
    assert law.obeys("some rule:T30,20")
    assert not law.obeys("WireWorld")


def test_a_table_without_commas_and_sets_of_variables_are_read() -> None:
    found = parse_rule_file(f"{TABLE}var a={{1,2}}\nvar b={{0,a}}\nvar c=a\n0,b,c,0,0,1\n012012\n", "x.rule").rule
    assert found.variables["b"] == (0, 1, 2)  # type: ignore[union-attr]
    assert found.transitions[1].inputs == (0, 1, 2, 0, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither @TABLE nor @TREE"),
        (TABLE, "no transitions"),
        (f"{TABLE}0,1,0,0,2\n", r"line 5: 5 states in a transition; expected 6"),
        (f"{TABLE}0,1,0,0,0,3\n", r"line 5: state 3 given; the table has states 0 to 2"),
        (f"{TABLE}0,x,0,0,0,1\n", r'line 5: "x" is neither a state nor a variable'),
        (
            TABLE.replace("none", "rotate8") + "0,1,0,0,0,1\n",
            r"line 5: symmetries: rotate8 given; this neighbourhood has none, rotate4",
        ),
        (
            TABLE.replace("vonNeumann", "Margolus") + "0,1,0,0,0,1\n",
            "line 3: neighborhood: margolus given; expected vonNeumann",
        ),
        (TABLE.replace("3", "300"), "line 2: n_states: 300 given"),
        ("@TREE\nnum_states=2\nnum_neighbors=3\nnum_nodes=1\n1 0 0\n", "expected 4 or 8 neighbours"),
        ("@TREE\nnum_states=2\nnum_neighbors=4\nnum_nodes=1\n1 0 2\n", "line 5: a node needs a child for each state"),
        ("@TREE\nnum_states=2\nnum_neighbors=4\nnum_nodes=2\n1 0 1\n3 0 0\n", "children of a node of level 3 are of level 2"),
        ("@TREE\nnum_states=2\nnum_neighbors=4\nnum_nodes=1\n1 0 1\n", "the last node of a tree is its root, of level 5"),
        (f"{TABLE}0,1,0,0,0,1\n@COLORS\n1 red\n", "line 7: .*expected a state and red, green, blue"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.rule"
    path.write_text(text)
    with pytest.raises(FileUnreadableError, match=r"\[law\.ruletable\] rule: bad\.rule.*" + words):
        RuleTable(str(path))


def test_a_table_that_would_take_for_ever_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "long.rule"
    every = "{" + ",".join(map(str, range(256))) + "}"
    variables = "".join(f"var {name}={every}\n" for name in "abcdefgh")
    path.write_text(
        f"@TABLE\nn_states:256\nneighborhood:Moore\nsymmetries:permute\n{variables}0,a,b,c,d,a,b,c,d,1\n0,a,b,c,d,e,f,g,h,1\n"
    )
    with pytest.raises(ConfigError, match=r"\[law\.ruletable\] rule: the table has over \d+,\d+ transitions"):
        RuleTable(str(path))
    os.mkfifo(tmp_path / "pipe.rule")
    with pytest.raises(FileUnreadableError, match="a device or a pipe; expected a rule file"):
        RuleTable(str(tmp_path / "pipe.rule"))


def test_a_rule_file_of_a_config_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "x.rule").write_text(f"{TABLE}0,1,0,0,0,2\n")
    (tmp_path / "x.toml").write_text('steps = 1\n[grid]\nwidth = 4\nheight = 4\n[law]\nname = "RuleTable"\nrule = "x.rule"\n')
    assert load_config(tmp_path / "x.toml").law.parameters["rule"] == str(tmp_path / "x.rule")


def test_a_shipped_table_is_found_by_its_name() -> None:
    files = resources.files("aetheria.laws.discrete") / "tables"
    assert {file.name for file in files.iterdir()} == {f"{name}.rule" for name in SHIPPED}
    for name in SHIPPED:
        law = law_from_rule(name)
        assert isinstance(law, RuleTable)
        assert law.rule_string == name


def test_an_unknown_table_is_refused_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r'\[law\.ruletable\] rule: "WireWord" given; did you mean WireWorld'):
        RuleTable("WireWord")
    with pytest.raises(FileUnreadableError, match=r"nowhere\.rule: no such file"):
        RuleTable("nowhere.rule")
