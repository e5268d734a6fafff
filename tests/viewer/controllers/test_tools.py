"""Strokes on a real motor, with a window that only remembers: no Qt."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria import MLP, GrowingNCA, Lenia, Life, law_from_rule
from aetheria.core.errors import FileUnreadableError, StateError
from aetheria.motor.motor import Aetheria_Motor
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.brushes import Dab, paint_target_of
from viewer.controllers.controller import Controller
from viewer.controllers.stamps import Stamp, read_stamp, turned
from viewer.controllers.strokes import Painter, Stroke, grouped
from viewer.model.brush_settings import BrushSettings
from viewer.model.plane import plane_of
from viewer.model.region import Region
from viewer.sources.cell_access import MotorCells
from viewer.sources.live import LiveSource


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    yield controller
    controller.close()


def opened(controller: Controller, motor: Aetheria_Motor) -> Aetheria_Motor:
    controller.open(live(motor))
    wait_until(lambda: controller.tools.stamps and controller.frame, controller)
    return motor


def empty_life(**options: Any) -> Aetheria_Motor:
    return life(initial=torch.zeros(1, 24, 32), **options)


def settled(controller: Controller) -> None:
    """Waits until the worker has done all that was asked of it."""
    assert isinstance(controller.source, LiveSource)
    done: list[bool] = []
    controller.source.submit(lambda: True, done.append)
    wait_until(lambda: done, controller)


def stroke(controller: Controller, *places: tuple[float, float], erase: bool = False) -> None:
    controller.tools.press(*places[0], erase=erase)
    for place in places[1:]:
        controller.tools.drag(*place)
    controller.tools.release(*places[-1])


def test_a_stroke_is_painted_and_shown_while_the_motor_stands_still(controller: Controller, view: FakeView) -> None:
    motor = opened(controller, empty_life())
    controller.tools.draw()
    controller.model.change_brush(size=1)
    stroke(controller, (3.5, 4.5), (3.5, 20.5))
    wait_until(lambda: view.frames[-1].pixels.any(), controller)
    settled(controller)
    wait_until(lambda: view.frames[-1].pixels.sum() == 17 * 255, controller)
    assert np.argwhere(motor.cells[0, 0].numpy()).tolist() == [[3, x] for x in range(4, 21)]
    assert motor.step_count == 0


def test_a_fast_mouse_leaves_no_gaps_and_the_same_stroke_as_a_slow_one(controller: Controller) -> None:
    motor = opened(controller, empty_life())
    controller.tools.draw()
    controller.model.change_brush(size=3)
    stroke(controller, (2.5, 2.5), (20.5, 29.5))
    settled(controller)
    fast = motor.cells
    controller.tools.undo()
    way = [(2.5 + 18 * t / 50, 2.5 + 27 * t / 50) for t in range(51)]
    stroke(controller, *way)
    settled(controller)
    assert torch.equal(fast, motor.cells)
    assert fast.sum() > 90


def test_the_right_button_erases_while_drawing(controller: Controller) -> None:
    motor = opened(controller, empty_life())
    controller.tools.draw()
    controller.model.change_brush(size=5)
    stroke(controller, (10.5, 10.5))
    stroke(controller, (10.5, 10.5), erase=True)
    settled(controller)
    assert not motor.cells.any()
    assert controller.tools.undoable == 2
    assert controller.model.tool == "draw"


def motors() -> Iterator[Any]:
    def motor(law: nn.Module, d: int, grid: tuple[int, int] = (48, 40)) -> Aetheria_Motor:
        return Aetheria_Motor(law, grid, d, "cpu", {"plan": "eager"}, initial="noise")

    yield pytest.param(lambda: motor(Life(), 1), ("draw", "erase", "random", "stamp"), id="Life")
    yield pytest.param(lambda: motor(Life(boundary="zero"), 1), ("draw", "erase", "random", "stamp"), id="Life with edges")
    yield pytest.param(lambda: motor(Lenia(), 1), ("draw", "erase", "random", "stamp"), id="Lenia")
    yield pytest.param(lambda: motor(GrowingNCA(), 16), ("draw", "erase", "random", "stamp"), id="GrowingNCA")
    yield pytest.param(lambda: motor(MLP(2), 2), ("draw", "erase", "random", "stamp", "vortex", "wave"), id="MLP")
    yield pytest.param(lambda: motor(Plain(), 3), ("draw", "erase", "random", "stamp"), id="a user's module")


class Plain(nn.Module):
    """Somebody's own law."""

    def forward(self, cells: Tensor) -> Tensor:
        return 0.9 * cells


