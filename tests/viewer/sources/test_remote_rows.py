"""A served row of cells in the window: a space-time picture of the pictures that came."""

from typing import Any

import numpy as np
import torch

from aetheria import Aetheria_Motor
from tests.viewer.served import motor_of, served, until, window_on
from viewer.controllers.controller import Controller
from viewer.model.region import Region


def rows_of(motor: Aetheria_Motor, steps: range) -> Any:
    """The cells at each step, by a motor alike."""
    rows = []
    for step in steps:
        motor.step(step - motor.step_count)
        rows.append(motor.cells[0, 0].numpy().copy())
    return np.array(rows)


def step_one_by_one(controller: Controller, motor: Aetheria_Motor, steps: int) -> None:
    for _ in range(steps):
        before = motor.step_count
        controller.step_once()
        until(controller, lambda before=before: controller.frame is not None and controller.frame.step > before)  # type: ignore[misc]


def test_steps_one_by_one_are_the_rows_of_a_space_time_picture() -> None:
    motor = motor_of("Elementary", (40,))
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: controller.frame is not None)
        step_one_by_one(controller, motor, 6)
        frame = view.frames[-1]
        capacity = controller.source.plane.grid[0]  # type: ignore[union-attr]
        assert frame.region == Region(capacity - 7, 0, 7, 40)
        assert np.array_equal(frame.pixels > 127, rows_of(motor_of("Elementary", (40,)), range(7)) > 0)
        controller.set_visible_area(Region(capacity - 3, 5, 3, 10), (30, 100))
        until(controller, lambda: view.frames[-1].region == Region(capacity - 3, 5, 3, 10))
        assert np.array_equal(view.frames[-1].pixels, frame.pixels[-3:, 5:15])
        assert not view.messages


def test_a_run_at_full_speed_leaves_steps_out_and_keeps_its_rows() -> None:
    motor = motor_of("Elementary", (40,))
    with served(motor) as (server, steering), window_on(server.url) as (controller, view):
        until(controller, lambda: controller.frame is not None)
        steering.limit(400)
        steering.pause(False)
        until(controller, lambda: view.frames[-1].region.height > 4)
        assert view.frames[-1].step > 4
        steering.limit(None)


def test_cells_of_past_rows_and_of_the_present_one_are_inspected() -> None:
    motor = motor_of("Elementary", (40,))
    with served(motor) as (server, _), window_on(server.url) as (controller, _):
        until(controller, lambda: controller.frame is not None)
        step_one_by_one(controller, motor, 3)
        rows, source = rows_of(motor_of("Elementary", (40,)), range(4)), controller.source
        found: list[Any] = []
        assert source is not None
        bottom = source.plane.grid[0] - 1
        for age in (0, 2):
            found.clear()
            source.inspect(bottom - age, 7, 0, found.append)
            until(controller, lambda: found)
            values = found[0].channels if age == 0 else found[0].fields[source.fields[0].name]
            assert (found[0].step, values.tolist()) == (3 - age, [rows[3 - age, 7]])


def test_the_newest_row_is_painted() -> None:
    motor = motor_of("Elementary", (40,), initial=torch.zeros(1, 40))
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: controller.frame is not None and controller.tools.target is not None)
        controller.model.change_brush(size=3)
        controller.tools.draw()
        controller.tools.press(5.0, 10.5)
        controller.tools.release(5.0, 10.5)
        until(controller, lambda: motor.cells.sum() == 3)
        until(controller, lambda: (view.frames[-1].pixels[-1] > 127).sum() == 3)
        controller.tools.undo()
        until(controller, lambda: not motor.cells.any())


def test_a_row_of_more_cells_than_a_picture_has_pixels_is_shown_reduced() -> None:
    motor = motor_of("Elementary", (3000,), initial=torch.cat((torch.zeros(1, 1500), torch.ones(1, 1500)), 1))
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: controller.frame is not None)
        plane = controller.source.plane  # type: ignore[union-attr]
        controller.set_visible_area(Region(plane.grid[0] - 4, 1400, 4, 200), (40, 200))
        until(controller, lambda: view.frames[-1].region.left == 1400)
        row = view.frames[-1].pixels[-1] > 127
        assert row[:98].sum() == 0
        assert row[102:].all()
