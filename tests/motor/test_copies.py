"""States that no motor has are refused; copies and pickles of motors and frames."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria import Aetheria_Motor, build_law
from aetheria.core.errors import StateError
from aetheria.laws import LAWS
from tests.small_laws import small_law, small_motor

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda given: pickle.loads(pickle.dumps(given)),
}


class Counting(nn.Module):
    """Counts its steps in a buffer, and adds that number to the cells."""

    age: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("age", torch.zeros((), dtype=torch.float64))

    def forward(self, cells: Tensor) -> Tensor:
        self.age += 1
        return torch.remainder(cells + self.age, 7)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", sorted(LAWS))
def test_a_copy_of_a_motor_steps_as_the_motor_and_apart_from_it(name: str, how: str) -> None:
    motor = small_motor(small_law(name), cfg={"plan": "eager"})
    motor.step(2)
    motor.set_cells(motor.cells.flip(-1))
    subscription = motor.subscribe(delivery="lossless")
    other = COPIES[how](motor)
    assert (other.step_count, other.seed, other.config) == (motor.step_count, motor.seed, motor.config)
    assert len(other.edits) == len(motor.edits) == 1
    assert other.law is not motor.law
    before = motor.cells
    other.step(3)
    assert torch.equal(motor.cells, before)
    assert not subscription.waiting
    subscription.close()
    motor.step(3)
    assert torch.equal(other.cells, motor.cells)
    other.restart()
    motor.restart()
    assert torch.equal(other.cells, motor.cells)


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_has_the_state_of_its_own_module(how: str) -> None:
    motor = Aetheria_Motor(Counting(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    motor.step(3)
    other = COPIES[how](motor)
    other.step(1)
    assert [float(one.law.get_buffer("age")) for one in (motor, other)] == [3, 4]
    other.restart()
    assert float(other.law.get_buffer("age")) == 0


@pytest.mark.parametrize("how", COPIES)
def test_a_frame_can_be_copied(how: str) -> None:
    motor = small_motor(small_law("Life"), cfg={"plan": "eager"})
    frame = motor.look(motor.request(["channel_0", "population"]))
    other = COPIES[how](frame)
    assert (other.step, other.request) == (frame.step, frame.request)
    assert all(np.array_equal(other[name], frame[name]) for name in frame.fields)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed", -1, "seed -1; expected a whole number from 0 to 2"),
        ("seed", 2**64, "seed"),
        ("seed", "1", "seed '1'"),
        ("step", 2**63, "step"),
        ("step", 1.5, "step 1.5"),
        ("step", float("nan"), "step nan"),
        ("step", None, "step None"),
        ("step", True, "step True"),
        ("memory", None, "memory NoneType; expected a sequence"),
        ("memory", (), r"memory \[\]; expected"),
        ("memory", ("text", "text"), "an array of"),
        ("cells", torch.zeros(3, 3), "shape"),
        ("law", 3, "law int; expected a mapping"),
    ],
)
def test_a_state_that_no_motor_has_is_refused_and_nothing_changes(key: str, value: Any, said: str) -> None:
    motor = small_motor(build_law("ConvLSTM", d_state=2, hidden_channels=4))
    before = motor.state_dict()
    with pytest.raises(StateError, match=said):
        motor.load_state_dict({**before, key: value})
    after = motor.state_dict()
    assert torch.equal(after["cells"], before["cells"])
    assert (after["step"], after["seed"], motor.edits) == (before["step"], before["seed"], ())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("number", [0, 1])
def test_memory_that_is_not_finite_is_refused(number: int, bad: float) -> None:
    motor = small_motor(build_law("ConvLSTM", d_state=2, hidden_channels=4))
    state = motor.state_dict()
    state["memory"][number].view(-1)[-1] = bad
    with pytest.raises(StateError, match="memory holds NaN or Inf"):
        motor.load_state_dict(state)
