"""Tools on a served run: every change leaves the cells that the same tool leaves on a motor of this process."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from aetheria import Aetheria_Motor
from aetheria.laws.base import Law
from tests.viewer.fakes import FakeView, live
from tests.viewer.recordings import Turning
from tests.viewer.served import motor_of, served, until, window_on
from viewer.controllers.clipping import Clipping, clipping_of_text
from viewer.controllers.controller import Controller
from viewer.model.region import Region

GLIDER = "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"
Change = Callable[[Controller], object]


def stroke(brush: str) -> Change:
    def paint(controller: Controller) -> None:
        tools = controller.tools
        controller.model.change_brush(size=5)
        tools.choose(brush)  # type: ignore[arg-type]
        tools.press(6.5, 4.5)
        for x in (9.5, 14.5, 20.5):
            tools.drag(8.5, x)
        tools.release(9.5, 21.5)

    return paint


REGION = Region(2, 3, 7, 9)


def selected(change: Change) -> Change:
    def run(controller: Controller) -> None:
        controller.selection.choose(REGION)
        change(controller)

    return run


def paste(controller: Controller) -> None:
    controller.paste.take(lambda law: clipping_of_text(GLIDER, law))
    until(controller, lambda: controller.paste.clipping is not None)
    controller.paste.at((22, 30))  # beyond both edges of the torus


def everywhere(change: Change) -> Change:
    def run(controller: Controller) -> None:
        controller.model.change_brush(everywhere=True)
        change(controller)

    return run


CHANGES: dict[str, Change] = {
    "draw": stroke("draw"),
    "erase": stroke("erase"),
    "random": stroke("random"),
    "clear": selected(lambda controller: controller.selection.clear()),
    "clear outside": selected(lambda controller: controller.selection.clear_outside()),
    "fill": selected(lambda controller: controller.selection.fill()),
    "advance": selected(lambda controller: controller.selection.advance()),
    "turn": selected(lambda controller: controller.selection.turn_right()),
    "flip": selected(lambda controller: controller.selection.flip_across()),
    "all universes": everywhere(selected(lambda controller: controller.selection.fill())),
}


def ready(controller: Controller) -> None:
    until(controller, lambda: controller.frame is not None and controller.tools.stamps)


def done(controller: Controller, motor: Aetheria_Motor, before: int) -> None:
    """Waits until all queued changes were made."""
    until(controller, lambda: not controller.tools.painting and len(motor.edits) > before)
    asked = threading.Event()
    assert controller.source is not None
    controller.source.submit(lambda: None, lambda _: asked.set())
    until(controller, asked.is_set)


def both(law: str | Law, grid: tuple[int, ...], changes: dict[str, Change], **options: object) -> None:
    ours, theirs = motor_of(law, grid, **options), motor_of(law, grid, **options)
    local = Controller(FakeView())
    local.open(live(ours))
    with served(theirs) as (server, _), window_on(server.url) as (remote, view):
        for controller in (local, remote):
            ready(controller)
        first = ours.cells
        for name, change in changes.items():
            for controller, motor in ((local, ours), (remote, theirs)):
                before = len(motor.edits)
                change(controller)
                done(controller, motor, before)
            assert torch.equal(theirs.cells, ours.cells), name
        assert remote.tools.undoable == local.tools.undoable == len(changes)
        assert not torch.equal(theirs.cells, first)
        last = ours.cells
        for command, cells in (("undo", first), ("redo", last)):
            for _ in changes:
                before = len(theirs.edits)
                getattr(remote.tools, command)()
                done(remote, theirs, before)
            assert torch.equal(theirs.cells, cells), command
        assert not view.messages
    local.close()


def test_tools_on_whole_states_are_those_of_a_motor_of_ones_own() -> None:
    both("Life", (24, 32), {**CHANGES, "paste": paste}, batch=2)


def test_tools_on_real_values_too() -> None:
    wanted = ("draw", "fill", "flip", "advance")
    both("Lenia", (32, 32), {name: CHANGES[name] for name in wanted})


def test_tools_on_complex_amplitudes_too() -> None:
    both(Turning(), (24, 24), {"wave": stroke("wave"), "vortex": stroke("vortex"), "clear": CHANGES["clear"]})


def test_tools_on_a_slice_of_a_volume_too() -> None:
    both("Life3D", (5, 24, 24), {name: CHANGES[name] for name in ("draw", "fill", "advance", "turn")})


def test_a_stroke_while_the_run_goes_on_sets_the_painted_cells_alone() -> None:
    motor, alike = motor_of(), motor_of()
    with served(motor) as (server, steering), window_on(server.url) as (controller, _):
        ready(controller)
        steering.limit(50)
        steering.pause(False)
        until(controller, lambda: motor.step_count > 3)
        stroke("draw")(controller)
        done(controller, motor, 0)
        steering.pause(True)
        until(controller, lambda: steering.waits)
        changed = [(edit.step, edit.at, edit.values) for edit in motor.edits]  # type: ignore[union-attr]
        last, cells = motor.step_count, motor.cells
    for step, at, values in changed:
        alike.step(step - alike.step_count)
        before = alike.cells[0, 0, at[0] : at[0] + values.shape[-2], at[1] : at[1] + values.shape[-1]]
        assert bool((torch.as_tensor(values).reshape(before.shape) >= before).all())  # no cell is put back
        alike.set_cells(values, at)
    alike.step(last - alike.step_count)
    assert torch.equal(alike.cells, cells)


def test_cells_are_copied_and_cut_with_their_step() -> None:
    motor = motor_of()
    with served(motor) as (server, _), window_on(server.url) as (controller, _):
        ready(controller)
        controller.step_many(7)
        until(controller, lambda: motor.step_count == 7)
        cells, found = motor.cells[0, 0, 2:9, 3:12].numpy(), []
        controller.selection.choose(REGION)
        controller.selection.copy(lambda clipping, law: found.append((clipping, clipping.rle(law))), cut=True)
        until(controller, lambda: found)
        clipping, text = found[0]
        assert np.array_equal(clipping.values[0], cells)
        assert clipping.step == 7
        assert "rule = B3/S23" in text
        until(controller, lambda: not motor.cells[0, 0, 2:9, 3:12].any())


def test_more_cells_than_one_message_holds_are_changed_as_one_stroke() -> None:
    motor = motor_of("Lenia", (300, 900))  # 270,000 values: two messages to read, many to write
    before = motor.cells
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        ready(controller)
        controller.selection.all()
        controller.selection.clear()
        done(controller, motor, 0)
        until(controller, lambda: not motor.cells.any())
        assert controller.tools.undoable == 1
        controller.tools.undo()
        until(controller, lambda: torch.equal(motor.cells, before))
        assert not view.messages


def test_a_read_only_server_says_why_its_cells_cannot_be_painted() -> None:
    motor = motor_of()
    with served(motor, read_only=True) as (server, _), window_on(server.url) as (controller, view):
        until(controller, lambda: view.frames)
        for refused in (controller.tools.draw, controller.selection.all, controller.selection.select):
            view.messages.clear()
            refused()
            assert "--read-only" in view.messages[-1].text
        stroke("draw")(controller)
        controller.tools.undo()
        controller.paste.take(lambda _: Clipping(np.ones((1, 2, 2))))
        assert controller.model.tool == "pan"
    assert not motor.edits


def test_a_change_that_the_server_refuses_is_said_and_leaves_the_tools_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = motor_of()
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        ready(controller)
        with monkeypatch.context() as patch:
            patch.setattr(Aetheria_Motor, "set_cells", lambda *_, **__: motor.set_control("rule", "nonsense"))
            stroke("draw")(controller)
            until(controller, lambda: view.messages)
        assert "nonsense" in view.messages[-1].text
        stroke("draw")(controller)
        done(controller, motor, 0)
        assert motor.cells[0, 0, 6, 4] == 1


def test_tools_go_on_after_the_connection_broke() -> None:
    motor = motor_of()
    with served(motor) as (server, _), window_on(server.url) as (controller, view):
        ready(controller)
        for reader in list(server._readers):
            server._call(reader.transport.abort)
        until(controller, lambda: view.messages)
        until(controller, lambda: server.readers == 1)
        stroke("draw")(controller)
        done(controller, motor, 0)
        assert motor.cells[0, 0, 6, 4] == 1