@pytest.mark.parametrize(("make", "brushes"), list(motors()))
def test_undo_gives_the_cells_before_bit_by_bit_and_redo_those_after(
    make: Any, brushes: tuple[str, ...], controller: Controller
) -> None:
    motor = opened(controller, make())
    seen = [motor.cells]
    for brush in brushes:
        getattr(controller.tools, brush)()
        assert controller.model.tool == brush
        controller.model.change_brush(size=9, strength=0.7)
        stroke(controller, (1.0, 2.0), (6.0, 38.0), (46.0, 44.0))
        settled(controller)
        seen.append(motor.cells)
        assert not torch.equal(seen[-1], seen[-2])
    for before in reversed(seen[:-1]):
        controller.tools.undo()
        settled(controller)
        assert torch.equal(motor.cells, before)
    for after in seen[1:]:
        controller.tools.redo()
        settled(controller)
        assert torch.equal(motor.cells, after)
    assert controller.tools.undoable == len(brushes)
    assert controller.tools.redoable == 0


def test_a_new_stroke_ends_what_could_be_painted_again(controller: Controller, view: FakeView) -> None:
    opened(controller, empty_life())
    controller.tools.draw()
    stroke(controller, (5, 5))
    controller.tools.undo()
    stroke(controller, (9, 9))
    controller.tools.redo()
    settled(controller)
    assert controller.tools.redoable == 0
    assert "no stroke to redo" in view.messages[-1].text


class Counts(nn.Module):
    """Adds 1 at each step: a cell shows how many steps it has missed."""

    def forward(self, cells: Tensor) -> Tensor:
        return cells + 1


def test_painting_a_running_motor_sets_no_other_cell_back(controller: Controller) -> None:
    motor = opened(
        controller,
        Aetheria_Motor(Counts(), 64, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 64, 64)),
    )
    controller.unlimited()
    controller.toggle_play()
    wait_until(lambda: motor.step_count > 0, controller)  # cells that are 0 cannot be erased
    controller.tools.erase()
    controller.model.change_brush(size=3)
    for k in range(20):
        stroke(controller, (10.5, 10.5 + k), (30.5, 10.5 + k))
        controller.tick()
    settled(controller)
    controller.tools.undo()
    settled(controller)
    controller.toggle_play()
    wait_until(lambda: controller.source is not None and not controller.source.status().playing, controller)
    settled(controller)
    cells = motor.cells[0, 0]
    assert cells[0, 0] == motor.step_count > 20
    assert (cells[:, 35:] == cells[0, 0]).all()
    assert (cells[40:] == cells[0, 0]).all()
    assert (cells[12:28, 11:28] < cells[0, 0]).all()


def test_strokes_are_forgotten_when_the_run_begins_again_or_something_else_is_opened(
    controller: Controller, view: FakeView
) -> None:
    motor = opened(controller, empty_life())
    controller.tools.draw()
    stroke(controller, (5, 5))
    settled(controller)
    assert controller.tools.undoable == 1
    controller.reset()
    wait_until(lambda: not motor.cells.any() and controller.tools.undoable == 0, controller)
    controller.tools.undo()
    settled(controller)
    assert "no stroke to undo" in view.messages[-1].text
    assert not motor.cells.any()
    controller.tools.draw()
    stroke(controller, (5, 5))
    settled(controller)
    other = opened(controller, empty_life())
    assert controller.tools.undoable == 0
    assert controller.model.tool == "pan"
    controller.tools.undo()
    settled(controller)
    assert not other.cells.any()


