"""Running back: reversible laws return to every state that they came from."""

import pytest
import torch

from aetheria.core.errors import LawError, StateError
from aetheria.laws import HPP, Q2R, Law, Life, Margolus, SecondOrder
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder


def motor(law: Law) -> Aetheria_Motor:
    return Aetheria_Motor(law, (12, 14), law.channels, "cpu", {"plan": "eager"}, batch=2, seed=1)


@pytest.mark.parametrize("law", [SecondOrder(), Q2R(), Margolus("critters"), HPP()], ids=lambda law: law.name)
def test_a_reversible_law_runs_back_through_all_its_states(law: Law) -> None:
    one = motor(law)
    states = [one.cells]
    for _ in range(7):
        one.step(1)
        states.append(one.cells)
    assert not torch.equal(states[7], states[0])
    for steps in (1, 3, 0, 2):
        one.reverse(steps)
        assert torch.equal(one.cells, states[one.step_count])
    assert one.step_count == 1
    one.step(6)
    assert torch.equal(one.cells, states[7])


def test_a_law_that_forgets_and_a_step_before_the_first_are_refused() -> None:
    with pytest.raises(LawError, match="reverse: Life cannot be run back; expected a reversible law"):
        motor(Life()).reverse()
    one = motor(Q2R())
    one.step(2)
    for steps in (3, -1):
        with pytest.raises(StateError, match=f"reverse: {steps} steps given; expected 0 to 2, the steps that were done"):
            one.reverse(steps)
    assert one.step_count == 2


def test_a_recorder_is_not_run_back(tmp_path: object) -> None:
    one = motor(Q2R())
    one.step(1)
    with Recorder(one, f"{tmp_path}/run.h5", every=1), pytest.raises(StateError, match="reverse: a recorder is running"):
        one.reverse()
