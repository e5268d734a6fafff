"""A second picture beside the first: the same step, a look of its own; no Qt."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aetheria.core.errors import RecordingError
from tests.viewer.fakes import FakeView, live, wait_until
from tests.viewer.recordings import record_life, record_nca
from viewer.controllers.compare import CompareController
from viewer.controllers.controller import Controller
from viewer.model.viewport import Viewport
from viewer.sources.opening import open_recording
from viewer.sources.playback import RecordingSource


@pytest.fixture
def second_view() -> FakeView:
    return FakeView()


@pytest.fixture
def controller(view: FakeView, tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(view)
    controller.open(open_recording(record_life(tmp_path / "first.h5", steps=30)))
    yield controller
    controller.close()


@pytest.fixture
def compare(controller: Controller, second_view: FakeView) -> Iterator[CompareController]:
    compare = CompareController(controller, lambda: second_view)
    yield compare
    compare.close_all()


def brought(compare: CompareController, controller: Controller, path: Path) -> Controller:
    """The second controller, once its first picture is there."""
    before = compare.second
    compare.open_second(lambda: open_recording(path))
    wait_until(lambda: compare.second not in (None, before), controller)
    second = compare.second
    assert second is not None
    wait_until(lambda: second.frame is not None, controller)
    return second


def both_show(controller: Controller, second: Controller, first_step: int, second_step: int) -> bool:
    frames = controller.frame, second.frame
    return tuple(frame and frame.step for frame in frames) == (first_step, second_step)


def test_the_second_stands_at_the_step_nearest_to_the_first(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    controller.go_to(20)
    wait_until(lambda: controller.frame is not None and controller.frame.step == 20, controller)
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=24, every=4))
    for step, nearest in ((20, 20), (21, 20), (23, 24), (3, 4), (30, 24), (0, 0)):
        controller.go_to(step)
        wait_until(partial(both_show, controller, second, step, nearest), controller)


def test_playing_plays_both(compare: CompareController, controller: Controller, second_view: FakeView, tmp_path: Path) -> None:
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    controller.set_speed(60.0)
    controller.toggle_play()
    wait_until(partial(both_show, controller, second, 30, 30), controller)
    steps = [frame.step for frame in second_view.frames]
    assert steps == sorted(steps)
    assert len(set(steps)) > 3


def test_each_has_its_own_field_and_levels(compare: CompareController, controller: Controller, tmp_path: Path) -> None:
    second = brought(compare, controller, tmp_path / "first.h5")
    assert (controller.model.view_settings.field, second.model.view_settings.field) == ("channel_0", "energy")  # type: ignore[union-attr]
    second.levels_locked((0.0, 7.0))
    wait_until(lambda: second.frame is not None and second.frame.levels == (0.0, 7.0), controller)
    controller.set_field("energy")
    wait_until(lambda: controller.frame is not None and controller.frame.field == "energy", controller)
    assert controller.frame is not None
    assert controller.frame.levels != (0.0, 7.0)


def test_painted_as_the_first_it_has_its_levels_and_colours(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    controller.set_field("energy")
    second.set_field("energy")
    controller.model.change_view(colours="ice")
    compare.paint_as_first(True)
    for levels in ((0.0, 3.0), (1.0, 9.0)):
        controller.levels_locked(levels)
        wait_until(partial(lambda levels: second.frame is not None and second.frame.levels == levels, levels), controller)
    assert second.model.view_settings is not None
    assert second.model.view_settings.colours == "ice"
    compare.paint_as_first(False)
    second.levels_auto()
    wait_until(lambda: second.frame is not None and second.frame.levels != (1.0, 9.0), controller)


def test_as_the_first_it_shows_the_mix_of_the_first_in_its_levels(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    compare.paint_as_first(True)
    controller.set_mix("blend")
    controller.change_mix(colours="ice", share=0.25)
    wait_until(lambda: second.frame is not None and second.frame.mix == ("blend", "energy"), controller)
    wait_until(lambda: _equal_pixels(controller, second), controller)  # two recordings of one run
    controller.set_mix(None)
    wait_until(lambda: second.frame is not None and second.frame.mix == (), controller)


def test_a_second_recording_opens_in_the_mix_of_the_first(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    controller.set_mix("blend")
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    assert second.model.view_settings is not None
    assert second.model.view_settings.mix == controller.model.view_settings.mix  # type: ignore[union-attr]


def test_of_a_mix_with_fields_that_the_second_lacks_one_field_is_shown_and_no_difference(
    compare: CompareController, controller: Controller, second_view: FakeView, tmp_path: Path
) -> None:
    controller.set_mix("blend")
    second = brought(compare, controller, record_nca(tmp_path / "second.h5"))
    compare.subtract(True)
    wait_until(lambda: controller.frame is not None and controller.frame.mix != (), controller)
    assert second.frame is not None
    assert second.frame.mix == ()
    assert compare.difference() is None
    assert second_view.messages[-1].text.startswith("The recording on the right has no channel_0, energy,")


def _equal_pixels(controller: Controller, second: Controller) -> bool:
    first_frame, second_frame = controller.frame, second.frame
    return first_frame is not None and second_frame is not None and np.array_equal(first_frame.pixels, second_frame.pixels)


def test_a_live_run_can_be_compared_with_a_recording_of_it(
    compare: CompareController, controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    controller.open(live())
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30, grid=(24, 32)))
    controller.step_many(7)
    wait_until(partial(both_show, controller, second, 7, 7), controller)
    controller.step_many(60)
    wait_until(partial(both_show, controller, second, 67, 30), controller)


def test_a_universe_that_the_second_lacks_is_not_asked_for(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    controller.open(open_recording(record_nca(tmp_path / "two.h5", batch=2)))
    controller.next_universe()
    second = brought(compare, controller, tmp_path / "first.h5")
    assert second.model.view_settings is not None
    assert second.model.view_settings.universe == 0


def test_what_cannot_be_opened_is_told_and_the_first_goes_on(
    compare: CompareController, controller: Controller, view: FakeView, tmp_path: Path
) -> None:
    (tmp_path / "bad.h5").write_bytes(b"nonsense")
    compare.open_second(lambda: open_recording(tmp_path / "bad.h5"))
    wait_until(lambda: view.messages, controller)
    assert "bad.h5" in view.messages[0].text
    assert compare.second is None
    controller.go_to(5)
    wait_until(lambda: controller.frame is not None and controller.frame.step == 5, controller)


def test_a_second_that_breaks_is_told_through_its_view(
    compare: CompareController, controller: Controller, second_view: FakeView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    source = second.source
    assert isinstance(source, RecordingSource)

    def torn(*_: object) -> None:
        raise RecordingError("frame 3 is torn")

    monkeypatch.setattr(source.recording, "read", torn)
    controller.go_to(3)
    wait_until(lambda: second_view.messages, controller)
    assert "frame 3 is torn" in second_view.messages[0].text
    assert controller.source is not None


def test_closing_the_first_closes_the_second_and_its_file(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    told: list[bool] = []
    compare.listeners.append(lambda: told.append(compare.second is not None))
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    source = second.source
    assert isinstance(source, RecordingSource)
    controller.close()
    assert (compare.second, told) == (None, [True, False])
    source.thread.join(20)
    assert not source.thread.is_alive()


def test_only_the_newest_of_two_wishes_is_granted(compare: CompareController, controller: Controller, tmp_path: Path) -> None:
    record_life(tmp_path / "second.h5", steps=30)
    free = threading.Event()
    made: list[RecordingSource] = []

    def slow() -> RecordingSource:
        assert free.wait(20)
        made.append(open_recording(tmp_path / "second.h5"))
        return made[-1]

    compare.open_second(slow)
    compare.open_second(lambda: open_recording(tmp_path / "first.h5"))
    free.set()
    wait_until(lambda: compare.second is not None, controller)
    assert compare.second is not None
    assert compare.second.source is not made[0]
    made[0].thread.join(20)
    assert not made[0].thread.is_alive()


def test_without_anything_open_nothing_is_brought(compare: CompareController, controller: Controller, tmp_path: Path) -> None:
    controller.close()
    compare.open_second(lambda: pytest.fail("opened"))
    compare.tick()
    assert compare.second is None


def test_a_hidden_window_reads_nothing_for_the_second(
    compare: CompareController, controller: Controller, tmp_path: Path
) -> None:
    second = brought(compare, controller, record_life(tmp_path / "second.h5", steps=30))
    controller.set_visible(False)
    controller.tick()
    assert not second.visible


def test_a_viewport_of_a_coarser_grid_shows_the_same_part_of_it() -> None:
    fine = Viewport(grid=(100, 200), screen=(300, 400), scale=4.0, y=25.0, x=150.0)
    coarse = Viewport(grid=(50, 100), screen=(280, 400)).matching(fine)
    assert (coarse.grid, coarse.screen) == ((50, 100), (280, 400))
    assert (coarse.scale, coarse.y, coarse.x) == (8.0, 12.5, 75.0)
    assert fine.matching(coarse) == fine
