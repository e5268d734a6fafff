"""Controls of the law, with a window that only remembers: no Qt."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aetheria import Lenia, law_from_rule
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.parameters import ANY_RULE, KNOWN_RULES, rule_problem
from viewer.sources.live import LiveSource
from viewer.sources.opening import open_any


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller(FakeView())
    yield controller
    controller.close()


def lenia() -> Aetheria_Motor:
    return Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"})


def test_a_control_holds_from_the_next_step_without_a_restart(controller: Controller) -> None:
    motor = life(initial=torch.ones(1, 24, 32))
    controller.open(live(motor))
    assert controller.parameters.values == {"rule": "B3/S23", "boundary": "periodic"}
    controller.parameters.set("rule", "B/S8")
    wait_until(lambda: controller.parameters.values["rule"] == "B/S8", controller)
    motor.step(3)
    assert motor.cells.all()  # under Life's own rule all would be dead
    assert controller.parameters.is_changed("rule")


def test_a_value_that_the_law_refuses_is_told_and_the_one_before_holds(controller: Controller) -> None:
    motor = lenia()
    controller.open(live(motor))
    controller.parameters.set("T", -1.0)
    wait_until(lambda: controller.parameters.problems, controller)
    assert "above 0" in controller.parameters.problems["T"]
    assert motor.get_control("T") == controller.parameters.values["T"] == 10
    controller.parameters.set("T", 12.0)
    wait_until(lambda: not controller.parameters.problems, controller)
    assert motor.get_control("T") == 12


def test_a_reset_of_one_control_leaves_the_others(controller: Controller) -> None:
    motor = lenia()
    controller.open(live(motor))
    controller.parameters.set("m", 0.2)
    controller.parameters.set("s", 0.02)
    controller.parameters.reset("m")
    wait_until(lambda: not controller.parameters.is_changed("m") and controller.parameters.is_changed("s"), controller)
    assert (motor.get_control("m"), motor.get_control("s")) == (0.15, 0.02)
    controller.parameters.reset_all()
    wait_until(lambda: motor.get_control("s") == 0.015, controller)


def test_a_reset_of_the_run_is_of_the_law_too_and_a_new_seed_is_not(controller: Controller) -> None:
    motor = lenia()
    controller.open(live(motor))
    controller.parameters.set("m", 0.2)
    controller.new_seed()
    wait_until(lambda: motor.seed == 1 and controller.parameters.values["m"] == 0.2, controller)
    controller.step_once()
    wait_until(lambda: motor.step_count == 1, controller)
    assert motor.get_control("m") == 0.2
    controller.reset()
    wait_until(lambda: motor.step_count == 0 and motor.get_control("m") == 0.15, controller)
    assert motor.seed == 1


def test_answers_that_are_overtaken_say_nothing(controller: Controller) -> None:
    controller.open(live(lenia()))
    seen: list[object] = []
    controller.parameters.listeners.append(lambda: seen.append(controller.parameters.values.get("m")))
    for m in (0.2, 0.21, 0.22, 0.23):
        controller.parameters.set("m", m)
    wait_until(lambda: controller.parameters.values["m"] == 0.23, controller)
    assert seen == [0.23]


def test_what_has_no_controls_shows_none(controller: Controller) -> None:
    controller.open(live(life()))
    controller.parameters.set("rule", "nonsense")
    wait_until(lambda: controller.parameters.problems, controller)
    controller.close()
    assert (controller.parameters.controls, controller.parameters.values, controller.parameters.problems) == ((), {}, {})


def test_all_well_known_rules_are_rules() -> None:
    assert len(set(KNOWN_RULES.values())) == len(KNOWN_RULES)
    for rule in KNOWN_RULES.values():
        assert not rule_problem(rule)
        assert law_from_rule(rule).states


def test_a_rule_of_another_family_goes_on_with_the_same_cells(controller: Controller) -> None:
    controller.open(live(life()))
    assert isinstance(controller.source, LiveSource)
    before = controller.source.motor
    before.step(3)
    cells = before.cells
    for rule, law in (("345/2/4", "Generations"), ("345/2/5", "Generations"), ("WireWorld", "RuleTable"), ("B36/S23", "Life")):
        controller.parameters.set("rule", rule)
        wait_until(lambda rule=rule: controller.parameters.values["rule"] == rule, controller)  # type: ignore[misc]
        motor = controller.source.motor
        assert (motor.traits.name, motor.step_count) == (law, 3)
        assert torch.equal(motor.cells, cells)
        assert controller.parameters.problems == {}
    controller.parameters.set("rule", "B37/S23")  # its own family: no other motor
    wait_until(lambda: controller.parameters.values["rule"] == "B37/S23", controller)
    assert controller.source.motor is motor
    assert isinstance(controller.view, FakeView)
    assert any("RuleTable runs the rule WireWorld now" in message.text for message in controller.view.messages)


def test_a_rule_that_cannot_go_on_is_refused_beside_its_field(controller: Controller) -> None:
    controller.open(live(life()))
    for text, words in (
        ("B3/S2x", "x"),
        ("nonsense", "expected a rule"),
        ("B3/S23:T30,30", "the grid and its edges stay"),
        ("W110", "expected|steps grids of 1 axis"),
    ):
        controller.parameters.set("rule", text)
        wait_until(lambda words=words: re.search(words, controller.parameters.problems.get("rule", "")), controller)  # type: ignore[misc]
        assert controller.parameters.values["rule"] == "B3/S23"
        controller.parameters.forget_problem("rule")
        assert controller.parameters.problems == {}


def test_every_law_of_whole_states_has_a_rule(controller: Controller) -> None:
    controller.open(open_any("langtons_ant"))
    assert ANY_RULE in controller.parameters.controls
    controller.reset()
    controller.parameters.set("rule", "B3/S23")
    wait_until(lambda: controller.parameters.problems or controller.parameters.values["rule"] == "B3/S23", controller)


def test_a_reset_runs_a_pattern_under_its_own_rule_again_and_warns_of_nothing(
    controller: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    controller.open(open_any("r_pentomino"))
    assert isinstance(controller.source, LiveSource)
    motor = controller.source.motor
    first = motor.cells.clone()
    controller.parameters.set("rule", "B36/S23")
    controller.step_many(2)
    wait_until(lambda: motor.step_count == 2 and controller.parameters.is_changed("rule"), controller)
    controller.reset()
    wait_until(lambda: motor.step_count == 0 and not controller.parameters.is_changed("rule"), controller)
    assert torch.equal(motor.cells, first)
    assert motor.edits == ()
    assert [one.getMessage() for one in caplog.records if one.name.startswith(("aetheria", "viewer"))] == []


def test_a_reset_that_is_refused_leaves_the_law_as_it_was(controller: Controller, tmp_path: Path) -> None:
    motor = life()
    controller.open(live(motor))
    controller.parameters.set("rule", "B36/S23")
    wait_until(lambda: controller.parameters.is_changed("rule"), controller)
    with Recorder(motor, tmp_path / "run.h5"):
        controller.reset()
        view = controller.view
        assert isinstance(view, FakeView)
        wait_until(lambda: view.messages, controller)
    assert "a recorder is running" in view.messages[0].text
    assert motor.get_control("rule") == controller.parameters.values["rule"] == "B36/S23"
