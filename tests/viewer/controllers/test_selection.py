"""The selection on a real motor, with a window that only remembers: no Qt."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from aetheria import MLP, GrayScott, Lenia, Life, Margolus, SecondOrder, law_from_rule
from aetheria.core.errors import FileUnreadableError, StateError
from aetheria.files.patterns import read_pattern
from aetheria.laws.base import Law
from aetheria.motor.edits import from_json, to_json
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.runs.replay import repeat
from tests.viewer.fakes import FakeView, life, live, wait_until
from tests.viewer.recordings import record_life
from viewer.controllers.clipping import Clipping, clipping_of_file, clipping_of_npy, clipping_of_text
from viewer.controllers.controller import Controller
from viewer.model.palette import colour_table
from viewer.model.region import Region
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource

GLIDER = "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!"


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    yield controller
    controller.close()


def opened(controller: Controller, motor: Aetheria_Motor) -> Aetheria_Motor:
    controller.open(live(motor))
    wait_until(lambda: controller.frame, controller)
    return motor


def soup(law: Law | None = None, grid: tuple[int, ...] = (24, 32), channels: int = 1, **options: Any) -> Aetheria_Motor:
    return Aetheria_Motor(law or Life(), grid, channels, "cpu", {"plan": "eager"}, initial="noise", **options)


def settled(controller: Controller) -> None:
    assert isinstance(controller.source, LiveSource)
    done: list[bool] = []
    controller.source.submit(lambda: True, done.append)
    wait_until(lambda: done, controller)


def cells_of(controller: Controller, universe: int = 0) -> NDArray[Any]:
    settled(controller)
    assert isinstance(controller.source, LiveSource)
    return np.asarray(controller.source.motor.cells[universe].numpy())


def select(controller: Controller, *corners: tuple[float, float]) -> Region | None:
    controller.selection.select()
    controller.selection.press(*corners[0])
    for corner in corners[1:]:
        controller.selection.drag(*corner)
    controller.selection.release(*corners[-1])
    return controller.model.selection


def selected(controller: Controller) -> Region | None:
    return controller.model.selection


def copied(controller: Controller, *, cut: bool = False) -> Clipping:
    got: list[Clipping] = []
    controller.selection.copy(lambda clipping, _: got.append(clipping), cut=cut)
    wait_until(lambda: got, controller)
    return got[0]


def told(view: FakeView, words: str) -> bool:
    return any(words in message.text for message in view.messages)


def test_a_drag_in_any_direction_selects_whole_cells_on_the_grid_and_a_click_nothing(
    controller: Controller, view: FakeView
) -> None:
    opened(controller, life())
    assert select(controller, (3.2, 4.9), (6.1, 9.0)) == Region(3, 4, 4, 6)
    assert select(controller, (6.1, 9.0), (3.2, 4.9)) == Region(3, 4, 4, 6)
    assert select(controller, (-5.0, 20.5), (2.5, 99.0)) == Region(0, 20, 3, 12)
    assert not told(view, "outside the grid")
    assert select(controller, (-5.0, 2.5), (-2.0, 9.0)) is None
    assert told(view, "Nothing is selected: the rectangle lies outside the grid")
    controller.selection.all()
    assert selected(controller) == Region(0, 0, 24, 32)
    assert select(controller, (5.1, 5.1), (5.9, 5.9)) is None
    controller.selection.all()
    controller.selection.remove()
    assert selected(controller) is None


LAWS = [
    pytest.param(Life(), 1, id="Life"),
    pytest.param(law_from_rule("345/2/4"), 1, id="Generations"),
    pytest.param(Lenia(R=5), 1, id="Lenia"),
    pytest.param(GrayScott(), 2, id="GrayScott"),
    pytest.param(MLP(2), 2, id="MLP"),
]


@pytest.mark.parametrize(("law", "channels"), LAWS)
def test_each_edit_changes_what_it_says_and_nothing_else_and_is_undone_to_the_bit(
    law: Law, channels: int, controller: Controller
) -> None:
    motor = opened(controller, soup(law, channels=channels))
    before = cells_of(controller)
    region = Region(4, 6, 5, 9)
    inside = (slice(None), slice(4, 9), slice(6, 15))
    rest = law.rest_cell().numpy()[:, None, None]
    turned = before.copy()
    turned[inside] = rest
    turned[:, 2:11, 8:13] = np.rot90(before[inside], -1, (-2, -1))
    clear, outside, across, down = before.copy(), np.broadcast_to(rest, before.shape).copy(), before.copy(), before.copy()
    clear[inside] = rest
    outside[inside] = before[inside]
    across[inside] = before[inside][..., ::-1]
    down[inside] = before[inside][..., ::-1, :]
    wanted = {"clear": clear, "clear_outside": outside, "flip_across": across, "flip_down": down, "turn_right": turned}
    for name, after in wanted.items():
        controller.selection.choose(region)
        getattr(controller.selection, name)()
        assert np.array_equal(cells_of(controller), after), name
        assert controller.tools.undoable == 1
        controller.tools.undo()
        assert np.array_equal(cells_of(controller), before), name
        controller.tools.redo()
        assert np.array_equal(cells_of(controller), after), name
        controller.tools.undo()
    assert motor.step_count == 0


@pytest.mark.parametrize(("law", "channels"), LAWS)
def test_a_random_fill_is_as_dense_as_wanted_and_differs_each_time(law: Law, channels: int, controller: Controller) -> None:
    opened(controller, soup(law, (64, 64), channels))
    before = cells_of(controller)
    controller.selection.choose(Region(0, 0, 64, 40))
    seen = []
    for density in (0.0, 0.1, 0.9):
        controller.model.change_brush(density=density)
        controller.selection.fill()
        cells = cells_of(controller)
        assert np.array_equal(cells[..., 40:], before[..., 40:])
        live = (cells != law.rest_cell().numpy()[:, None, None]).any(0)[:, :40].mean()
        assert live == pytest.approx(density, abs=0.04)
        seen.append(cells)
    controller.selection.fill()
    assert not np.array_equal(cells_of(controller), seen[-1])
    if law.states is not None and law.states > 2:
        assert set(np.unique(cells_of(controller)[..., :40])) == set(range(law.states))


def test_turning_four_times_or_there_and_back_gives_the_cells_before(controller: Controller) -> None:
    opened(controller, soup())
    controller.selection.choose(Region(9, 9, 6, 6))
    before = cells_of(controller)
    for turn in ("turn_right",) * 4 + ("turn_left", "turn_right"):
        getattr(controller.selection, turn)()
    assert np.array_equal(cells_of(controller), before)


def test_a_turned_selection_is_moved_into_the_grid_and_refused_where_it_cannot_fit(
    controller: Controller, view: FakeView
) -> None:
    opened(controller, soup())
    part = cells_of(controller)[:, :2, :20]
    controller.selection.choose(Region(0, 0, 2, 20))
    controller.selection.turn_left()
    assert selected(controller) == Region(0, 9, 20, 2)
    assert np.array_equal(cells_of(controller)[:, :20, 9:11], np.rot90(part, 1, (-2, -1)))
    before = cells_of(controller)
    controller.selection.choose(Region(3, 0, 2, 30))
    controller.selection.turn_right()
    assert np.array_equal(cells_of(controller), before)
    assert told(view, "the selection of 2 x 30 cells would be 30 x 2; expected at most 24 x 32, the grid")


def test_a_copy_is_the_selection_and_a_cut_leaves_it_at_rest(controller: Controller) -> None:
    opened(controller, soup())
    before = cells_of(controller)
    controller.selection.choose(Region(20, 25, 9, 9))
    assert selected(controller) == Region(20, 25, 4, 7)
    assert np.array_equal(copied(controller).values, before[:, 20:, 25:])
    assert np.array_equal(cells_of(controller), before)
    assert np.array_equal(copied(controller, cut=True).values, before[:, 20:, 25:])
    assert not cells_of(controller)[:, 20:, 25:].any()
    controller.tools.undo()
    assert np.array_equal(cells_of(controller), before)


def test_commands_given_at_once_are_carried_out_in_their_order(controller: Controller) -> None:
    opened(controller, soup())
    before = cells_of(controller)
    controller.selection.all()
    got: list[Clipping] = []
    controller.selection.copy(lambda clipping, _: got.append(clipping), cut=True)
    controller.tools.undo()
    controller.selection.flip_across()
    assert np.array_equal(cells_of(controller), before[..., ::-1])
    assert np.array_equal(got[0].values, before)


@pytest.mark.parametrize(
    ("mode", "joined"), [("or", np.logical_or), ("xor", np.logical_xor), ("copy", lambda pasted, _: pasted)]
)
def test_two_state_cells_are_pasted_with_the_truth_table_of_the_mode_round_the_edges_of_a_torus(
    mode: str, joined: Any, controller: Controller
) -> None:
    opened(controller, soup())
    before = cells_of(controller)[0]
    pattern = np.random.default_rng(1).integers(0, 2, (1, 7, 6)).astype(np.float32)
    while controller.paste.mode != mode:
        controller.paste.next_mode()
    controller.paste.hold(Clipping(pattern))
    assert controller.model.tool == "paste"
    assert controller.paste.corner_at(22.5, 31.0) == (19, 28)
    controller.selection.press(22.5, 31.0)
    wanted = np.roll(before, (-19, -28), (0, 1))
    wanted[:7, :6] = joined(pattern[0], wanted[:7, :6])
    assert np.array_equal(cells_of(controller)[0], np.roll(wanted, (19, 28), (0, 1)))
    assert controller.model.tool == "pan"
    assert controller.paste.clipping is None
    controller.tools.undo()
    assert np.array_equal(cells_of(controller)[0], before)


def test_on_a_bounded_grid_what_lies_beyond_the_edge_is_not_pasted(controller: Controller) -> None:
    opened(controller, Aetheria_Motor(Life(boundary="zero"), (24, 32), 1, "cpu", {"plan": "eager"}, initial="noise"))
    before = cells_of(controller)[0]
    controller.paste.mode = "copy"
    controller.paste.hold(Clipping(np.ones((1, 6, 6), np.float32)))
    controller.paste.at((-2, 30))
    wanted = before.copy()
    wanted[:4, 30:] = 1
    assert np.array_equal(cells_of(controller)[0], wanted)


def test_states_are_combined_bit_by_bit_where_the_law_has_the_result_and_or_keeps_cells_under_rest(
    controller: Controller,
) -> None:
    law = law_from_rule("345/2/6")
    row = torch.tensor([[0.0, 1, 2, 3, 4, 5]])
    opened(controller, Aetheria_Motor(law, (24, 32), 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 24, 32)))
    assert isinstance(controller.source, LiveSource)
    for mode, wanted in {"xor": [3, 2, 1, 0, 4, 5], "or": [3, 3, 3, 3, 3, 3], "copy": [3, 3, 3, 3, 3, 3]}.items():
        controller.source.motor.set_cells(row[None], at=(2, 2))
        controller.paste.mode = mode  # type: ignore[assignment]
        controller.paste.hold(Clipping(np.full((1, 1, 6), 3, np.float32)))
        controller.paste.at((2, 2))
        assert cells_of(controller)[0, 2, 2:8].tolist() == wanted
    controller.source.motor.set_cells(row[None], at=(2, 2))
    controller.paste.mode = "or"
    controller.paste.hold(Clipping(np.array([[[0, 0, 0, 5, 0, 0]]], np.float32)))
    controller.paste.at((2, 2))
    assert cells_of(controller)[0, 2, 2:8].tolist() == [0, 1, 2, 5, 4, 5]


def test_cells_in_hand_are_turned_and_flipped_instead_of_the_selection(controller: Controller) -> None:
    opened(controller, soup())
    before = cells_of(controller)
    controller.selection.all()
    controller.paste.take(lambda law: clipping_of_text(GLIDER, law))
    wait_until(lambda: controller.paste.clipping, controller)
    glider = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]])

    def held() -> list[list[float]]:
        assert controller.paste.clipping is not None
        values: list[list[float]] = controller.paste.clipping.values[0].tolist()
        return values

    controller.selection.turn_right()
    assert held() == np.rot90(glider, -1).tolist()
    controller.selection.flip_across()
    assert held() == np.fliplr(np.rot90(glider, -1)).tolist()
    assert np.array_equal(cells_of(controller), before)
    controller.tools.draw()
    assert controller.paste.clipping is None
    assert not controller.paste.cancel()


def test_a_pattern_is_pasted_at_the_corner_of_the_selection_without_the_mouse(controller: Controller) -> None:
    motor = opened(controller, life(initial=torch.zeros(1, 24, 32)))
    controller.selection.choose(Region(5, 7, 2, 2))
    controller.paste.into_selection(lambda law: clipping_of_text(GLIDER, law))
    settled(controller)
    assert np.argwhere(cells_of(controller)[0]).tolist() == [[5, 8], [6, 9], [7, 7], [7, 8], [7, 9]]
    motor.step(4)
    assert np.argwhere(motor.cells[0, 0].numpy()).tolist() == [[6, 9], [7, 10], [8, 8], [8, 9], [8, 10]]


def test_only_the_displayed_universe_is_edited_unless_all_are_wanted(controller: Controller) -> None:
    opened(controller, soup(batch=3))
    before = [cells_of(controller, universe) for universe in range(3)]
    controller.next_universe()
    controller.selection.all()
    assert np.array_equal(copied(controller).values, before[1])
    controller.selection.clear()
    assert [bool(cells_of(controller, universe).any()) for universe in range(3)] == [True, False, True]
    controller.model.change_brush(everywhere=True)
    controller.selection.clear()
    assert not any(cells_of(controller, universe).any() for universe in range(3))
    controller.tools.undo()
    controller.tools.undo()
    assert all(np.array_equal(cells_of(controller, universe), before[universe]) for universe in range(3))


def test_rows_and_slices_of_volumes_are_edited_too(controller: Controller) -> None:
    opened(controller, soup(law_from_rule("W110"), (40,)))
    before = cells_of(controller)
    select(controller, (30.5, 3.5), (90.5, 11.5))
    assert selected(controller) == Region(0, 3, 1, 9)
    controller.selection.flip_across()
    assert np.array_equal(cells_of(controller)[:, 3:12], before[:, 3:12][:, ::-1])
    opened(controller, soup(Lenia(R=5), (12, 13, 14)))
    assert selected(controller) is None
    before = cells_of(controller)
    controller.selection.all()
    controller.selection.clear()
    after = cells_of(controller)
    assert not after[:, 6].any()
    assert np.array_equal(np.delete(after, 6, 1), np.delete(before, 6, 1))


def test_a_selection_is_cut_down_to_another_plane_of_the_volume_and_needs_cells(controller: Controller, view: FakeView) -> None:
    opened(controller, soup(Lenia(R=5), (12, 20, 14)))
    controller.selection.all()
    assert selected(controller) == Region(0, 0, 20, 14)
    controller.next_axis()
    assert selected(controller) == Region(0, 0, 12, 14)
    controller.model.change_view(slice=None if controller.plane is None else controller.plane.with_slice("z", "mean").slice)
    before = cells_of(controller)
    controller.selection.clear()
    assert np.array_equal(cells_of(controller), before)
    assert told(view, "a mean or maximum cannot be painted")


@pytest.mark.parametrize("rule", ["B3/S23", "345/2/4", "B2/S/G30"])
def test_copied_states_come_back_from_their_rle_text(rule: str, controller: Controller) -> None:
    law = law_from_rule(rule)
    opened(controller, soup(law))
    controller.selection.choose(Region(3, 3, 11, 17))
    clipping = copied(controller)
    text = clipping.rle(law)
    assert text.startswith(f"x = 17, y = 11, rule = {law.rule_string}\n")
    assert np.array_equal(clipping_of_text(text, law).values, clipping.values)


def test_real_cells_have_no_text_and_come_back_from_an_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 5, 7)).astype(np.float32)
    assert Clipping(values).rle(GrayScott()) == ""
    again = clipping_of_npy(Clipping(values).npy(), GrayScott())
    assert np.array_equal(again.values, values)
    (tmp_path / "x.npy").write_bytes(Clipping(values).npy())
    assert np.array_equal(clipping_of_file(tmp_path / "x.npy", GrayScott()).values, values)
    with pytest.raises(StateError, match="an array of 2 x 5 x 7; expected height x width, cells of Lenia"):
        clipping_of_npy(Clipping(values).npy(), Lenia(R=5))
    with pytest.raises(StateError, match="has the states 0 and 1"):
        clipping_of_npy(Clipping(values[:1]).npy(), Life())
    with pytest.raises(FileUnreadableError, match=r"the clipboard: cannot be read as a \.npy array"):
        clipping_of_npy(b"\x93NUMPY\x01\x00", Life())


def test_text_of_other_programs_is_read_and_what_is_no_pattern_is_refused_in_one_line() -> None:
    glider = clipping_of_text(GLIDER, Life()).values.tolist()
    for text in (
        "bo$2bo$3o!",
        ".O.\n..O\nOOO\n",
        "!Name: Glider\n.O\n..O\nOOO",
        f"#C a comment\r\n{GLIDER}",
        "#Life 1.06\n1 0\n2 1\n0 2\n1 2\n2 2",
    ):
        assert clipping_of_text(text, Life()).values.tolist() == glider, text
    assert not clipping_of_text("x = 3, y = 2\n!", Life()).values.any()
    rest = clipping_of_text(GLIDER, GrayScott()).values
    assert np.array_equal(rest[:, 0, 0], GrayScott().rest_cell().numpy())
    for text in ("", "  \n", "def f(x):\n    return x", "https://conwaylife.com", "2o$2", "!", "\u00e9\u4e2d"):
        with pytest.raises(FileUnreadableError, match="the clipboard: ") as caught:
            clipping_of_text(text, Life())
        assert "\n" not in str(caught.value)
    with pytest.raises(StateError, match="the clipboard: states up to 3"):
        clipping_of_text("x = 1, y = 1\nC!", Life())


def test_what_cannot_be_done_is_said_in_a_note_and_changes_nothing(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    opened(controller, soup(Lenia(R=5)))
    before = cells_of(controller)
    for name in ("clear", "clear_outside", "fill", "advance", "advance_outside", "turn_right", "flip_down"):
        view.messages.clear()
        getattr(controller.selection, name)()
        assert told(view, "Nothing is selected")
    controller.paste.hold(Clipping(np.ones((1, 25, 3), np.float32)))
    assert told(view, "The pattern has 25 x 3 cells and does not fit the grid of 24 x 32")
    assert controller.model.tool == "pan"
    controller.paste.mode = "xor"
    controller.paste.hold(Clipping(np.ones((1, 2, 2), np.float32)))
    controller.paste.at((0, 0))
    assert told(view, "xor needs whole states")
    assert np.array_equal(cells_of(controller), before)
    controller.close()
    for name in ("select", "all", "clear", "fill", "turn_left", "flip_across"):
        getattr(controller.selection, name)()
    controller.selection.copy(lambda *_: None)
    assert told(view, "only live runs can be painted")
    controller.open(RecordingSource(Recording(record_life(tmp_path / "x.h5"))))
    controller.selection.all()
    assert selected(controller) is None


# -- advancing ---------------------------------------------------------------------------------------------------


def numpy_life(cells: NDArray[Any]) -> NDArray[Any]:
    """Conway's Life on a torus `(1, h, w)`."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    count = sum(np.roll(cells, shift, (1, 2)) for shift in shifts)
    return ((count == 3) | ((count == 2) & (cells == 1))).astype(cells.dtype)


