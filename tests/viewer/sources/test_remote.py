"""A served run as a source: the cells of the server's motor, steered from a controller without a window."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aetheria import Aetheria_Motor
from aetheria.core.errors import AetheriaError, ConfigError
from tests.viewer.fakes import FakeView
from tests.viewer.served import motor_of, served, until, window_on
from viewer.controllers.controller import Controller
from viewer.model.region import Region
from viewer.sources.opening import check, open_any
from viewer.sources.remote import RemoteSource


def shows(view: FakeView, motor: Aetheria_Motor) -> bool:
    """Whether the newest frame has the cells of the motor."""
    cells = motor.cells[0, 0].numpy()
    frame = view.frames[-1] if view.frames else None
    return frame is not None and frame.pixels.shape == cells.shape and np.array_equal(frame.pixels > 127, cells > 0)


def test_a_window_shows_the_cells_of_the_server_and_steps_them() -> None:
    motor = motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, view):
        until(controller, lambda: shows(view, motor))
        assert steering.paused  # to open a window lets nothing go on
        controller.step_many(3)
        until(controller, lambda: motor.step_count == 3 and view.frames[-1].step == 3)
        assert shows(view, motor)
        until(controller, lambda: view.statuses[-1].step == 3)
        assert not view.statuses[-1].playing
        controller.toggle_play()
        until(controller, lambda: not steering.paused and motor.step_count > 3)
        assert not view.messages


def test_speed_field_and_viewport_are_chosen_in_the_window() -> None:
    motor = motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        assert steering.speed is None
        controller.set_speed(8.0)
        until(controller, lambda: steering.speed == 8.0)
        controller.set_visible_area(Region(2, 3, 4, 5), (4, 5))
        until(controller, lambda: view.frames[-1].region == Region(2, 3, 4, 5))
        assert np.array_equal(view.frames[-1].pixels > 127, motor.cells[0, 0, 2:6, 3:8].numpy() > 0)
        controller.next_field()
        until(controller, lambda: view.frames[-1].field == controller.source.fields[1].name)  # type: ignore[union-attr]


def test_a_window_shows_the_speed_of_the_server_and_leaves_it() -> None:
    motor = motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, view):
        model = controller.model
        until(controller, lambda: model.speed is None)  # no limit; a window of its own begins with 60
        steering.limit(7.0)  # by another reader
        until(controller, lambda: model.speed == 7.0)
        controller.stride_up()  # twice the steps a frame: the frames a second stay
        until(controller, lambda: steering.speed == 14.0)
        steering.limit(3.0)
        until(controller, lambda: (model.speed, model.stride) == (1.5, 2))
        controller.unlimited()
        until(controller, lambda: steering.speed is None)
        assert not view.messages
        controller.close()
        assert model.speed == 60.0


def test_a_window_that_only_looks_leaves_the_speed_whatever_it_was() -> None:
    with served(motor_of(), read_only=True) as (server, steering):
        steering.limit(2.5)
        with window_on(server.url) as (controller, view):
            until(controller, lambda: view.frames and controller.model.speed == 2.5)
            controller.faster()
            until(controller, lambda: controller.model.speed == 2.5)
        assert steering.speed == 2.5


def test_a_slice_of_a_volume_is_chosen_across_any_axis() -> None:
    motor = motor_of("Life3D", (5, 6, 7))
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        assert np.array_equal(view.frames[-1].pixels > 127, motor.cells[0, 0, 2].numpy() > 0)
        controller.next_axis()
        until(controller, lambda: view.frames[-1].slice is not None and view.frames[-1].slice.axis == "y")
        assert np.array_equal(view.frames[-1].pixels > 127, motor.cells[0, 0, :, 3].numpy() > 0)


def test_parameters_are_changed_from_the_window_and_refusals_are_shown() -> None:
    motor = motor_of("Lenia", (32, 32))
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        parameters = controller.parameters
        until(controller, lambda: {"m", "s"} <= {control.name for control in parameters.controls})
        parameters.set("m", 0.2)
        until(controller, lambda: motor.get_control("m") == 0.2 and parameters.values["m"] == 0.2)
        parameters.set("s", -1.0)
        until(controller, lambda: view.messages)
        assert "-1.0 given" in view.messages[-1].text
        motor.set_control("m", 0.17)  # by somebody else
        until(controller, lambda: parameters.values["m"] == 0.17)
        parameters.reset("m")
        until(controller, lambda: motor.get_control("m") == 0.15)


def test_a_served_run_is_reset_and_its_edits_are_listed() -> None:
    motor, alike = motor_of(), motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, view):
        history = controller.history
        until(controller, lambda: shows(view, motor))
        motor.set_control("rule", "B36/S23")  # by somebody else
        until(controller, lambda: history.lines == ("step 0: rule = B36/S23",))
        controller.step_many(4)
        until(controller, lambda: motor.step_count == 4 and view.statuses[-1].step == 4)
        controller.tools.draw()
        controller.tools.press(5, 6)
        controller.tools.release(5, 6)
        until(controller, lambda: len(history.lines) == 2 and history.lines[1].startswith("step 4: cells near"))
        controller.reset()
        until(controller, lambda: motor.step_count == 0 and history.lines == () and shows(view, motor))
        assert np.array_equal(motor.cells.numpy(), alike.cells.numpy())
        assert motor.get_control("rule") == "B3/S23"
        controller.toggle_play()
        until(controller, lambda: view.statuses[-1].step > 5)
        controller.go_to(2)  # back, and on from the start
        until(controller, lambda: motor.step_count == 2 and steering.waits and view.frames[-1].step == 2)
        alike.step(2)
        assert np.array_equal(motor.cells.numpy(), alike.cells.numpy())
        assert not view.messages


def test_rules_of_the_served_law_are_chosen_by_name_and_no_others() -> None:
    motor = motor_of()
    with served(motor) as (server, _), window_on(server.url) as (controller, _):
        parameters = controller.parameters
        until(controller, lambda: parameters.known)
        rules = parameters.known["rule"]
        assert {"B3/S23", "B36/S23"} < set(rules.values())
        assert not {"345/2/4", "WireWorld"} & set(rules.values())
        parameters.set("rule", rules["HighLife  B36/S23"])
        until(controller, lambda: motor.get_control("rule") == "B36/S23")


def test_a_cell_is_inspected() -> None:
    motor = motor_of()
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        found: list[Any] = []
        assert controller.source is not None
        controller.source.inspect(5, 6, 0, found.append)
        until(controller, lambda: found)
        assert found[0].channels.tolist() == [float(motor.cells[0, 0, 5, 6])]


def test_observables_are_plotted_as_they_come_with_the_pictures() -> None:
    motor, alike = motor_of(), motor_of()
    with served(motor) as (server, _steering), window_on(server.url) as (controller, view):
        series = controller.series
        assert {"population"} <= {quantity.name for quantity in series.offered}
        until(controller, lambda: view.frames)
        assert not series.stretches  # nothing is computed for plots that nobody sees
        series.shown = True
        series.choose(["population"])
        until(controller, lambda: series.stretches)
        for _ in range(3):
            before = motor.step_count
            controller.step_once()
            until(controller, lambda before=before: series.stretches[-1].steps[-1] > before)  # type: ignore[misc]
        steps, values = series.stretches[-1].steps, series.stretches[-1].values("population")
        for step, value in zip(steps, values, strict=True):
            alike.step(int(step) - alike.step_count)
            assert value.tolist() == [float(alike.cells.sum())]
        series.shown = False
        until(controller, lambda: not any(channel.view.observables for channel in list(server._hub._channels.values())))


def test_a_read_only_server_is_seen_and_not_steered() -> None:
    motor = motor_of()
    with served(motor, read_only=True) as (server, steering), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        source = controller.source
        assert isinstance(source, RemoteSource)
        assert not source.runs
        assert not source.controls
        controller.toggle_play()
        controller.step_once()
        controller.set_speed(2.0)
        until(controller, lambda: shows(view, motor))
        assert steering.paused
        assert steering.speed is None


def test_a_server_that_goes_is_told_and_its_return_too() -> None:
    motor = motor_of()
    view = FakeView()
    controller = Controller(view)
    with served(motor) as (server, _):
        port, token = server.port, server.token
        controller.open(open_any(server.url))
        until(controller, lambda: view.frames)
        for reader in list(server._readers):
            server._call(reader.transport.abort)
        until(controller, lambda: view.messages)
        assert "connection" in view.messages[-1].text
        shown = len(view.frames)
        motor.set_cells(motor.cells * 0)
        until(controller, lambda: len(view.frames) > shown and shows(view, motor))
    until(controller, lambda: "the run has ended" in view.messages[-1].text)
    assert token not in "".join(message.text for message in view.messages)
    assert str(port) in view.messages[-1].text
    controller.close()


@pytest.mark.parametrize(
    ("change", "line"), [(lambda url: f"{url}x", "token: wrong"), (lambda url: url.partition("?")[0], "has no token")]
)
def test_what_is_wrong_with_an_address_is_said_before_a_window_opens(change: Callable[[str], str], line: str) -> None:
    with served(motor_of()) as (server, _), pytest.raises(ConfigError, match=line):
        check(change(server.url))


def test_no_server_and_another_version_are_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(motor_of()) as (server, _):
        with pytest.raises(ConfigError, match="--device"):
            check(server.url, device="cpu")
        monkeypatch.setattr("aetheria.serve.client.VERSION", 1)
        with pytest.raises(ConfigError, match="this server speaks version 2"):
            check(server.url)
    with pytest.raises(ConfigError, match="refused"):
        check(server.url)


@pytest.mark.parametrize("address", ["ws://127.0.0.1:1?token=secret", "ws://127.0.0.1:1", "http://"])
def test_a_wrong_address_is_one_line_with_exit_code_2(address: str) -> None:
    with pytest.raises(AetheriaError) as error:
        check(address)
    assert error.value.exit_code == 2
    assert len(str(error.value).splitlines()) == 1
    assert "secret" not in str(error.value)
