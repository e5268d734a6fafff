"""Another grid for the open run, with a window that only remembers: no Qt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


BOUNDED = [
    pytest.param({"name": "Life"}, {"height": 24, "width": 32}, "zero", id="Life"),
    pytest.param({"name": "Lenia", "R": 5}, {"height": 24, "width": 32}, "zero", id="Lenia"),
    pytest.param({"name": "ContactProcess"}, {"height": 24, "width": 32}, "klein-x", id="ContactProcess"),
    pytest.param(
        {"name": "ConvLSTM", "d_state": 2, "hidden_channels": 4}, {"height": 16, "width": 16}, "reflect", id="ConvLSTM"
    ),
    pytest.param({"name": "Elementary"}, {"width": 40}, "reflect", id="Elementary"),
    pytest.param({"name": "QuantumWalk"}, {"width": 40}, "reflect", id="QuantumWalk"),
]


@pytest.mark.parametrize(("law", "grid", "boundary"), BOUNDED)
def test_under_another_boundary_cells_memory_and_weights_go_on_as_in_a_motor_built_so(
    law: dict[str, Any], grid: dict[str, int], boundary: str, view: FakeView
) -> None:
    controller = Controller(view)
    values = {"steps": 9, "seed": 4, "grid": grid, "law": law, "initial": {"kind": "noise"}, "motor": {"plan": "eager"}}
    config = RunConfig.checked(values, "")
    controller.open(live(build_motor(config), config=config))
    before = motor_of(controller)
    before.step(3)
    controller.model.change_view(colours="inferno")
    controller.successors.change_boundary(boundary, lambda error: pytest.fail(str(error)))
    wait_until(lambda: told(view, f"The boundary is {boundary} now"), controller)
    made = motor_of(controller)
    assert (made.traits.boundary, made.step_count) == (boundary, 3)
    assert torch.equal(made.cells, before.cells)
    assert all(map(torch.equal, made.memory, before.memory))
    assert controller.model.view_settings is not None
    assert controller.model.view_settings.colours == "inferno"
    again = build_motor(RunConfig.from_toml(controller.save.config_toml(), ""))
    assert again.traits.boundary == boundary
    again.load_state_dict(before.state_dict())
    again.step(30)
    made.step(30)
    before.step(30)
    assert torch.equal(made.cells, again.cells)
    assert not torch.equal(made.cells, before.cells)
    controller.close()


def test_a_boundary_that_is_refused_changes_nothing_and_says_why(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    motor = motor_of(controller)
    reasons: list[str] = []

    def refused(boundary: str, words: str) -> None:
        reasons.clear()
        controller.successors.change_boundary(boundary, lambda error: reasons.append(str(error)))
        wait_until(lambda: reasons, controller)
        assert words in reasons[0]
        assert motor_of(controller) is motor

    refused("walls", '[law.life] boundary: "walls" given; expected one of periodic, zero, reflect')
    refused("sphere", 'boundary "sphere" joins neighbouring edges; expected a square grid')
    with Recorder(motor, tmp_path / "run.h5"):
        refused("zero", "a recorder is running, and its file is for this grid and law; finish it first")
    motor = life()
    controller.open(live(motor))
    refused("zero", "This run has no config, by which its law could be built again")
    controller.open(LiveSource(motor, borrowed=True))
    refused("zero", "This run belongs to a program: its grid and law are changed there")
