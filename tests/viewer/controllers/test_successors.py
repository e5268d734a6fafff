"""Another grid for the open run, with a window that only remembers: no Qt."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recorder
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.controller import Controller
from viewer.sources.live import LiveSource

CONFIG = {"steps": 9, "seed": 4, "grid": {"height": 24, "width": 32}, "law": {"name": "Life"}, "motor": {"plan": "eager"}}


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    config = RunConfig.checked(CONFIG, "")
    controller.open(live(build_motor(config), config=config, title="My run"))
    yield controller
    controller.close()


def motor_of(controller: Controller) -> Aetheria_Motor:
    assert isinstance(controller.source, LiveSource)
    return controller.source.motor


def told(view: FakeView, words: str) -> bool:
    return any(words in message.text for message in view.messages)


def test_the_grid_is_enlarged_and_the_cells_stay(controller: Controller, view: FakeView) -> None:
    motor = motor_of(controller)
    motor.step(5)
    controller.model.change_brush(size=7)
    controller.successors.resize((64, 80))
    wait_until(
        lambda: told(view, "The grid is 64 x 80 cells now, instead of 24 x 32; resize it again to undo this"), controller
    )
    made, source = motor_of(controller), controller.source
    assert torch.equal(made.cells[..., 20:44, 24:56], motor.cells)
    assert made.step_count == 5
    assert isinstance(source, LiveSource)
    assert source.title == "My run"
    assert source.config is not None
    assert source.config.grid.sides == (64, 80)
    assert controller.model.brush.size == 7
    again = build_motor(RunConfig.from_toml(controller.save.config_toml(), ""))
    assert again.shape == made.shape
    made.step(3)


def test_a_recorded_run_and_one_of_a_program_keep_their_grid(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    with Recorder(motor_of(controller), tmp_path / "run.h5"):
        controller.successors.resize((64, 80))
        wait_until(lambda: told(view, "resized: a recorder is running, and its file is for this grid and law"), controller)
    assert motor_of(controller).shape[2:] == (24, 32)
    controller.open(LiveSource(life(), borrowed=True))
    controller.successors.resize((64, 80))
    assert told(view, "This run belongs to a program: its grid and law are changed there")
