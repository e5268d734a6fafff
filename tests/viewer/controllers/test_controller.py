"""The controller and a live source, with a window that only remembers: no Qt."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import FakeView, life, live, wait_until
from tests.viewer.recordings import record_life
from viewer.controllers.component import Component
from viewer.controllers.controller import Controller
from viewer.model.region import Region
from viewer.model.view_settings import ViewSettings
from viewer.sources.live import LiveSource
from viewer.sources.opening import open_any, open_config


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(live())
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


def motor_of(controller: Controller) -> Aetheria_Motor:
    assert isinstance(controller.source, LiveSource)
    return controller.source.motor


def source_of(controller: Controller) -> LiveSource:
    assert isinstance(controller.source, LiveSource)
    return controller.source


def passed(moment: float) -> bool:
    return time.monotonic() > moment


def shows(view: FakeView, step: int) -> bool:
    return view.frames[-1].step == step


def told(view: FakeView, times: int) -> bool:
    return len(view.messages) == times


def is_at(controller: Controller, step: int) -> bool:
    return motor_of(controller).step_count == step


def test_opening_shows_the_cells_before_any_step(controller: Controller, view: FakeView) -> None:
    frame, motor = view.frames[0], motor_of(controller)
    assert frame.step == 0
    assert frame.region == Region(0, 0, 24, 32)
    assert np.array_equal(frame.pixels, 255 * motor.cells[0, 0].numpy().astype(np.uint8))


def test_single_steps_are_taken_one_by_one_and_shown(controller: Controller, view: FakeView) -> None:
    for step in range(1, 4):
        controller.step_once()
        wait_until(partial(shows, view, step), controller)
    assert motor_of(controller).step_count == 3


def test_a_step_is_as_many_steps_as_the_step_scale_says(controller: Controller) -> None:
    for _ in range(4):
        controller.stride_up()
    controller.stride_down()
    controller.step_many(2)
    wait_until(lambda: motor_of(controller).step_count == 16, controller)


def test_playing_and_pausing(controller: Controller, view: FakeView) -> None:
    controller.unlimited()
    controller.toggle_play()
    wait_until(lambda: motor_of(controller).step_count > 20, controller)
    controller.toggle_play()
    assert controller.source is not None
    wait_until(lambda: controller.source is not None and not controller.source.status().playing, controller)
    wait_until(lambda: view.frames[-1].step == motor_of(controller).step_count, controller)


def test_speed_is_kept(controller: Controller) -> None:
    controller.set_speed(20.0)
    controller.toggle_play()
    began = motor_of(controller).step_count
    wait_until(lambda: motor_of(controller).step_count > began, controller)
    start = motor_of(controller).step_count
    until = time.monotonic() + 1.0
    wait_until(lambda: time.monotonic() > until, controller)
    assert 10 <= motor_of(controller).step_count - start <= 22


def test_reset_gives_the_first_cells_again_and_a_new_seed_others(controller: Controller, view: FakeView) -> None:
    first = view.frames[0].pixels
    controller.step_many(5)
    wait_until(lambda: view.frames[-1].step == 5, controller)
    controller.reset()
    wait_until(lambda: view.frames[-1].step == 0, controller)
    assert np.array_equal(view.frames[-1].pixels, first)
    controller.new_seed()
    wait_until(lambda: motor_of(controller).seed == 1, controller)
    wait_until(lambda: not np.array_equal(view.frames[-1].pixels, first), controller)


def test_going_to_a_step_goes_on_to_it_or_starts_again(controller: Controller) -> None:
    restarts: list[str] = []

    class Told(Component):
        def restarted(self) -> None:
            restarts.append("once")

    Told(controller)
    for step, told in ((30, 0), (7, 1), (20, 1)):
        controller.go_to(step)
        wait_until(partial(is_at, controller, step), controller)
        wait_until(lambda told=told: len(restarts) == told, controller)  # type: ignore[misc]


def test_going_somewhere_while_it_plays_ends_there(controller: Controller) -> None:
    controller.unlimited()
    for further in (None, 3_000):  # much more than a moment's steps
        controller.toggle_play()
        before = motor_of(controller).step_count
        wait_until(lambda before=before: motor_of(controller).step_count > before + 50, controller)  # type: ignore[misc]
        step = 3 if further is None else motor_of(controller).step_count + further
        controller.go_to(step)
        wait_until(partial(is_at, controller, step), controller)
        wait_until(lambda: not source_of(controller).status().playing, controller)
        until = time.monotonic() + 0.2
        wait_until(partial(passed, until), controller)
        assert motor_of(controller).step_count == step


def test_a_reset_while_it_plays_ends_at_the_start(controller: Controller) -> None:
    controller.unlimited()
    controller.toggle_play()
    wait_until(lambda: motor_of(controller).step_count > 200, controller)
    controller.reset()
    wait_until(partial(is_at, controller, 0), controller)
    until = time.monotonic() + 0.2
    wait_until(partial(passed, until), controller)
    assert motor_of(controller).step_count == 0


def test_a_long_update_can_be_stopped(controller: Controller) -> None:
    controller.model.set(stride=1 << 20, speed=1.0)
    controller.toggle_play()
    wait_until(lambda: motor_of(controller).step_count > 100, controller)
    controller.toggle_play()
    wait_until(lambda: not source_of(controller).status().playing, controller)
    source_of(controller).runner.halt()  # type: ignore[union-attr]
    stopped = motor_of(controller).step_count
    assert stopped < 1 << 20
    until = time.monotonic() + 0.2
    wait_until(partial(passed, until), controller)
    assert motor_of(controller).step_count == stopped


def test_another_speed_holds_at_once_and_not_after_the_next_update(controller: Controller) -> None:
    controller.set_speed(0.001)
    controller.toggle_play()
    wait_until(lambda: motor_of(controller).step_count == 1, controller)
    controller.unlimited()
    wait_until(lambda: motor_of(controller).step_count > 100, controller)
    controller.set_speed(0.001)
    controller.set_speed(240.0)
    before = motor_of(controller).step_count
    wait_until(lambda: motor_of(controller).step_count > before + 5, controller)


def test_only_what_is_in_view_leaves_the_device(controller: Controller, view: FakeView) -> None:
    stats = motor_of(controller).optimizer.transfer_stats
    controller.set_visible_area(Region(4, 8, 6, 10), (600, 1000))
    wait_until(lambda: view.frames[-1].region == Region(4, 8, 6, 10), controller)
    assert view.frames[-1].pixels.shape == (6, 10)
    bytes_before, frames_before = stats.bytes, stats.frames
    controller.step_once()
    wait_until(lambda: view.frames[-1].step == 1, controller)
    assert stats.bytes - bytes_before <= (stats.frames - frames_before) * 4 * 6 * 10  # a sample for the levels is the largest


def test_zoomed_out_the_picture_is_no_larger_than_the_screen(controller: Controller, view: FakeView) -> None:
    controller.set_visible_area(Region(0, 0, 24, 32), (12, 16))
    wait_until(lambda: view.frames[-1].pixels.shape == (12, 16), controller)


def test_nothing_leaves_the_device_while_nobody_looks_or_nothing_moves(controller: Controller) -> None:
    stats = motor_of(controller).optimizer.transfer_stats
    quiet = stats.bytes
    until = time.monotonic() + 0.8
    wait_until(lambda: time.monotonic() > until, controller)
    assert stats.bytes == quiet
    controller.set_visible(False)
    controller.unlimited()
    controller.toggle_play()
    assert isinstance(controller.source, LiveSource)
    wait_until(lambda: motor_of(controller).step_count > 50, controller)
    hidden = stats.bytes
    wait_until(lambda: motor_of(controller).step_count > 200, controller)
    assert stats.bytes == hidden
    controller.set_visible(True)
    wait_until(lambda: stats.bytes > hidden, controller)


class Explodes(nn.Module):
    """Overflows at its sixth step."""

    def forward(self, cells: Tensor) -> Tensor:
        return torch.where(cells > 5, torch.inf, cells + 1)


def test_cells_that_turn_infinite_pause_the_run_and_keep_the_last_finite_frame(view: FakeView) -> None:
    motor = Aetheria_Motor(Explodes(), 8, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 8, 8))
    controller = Controller(view)
    controller.open(live(motor))
    controller.toggle_play()
    wait_until(lambda: view.messages, controller)
    assert "NaN or Inf at step" in view.messages[0].text
    assert controller.source is not None
    assert not controller.source.status().playing
    assert controller.frame is not None
    assert controller.frame.step <= 6
    controller.close()


def test_cells_that_are_infinite_pause_the_run_again_when_it_is_started_again(view: FakeView) -> None:
    motor = Aetheria_Motor(Explodes(), 8, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 8, 8))
    controller = Controller(view)
    controller.open(live(motor))
    for times in (1, 2):
        controller.toggle_play()
        wait_until(partial(told, view, times), controller)
        assert controller.source is not None
        assert not controller.source.status().playing
    assert len(set(view.messages)) == 1  # one banner, not one for each time
    controller.go_to(2)
    wait_until(lambda: shows(view, 2), controller)
    controller.close()


def test_a_recording_pauses_once_where_it_is_not_finite_and_can_be_played_on(view: FakeView, tmp_path: Path) -> None:
    controller = Controller(view)
    controller.open(open_any(record_life(tmp_path / "run.h5", steps=5)))
    source = controller.source
    assert source is not None
    wait_until(lambda: controller.frame is not None, controller)
    assert controller.frame is not None
    bad = replace(controller.frame, step=3, finite=False)  # ours hold none: other programs write recordings, too
    source.play(True)
    assert not controller.divergence.worth_showing(bad)
    assert not source.status().playing
    assert "The frame of step 3 holds NaN or Inf: paused." in view.messages[0].text
    source.play(True)
    assert not controller.divergence.worth_showing(replace(bad, step=4))
    assert source.status().playing
    assert len(view.messages) == 1
    controller.close()


def test_of_a_run_that_other_code_steps_nobody_says_that_it_is_paused(view: FakeView) -> None:
    motor = Aetheria_Motor(Explodes(), 8, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 8, 8))
    controller = Controller(view)
    controller.open(live(motor, steps_it=False))
    for _ in range(9):
        motor.step(1)
    wait_until(lambda: view.messages, controller)
    assert "your own code goes on" in view.messages[0].text
    assert "paused" not in view.messages[0].text
    controller.close()


class Breaks(nn.Module):
    """Fails at its tenth step."""

    def forward(self, cells: Tensor) -> Tensor:
        if float(cells.max()) > 9:
            raise RuntimeError("the device is gone")
        return cells + 1


def test_a_step_that_fails_is_told_and_the_controller_lives_on(view: FakeView) -> None:
    motor = Aetheria_Motor(Breaks(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    controller = Controller(view)
    controller.open(live(motor))
    controller.toggle_play()
    wait_until(lambda: view.messages, controller)
    assert "the device is gone" in view.messages[0].text
    controller.open(live(life()))
    wait_until(lambda: view.frames[-1].region == Region(0, 0, 24, 32), controller)
    controller.close()


def test_a_config_is_shown_at_first_as_its_picture_table_says(view: FakeView) -> None:
    controller = Controller(view)
    controller.open(open_config("r_pentomino"))
    settings = controller.model.view_settings
    assert settings is not None
    assert (settings.field, settings.colours, settings.level_mode, settings.levels) == (
        "alive",
        "grey",
        "locked",
        (0.0, 1.0),
    )
    controller.open(live())
    assert controller.model.view_settings == ViewSettings("alive")
    controller.close()