def test_only_the_cells_inside_or_outside_the_selection_advance_and_undo_takes_them_back(controller: Controller) -> None:
    motor = opened(controller, soup())
    before = cells_of(controller)
    after = numpy_life(before)
    inside = (slice(None), slice(4, 9), slice(26, 32))
    within, beyond = before.copy(), after.copy()
    within[inside], beyond[inside] = after[inside], before[inside]
    controller.selection.choose(Region(4, 26, 5, 9))
    for name, wanted in (("advance", within), ("advance_outside", beyond)):
        getattr(controller.selection, name)()
        assert np.array_equal(cells_of(controller), wanted), name
        controller.tools.undo()
        assert np.array_equal(cells_of(controller), before), name
        controller.tools.redo()
        assert np.array_equal(cells_of(controller), wanted), name
        controller.tools.undo()
    controller.selection.advance()
    controller.selection.advance()
    again = within.copy()
    again[inside] = numpy_life(within)[inside]
    assert np.array_equal(cells_of(controller), again)
    assert motor.step_count == 0


@pytest.mark.parametrize(
    ("law", "channels", "grid"),
    [
        pytest.param(law_from_rule("345/2/4"), 1, (24, 32), id="Generations"),
        pytest.param(Lenia(R=5), 1, (24, 32), id="Lenia"),
        pytest.param(GrayScott(), 2, (24, 32), id="GrayScott"),
        pytest.param(MLP(2), 2, (24, 32), id="MLP"),
        pytest.param(Margolus(), 1, (24, 32), id="Margolus"),
        pytest.param(SecondOrder(), 2, (24, 32), id="SecondOrder"),
        pytest.param(law_from_rule("W110"), 1, (40,), id="a row"),
        pytest.param(Lenia(R=5), 1, (12, 13, 14), id="a slice"),
    ],
)
def test_all_selected_cells_advance_as_a_step_does_and_a_replay_repeats_it(
    law: Law, channels: int, grid: tuple[int, ...], controller: Controller
) -> None:
    motor = opened(controller, soup(law, grid, channels, batch=2))
    motor.step(3)
    start = motor.state_dict()
    stepped = copy.deepcopy(motor)
    stepped.step(1)
    wanted = start["cells"].clone()
    part = (0, slice(None), 6) if len(grid) == 3 else (0,)
    wanted[part] = stepped.cells[part]
    controller.selection.all()
    controller.selection.advance()
    settled(controller)
    assert torch.equal(motor.cells, wanted)
    assert motor.step_count == 3
    motor.step(2)
    again = soup(law, grid, channels, batch=2)
    repeat(again, [from_json(to_json(edit)) for edit in motor.edits], 5)
    assert torch.equal(again.cells, motor.cells)


