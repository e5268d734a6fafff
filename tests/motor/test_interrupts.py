"""Ctrl-C in code that steps a motor: cells and their step number stay together, no frame is lost, no thread waits for ever."""

import copy
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from aetheria import GrowingNCA, Life
from aetheria.core import fair_lock
from aetheria.motor import edit_log, loop, stepper
from aetheria.motor import motor as motor_module
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe import feed
from aetheria.stepping import plan
from aetheria.stepping.cpu import bit_packed_life, local_network, whole_states
from aetheria.stepping.cpu.build import compiler
from benchmarks.faults.strikes import Strike, free_for_others

CODE = (fair_lock, loop, stepper, feed, plan, bit_packed_life, whole_states, local_network)
LAWS = {"Life": lambda: Life(), "GrowingNCA": lambda: GrowingNCA(channels=4, hidden_channels=8)}
NATIVE = pytest.mark.skipif(compiler() is None, reason="no C++ compiler here")


class Ageing(nn.Module):
    """Counts its steps in a buffer, and adds that number to the cells."""

    age: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("age", torch.zeros((), dtype=torch.float64))

    def forward(self, cells: Tensor) -> Tensor:
        self.age += 1
        return torch.remainder(cells + self.age, 7)


def motor_of(law: nn.Module, plan: str) -> Aetheria_Motor:
    return Aetheria_Motor(law, 12, getattr(law, "channels", 1), "cpu", {"plan": plan, "check_interval": 1}, seed=2)


def states(law: nn.Module, plan: str) -> Iterator[Tensor]:
    """The cells of an uninterrupted run, step by step."""
    with motor_of(law, plan) as motor:
        while True:
            yield motor.cells
            motor.step(1)


@pytest.mark.parametrize(
    ("law", "wanted", "events", "stride"),  # `make soak` comes by every instruction
    [
        ("Life", "eager", "line", 4),
        pytest.param("Life", "packed", "line", 1, marks=NATIVE),
        pytest.param("Life", "packed", "opcode", 61, marks=NATIVE),
        pytest.param("GrowingNCA", "fused", "line", 4, marks=NATIVE),
    ],
)
def test_ctrl_c_at_every_point_of_a_step_keeps_cells_count_and_frames(
    law: str, wanted: str, events: Literal["line", "opcode"], stride: int
) -> None:
    torch.manual_seed(0)
    fresh = LAWS[law]()
    other = copy.deepcopy(fresh)
    run = states(other, wanted)
    reference = [next(run)]
    got: list[int] = []
    with motor_of(fresh, wanted) as motor:
        motor.warm_up()
        subscription = motor.subscribe(every=2, delivery="lossless", capacity=2)
        reader = threading.Thread(target=lambda: got.extend(frame.step for frame in subscription))
        reader.start()
        number, struck = 0, True
        while struck:
            number += stride
            strike = Strike(number, CODE, events)
            with strike:
                motor.step(3)
            assert strike.failure is None, strike.where
            assert free_for_others(motor.turn), strike.where
            while len(reference) <= motor.step_count:
                reference.append(next(run))
            assert torch.equal(motor.cells, reference[motor.step_count]), strike.where
            struck = strike.done
        motor.step(1)
        subscription.close()
        reader.join()
        assert got == list(range(0, motor.step_count + 1, 2))
    assert number > 100


def test_ctrl_c_keeps_the_state_of_a_module_of_ones_own() -> None:
    run = states(Ageing(), "eager")
    reference: list[Tensor] = []
    with motor_of(law := Ageing(), "eager") as motor:
        motor.warm_up()
        number, struck = 0, True
        while struck:
            number += 1
            strike = Strike(number, (stepper, plan))
            with strike:
                motor.step(3)
            assert float(law.age) == motor.step_count, strike.where
            while len(reference) <= motor.step_count:
                reference.append(next(run))
            assert torch.equal(motor.cells, reference[motor.step_count]), strike.where
            struck = strike.done
    assert number > 20


@pytest.mark.parametrize("change", ["cells", "state", "restart"])
def test_ctrl_c_in_a_change_leaves_it_made_and_logged_or_neither(change: str) -> None:
    number, struck = 0, True
    while struck:
        number += 1
        with motor_of(Ageing(), "eager") as motor:
            motor.step(2)
            state, reader = motor.state_dict(), motor.follow_edits()
            before = motor.cells
            strike = Strike(number, (motor_module, loop, stepper, edit_log, feed, fair_lock))
            with strike:
                if change == "cells":
                    motor.set_cells(before + 1)
                elif change == "state":
                    motor.load_state_dict({**state, "step": 1})
                else:
                    motor.restart(9)
            assert strike.failure is None, strike.where
            assert free_for_others(motor.turn), strike.where
            made = bool(motor.edits)
            assert len(reader.read()) == (made and change != "restart"), strike.where
            if change == "cells":
                assert torch.equal(motor.cells, before + 1 if made else before), strike.where
            else:
                then = {"state": (1, 2), "restart": (0, 9)}[change]
                assert (motor.step_count, motor.seed) == (then if made else (2, 2)), strike.where
            struck = strike.done
    assert number > 20
