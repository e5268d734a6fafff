"""Steering: pauses, single steps and limits, from other threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from aetheria import Aetheria_Motor
from aetheria.core.errors import ConfigError
from aetheria.laws import build_law
from aetheria.runs.steering import Steering


def small_motor() -> Aetheria_Motor:
    return Aetheria_Motor(build_law("Life"), (8, 8), device="cpu", cfg={"plan": "eager"}, initial="noise", seed=1)


@contextmanager
def stepping(steering: Steering, motor: Aetheria_Motor, steps: int) -> Iterator[threading.Event]:
    """Another thread takes the steps; the event tells that it is through."""
    done, stop = threading.Event(), threading.Event()

    def work() -> None:
        steering.step(motor, steps, stop.is_set)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def test_steps_that_nobody_steers_are_those_of_the_motor() -> None:
    steered, alone = small_motor(), small_motor()
    assert Steering().step(steered, 25) == 25
    alone.step(25)
    assert steered.step_count == 25
    assert torch.equal(steered.cells, alone.cells)


def test_a_paused_run_takes_only_the_steps_that_are_asked_for() -> None:
    steering, motor = Steering(), small_motor()
    steering.pause(True)
    with stepping(steering, motor, 10) as done:
        steering.step_once(3)
        steering.step_once(2)
        assert not done.wait(0.2)
        assert motor.step_count == 5
        steering.pause(False)
        assert done.wait(10)
    assert motor.step_count == 10


def test_halt_returns_when_the_steps_in_progress_have_ended() -> None:
    steering, motor = Steering(), small_motor()
    with stepping(steering, motor, 10**9) as done:
        for _ in range(20):
            taken = motor.step_count
            while motor.step_count == taken:
                pass
            steering.halt()
            motor.restart()  # a step that was still in progress would be counted after it
            assert (motor.step_count, steering.waits) == (0, True)
            steering.pause(False)
        steering.halt()
        assert not done.is_set()


def test_until_ends_a_paused_run() -> None:
    steering, motor = Steering(), small_motor()
    steering.pause(True)
    assert steering.step(motor, 10, lambda: True) == 0


def test_a_limit_spreads_the_steps_over_time_and_can_be_lifted() -> None:
    steering, motor = Steering(), small_motor()
    steering.limit(0.01)
    with stepping(steering, motor, 50) as done:
        assert not done.wait(0.1)
        assert motor.step_count <= 1
        steering.limit(None)
        assert done.wait(10)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast", True])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match="steps a second"):
        Steering().limit(speed)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "two", 10**9])
def test_a_number_of_steps_that_is_none_is_refused(steps: int) -> None:
    steering = Steering()
    with pytest.raises(ConfigError, match="whole number"):
        steering.step_once(steps)
    assert not steering.paused