def test_advancing_everything_outside_leaves_other_universes_alone_unless_all_are_wanted(controller: Controller) -> None:
    motor = opened(controller, soup(batch=2))
    before, after = motor.cells, motor.next_cells()
    controller.selection.choose(Region(0, 0, 24, 1))
    controller.selection.advance_outside()
    settled(controller)
    assert torch.equal(motor.cells[0, ..., 1:], after[0, ..., 1:])
    assert torch.equal(motor.cells[1], before[1])
    controller.tools.undo()
    controller.model.change_brush(everywhere=True)
    controller.selection.advance_outside()
    settled(controller)
    assert torch.equal(motor.cells[..., 1:], after[..., 1:])
    assert torch.equal(motor.cells[..., 0], before[..., 0])


# -- saving ------------------------------------------------------------------------------------------------------


def saved(controller: Controller, view: FakeView, path: Path, *, part: bool = True) -> Path:
    view.messages.clear()
    controller.save.save_cells(path, selected=part)
    wait_until(lambda: view.messages, controller)
    assert view.messages[-1].text.startswith(f"Saved {path.name}: "), view.messages[-1].text
    return path


def test_a_selection_is_saved_whole_as_a_pattern_with_its_place_and_as_an_array(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    law = law_from_rule("345/2/4")
    opened(controller, soup(law))
    cells = cells_of(controller)[0, 3:10, 5:17].copy()
    controller.source.motor.set_cells(np.zeros((1, 2, 12), np.float32), at=(3, 5))  # type: ignore[union-attr]
    cells[:2] = 0
    controller.selection.choose(Region(3, 5, 7, 12))
    pattern = read_pattern(saved(controller, view, tmp_path / "x.rle"))
    assert np.array_equal(pattern.cells, cells)
    assert (pattern.corner, pattern.rule) == ((3 - 12, 5 - 16), law.rule_string)
    array = np.load(saved(controller, view, tmp_path / "x.npy"))
    assert array.dtype == np.uint8
    assert np.array_equal(array, cells)
    controller.selection.remove()
    controller.save.save_cells(tmp_path / "y.rle", selected=True)
    assert told(view, "Nothing is selected")


def test_an_image_has_a_pixel_for_each_cell_in_the_displayed_colours(
    controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    for motor in (soup(), soup(law_from_rule("W110"), (40,)), soup(Lenia(R=5), (12, 13, 14))):
        opened(controller, motor)
        settings, plane = controller.model.view_settings, controller.plane
        assert settings is not None
        assert plane is not None
        assert controller.choice is not None
        wait_until(lambda: controller.frame, controller)
        controller.selection.choose(Region(0, 3, 5, 6))
        cells = cells_of(controller)
        flat = cells if plane.space_time else cells[0, 6] if len(plane.shape) == 3 else cells[0]
        table = colour_table(settings, controller.choice)
        for part, wanted in ((False, flat), (True, flat[:5, 3:9])):
            with Image.open(saved(controller, view, tmp_path / "x.png", part=part)) as image:
                pixels = np.asarray(image)
            assert controller.frame is not None
            low, high = controller.frame.levels
            shades = np.clip((wanted - low) / (high - low), 0, 1) * 255
            rounded = (table[np.floor(shades).astype(int)], table[np.ceil(shades).astype(int)])
            assert np.logical_or(*((pixels == colours).all(-1) for colours in rounded)).all()
