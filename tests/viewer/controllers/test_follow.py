"""The view follows the centre of mass: no Qt."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from aetheria import Life
from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import FakeView, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.follow import CentreTrack
from viewer.sources.live import LiveSource

GLIDER = ((0, 1), (1, 2), (2, 0), (2, 1), (2, 2))
SIZE = 48


def glider(top: int, left: int) -> Tensor:
    cells = torch.zeros(1, SIZE, SIZE)
    for y, x in GLIDER:
        cells[0, (top + y) % SIZE, (left + x) % SIZE] = 1
    return cells


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    motor = Aetheria_Motor(Life(), SIZE, 1, "cpu", {"plan": "eager"}, initial=glider(10, SIZE - 10))
    controller.open(live(motor))
    wait_until(lambda: controller.frame is not None, controller)
    yield controller
    controller.close()


def centre_of(controller: Controller) -> tuple[float, float]:
    """The centre of mass on a torus, by the angle of the mean of unit vectors."""
    assert isinstance(controller.source, LiveSource)
    ys, xs = np.nonzero(controller.source.motor.cells[0, 0].numpy())
    y, x = (np.angle(np.exp(2j * np.pi * at / SIZE).mean()) * SIZE / (2 * np.pi) % SIZE for at in (ys, xs))
    return float(y) + 0.5, float(x) + 0.5


def is_at_step(controller: Controller, step: int) -> bool:
    return controller.frame is not None and controller.frame.step == step


def is_at_centre(controller: Controller, view: FakeView) -> bool:
    return bool(view.centres) and math.dist(view.centres[-1], centre_of(controller)) < 0.1


def test_the_view_goes_to_the_centre_of_mass_and_along_with_it_round_the_torus(controller: Controller, view: FakeView) -> None:
    controller.toggle_follow()
    wait_until(lambda: is_at_centre(controller, view), controller)
    before = view.centres[-1]
    controller.step_many(60)  # fifteen cells down and to the right: over the right edge
    wait_until(lambda: is_at_step(controller, 60), controller)
    wait_until(lambda: is_at_centre(controller, view), controller)
    assert view.centres[-1][1] < before[1] - SIZE / 2
    ways = [abs((b[1] - a[1] + SIZE / 2) % SIZE - SIZE / 2) for a, b in zip(view.centres, view.centres[1:], strict=False)]
    assert max(ways) < 8, "not all the way back across the grid"


def test_the_view_glides_instead_of_jumping() -> None:
    track, view, ways = CentreTrack((20.0, 30.0), 0.0), (10.0, 30.0), list[float]()
    for _ in range(100):
        then = track.led(view, 1 / 60, None)
        ways.append(math.dist(view, then))
        view = then
    assert view == pytest.approx((20.0, 30.0), abs=1e-3)
    assert max(ways) < 1.5
    assert ways == sorted(ways, reverse=True)


@pytest.mark.parametrize("torus", [None, (48, 64)])
def test_what_moves_steadily_stays_in_the_middle_also_across_the_edge_of_a_torus(torus: tuple[int, int] | None) -> None:
    speed, now = (3.0, 20.0), 0.0
    track, view = CentreTrack((24.0, 32.0), 0.0, torus=torus), (24.0, 32.0)
    for tick in range(1, 241):  # four seconds: 80 columns
        now = tick / 60
        true = 24.0 + speed[0] * now, 32.0 + speed[1] * now
        if torus is not None:
            true = true[0] % torus[0], true[1] % torus[1]
        if tick % 6 == 0:
            track = track.then(true, now)
        view = track.led(view, 1 / 60, now)
        if now > 1:
            assert math.hypot(*track.way(true, view)) < 0.5
        if torus is not None:
            assert 0 <= view[0] <= 48
            assert 0 <= view[1] <= 64


def test_what_goes_several_times_round_a_torus_in_a_second_stays_in_the_middle() -> None:
    size, speed = 512, 2000.0  # 200 cells between two looks, and more than half round in three
    track, view = CentreTrack((0.0, 0.0), 0.0, torus=(size, size)), (0.0, 0.0)
    looks = {1, 3, 7, *range(13, 241, 6)} - {127}  # one comes late: the way since the last is more than half round
    for tick in range(1, 241):
        now = tick / 60
        true = (speed * now % size, 0.0)
        if tick in looks:
            track = track.then(true, now)
        view = track.led(view, 1 / 60, now)
        if now > 1:
            assert math.hypot(*track.way(true, view)) < 0.5
    assert track.speed == pytest.approx((speed, 0.0))


def test_who_moves_the_view_follows_no_longer(controller: Controller, view: FakeView) -> None:
    controller.toggle_follow()
    wait_until(lambda: is_at_centre(controller, view), controller)
    controller.follow.stop()
    assert not controller.model.follow
    moves = len(view.centres)
    frame = controller.frame
    controller.step_many(8)
    wait_until(lambda: controller.frame is not frame, controller)
    assert len(view.centres) == moves


def test_a_source_without_a_centre_of_mass_says_so(controller: Controller, view: FakeView) -> None:
    assert controller.source is not None
    controller.source.observables = ("population",)
    controller.toggle_follow()
    wait_until(lambda: view.messages, controller)
    assert "centre of mass" in view.messages[0].text
    assert not controller.model.follow
