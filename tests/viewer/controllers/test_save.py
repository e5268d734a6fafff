"""Pictures, states and configs that are kept; no Qt."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.runs.state_file import describe_state
from tests.viewer.fakes import FakeView, life, live, wait_until
from tests.viewer.recordings import record_life
from viewer.controllers.controller import Controller
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource

CONFIG = {
    "title": "Growing",
    "steps": 10,
    "seed": 4,
    "grid": {"height": 24, "width": 32},
    "law": {"name": "GrowingNCA", "hidden_channels": 8, "fire_rate": 0.5},
    "motor": {"plan": "eager"},
}


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    torch.set_num_threads(1)
    controller = Controller(view)
    config = RunConfig.checked(CONFIG, "")
    controller.open(live(build_motor(config), config=config))
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


def motor_of(controller: Controller) -> Aetheria_Motor:
    assert isinstance(controller.source, LiveSource)
    return controller.source.motor


def told(view: FakeView, words: str) -> bool:
    return any(words in message.text for message in view.messages)


def test_a_picture_is_kept_as_png(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    controller.save.save_image(pixels, tmp_path / "x.png")
    wait_until(lambda: told(view, "Saved x.png."), controller)
    with Image.open(tmp_path / "x.png") as image:
        assert np.array_equal(np.asarray(image), pixels)
    controller.save.save_image(pixels, tmp_path / "missing" / "x.png")
    wait_until(lambda: told(view, "missing"), controller)


def test_a_state_that_was_saved_comes_back_while_the_run_plays_on(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    motor, path = motor_of(controller), tmp_path / "x.safetensors"
    controller.step_many(5)
    wait_until(lambda: motor.step_count == 5, controller)
    before = motor.state_dict()
    controller.save.save_state(path)
    wait_until(lambda: told(view, "Saved the state at step 5 in x.safetensors."), controller)
    controller.unlimited()
    controller.toggle_play()
    wait_until(lambda: motor.step_count > 8, controller)
    controller.save.load_state(path)
    wait_until(lambda: told(view, "Loaded x.safetensors: step 5."), controller)
    after = motor.state_dict()
    assert (after["step"], after["seed"]) == (5, 4)
    assert torch.equal(after["cells"], before["cells"])
    assert all(map(torch.equal, after["memory"], before["memory"]))
    assert controller.source is not None
    assert not controller.source.status().playing
    wait_until(lambda: view.frames[-1].step == 5, controller)


def test_a_saved_state_says_how_it_came_about(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    motor = motor_of(controller)
    motor.set_control("fire_rate", 0.25)
    controller.save.save_state(tmp_path / "x.safetensors")
    wait_until(lambda: view.messages, controller)
    config = tomllib.loads(describe_state(tmp_path / "x.safetensors").config)
    assert config["law"]["fire_rate"] == 0.25


def test_a_state_of_another_run_is_refused_with_the_reason(controller: Controller, view: FakeView, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    controller.save.save_state(path)
    wait_until(lambda: view.messages, controller)
    controller.open(live(life()))
    controller.save.load_state(path)
    wait_until(lambda: told(view, "a state of GrowingNCA, 24 x 32 cells, 16 channels; this run is Life"), controller)
    assert motor_of(controller).step_count == 0


def test_the_config_that_is_copied_makes_the_run_as_it_is_now(controller: Controller) -> None:
    motor = motor_of(controller)
    assert RunConfig.checked(tomllib.loads(controller.save.config_toml()), "") == RunConfig.checked(CONFIG, "")
    motor.set_control("fire_rate", 0.75)
    controller.new_seed()
    wait_until(lambda: motor.seed == 5, controller)
    again = build_motor(RunConfig.checked(tomllib.loads(controller.save.config_toml()), ""))
    assert again.get_control("fire_rate") == 0.75
    assert torch.equal(again.cells, motor.cells)
    for each in (motor, again):
        each.step(3)
    assert torch.equal(again.cells, motor.cells)


def test_the_config_of_a_recording_is_the_one_in_the_file(view: FakeView, tmp_path: Path) -> None:
    controller = Controller(view)
    controller.open(RecordingSource(Recording(record_life(tmp_path / "run.h5", steps=3, config="steps = 3\n"))))
    assert controller.save.config_toml() == "steps = 3\n"
    controller.open(live(life()))
    with pytest.raises(ConfigError, match="has no config"):
        controller.save.config_toml()
    controller.close()
