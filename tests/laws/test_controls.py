"""Live parameters: changed while a law is stepped, honoured by every plan, without compiling again."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws import MLP, GrowingNCA, Law, Lenia, Life, Quantum
from aetheria.laws.controls import Control
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording.metadata import weights_hash
from tests.small_laws import NAMES, PLAIN, QUANTUM, agree, small_law, small_motor

NUMBERS = {
    **{name: {"decay": (0.0, 0.4)} for name in QUANTUM},
    "GrowingNCA": {"fire_rate": (0.1, 1.0)},
    "Lenia": {"m": (0.3, 0.5), "s": (0.05, 0.2), "T": (2.0, 9.0)},
}


def values(name: str, control: str, count: int) -> list[float]:
    low, high = NUMBERS[name][control]
    return [low + (high - low) * i / (count - 1) for i in range(count)]


def built(name: str, **settings: Any) -> Law:
    law = small_law(name, **settings)
    assert isinstance(law, Law)
    return law


# -- the law -----------------------------------------------------------------------------------------------------


def test_every_law_states_its_controls_and_a_slider_can_reach_all_that_it_offers() -> None:
    stated = {name: [control.name for control in built(name).controls] for name in NAMES if name != PLAIN}
    known = {name: list(controls) for name, controls in NUMBERS.items()} | {"Life": ["rule"], "NeuralCA": []}
    assert stated == stated | known
    for name, law in ((name, built(name)) for name in stated):
        for control in (control for control in law.controls if isinstance(control, Control)):
            for value in (control.low, control.high):
                law.set_control(control.name, value)
                assert law.get_control(control.name) == getattr(law, control.name) == value, name


@pytest.mark.parametrize(
    ("name", "control", "bad"),
    [
        *(("MLP", "decay", bad) for bad in (1.0, -0.1, math.nan, math.inf, "0.1", None, True)),
        *(("GrowingNCA", "fire_rate", bad) for bad in (0.0, 1.1, -1, math.nan)),
        *(("Lenia", control, bad) for control in "msT" for bad in (0.0, -1.0, math.inf, "wide")),
        *(("Life", "rule", bad) for bad in ("B9/S23", "", 3, None)),
    ],
)
def test_a_value_that_the_constructor_refuses_is_refused_alike_and_changes_nothing(name: str, control: str, bad: Any) -> None:
    law = built(name)
    before = (law.get_control(control), {key: buffer.clone() for key, buffer in law.named_buffers()})
    with pytest.raises(ConfigError) as given:
        law.set_control(control, bad)
    assert str(given.value).startswith(f"[law.{name.lower()}] {control}: ")
    if bad is not None:
        with pytest.raises(ConfigError) as constructed:
            type(law)(**{"d_state": 2} if name == "MLP" else {}, **{control: bad})
        assert str(given.value) == str(constructed.value)
    assert law.get_control(control) == before[0]
    assert all(torch.equal(buffer, before[1][key]) for key, buffer in law.named_buffers())


def test_an_unknown_control_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'\[law.lenia\] control: "mm" given; did you mean m\? \(known: m, s, T\)'):
        Lenia().set_control("mm", 0.2)
    with pytest.raises(ConfigError, match=r'\[law.law\] control: "decay" given; it has none'):
        Law().get_control("decay")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_changed_law_is_the_law_that_is_built_with_the_value(name: str) -> None:
    for control in NUMBERS[name]:
        value = values(name, control, 4)[2]
        changed, fresh = built(name), built(name, **{control: value})
        changed.set_control(control, value)
        one, other = small_motor(changed), small_motor(fresh)
        one.step(3)
        other.step(3)
        assert torch.equal(one.cells, other.cells)


def test_a_rule_may_be_written_in_either_case_and_keeps_its_table_where_it_is() -> None:
    law = Life()
    table = law.get_buffer("_table")
    law.set_control("rule", "b36/s23")
    assert law.rule == law.get_control("rule") == "B36/S23"
    assert law.get_buffer("_table") is table
    assert torch.equal(table, Life("B36/S23").get_buffer("_table"))


@pytest.mark.parametrize("name", NUMBERS)
def test_controls_are_no_part_of_the_weights(name: str) -> None:
    law = built(name)
    names, digest = list(law.state_dict()), weights_hash(law)
    assert not [key for key in names if "live" in key]
    for control in NUMBERS[name]:
        law.set_control(control, values(name, control, 3)[1])
    assert weights_hash(law) == digest
    law.load_state_dict(built(name).state_dict())


def test_a_number_keeps_all_its_digits_from_float32_to_float64() -> None:
    law = MLP(2, 4, decay=0.1)
    assert float(law.float().live("decay")) == float(torch.tensor(0.1))
    assert float(law.double().live("decay")) == law.decay == 0.1
    copied = copy.deepcopy(law)
    copied.decay = 0.3
    assert (float(copied.live("decay")), float(law.live("decay"))) == (0.3, 0.1)


def test_a_law_of_a_users_own_may_set_its_decay_or_learn_it() -> None:
    class Fading(Quantum):
        def __init__(self) -> None:
            super().__init__(nn.Conv2d(4, 4, 1), 2, normalise="none")
            self.decay = 0.25

    class Learning(Fading):
        def __init__(self) -> None:
            super().__init__()
            self.decay = nn.Parameter(torch.tensor(0.25))  # type: ignore[assignment]

    cells = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    for law in (Fading(), Learning()):
        torch.testing.assert_close(law(cells) - law.net(cells), 0.75 * cells)
        assert law.get_control("decay") == 0.25
        law.set_control("decay", 0.5)
        torch.testing.assert_close(law(cells) - law.net(cells), 0.5 * cells)
        assert law.get_control("decay") == 0.5
    learning = Learning()
    learning(cells).sum().backward()
    assert learning.get_parameter("decay").grad == pytest.approx(-float(cells.sum()), rel=1e-5)


# -- the plans ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plan", "name"), [("fused", "MLP"), ("fused", "GrowingNCA"), ("packed", "Life")])
def test_a_control_changed_between_two_steps_is_honoured_by_every_plan(plan: str, name: str) -> None:
    grid = (60, 64)

    def motor(plan: str) -> Aetheria_Motor:
        changes: dict[str, Any] = {"normalise": "none"} if name == "MLP" else {}
        return small_motor(small_law(name, **changes), grid, cfg={"plan": plan})

    fast, eager = motor(plan), motor("eager")
    control = built(name).controls[0].name
    fast.step(2)
    first = fast.plan
    for value in ("B36/S23", "B2/S", "B3/S23") if name == "Life" else values(name, control, 5):
        eager.load_state_dict(fast.state_dict())
        for one in (fast, eager):
            one.law.set_control(control, value)  # type: ignore[operator]
            one.step(2)
        assert agree(fast, eager), value
    assert fast.plan.name == plan
    assert fast.plan is first or name == "Life", "only another rule needs another kernel"


def test_a_module_whose_own_floats_change_is_compiled_again_and_again_rather_than_given_up() -> None:
    class Scaled(nn.Module):
        factor = 1.0

        def forward(self, cells: Tensor) -> Tensor:
            return cells * self.factor

    law = Scaled()
    motor = Aetheria_Motor(law, 8, 1, "cpu", {"plan": "compiled"}, initial=torch.ones(1, 8, 8))
    expected = 1.0
    with torch._dynamo.config.patch(recompile_limit=2):  # crossed twice
        for i in range(6):
            law.factor = 1 + i / 16
            expected *= law.factor
            motor.step(1)
    assert motor.plan.name == "compiled"
    assert float(motor.cells.mean()) == pytest.approx(expected, rel=1e-5)


def test_a_fire_rate_that_changes_moves_that_share_of_the_cells() -> None:
    law = GrowingNCA(4, 8)
    with torch.no_grad():
        law.update.get_parameter("bias").fill_(1.0)
    motor = Aetheria_Motor(law, 128, 4, "cpu", {"plan": "fused"}, initial=torch.ones(4, 128, 128))
    for rate in (0.5, 0.1, 0.9):
        law.set_control("fire_rate", rate)
        before = motor.cells
        motor.step(1)
        assert float((motor.cells != before).float().mean()) == pytest.approx(rate, abs=0.02)


def test_a_motor_changes_a_control_between_steps_and_shows_the_cells_again() -> None:
    motor = small_motor(small_law("MLP"))
    watching = motor.subscribe(fields=["energy"])
    motor.step(1)
    assert watching.get(timeout=1) is not None
    motor.set_control("decay", 0.3)
    motor.step(0)
    assert watching.get(timeout=1) is not None
    assert motor.get_control("decay") == motor.law.decay == 0.3
    assert [control.name for control in motor.traits.controls] == ["decay"]
    with pytest.raises(ConfigError, match="decay: 2 given"):
        motor.set_control("decay", 2)
    with pytest.raises(ConfigError, match=r"\[law.plain\] control: .decay. given; it has none"):
        small_motor(small_law(PLAIN)).set_control("decay", 0.1)