def test_only_the_universe_that_is_shown_is_painted_unless_all_are_wanted(controller: Controller) -> None:
    motor = opened(controller, empty_life(batch=3))
    controller.next_universe()
    controller.tools.draw()
    stroke(controller, (5, 5))
    settled(controller)
    assert [bool(cells.any()) for cells in motor.cells] == [False, True, False]
    controller.model.change_brush(everywhere=True)
    stroke(controller, (15, 15))
    settled(controller)
    both = motor.cells
    assert [bool(cells[0, 12:18].any()) for cells in both] == [True, True, True]
    assert not both[0, 0, :10].any()
    controller.tools.undo()
    controller.tools.undo()
    settled(controller)
    assert not motor.cells.any()


def test_random_cells_differ_from_universe_to_universe(controller: Controller) -> None:
    motor = opened(controller, empty_life(batch=2))
    controller.tools.random()
    controller.model.change_brush(everywhere=True, size=16)
    stroke(controller, (12, 16))
    settled(controller)
    one, other = motor.cells
    assert one.any()
    assert not torch.equal(one, other)


def test_a_brush_that_makes_no_sense_is_not_taken_in_hand(controller: Controller, view: FakeView) -> None:
    opened(controller, empty_life())
    controller.tools.vortex()
    assert controller.model.tool == "pan"
    assert "only laws of complex amplitudes" in view.messages[-1].text
    controller.close()
    controller.tools.draw()
    assert controller.model.tool == "pan"
    assert "only live runs" in view.messages[-1].text


def test_pressing_without_a_brush_paints_nothing(controller: Controller) -> None:
    motor = opened(controller, empty_life())
    stroke(controller, (5, 5), (9, 9))
    settled(controller)
    assert not motor.cells.any()


def test_a_glider_is_stamped_and_flies(controller: Controller) -> None:
    motor = opened(controller, empty_life())
    controller.tools.stamp()
    controller.model.change_brush(pattern="Glider")
    stroke(controller, (5.5, 6.5))
    settled(controller)
    glider = motor.cells[0, 0]
    assert glider[4:7, 5:8].tolist() == [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert glider.sum() == 5
    controller.step_many(4)
    wait_until(lambda: motor.step_count == 4, controller)
    assert torch.equal(motor.cells[0, 0], glider.roll((1, 1), (0, 1)))


def test_a_turned_glider_flies_another_way(controller: Controller) -> None:
    motor = opened(controller, empty_life())
    controller.tools.stamp()
    controller.model.change_brush(pattern="Glider")
    controller.tools.turn()
    stroke(controller, (5.5, 6.5))
    settled(controller)
    glider = motor.cells[0, 0]
    motor.step(4)
    assert torch.equal(motor.cells[0, 0], glider.roll((1, -1), (0, 1)))


def test_a_mirrored_pattern_is_that_in_view_with_left_and_right_exchanged() -> None:
    controller = Controller(FakeView())
    pattern = Stamp("F", np.array([[0, 1, 1], [1, 1, 0], [0, 1, 0], [0, 1, 0]], np.float32))

    def in_sight() -> list[list[float]]:
        values: list[list[float]] = turned(pattern, controller.model.brush).tolist()
        return values

    for quarters in range(4):
        before = in_sight()
        assert before == np.rot90(pattern.values, -quarters).tolist()
        controller.tools.mirror()
        assert in_sight() == [row[::-1] for row in before]
        controller.tools.turn()
        assert in_sight() == np.rot90(np.fliplr(before), -1).tolist()
        controller.model.change_brush(turns=quarters + 1, mirrored=False)


def test_lenia_is_offered_its_animals_its_own_first(controller: Controller) -> None:
    motor = opened(controller, Aetheria_Motor(Lenia("OG2g"), 64, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 64, 64)))
    names = [stamp.name for stamp in controller.tools.stamps]
    assert names[0] == "Gyrorbium gyrans"
    assert {"Orbium unicaudatus", "Orbium unicaudatus ignis", "Gyrorbium revolvens"} <= set(names)
    controller.tools.stamp()
    stroke(controller, (32, 32))
    settled(controller)
    before = motor.cells
    motor.step(20)
    assert 0.5 < motor.cells.sum() / before.sum() < 1.5


def test_a_pattern_file_is_added_and_taken_in_hand_and_a_bad_one_is_told(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    motor = opened(controller, empty_life())
    (tmp_path / "block.rle").write_text("x = 2, y = 2\n2o$2o!")
    controller.tools.read_stamp(tmp_path / "block.rle")
    wait_until(lambda: controller.model.tool == "stamp", controller)
    stroke(controller, (5, 5))
    settled(controller)
    assert motor.cells.sum() == 4
    (tmp_path / "torn.rle").write_text("x = 2, y = 2\n2o$2")
    controller.tools.read_stamp(tmp_path / "torn.rle")
    wait_until(lambda: view.messages, controller)
    assert "torn.rle" in view.messages[-1].text
    controller.tools.read_stamp(tmp_path / "none.rle")
    wait_until(lambda: len(view.messages) == 2, controller)
    assert "no such file; expected a pattern" in view.messages[-1].text


@pytest.mark.parametrize("name", ["pipe.rle", "folder.rle", "loop.rle", "run.h5"])
def test_a_stamp_that_is_no_pattern_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.rle")
    (tmp_path / "folder.rle").mkdir()
    (tmp_path / "loop.rle").symlink_to("loop.rle")
    (tmp_path / "run.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FileUnreadableError, match="expected a pattern"):
        read_stamp(tmp_path / name)


def test_stamps_of_any_format_have_the_values_of_the_laws_cells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.cells").write_text("!Name: Corner\nOO\nO.\n", "utf-8")
    for law in (None, Life(), Lenia()):
        stamp = read_stamp(tmp_path / "a.cells", law)
        assert (stamp.name, stamp.values.tolist()) == ("Corner", [[1, 1], [1, 0]])
    (tmp_path / "b.rle").write_text("#O É\nx = 2, y = 1, rule = 345/2/4\nAC!", "latin-1")
    assert read_stamp(tmp_path / "b.rle", Lenia()).values.tolist() == [[np.float32(1 / 255), np.float32(3 / 255)]]
    assert "b.rle was made for rule 345/2/4 and is painted into Lenia" in caplog.text
    assert read_stamp(tmp_path / "b.rle", law_from_rule("345/2/4")).values.tolist() == [[1, 3]]
    with pytest.raises(StateError, match="states up to 3; Generations has states 0 to 2"):
        read_stamp(tmp_path / "b.rle", law_from_rule("/2/3"))
    with pytest.raises(StateError, match="states up to 3; Life has states 0 to 1"):
        read_stamp(tmp_path / "b.rle", Life())


def test_painted_amplitudes_are_as_large_as_the_largest_there_is(controller: Controller) -> None:
    motor = opened(controller, Aetheria_Motor(MLP(2), 64, 2, "cpu", {"plan": "eager"}, initial="noise"))
    largest = float(motor.read("density").max())
    controller.tools.draw()
    controller.model.change_brush(size=10)
    stroke(controller, (32, 32))
    settled(controller)
    assert float(motor.read("density")[0, 32, 32]) == pytest.approx(largest, rel=1e-4)


def test_levels_follow_what_is_painted_while_the_motor_stands_still(controller: Controller, view: FakeView) -> None:
    dim = torch.full((1, 32, 32), 0.25)
    dim[:, :2] = 0.5
    motor = opened(controller, Aetheria_Motor(Plain(), 32, 1, "cpu", {"plan": "eager"}, initial=dim))
    assert view.frames[-1].levels[1] == 0.5
    controller.tools.draw()
    controller.model.change_brush(size=12)
    stroke(controller, (16, 16))
    wait_until(lambda: view.frames[-1].levels[1] == 1.0, controller)
    assert motor.step_count == 0


def test_broken_cells_can_be_painted_over_and_those_beside_the_brush_are_told(controller: Controller, view: FakeView) -> None:
    motor = Aetheria_Motor(Blows(), 32, 1, "cpu", {"plan": "eager", "check_interval": 0}, initial=torch.zeros(1, 32, 32))
    opened(controller, motor)
    motor.step()
    controller.tools.draw()
    controller.model.change_brush(size=5)
    stroke(controller, (2.5, 2.5))
    wait_until(lambda: any("cells near (0, 0) hold NaN or Inf" in message.text for message in view.messages), controller)
    stroke(controller, (20.5, 20.5))
    stroke(controller, (0.5, 0.5))
    settled(controller)
    assert motor.cells[0, 0, 20, 20] == motor.cells[0, 0, 0, 0] == 1
    assert motor.cells.isfinite().all()


class Blows(nn.Module):
    """Makes one cell infinite."""

    def forward(self, cells: Tensor) -> Tensor:
        after = cells.clone()
        after[..., 0, 0] = torch.inf
        return after


def test_the_oldest_strokes_are_forgotten_when_memory_is_full_and_a_huge_one_at_once() -> None:
    motor = empty_life()
    painter = Painter(MotorCells(motor), paint_target_of(motor.traits, (24, 32)), memory=3000)
    strokes = [Stroke("draw", 0, plane_of(motor.shape[2:])) for _ in range(4)]
    for k, each in enumerate(strokes):
        painter.paint(each, [Dab("draw", BrushSettings(size=5), 3.5 + 5 * k, 5.5)])
    assert painter.done == strokes
    painter.memory = 120
    last = Stroke("draw", 0, plane_of(motor.shape[2:]))
    painter.paint(last, [Dab("draw", BrushSettings(size=5), 20.5, 25.5)])
    assert (painter.done, painter.too_large) == ([last], False)
    painter.paint(last, [Dab("draw", BrushSettings(size=21), 12.5, 16.5)])
    assert (painter.done, painter.too_large) == ([], True)
    painter.paint(last, [Dab("draw", BrushSettings(size=3), 2.5, 30.5)])
    assert motor.cells[0, 0, 2, 30] == 1
    assert not painter.undo()


def test_a_cell_that_a_stroke_paints_twice_is_kept_once() -> None:
    motor = Aetheria_Motor(Plain(), 32, 1, "cpu", {"plan": "eager"}, initial="noise")
    before = motor.cells
    painter = Painter(MotorCells(motor), paint_target_of(motor.traits, (32, 32)))
    each = Stroke("draw", 0, plane_of(motor.shape[2:]))
    for _ in range(10):
        painter.paint(each, [Dab("draw", BrushSettings(size=9, strength=0.3), 16, 16)])
    assert sum(patch.values.shape[-1] for patch in each.patches) == int((motor.cells != before).sum())
    assert painter.undo()
    assert torch.equal(motor.cells, before)


def test_regions_are_joined_into_blocks_that_are_not_much_larger_than_they_are() -> None:
    near = [Region(10, 10 + k, 8, 8) for k in range(20)]
    far = Region(2000, 2000, 8, 8)
    blocks = list(grouped([*near, far, near[0]]))
    assert [members for _, members in blocks] == [list(range(20)), [20], [21]]
    assert blocks[0][0] == Region(10, 10, 8, 27)
    assert list(grouped([])) == []


def test_what_was_painted_and_tuned_while_it_ran_can_be_repeated_from_the_log_of_edits(controller: Controller) -> None:
    def make() -> Aetheria_Motor:
        return Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu", {"plan": "eager"})

    motor = opened(controller, make())
    controller.unlimited()
    controller.toggle_play()
    controller.tools.draw()
    controller.model.change_brush(size=9, strength=0.8)
    for k in range(4):
        stroke(controller, (10.0 + 12 * k, 5.0), (5.0, 50.0))
        controller.parameters.set("m", 0.15 + 0.002 * k)
        settled(controller)
    controller.tools.undo()
    settled(controller)
    controller.toggle_play()
    wait_until(lambda: controller.source is not None and not controller.source.status().playing, controller)
    settled(controller)
    again = make()
    for edit in motor.edits:
        again.step(edit.step - again.step_count)
        edit.apply(again)
    again.step(motor.step_count - again.step_count)
    assert len(motor.edits) >= 9
    assert torch.equal(again.cells, motor.cells)
